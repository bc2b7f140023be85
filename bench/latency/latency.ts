/**
 * From the publisher's cut to the screen: the real player in a real page, fed by real relays, every frame timed.
 *
 * `npm run bench -- latency [--json] [--seconds N] [--starts N] [--browser chromium|firefox]`. Signer, publishers, relays and page share one machine's clock, so the age of a frame is
 * the time at which it is expected on the screen less its own time in the broadcast. The reference is a stock hls.js playing low-latency HLS over HTTP,
 * told to aim at the same distance.
 */
import { createRequire } from "node:module";
import type { Page } from "playwright";
import { startCluster } from "../../demo/peers/cluster/cluster.ts";
import type { BrowserName } from "../../scripts/browsers.ts";
import { type BenchPage, openBenchPage } from "../support/bench-page.ts";
import {
  type BenchCase,
  benchCase,
  median,
  note,
  numberFlag,
  printReport,
  quantile,
  type Samples,
  stringFlag,
} from "../support/report.ts";
import type { Watched } from "./messages.ts";
import type { LatencyPage } from "./page.ts";
import { serveStock } from "./stock-server.ts";

const SECONDS = numberFlag("seconds", 60);
const STARTS = numberFlag("starts", 5);
const WARM_UP_MS = 10_000;
/** Each slice gives one figure. */
const SLICES = 6;
const GROUP_MS = 1000;
const STOCK = "stock:hls.js";

/** Object duration and the distance from the live edge that the player is asked for. */
const SHAPES = [
  { objectMs: 40, targetMs: 200 },
  { objectMs: 200, targetMs: 400 },
] as const;

interface Measured extends Watched {
  readonly startsMs: Samples;
  /** Share of a processor that the main thread used; undefined where the browser does not tell. */
  readonly mainBusy: number | undefined;
}

type Global = { readonly bench: LatencyPage };
/** Begins to play in a page, and gives the time to the first frame. */
type Start = (page: Page) => Promise<number>;

/** Processor time of the page's main thread so far, in seconds, and when that was. */
async function mainThread(open: BenchPage, page: Page, browser: BrowserName) {
  if (browser !== "chromium") return async () => undefined;
  const cdp = await open.context.newCDPSession(page);
  // Thread ticks: time that the thread had a processor, not time in which others kept it waiting.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")?.value;
  };
}

async function measure(
  open: BenchPage,
  browser: BrowserName,
  objectMs: number,
  start: Start,
): Promise<Measured> {
  const startsMs: number[] = [];
  // The first page fills the caches.
  for (let i = -1; i < STARTS; i++) {
    const page = await newPage(open);
    const startMs = await start(page);
    if (i >= 0) startsMs.push(startMs);
    await page.evaluate(() => (globalThis as unknown as Global).bench.stop());
    await page.close();
  }
  const page = await newPage(open);
  await start(page);
  await page.waitForTimeout(WARM_UP_MS);
  const busy = await mainThread(open, page, browser);
  const [before, beganMs] = [await busy(), performance.now()];
  const options = { slices: SLICES, sliceMs: (SECONDS * 1000) / SLICES, objectMs, groupMs: GROUP_MS };
  const watched = await page.evaluate(
    (watch) => (globalThis as unknown as Global).bench.watch(watch),
    options,
  );
  const [after, endedMs] = [await busy(), performance.now()];
  await page.evaluate(() => (globalThis as unknown as Global).bench.stop());
  await page.close();
  const mainBusy =
    before === undefined || after === undefined ? undefined : (1000 * (after - before)) / (endedMs - beganMs);
  return { ...watched, startsMs, mainBusy };
}

/** Only one page at a time is open beside the first one, which does nothing: a page in the background would be slowed down. */
async function newPage({ context, url }: BenchPage): Promise<Page> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") note(`page: ${message.text()}`);
  });
  await page.goto(url);
  await page.bringToFront();
  return page;
}

function describe(name: string, run: Measured): void {
  const ages = run.slices.flatMap((slice) => slice.ages);
  const busy = run.mainBusy === undefined ? "" : `, main thread ${(100 * run.mainBusy).toFixed(1)}%`;
  note(
    `${name}: age ${median(ages).toFixed(0)} ms, p95 ${quantile(ages, 0.95).toFixed(0)}, ${ages.length} frames, ${run.stalls} stalls, ` +
      `${run.droppedFrames} dropped, ${run.longTasks} long tasks${busy}, first frame ${median(run.startsMs).toFixed(0)} ms`,
  );
}

function casesOf(prefix: string, ours: Measured, stock: Measured): BenchCase[] {
  const less = (what: string, unit: string, of: (run: Measured) => Samples): BenchCase =>
    benchCase(`${prefix}: ${what}`, unit, "less", of(ours), { name: STOCK, samples: of(stock) });
  const perSlice = (of: "ages" | "sinceCut", share: number) => (run: Measured) =>
    run.slices.map((slice) => quantile(slice[of], share));
  const cases = [
    less("age of the frame on the screen, median", "ms", perSlice("ages", 0.5)),
    less("age of the frame on the screen, p95", "ms", perSlice("ages", 0.95)),
    less("cut to screen, median", "ms", perSlice("sinceCut", 0.5)),
    less("cut to screen, p95", "ms", perSlice("sinceCut", 0.95)),
    less(`stalls in ${SECONDS} s`, "stalls", (run) => [run.stalls]),
    less(`frames dropped in ${SECONDS} s`, "frames", (run) => [run.droppedFrames]),
    less(`long tasks in ${SECONDS} s`, "tasks", (run) => [run.longTasks]),
    less("first frame", "ms", (run) => run.startsMs),
  ];
  if (ours.mainBusy !== undefined && stock.mainBusy !== undefined) {
    cases.push(less("main thread busy", "%", (run) => [100 * (run.mainBusy ?? Number.NaN)]));
  }
  return cases;
}

async function measureOurs(
  open: BenchPage,
  browser: BrowserName,
  objectMs: number,
  targetLatencyMs: number,
): Promise<Measured> {
  const cluster = await startCluster({ objectMs, onLog: () => undefined });
  try {
    const options = { ...cluster.playerOptions, targetLatencyMs };
    return await measure(open, browser, objectMs, (page) =>
      page.evaluate((player) => (globalThis as unknown as Global).bench.play(player), options),
    );
  } finally {
    await cluster.stop();
  }
}

async function measureStock(
  open: BenchPage,
  browser: BrowserName,
  objectMs: number,
  targetMs: number,
): Promise<Measured> {
  const path = createRequire(import.meta.url).resolve("hls.js/dist/hls.min.js");
  const server = await serveStock(objectMs);
  try {
    return await measure(open, browser, objectMs, async (page) => {
      await page.addScriptTag({ path });
      return page.evaluate(
        ([url, target]) => (globalThis as unknown as Global).bench.playStock(url, target),
        [server.url, targetMs] as const,
      );
    });
  } finally {
    await server.close();
  }
}

const browser: BrowserName = stringFlag("browser", "chromium") === "firefox" ? "firefox" : "chromium";
const open = await openBenchPage(browser, "latency");
const cases: BenchCase[] = [];
try {
  for (const { objectMs, targetMs } of SHAPES) {
    const prefix = `${browser}, ${objectMs} ms objects`;
    const ours = await measureOurs(open, browser, objectMs, targetMs);
    describe(prefix, ours);
    const stock = await measureStock(open, browser, objectMs, targetMs);
    describe(`${prefix}, stock`, stock);
    cases.push(...casesOf(`${prefix}, target ${targetMs} ms`, ours, stock));
  }
} finally {
  await open.close();
}
printReport("latency", cases);
