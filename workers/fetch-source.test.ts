/** FETCH from relays keeps the contract of a source: on a broadcast that is really signed, since nothing else comes out of it. */
import { afterEach, describe, expect, it } from "vitest";
import { manifestTrackName } from "../src/catalog/build.ts";
import { systemClock } from "../src/clock.ts";
import { SourcePool } from "../src/merge/source-pool.ts";
import { FetchSource } from "../src/replay/fetch-source.ts";
import { groupSourceContract } from "../src/replay/group-source.contract.ts";
import type { StoredGroup } from "../src/replay/types.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { generateSeed, importSeed } from "../src/trust/keys.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import { BROADCAST, MANIFESTS, MemoryBroadcast, RELAY_A } from "./broadcast.fixture.ts";
import { PeerDialer } from "./peer-dialer.ts";

const TRACK = "0123/example--video";
const namespace = namespaceOf(...BROADCAST);
const manifests = trackOf(namespace, manifestTrackName("video"));
const pools: SourcePool[] = [];
let groups: readonly StoredGroup[] = [];

afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

async function connect(broadcast: MemoryBroadcast, url: string): Promise<SourcePool> {
  const dialer = new PeerDialer({ versions: ["moqt-18"], dial: broadcast.dial, clock: systemClock });
  const pool = new SourcePool({
    clock: systemClock,
    provider: dialer.provider([{ url }], "objects"),
    sources: [url],
  });
  pools.push(pool);
  await expect.poll(() => pool.connected().length).toBe(1);
  return pool;
}

/** Groups 5 and 6 whole, 9 without one of its objects; 7 and 8 on no relay. */
async function open(): Promise<FetchSource> {
  const key = await importSeed(generateSeed());
  const broadcast = new MemoryBroadcast(key);
  for (const group of [5, 6, 9]) {
    await broadcast.sign(group);
    broadcast.serve(RELAY_A, group, (object) => (group === 9 && object.object === 1 ? undefined : object));
  }
  const [objects, peers] = [await connect(broadcast, RELAY_A), await connect(broadcast, MANIFESTS)];
  groups = [5, 6, 9].map((group) => {
    const cached = broadcast.peer(MANIFESTS).serve(manifestTrackName("video")).cache.get(group);
    const envelopes = cached?.objects.map(({ payload }) => payload) ?? [];
    const complete = group !== 9;
    // Of a whole group the closing envelope says everything.
    const evidence = complete ? envelopes.slice(-1) : envelopes;
    const carried = broadcast.peer(RELAY_A).serve("video").cache.get(group)?.objects ?? [];
    // What no fetch carries is what it is when nobody says: draft-18 gives every object a priority.
    return { group, complete, evidence, objects: carried.map((object) => ({ ...object, priority: 128 })) };
  });
  const source = new FetchSource({
    clock: systemClock,
    keyRing: await KeyRing.create([key.publicKey]),
    track: (track) =>
      track === TRACK
        ? { media: trackOf(namespace, "video"), manifests, streamId: broadcast.streamId }
        : undefined,
    relays: () => objects.connected(),
    manifestPeers: () => peers.connected(),
    newest: () => 9,
  });
  // That nobody has them is known as soon as they have been asked for.
  for (const group of [7, 8]) await source.group(TRACK, group);
  return source;
}

describe("FETCH from relays keeps the contract of a source", () => {
  for (const { name, run } of groupSourceContract({ track: TRACK, open, groups: () => groups }))
    it(name, run);
});
