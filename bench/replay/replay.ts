/**
 * The replay store against what the browser gives, and three days of it against almost nothing.
 *
 * `npm run bench -- replay [--json] [--rounds N] [--groups N] [--browser chromium|firefox|all]`. In a real browser, with a profile on disk, in a worker.
 * Writing: MB/s against a bare batched IndexedDB loop of records of the same size (src/replay/measure-put.ts), and with payloads in files against appending to one.
 * Archive: start-up and random seeks with 259,200 one-second groups stored, against a store of 60; memory; eviction (src/replay/measure-archive.ts).
 */
import { THREE_DAYS_GROUPS } from "../../src/replay/measure-archive.ts";
import type { PutMeasure } from "../../src/replay/measure-put.ts";
import { type BenchPage, openBenchPage } from "../support/bench-page.ts";
import {
  type BenchCase,
  benchCase,
  note,
  numberFlag,
  printReport,
  quantile,
  stringFlag,
} from "../support/report.ts";
import type { HeapPage, ReplayPage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 7);
const GROUPS = numberFlag("groups", THREE_DAYS_GROUPS);
/** The heap is looked at after each of so many stretches of seeks: memory that is flat is the same after each. */
const HEAP_STRETCHES = 6;
const HEAP_SEEKS = 500;
/** A minute: what "empty" means to somebody who has just come. */
const FEW_GROUPS = 60;
const SEEKS = 100;
const START_ROUNDS = 5;
const EVICTED_GROUPS = Math.min(20_000, Math.floor(GROUPS / 4));
const BARE = "raw:indexeddb-loop";
type Global = { readonly bench: ReplayPage; readonly heap: HeapPage };

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
        return { perSecond, empty, full };
      },
      [GROUPS, FEW_GROUPS, START_ROUNDS, SEEKS] as const,
    );
    const { perSecond, empty, full } = archives;
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
    if (browser === "chromium") {
      note(`${browser}: heap`);
      const emptyHeap = await heapOver(open, "archive-few", FEW_GROUPS);
      const fullHeap = await heapOver(open, "archive-many", GROUPS);
      const name = `${browser}, ${GROUPS} groups: heap, collected, after each ${HEAP_SEEKS} of ${HEAP_STRETCHES * HEAP_SEEKS} seeks`;
      cases.push(
        benchCase(name, "MB", "less", fullHeap, { ...small, samples: emptyHeap }),
        benchCase(`${browser}, ${GROUPS} groups: heap grown meanwhile`, "MB", "less", [
          (fullHeap.at(-1) ?? 0) - (fullHeap[0] ?? 0),
        ]),
      );
    }
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

/** Used heap in MB of the page while it reads, garbage collected before each look. Only Chromium's debugger tells. */
async function heapOver({ context, page }: BenchPage, name: string, groups: number): Promise<number[]> {
  const session = await context.newCDPSession(page);
  const archive = [name, groups] as const;
  await page.evaluate(([of, size]) => (globalThis as unknown as Global).heap.open(of, size), archive);
  const megabytes: number[] = [];
  for (let stretch = 0; stretch < HEAP_STRETCHES; stretch++) {
    await page.evaluate((seeks) => (globalThis as unknown as Global).heap.read(seeks), HEAP_SEEKS);
    await session.send("HeapProfiler.collectGarbage");
    megabytes.push((await session.send("Runtime.getHeapUsage")).usedSize / 1e6);
  }
  await page.evaluate(() => (globalThis as unknown as Global).heap.close());
  await session.detach();
  return megabytes;
}

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
