/**
 * What redundant sources cost the thread that merges, and whether its memory stays flat.
 *
 * `npm run bench -- merge [--json] [--rounds N] [--objects N]`. In Node and without a network: every object is offered by one source or by several, through the question that
 * the decoder asks before it keeps a payload, so that a copy of what was delivered is passed over. What further copies cost the transport is in the pipeline benchmark. Processor
 * time is the process's, hashing threads included; every round measures all numbers of sources in turn, so that a busy machine slows all alike.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { TrackSequencer } from "../src/merge/sequencer.ts";
import { type Judge, TrackMerger, verifyingMerger } from "../src/merge/track-merger.ts";
import type { Lookup, SignedEntry, Verified } from "../src/trust/types.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport } from "./support/report.ts";
import { type SignedBroadcast, signedBroadcast, timelessClock } from "./support/signed-broadcast.ts";

const ROUNDS = numberFlag("rounds", 7);
const GROUPS = 120;
const OBJECTS_PER_GROUP = 25;
const OBJECT_BYTES = [4 * 1024, 16 * 1024];
const SOURCES = [1, 2, 4, 8];
/** How many groups the further sources are behind: 0 means that all copies of an object come side by side, while the first is being hashed. */
const LAGS = [0, 1];
/** Objects of the memory run. */
const MANY = numberFlag("objects", 1_000_000);
const MEMORY_SAMPLES = 10;
const DUPLICATES = 1_000_000;

interface Run {
  /** Microseconds of processor time per delivered object. */
  readonly cpuUs: number;
  readonly objectsPerSecond: number;
}

async function merge(
  { groups, newTrust }: SignedBroadcast,
  sources: number,
  lagGroups: number,
): Promise<Run> {
  const trust = newTrust();
  const merger = verifyingMerger(trust, { clock: timelessClock });
  const sequencer = new TrackSequencer({ clock: timelessClock });
  let handedOut = 0;
  let wake: () => void = () => undefined;
  trust.on("truth", (truth) => sequencer.truth(truth));
  merger.on("delivered", (delivery) => sequencer.deliver(delivery));
  sequencer.on("object", () => {
    handedOut++;
    wake();
  });
  const [first, ...others] = Array.from({ length: sources }, (_, i) => merger.sink(`s${i}`, "subscription"));
  const feed = (sink: typeof first, index: number): void => {
    for (const object of groups[index]?.objects ?? []) {
      const start = {
        group: object.group,
        object: object.object,
        payloadLength: object.payload.byteLength,
      };
      if (sink?.accept?.(start)) sink.object(object);
    }
  };
  const startedMs = performance.now();
  const before = process.cpuUsage();
  for (let index = 0; index < groups.length + lagGroups; index++) {
    const group = groups[index];
    if (group) {
      for (const envelope of group.envelopes) await trust.offer("peer", envelope);
      feed(first, index);
    }
    for (const other of others) feed(other, index - lagGroups);
    while (group && handedOut < (index + 1) * OBJECTS_PER_GROUP) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedMs) / 1000;
  merger.close();
  sequencer.close();
  trust.close();
  return { cpuUs: (user + system) / handedOut, objectsPerSecond: handedOut / seconds };
}

/** Signs whatever it is asked about: what the merger itself keeps is the subject, not what trust does. */
class Nodding implements Judge<Verified<MoqObject>> {
  readonly #entry: SignedEntry;
  constructor(size: number) {
    this.#entry = { object: 0, size, leaf: new Uint8Array(32) };
  }
  lookup(): Lookup {
    return { state: "signed", entry: this.#entry };
  }
  verify(object: MoqObject): Promise<Verified<MoqObject>> {
    return Promise.resolve(object as Verified<MoqObject>);
  }
  on(): () => void {
    return () => undefined;
  }
}

/** MB of heap that survive a collection, at even steps of a run of many objects from two sources. */
async function memory(): Promise<readonly number[]> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const payload = new Uint8Array(64);
  const merger = new TrackMerger<Verified<MoqObject>>(
    { kind: "judged", judge: new Nodding(payload.byteLength) },
    { clock: timelessClock },
  );
  let delivered = 0;
  merger.on("delivered", () => delivered++);
  const samples: number[] = [];
  for (let at = 0; at < MANY; at++) {
    const [group, object] = [Math.floor(at / OBJECTS_PER_GROUP), at % OBJECTS_PER_GROUP];
    for (const source of ["a", "b"]) {
      if (!merger.accept(source, { group, object, payloadLength: payload.byteLength })) continue;
      merger.offer(source, {
        group,
        object,
        subgroup: 0,
        priority: undefined,
        status: "normal",
        properties: payload.subarray(0, 0),
        payload,
      });
    }
    if (object === OBJECTS_PER_GROUP - 1) await Promise.resolve();
    if ((at + 1) % Math.floor(MANY / MEMORY_SAMPLES) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      collect();
      samples.push(process.memoryUsage().heapUsed / 1e6);
    }
  }
  if (delivered !== MANY) throw new Error(`${delivered} of ${MANY} objects were delivered`);
  merger.close();
  return samples;
}

/** Nanoseconds that the question about a copy takes whose object is delivered: all that a duplicate costs the merge. */
async function duplicates(): Promise<readonly number[]> {
  const merger = new TrackMerger<Verified<MoqObject>>(
    { kind: "judged", judge: new Nodding(64) },
    { clock: timelessClock },
  );
  const payload = new Uint8Array(64);
  const start = { group: 1, object: 0, payloadLength: 64 };
  const properties = payload.subarray(0, 0);
  for (let object = 0; object < OBJECTS_PER_GROUP; object++)
    merger.offer("a", { ...start, object, subgroup: 0, priority: 0, status: "normal", properties, payload });
  await Promise.resolve();
  const sink = merger.sink("b", "subscription");
  const samples: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = performance.now();
    for (let at = 0; at < DUPLICATES; at++) {
      start.object = at % OBJECTS_PER_GROUP;
      if (sink.accept?.(start)) throw new Error("a duplicate was accepted");
    }
    if (round > 0) samples.push(((performance.now() - before) / DUPLICATES) * 1e6);
  }
  merger.close();
  return samples;
}

const cases: BenchCase[] = [];
for (const objectBytes of OBJECT_BYTES) {
  const broadcast = await signedBroadcast({
    groups: GROUPS,
    objectsPerGroup: OBJECTS_PER_GROUP,
    objectBytes,
    signing: "object",
  });
  for (const lag of LAGS) {
    const runs = new Map<number, Run[]>(SOURCES.map((sources) => [sources, []]));
    // Round 0 warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const sources of SOURCES) {
        const run = await merge(broadcast, sources, lag);
        if (round > 0) runs.get(sources)?.push(run);
      }
    }
    const name = `${objectBytes / 1024} KiB, ${lag === 0 ? "side by side" : `others ${lag} group behind`}`;
    note(name);
    const one = runs.get(1) ?? [];
    for (const [sources, of] of runs) {
      const what = `${name}, ${sources} ${sources === 1 ? "source" : "sources"}`;
      const rates = of.map(({ objectsPerSecond }) => objectsPerSecond);
      cases.push(benchCase(what, "objects/s", "more", rates));
      const reference = { name: "raw:one-source", samples: one.map(({ cpuUs }) => cpuUs) };
      const costs = of.map(({ cpuUs }) => cpuUs);
      cases.push(benchCase(what, "us", "less", costs, sources === 1 ? undefined : reference));
      // The difference of two runs is small against their noise: only spread over seven sources does it say something.
      if (sources !== SOURCES.at(-1)) continue;
      // Round by round, so that the load of the moment is in both.
      const extra = of.map(({ cpuUs }, i) => {
        const alone = one[i]?.cpuUs ?? Number.NaN;
        return ((cpuUs - alone) / alone / (sources - 1)) * 100;
      });
      cases.push(benchCase(`${what}, each further one`, "% of the first", "less", extra));
    }
  }
}
cases.push(benchCase("a copy of what was delivered, passed over", "ns", "less", await duplicates()));
const heap = await memory();
note(`heap after collection, MB: ${heap.map((mb) => mb.toFixed(1)).join(" ")}`);
const [early = 0, late = 0] = [heap[1], heap.at(-1)];
cases.push(benchCase(`heap over ${MANY.toLocaleString("en")} objects, at its end`, "MB", "less", [late]));
cases.push(
  benchCase(`heap over ${MANY.toLocaleString("en")} objects, growth since a fifth of them`, "MB", "less", [
    late - early,
  ]),
);
printReport("merge", cases);
