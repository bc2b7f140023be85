/** The viewer's clock is ten minutes behind the signer's: more than the two may differ by, so everything comes from the future. */
import { shiftClock } from "./shift-clock.ts";

shiftClock(-10 * 60_000);
