/**
 * What a second redundant source costs the thread that merges: processor time per delivered object, against one source.
 *
 * `npm run bench -- merge [--json] [--rounds N]`. In Node and without a network: every object is offered by one source or by two, through the question that
 * the decoder asks before it keeps a payload, so that a copy of what was delivered is passed over. What the second copy costs the transport
 * is in the pipeline benchmark. The time is the process's, hashing threads included.
 */

import { TrackSequencer } from "../src/merge/sequencer.ts";
import { verifyingMerger } from "../src/merge/track-merger.ts";
import { type BenchCase, benchCase, numberFlag, printReport } from "./support/report.ts";
import { type SignedBroadcast, signedBroadcast, timelessClock } from "./support/signed-broadcast.ts";

const ROUNDS = numberFlag("rounds", 9);
const GROUPS = 120;
const OBJECTS_PER_GROUP = 25;
const OBJECT_BYTES = [4 * 1024, 16 * 1024];
/** How many groups the second source is behind: 0 means that both copies of an object come side by side. */
const LAGS = [0, 1];

/** Microseconds of processor time per delivered object. */
async function merge(
  { groups, newTrust }: SignedBroadcast,
  sources: 1 | 2,
  lagGroups: number,
): Promise<number> {
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
  const [a, b] = [merger.sink("a", "subscription"), merger.sink("b", "subscription")];
  const feed = (sink: typeof a, index: number): void => {
    for (const object of groups[index]?.objects ?? []) {
      if (
        sink.accept?.({
          group: object.group,
          object: object.object,
          payloadLength: object.payload.byteLength,
        })
      )
        sink.object(object);
    }
  };
  const before = process.cpuUsage();
  for (let index = 0; index < groups.length + lagGroups; index++) {
    const group = groups[index];
    if (group) {
      for (const envelope of group.envelopes) await trust.offer("peer", envelope);
      feed(a, index);
    }
    if (sources === 2) feed(b, index - lagGroups);
    while (group && handedOut < (index + 1) * OBJECTS_PER_GROUP) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const { user, system } = process.cpuUsage(before);
  merger.close();
  sequencer.close();
  trust.close();
  return (user + system) / handedOut;
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
    const [one, two]: [number[], number[]] = [[], []];
    // Round 0 warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      const [a, b] = [await merge(broadcast, 1, lag), await merge(broadcast, 2, lag)];
      if (round === 0) continue;
      one.push(a);
      two.push(b);
    }
    const name = `${objectBytes / 1024} KiB objects, second source ${lag === 0 ? "side by side" : `${lag} group behind`}`;
    cases.push(benchCase(name, "us", "less", two, { name: "raw:one-source", samples: one }));
  }
}
printReport("merge", cases);
