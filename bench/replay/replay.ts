/**
 * Writing to the replay store, against a bare batched IndexedDB loop that puts the same bytes (src/replay/measure-put.ts).
 *
 * `npm run bench -- replay [--json] [--rounds N] [--browser chromium|firefox|all]`. In a real browser, with a profile on disk.
 */
import { openBenchPage } from "../support/bench-page.ts";
import { type BenchCase, benchCase, numberFlag, printReport, stringFlag } from "../support/report.ts";
import type { ReplayPage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 7);
const BARE = "raw:indexeddb-loop";
type Global = { readonly bench: ReplayPage };

const cases: BenchCase[] = [];
const wanted = stringFlag("browser", "all");
for (const browser of ["chromium", "firefox"] as const) {
  if (wanted !== "all" && wanted !== browser) continue;
  const open = await openBenchPage(browser, "replay");
  try {
    const live = await open.page.evaluate(
      (rounds) => (globalThis as unknown as Global).bench.live(rounds),
      ROUNDS,
    );
    const large = await open.page.evaluate(
      (rounds) => (globalThis as unknown as Global).bench.large(rounds),
      ROUNDS,
    );
    cases.push(
      benchCase(`${browser}, objects of 5,000 B`, "MB/s", "more", live.store, {
        name: BARE,
        samples: live.bare,
      }),
      benchCase(
        `${browser}, objects of 5,000 B: put()`,
        "us",
        "less",
        live.putMs.map((ms) => ms * 1000),
      ),
      benchCase(`${browser}, objects of 64 KiB`, "MB/s", "more", large.store, {
        name: BARE,
        samples: large.bare,
      }),
      benchCase(
        `${browser}, objects of 64 KiB: put()`,
        "us",
        "less",
        large.putMs.map((ms) => ms * 1000),
      ),
    );
  } finally {
    await open.close();
  }
}
printReport("replay", cases);
