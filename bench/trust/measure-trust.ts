/** What verification costs, measured in the thread that an app's player would have. Everything is made here; no network is involved. */
import { verifyingMerger } from "../../src/merge/track-merger.ts";
import type { MoqObject } from "../../src/wire/objects.ts";
import {
  type SignedBroadcast,
  type SignedGroup,
  signedBroadcast,
  timelessClock,
} from "../support/signed-broadcast.ts";

export type Signing = "object" | "group";

const TOTAL_BYTES = 32_000_000;
const MAX_GROUPS = 120;
const OBJECTS_PER_GROUP = 25;
/** Groups that were offered and are not delivered: a reader goes on reading while digests are computed. The reference has as many. */
const GROUPS_AHEAD = 4;
/** All of those wait for their manifests at once, and a source is allowed 4 MiB of that (PENDING_MAX_BYTES): so large objects have smaller groups. */
const BYTES_AHEAD = 3_500_000;
/** Single objects whose way is timed one by one. */
const TIMED_OBJECTS = 200;
const LATE_MANIFEST_MS = 20;
const TIMED_LATE_OBJECTS = 50;

/** One figure per round, ours and the reference's turn by turn. */
export interface Rates {
  readonly ours: number[];
  readonly bare: number[];
}

/** Runs `each` over all groups, at most {@link GROUPS_AHEAD} of them at a time; resolves with seconds. */
async function timed(
  groups: readonly SignedGroup[],
  each: (group: SignedGroup) => Promise<void>,
): Promise<number> {
  const [first] = groups;
  const groupBytes = first!.objects.reduce((sum, { payload }) => sum + payload.byteLength, 0);
  const ahead = Math.max(1, Math.min(GROUPS_AHEAD, Math.floor(BYTES_AHEAD / groupBytes)));
  const start = performance.now();
  const running: Promise<void>[] = [];
  for (const group of groups) {
    running.push(each(group));
    if (running.length >= ahead) await running.shift();
  }
  await Promise.all(running);
  return (performance.now() - start) / 1000;
}

async function verifyAll({ groups, newTrust }: SignedBroadcast): Promise<number> {
  const trust = newTrust();
  const merger = verifyingMerger(trust, { clock: timelessClock });
  const left = groups.map(({ objects }) => objects.length);
  const done: (() => void)[] = [];
  merger.on("delivered", ({ object }) => {
    left[Number(object.group)]! -= 1;
    if (left[Number(object.group)] === 0) done[Number(object.group)]?.();
  });
  const seconds = await timed(groups, ({ objects, envelopes }) => {
    const settled = new Promise<void>((resolve) => {
      done[Number(objects[0]!.group)] = resolve;
    });
    for (const envelope of envelopes) void trust.offer("peer", envelope);
    // They wait for their manifests, which are being checked: both kinds come at once in a live stream.
    for (const object of objects) merger.offer("relay", object);
    return settled;
  });
  merger.close();
  trust.close();
  return seconds;
}

function digest({ payload }: MoqObject): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", payload as Uint8Array<ArrayBuffer>);
}

async function hashAll({ groups }: SignedBroadcast): Promise<number> {
  return timed(groups, async ({ objects }) => {
    await Promise.all(objects.map(digest));
  });
}

/** MB/s. Round 0 warms up. */
export async function measureRates(objectBytes: number, signing: Signing, rounds: number): Promise<Rates> {
  const objectsPerGroup = Math.min(OBJECTS_PER_GROUP, Math.floor(BYTES_AHEAD / 2 / objectBytes));
  const groups = Math.min(MAX_GROUPS, Math.ceil(TOTAL_BYTES / (objectBytes * objectsPerGroup)));
  const broadcast = await signedBroadcast({ groups, objectsPerGroup, objectBytes, signing });
  const megabytes = (groups * objectsPerGroup * objectBytes) / 1e6;
  const rates: Rates = { ours: [], bare: [] };
  for (let round = 0; round <= rounds; round++) {
    const [ours, bare] = [await verifyAll(broadcast), await hashAll(broadcast)];
    if (round === 0) continue;
    rates.ours.push(megabytes / ours);
    rates.bare.push(megabytes / bare);
  }
  return rates;
}

export interface ManifestRates {
  /** A group's manifests at once. */
  readonly together: number[];
  /** Each in a turn of its own. */
  readonly alone: number[];
}

/** Manifests per second, one object each. */
export async function measureManifests(rounds: number): Promise<ManifestRates> {
  const groups = 40;
  const { groups: signed, newTrust } = await signedBroadcast({
    groups,
    objectsPerGroup: OBJECTS_PER_GROUP,
    objectBytes: 16,
    signing: "object",
  });
  const envelopes = signed.map((group) => group.envelopes);
  const count = envelopes.flat().length;
  const rates: ManifestRates = { together: [], alone: [] };
  for (let round = 0; round <= rounds; round++) {
    let trust = newTrust();
    let start = performance.now();
    for (const group of envelopes) await Promise.all(group.map((envelope) => trust.offer("peer", envelope)));
    const together = count / ((performance.now() - start) / 1000);
    trust.close();
    trust = newTrust();
    start = performance.now();
    for (const envelope of envelopes.flat()) await trust.offer("peer", envelope);
    const alone = count / ((performance.now() - start) / 1000);
    trust.close();
    if (round === 0) continue;
    rates.together.push(together);
    rates.alone.push(alone);
  }
  return rates;
}

export interface Delays {
  /** Offered to delivered, its manifest known; one object at a time. */
  readonly known: number[];
  /** A digest of the same bytes, likewise. */
  readonly bare: number[];
  /** From the arrival of the manifest to the delivery of the object that waited for it. */
  readonly late: number[];
}

/** Microseconds; each figure is the mean of a round, since a worker's clock is coarse. */
export async function measureDelays(objectBytes: number, rounds: number): Promise<Delays> {
  const groups = Math.ceil(TIMED_OBJECTS / OBJECTS_PER_GROUP);
  const { groups: signed, newTrust } = await signedBroadcast({
    groups,
    objectsPerGroup: OBJECTS_PER_GROUP,
    objectBytes,
    signing: "object",
  });
  const objects = signed.flatMap((group) => group.objects);
  const envelopes = signed.flatMap((group) => group.envelopes);
  const delays: Delays = { known: [], bare: [], late: [] };
  for (let round = 0; round <= rounds; round++) {
    const trust = newTrust();
    const merger = verifyingMerger(trust, { clock: timelessClock });
    let delivered: () => void = () => undefined;
    merger.on("delivered", () => delivered());
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        delivered = resolve;
      });
    for (const envelope of envelopes) await trust.offer("peer", envelope);
    let start = performance.now();
    for (const object of objects) {
      const here = next();
      merger.offer("relay", object);
      await here;
    }
    const known = ((performance.now() - start) * 1000) / objects.length;
    start = performance.now();
    for (const object of objects) await digest(object);
    const bare = ((performance.now() - start) * 1000) / objects.length;
    merger.close();
    trust.close();
    const late = await lateManifests(objects, envelopes, newTrust);
    if (round === 0) continue;
    delays.known.push(known);
    delays.bare.push(bare);
    delays.late.push(late);
  }
  return delays;
}

async function lateManifests(
  objects: readonly MoqObject[],
  envelopes: readonly Uint8Array[],
  newTrust: SignedBroadcast["newTrust"],
): Promise<number> {
  const trust = newTrust();
  const merger = verifyingMerger(trust, { clock: timelessClock });
  let delivered: () => void = () => undefined;
  merger.on("delivered", () => delivered());
  let spent = 0;
  for (const [i, object] of objects.slice(0, TIMED_LATE_OBJECTS).entries()) {
    const here = new Promise<void>((resolve) => {
      delivered = resolve;
    });
    merger.offer("relay", object);
    await new Promise((resolve) => setTimeout(resolve, LATE_MANIFEST_MS));
    const start = performance.now();
    void trust.offer("peer", envelopes[i]!);
    await here;
    spent += performance.now() - start;
  }
  merger.close();
  trust.close();
  return (spent * 1000) / TIMED_LATE_OBJECTS;
}
