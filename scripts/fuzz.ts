/**
 * `npm run fuzz -- [--seconds N] [--seed S] [--target NAME] [--only K]`: fuzzes every parser, the session machine and whole connections over the
 * in-memory transport. Prints the seed and how many executions there were; a finding prints how to repeat it, and the exit code is 1.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { readInitSegment } from "../src/playback/init-segment.ts";
import { readChunkTiming } from "../src/playback/moof.ts";
import { GroupCutter } from "../src/publish/group-cutter.ts";
import { syntheticClip } from "../src/publish/synthetic-clip.ts";
import { packEvidence, unpackEvidence, unpackRecords } from "../src/replay/record.ts";
import { documentTargets } from "../src/testing/fuzz/document-targets.ts";
import { type Finding, type FuzzHost, type FuzzTarget, fuzz } from "../src/testing/fuzz/engine.ts";
import { demand, judge } from "../src/testing/fuzz/judge.ts";
import { keptTargets } from "../src/testing/fuzz/kept-targets.ts";
import { mutate } from "../src/testing/fuzz/mutate.ts";
import { sessionTarget } from "../src/testing/fuzz/session-target.ts";
import { transportTargets } from "../src/testing/fuzz/transport-targets.ts";
import { wireTargets } from "../src/testing/fuzz/wire-targets.ts";

const DEFAULT_SECONDS = 30;

/** An execution that has not come back after this long never will: the watchdog names it and ends the process. */
const HANG_MS = 60_000;

/** What may be held after a run beyond what was held after its first round. Targets keep nothing; caches of the engine stay far below. */
const MAX_RETAINED_BYTES = 64 * 1024 * 1024;

const cutter = new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 });
const video = cutter.tracks[0]!;
const chunks = [...cutter.group("video", 5), ...cutter.group("audio", 5)].map(({ payload }) => payload);
const { defaults } = readInitSegment(video.initSegment);

/** Parsers of rooms that src/testing may not know. */
const furtherTargets: readonly FuzzTarget[] = [
  {
    name: "chunks (moof)",
    run(chance) {
      const valid = chance.pick(chunks);
      const bytes = mutate(chance, valid, chunks);
      const { value } = judge(
        () => readChunkTiming(chance.maybe(0.1) ? valid : bytes, defaults),
        ["media-error"],
      );
      if (!value) return;
      demand(value.durationTicks > 0, "a chunk without duration");
      demand(Number.isSafeInteger(value.baseDecodeTimeTicks + value.durationTicks), "a time that is none");
    },
  },
  {
    name: "initialization segments",
    run(chance) {
      const bytes = mutate(chance, video.initSegment, [cutter.tracks[1]!.initSegment, chunks[0]!]);
      const { value } = judge(() => readInitSegment(bytes), ["media-error"]);
      if (value) demand(value.timescale > 0, "a timescale of 0");
    },
  },
  {
    name: "stored records",
    run(chance) {
      const evidence = packEvidence(chance.list(3, () => chance.bytes(200)));
      const bytes = mutate(chance, new Uint8Array(evidence), chunks);
      judge(() => unpackEvidence(bytes.buffer), ["store-corrupt"]);
      judge(() => unpackRecords(chance.varInt(), [bytes.buffer]), ["store-corrupt"]);
    },
  },
];

const targets: readonly FuzzTarget[] = [
  ...wireTargets,
  ...documentTargets,
  ...keptTargets,
  ...furtherTargets,
  sessionTarget,
  ...transportTargets,
];

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return undefined;
  const value = process.argv[at + 1];
  if (value === undefined || value.startsWith("--")) throw new Error(`--${name} needs a value.`);
  return value;
}

function count(name: string): number | undefined {
  const text = option(name);
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} needs a whole number, not "${text}".`);
  return Number(text);
}

/** Tells, from a thread of its own, of an execution that does not come back; nothing in this thread could. */
function watchdog(): { beginning(target: string, execution: number): void; stop(): void } {
  const shared = new Int32Array(new SharedArrayBuffer(12));
  const worker = new Worker(
    `const { workerData } = require("node:worker_threads");
     let seen = -1;
     setInterval(() => {
       const beat = Atomics.load(workerData.shared, 0);
       if (beat === seen && Atomics.load(workerData.shared, 2) >= 0) {
         const name = workerData.names[Atomics.load(workerData.shared, 2)];
         require("node:fs").writeSync(2, "HANG: " + name + ", execution " + Atomics.load(workerData.shared, 1)
           + ", did not end within " + workerData.hangMs + " ms; repeat it with --seed " + workerData.seed + "\\n");
         process.kill(process.pid, "SIGKILL");
       }
       seen = beat;
     }, workerData.hangMs);`,
    { eval: true, workerData: { shared, names: targets.map(({ name }) => name), hangMs: HANG_MS, seed } },
  );
  worker.unref();
  const indices = new Map(targets.map(({ name }, index) => [name, index]));
  Atomics.store(shared, 2, -1);
  return {
    beginning(target, execution) {
      Atomics.store(shared, 1, execution);
      Atomics.store(shared, 2, indices.get(target) ?? -1);
      Atomics.add(shared, 0, 1);
    },
    stop: () => void worker.terminate(),
  };
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function retainedBytes(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function describe({ target, execution, seed: itsSeed, error }: Finding): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `FOUND in ${target}, execution ${execution}:\n${text}\n  npm run fuzz -- --seed ${itsSeed} --target "${target}" --only ${execution}`;
}

const seed = count("seed") ?? Date.now() % 2 ** 31;
const seconds = count("seconds") ?? DEFAULT_SECONDS;
const wanted = option("target");
const only = count("only");
const chosen = wanted === undefined ? targets : targets.filter(({ name }) => name.includes(wanted));
if (chosen.length === 0) {
  throw new Error(
    `No target is called "${wanted}". There are: ${targets.map(({ name }) => name).join(", ")}.`,
  );
}

const stray: unknown[] = [];
process.on("unhandledRejection", (reason) =>
  stray.push(reason ?? new Error("a promise was rejected with undefined")),
);
const dog = watchdog();
const host: FuzzHost = {
  now: () => performance.now(),
  cpuMs: () => process.cpuUsage().user / 1000,
  strayFailure: () => stray.shift(),
  beginning: dog.beginning,
};

console.log(
  `Fuzzing ${chosen.length} targets, seed ${seed}${only === undefined ? `, for ${seconds} s` : ""}.`,
);
// The first round fills caches and compiles code; what is held after it is the base line.
const warm =
  only === undefined
    ? await fuzz({ targets: chosen, seed: seed ^ 0x5eed, host, executionsEach: 20 })
    : undefined;
const before = retainedBytes();
const report = await fuzz({
  targets: chosen,
  seed,
  host,
  ...(only === undefined ? { forMs: seconds * 1000 } : { only }),
});
const grownBytes = retainedBytes() - before;
dog.stop();

for (const [target, executions] of report.perTarget)
  console.log(`${String(executions).padStart(9)}  ${target}`);
for (const finding of [...(warm?.findings ?? []), ...report.findings]) {
  console.log(describe(finding));
  process.exitCode = 1;
}
if (grownBytes > MAX_RETAINED_BYTES) {
  console.log(`FOUND: ${Math.round(grownBytes / 2 ** 20)} MiB are still held after the run.`);
  process.exitCode = 1;
}
console.log(
  `${report.executions} executions, seed ${seed}, ${report.findings.length} findings, ${(grownBytes / 2 ** 20).toFixed(1)} MiB retained.`,
);
