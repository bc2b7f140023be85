/** A media track and what its signer said of it, made beforehand, for the benchmarks that run in one process. */
import type { Clock } from "../../src/clock.ts";
import { generateStreamId, TrackSigner } from "../../src/publish/signer.ts";
import { KeyRing } from "../../src/trust/key-ring.ts";
import { generateSeed, importSeed } from "../../src/trust/keys.ts";
import { SignedTrackTrust } from "../../src/trust/track-trust.ts";
import { namespaceOf, trackOf } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";

const TRACK = trackOf(namespaceOf("countersign", "bench"), "video");
const EMPTY = new Uint8Array(0);
/** Longer than any run: nothing goes stale while it is measured. */
const FRESH_FOR_MS = 3_600_000;
/** Deadlines are no part of what is measured here. */
export const timelessClock: Clock = { now: () => Date.now(), setTimer: () => () => undefined };

export interface SignedGroup {
  readonly objects: readonly MoqObject[];
  readonly envelopes: readonly Uint8Array[];
}

export interface SignedBroadcast {
  readonly groups: readonly SignedGroup[];
  /** A judge that has seen nothing yet. */
  newTrust(): SignedTrackTrust;
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536)
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, length)));
  return bytes;
}

export async function signedBroadcast(shape: {
  readonly groups: number;
  readonly objectsPerGroup: number;
  readonly objectBytes: number;
  /** A manifest for every object, as live, or one for each group. */
  readonly signing: "object" | "group";
}): Promise<SignedBroadcast> {
  const key = await importSeed(generateSeed());
  const streamId = generateStreamId();
  const envelopes: Uint8Array[][] = Array.from({ length: shape.groups }, () => []);
  const signer = new TrackSigner({
    key,
    track: TRACK,
    streamId,
    clock: timelessClock,
    freshForMs: FRESH_FOR_MS,
    batchMs: shape.signing === "group" ? 40 : 0,
    publish: ({ group, envelope }) => envelopes[Number(group)]?.push(envelope),
  });
  const groups: SignedGroup[] = [];
  for (let group = 0; group < shape.groups; group++) {
    const objects = Array.from({ length: shape.objectsPerGroup }, (_, object): MoqObject => {
      const payload = randomBytes(shape.objectBytes);
      return {
        group,
        object,
        subgroup: 0,
        priority: undefined,
        status: "normal",
        properties: EMPTY,
        payload,
      };
    });
    await Promise.all(
      objects.map((object, index) => signer.add({ ...object, last: index === objects.length - 1 })),
    );
    groups.push({ objects, envelopes: envelopes[group] ?? [] });
  }
  const keyRing = await KeyRing.create([key.publicKey]);
  return {
    groups,
    newTrust: () => new SignedTrackTrust({ track: TRACK, keyRing, clock: timelessClock, streamId }),
  };
}
