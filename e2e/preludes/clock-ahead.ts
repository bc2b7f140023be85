/** The viewer's clock is four minutes ahead of the signer's: within what the two may differ by. */
import { shiftClock } from "./shift-clock.ts";

shiftClock(4 * 60_000);
