/**
 * Verifying a track: hash, manifests and ledger, against nothing but the hashes.
 *
 * `npm run bench -- trust [--json] [--rounds N]`. The reference, `raw:sha-256`, digests the same payloads with WebCrypto, as many under way at a time, and
 * compares nothing. Ours gets each group's manifests and then its objects, and is done when the last one is delivered. In Node: signatures are checked on
 * another thread there; in Chromium they are not (docs/performance.md).
 */
import { verifyingMerger } from "../src/merge/track-merger.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport } from "./support/report.ts";
import { type SignedBroadcast, signedBroadcast, timelessClock } from "./support/signed-broadcast.ts";

const ROUNDS = numberFlag("rounds", 7);
const TOTAL_BYTES = 48_000_000;
const OBJECTS_PER_GROUP = 25;
const OBJECT_BYTES = [1024, 16 * 1024, 64 * 1024];

async function ours({ groups, newTrust }: SignedBroadcast): Promise<number> {
  const trust = newTrust();
  const merger = verifyingMerger(trust, { clock: timelessClock });
  let delivered = 0;
  merger.on("delivered", () => delivered++);
  const start = performance.now();
  for (const { objects, envelopes } of groups) {
    const before = delivered;
    const settled = new Promise<void>((resolve) => {
      const stop = merger.on("delivered", () => {
        if (delivered < before + objects.length) return;
        stop();
        resolve();
      });
    });
    for (const envelope of envelopes) void trust.offer("peer", envelope);
    // They wait for their manifests, which are being checked: both kinds come at once in a live stream.
    for (const object of objects) merger.offer("relay", object);
    await settled;
  }
  const seconds = (performance.now() - start) / 1000;
  merger.close();
  trust.close();
  return seconds;
}

async function bare({ groups }: SignedBroadcast): Promise<number> {
  const start = performance.now();
  for (const { objects } of groups) {
    await Promise.all(
      objects.map(({ payload }) => crypto.subtle.digest("SHA-256", payload as Uint8Array<ArrayBuffer>)),
    );
  }
  return (performance.now() - start) / 1000;
}

const cases: BenchCase[] = [];
for (const objectBytes of OBJECT_BYTES) {
  const groups = Math.min(400, Math.ceil(TOTAL_BYTES / (objectBytes * OBJECTS_PER_GROUP)));
  const megabytes = (groups * OBJECTS_PER_GROUP * objectBytes) / 1e6;
  for (const signing of ["object", "group"] as const) {
    const broadcast = await signedBroadcast({
      groups,
      objectsPerGroup: OBJECTS_PER_GROUP,
      objectBytes,
      signing,
    });
    const [rates, bareRates]: [number[], number[]] = [[], []];
    // Round 0 warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      const [a, b] = [await ours(broadcast), await bare(broadcast)];
      if (round === 0) continue;
      rates.push(megabytes / a);
      bareRates.push(megabytes / b);
    }
    const name = `${objectBytes / 1024} KiB objects, a manifest per ${signing}`;
    note(name);
    cases.push(benchCase(name, "MB/s", "more", rates, { name: "raw:sha-256", samples: bareRates }));
  }
}
printReport("trust", cases);
