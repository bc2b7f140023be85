/**
 * The replay store against what the browser gives, and three days of it against almost nothing.
 *
 * `npm run bench -- replay [--json] [--rounds N] [--groups N] [--browser chromium|firefox|all]`. In a real browser, with a profile on disk, in a worker.
 * Writing: MB/s against a bare batched IndexedDB loop of records of the same size (src/replay/measure-put.ts), and with payloads in files against appending to one.
 * Archive: start-up and random seeks with 259,200 one-second groups stored, against a store of 60; memory; eviction (src/replay/measure-archive.ts).
 */
import { THREE_DAYS_GROUPS } from "../../src/replay/measure-archive.ts";
import type { PutMeasure } from "../../src/replay/measure-put.ts";
import { openBenchPage } from "../support/bench-page.ts";
import {
  type BenchCase,
  benchCase,
  note,
  numberFlag,
  printReport,
  quantile,
  stringFlag,
} from "../support/report.ts";
import type { HeapAfter, ReplayPage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 7);
const GROUPS = numberFlag("groups", THREE_DAYS_GROUPS);
/** A minute: what "empty" means to somebody who has just come. */
const FEW_GROUPS = 60;
const SEEKS = 100;
const START_ROUNDS = 5;
const EVICTED_GROUPS = Math.min(20_000, Math.floor(GROUPS / 4));
const BARE = "raw:indexeddb-loop";
type Global = { readonly bench: ReplayPage; readonly heapAfter: HeapAfter };

const cases: BenchCase[] = [];
const wanted = stringFlag("browser", "all");
for (const browser of ["chromium", "firefox"] as const) {
  if (wanted !== "all" && wanted !== browser) continue;
  const open = await openBenchPage(browser, "replay");
  try {
    const { page } = open;
    const live = await page.evaluate(
      (rounds) => (globalThis as unknown as Global).bench.live(rounds),
      ROUNDS,
    );
    const large = await page.evaluate(
      (rounds) => (globalThis as unknown as Global).bench.large(rounds),
      ROUNDS,
    );
    cases.push(
      ...writing(`${browser}, objects of 5,000 B`, live),
      ...writing(`${browser}, objects of 64 KiB`, large),
    );
    note(`${browser}: filling a store with ${GROUPS} groups`);
    const archives = await page.evaluate(
      async ([many, few, rounds, seeks]) => {
        const { bench } = globalThis as unknown as Global;
        await bench.fill("archive-few", few);
        const perSecond = await bench.fill("archive-many", many);
        const empty = await bench.archive("archive-few", few, rounds, seeks);
        const full = await bench.archive("archive-many", many, rounds, seeks);
        const { heapAfter } = globalThis as unknown as Global;
        const emptyHeap = await heapAfter("archive-few", few, rounds * seeks);
        const fullHeap = await heapAfter("archive-many", many, rounds * seeks);
        return { perSecond, empty, full, emptyHeap, fullHeap };
      },
      [GROUPS, FEW_GROUPS, START_ROUNDS, SEEKS] as const,
    );
    const { perSecond, empty, full, emptyHeap, fullHeap } = archives;
    const small = { name: `raw:store-of-${FEW_GROUPS}-groups` };
    cases.push(
      benchCase(`${browser}, ${GROUPS} groups: writing them`, "groups/s", "more", [perSecond]),
      benchCase(`${browser}, ${GROUPS} groups: from opening to the list`, "ms", "less", full.startMs, {
        ...small,
        samples: empty.startMs,
      }),
      benchCase(
        `${browser}, ${GROUPS} groups: random seek to first byte, median`,
        "ms",
        "less",
        full.seekMs,
        {
          ...small,
          samples: empty.seekMs,
        },
      ),
      benchCase(
        `${browser}, ${GROUPS} groups: random seek to first byte, 99th of 100`,
        "ms",
        "less",
        [quantile(full.seekMs, 0.99)],
        { ...small, samples: [quantile(empty.seekMs, 0.99)] },
      ),
    );
    if (fullHeap !== undefined && emptyHeap !== undefined)
      cases.push(
        benchCase(`${browser}, ${GROUPS} groups: heap after the seeks`, "MB", "less", [fullHeap], {
          ...small,
          samples: [emptyHeap],
        }),
      );
    note(`${browser}: evicting`);
    const evicted = await page.evaluate(
      ([groups, share]) => (globalThis as unknown as Global).bench.evict("archive-many", groups, share),
      [EVICTED_GROUPS, 0.5] as const,
    );
    cases.push(
      benchCase(`${browser}: eviction`, "groups/s", "more", [evicted.groupsPerSecond]),
      benchCase(`${browser}: eviction of small groups`, "MB/s", "more", [evicted.megabytesPerSecond]),
    );
  } finally {
    await open.close();
  }
}
printReport("replay", cases);

function writing(name: string, measured: PutMeasure): BenchCase[] {
  const { store, bare, files, bareFile, putMs } = measured;
  const written = benchCase(name, "MB/s", "more", store, { name: BARE, samples: bare });
  const put = benchCase(
    `${name}: put()`,
    "us",
    "less",
    putMs.map((ms) => ms * 1000),
  );
  if (files.length === 0) return [written, put];
  return [
    written,
    put,
    benchCase(`${name}, in files`, "MB/s", "more", files, { name: "raw:opfs-append", samples: bareFile }),
    benchCase(`${name}, in files, against the loop`, "MB/s", "more", files, { name: BARE, samples: bare }),
  ];
}
