/**
 * From WebTransport to playable segments: the player's whole worker against one that reads the same bytes and throws them away.
 *
 * `npm run bench -- pipeline [--json] [--rounds N] [--megabytes N] [--browser chromium|firefox|all] [--profile FILE]`. Both kinds of run take turns, in the same
 * browser, from the same origin, over real WebTransport on loopback. Beside MB/s there is the processor time of the worker's thread, which says the same with
 * less noise where others use the machine. What the store still has to write when the last segment was taken is not in the rate, but in the processor time.
 */

import { argv } from "node:process";
import { PeerProcess } from "../../demo/peers/cluster/peer-process.ts";
import type { BrowserName } from "../../scripts/browsers.ts";
import { type BenchPage, openBenchPage } from "../support/bench-page.ts";
import { profileWorker } from "../support/profile.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport, stringFlag } from "../support/report.ts";
import { threadCpuMs, WORKER_THREAD } from "../support/thread-cpu.ts";
import type { OriginInfo, RunOptions, RunResult } from "./messages.ts";
import type { PipelinePage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 5);
const MEGABYTES = numberFlag("megabytes", 100);
/** `--kib N` measures one size. */
const OBJECT_BYTES = argv.includes("--kib") ? [1024 * numberFlag("kib", 16)] : [16 * 1024, 64 * 1024];
const RAW = "raw:webtransport-read";

type Variant = Pick<RunOptions, "kind" | "sources" | "store" | "signing">;

/** In the order of their turns. */
const VARIANTS: Readonly<Record<string, Variant>> = {
  raw: { kind: "raw", sources: 1, store: false, signing: "object" },
  "everything on": { kind: "player", sources: 1, store: true, signing: "object" },
  "without the store": { kind: "player", sources: 1, store: false, signing: "object" },
  "without the store, a manifest per group": { kind: "player", sources: 1, store: false, signing: "group" },
  "two redundant sources": { kind: "player", sources: 2, store: true, signing: "object" },
};

interface Measured extends RunResult {
  readonly cpuMs: number | undefined;
}

async function startOrigin(
  objectBytes: number,
): Promise<{ readonly process: PeerProcess; readonly info: OriginInfo }> {
  let info: OriginInfo | undefined;
  const process = new PeerProcess({
    name: "origin",
    program: "../../bench/pipeline/origin.ts",
    args: ["--object-bytes", String(objectBytes), "--megabytes", String(MEGABYTES)],
    onLog: (text) => {
      if (text.startsWith("{")) info = JSON.parse(text) as OriginInfo;
      else note(`origin: ${text}`);
    },
  });
  await process.start();
  if (info === undefined) throw new Error("the origin did not say where it is");
  return { process, info };
}

let runs = 0;

async function measure(
  { page }: BenchPage,
  origin: OriginInfo,
  name: string,
  variant: Variant,
): Promise<Measured> {
  const options: RunOptions = { ...variant, origin, id: `run-${++runs}` };
  type Global = { readonly bench: PipelinePage };
  await page.evaluate(([worker, run]) => (globalThis as unknown as Global).bench.prepare(worker, run), [
    name,
    options,
  ] as const);
  const before = threadCpuMs(WORKER_THREAD);
  await page.evaluate((worker) => (globalThis as unknown as Global).bench.run(worker), name);
  const result = await page.evaluate(
    (worker) => (globalThis as unknown as Global).bench.finish(worker),
    name,
  );
  const after = threadCpuMs(WORKER_THREAD);
  if (variant.kind === "player" && result.receivedBytes !== result.bytes)
    throw new Error("segments were lost between worker and page");
  return { ...result, cpuMs: before === undefined || after === undefined ? undefined : after - before };
}

const rate = ({ bytes, seconds }: Measured): number => bytes / 1e6 / seconds;
const cpuPerObject = ({ cpuMs, objects }: Measured): number => (1000 * (cpuMs ?? Number.NaN)) / objects;

function faultsOf({ faults }: Measured): string {
  const found = Object.entries(faults).filter(([, count]) => count > 0);
  return found.map(([kind, count]) => `, ${count} ${kind}`).join("");
}

function casesOf(prefix: string, measured: ReadonlyMap<string, readonly Measured[]>): BenchCase[] {
  const of = (name: string, what: (run: Measured) => number): number[] =>
    (measured.get(name) ?? []).map(what);
  const cases: BenchCase[] = [];
  for (const name of measured.keys()) {
    if (name === "raw") {
      cases.push(benchCase(`${prefix}, raw read`, "MB/s", "more", of(name, rate)));
      continue;
    }
    cases.push(
      benchCase(`${prefix}, ${name}`, "MB/s", "more", of(name, rate), {
        name: RAW,
        samples: of("raw", rate),
      }),
    );
  }
  const cpu = (name: string): number[] => of(name, cpuPerObject);
  if (!cpu("raw").every(Number.isFinite)) return cases;
  for (const name of measured.keys()) {
    const title = `${prefix}, ${name}: worker time per object`;
    if (name === "raw") cases.push(benchCase(title, "us", "less", cpu(name)));
    else if (name === "two redundant sources") {
      cases.push(
        benchCase(title, "us", "less", cpu(name), { name: "raw:one-source", samples: cpu("everything on") }),
      );
    } else cases.push(benchCase(title, "us", "less", cpu(name), { name: RAW, samples: cpu("raw") }));
  }
  return cases;
}

async function measureBrowser(browser: BrowserName): Promise<BenchCase[]> {
  const cases: BenchCase[] = [];
  for (const objectBytes of OBJECT_BYTES) {
    const origin = await startOrigin(objectBytes);
    const open = await openBenchPage(browser, "pipeline");
    try {
      const prefix = `${browser}, ${objectBytes / 1024} KiB objects`;
      const measured = new Map<string, Measured[]>();
      // Round 0 warms up.
      for (let round = 0; round <= ROUNDS; round++) {
        for (const [name, variant] of Object.entries(VARIANTS)) {
          const run = await measure(open, origin.info, name, variant);
          const stored = variant.store
            ? `, ${Math.round(run.storedBytes / 1e6)} MB stored ${run.flushSeconds.toFixed(2)} s later`
            : "";
          const cpu = run.cpuMs === undefined ? "" : `, worker ${Math.round(run.cpuMs)} ms`;
          note(
            `${prefix}, ${name}: ${rate(run).toFixed(1)} MB/s${cpu}${stored}, ${run.duplicates} duplicates${faultsOf(run)}`,
          );
          if (round > 0) measured.set(name, [...(measured.get(name) ?? []), run]);
        }
      }
      cases.push(...casesOf(prefix, measured));
    } finally {
      await open.close();
      await origin.process.stop();
    }
  }
  return cases;
}

const wanted = stringFlag("browser", "all");
const profileFile = stringFlag("profile", "");
if (profileFile !== "") {
  const origin = await startOrigin(OBJECT_BYTES[0]!);
  const open = await openBenchPage("chromium", "pipeline");
  const name = stringFlag("variant", "everything on");
  const variant = VARIANTS[name];
  if (!variant) throw new Error(`no variant is called ${name}`);
  await measure(open, origin.info, name, variant);
  await profileWorker(open, profileFile, async () => void (await measure(open, origin.info, name, variant)));
  await open.close();
  await origin.process.stop();
} else {
  const cases: BenchCase[] = [];
  for (const browser of ["chromium", "firefox"] as const) {
    if (wanted !== "all" && wanted !== browser) continue;
    cases.push(...(await measureBrowser(browser)));
  }
  printReport("pipeline", cases);
}
