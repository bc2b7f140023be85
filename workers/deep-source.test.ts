import { afterEach, beforeEach, expect, test } from "vitest";
import { manifestTrackName } from "../src/catalog/build.ts";
import { systemClock } from "../src/clock.ts";
import { SourcePool } from "../src/merge/source-pool.ts";
import { FetchSource } from "../src/replay/fetch-source.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { GroupSource } from "../src/replay/types.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { BROADCAST, MANIFESTS, MemoryBroadcast, RELAY_A, RELAY_B } from "./broadcast.fixture.ts";
import { DeepTrack } from "./deep-source.ts";
import { PeerDialer } from "./peer-dialer.ts";

const NEWEST = 60;
const media = trackOf(namespaceOf(...BROADCAST), "video");
let key: SigningKey;
let keyRing: KeyRing;
let broadcast: MemoryBroadcast;
let pools: SourcePool[];
let lies: string[];
let corrupt: string[];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  keyRing = await KeyRing.create([key.publicKey]);
  broadcast = new MemoryBroadcast(key);
  pools = [];
  lies = [];
  corrupt = [];
});

afterEach(() => {
  for (const pool of pools) pool.close();
});

async function connect(...urls: string[]): Promise<SourcePool> {
  const dialer = new PeerDialer({ versions: ["moqt-18"], dial: broadcast.dial, clock: systemClock });
  const pool = new SourcePool({
    clock: systemClock,
    provider: dialer.provider(
      urls.map((url) => ({ url })),
      "objects",
    ),
    sources: urls,
  });
  pools.push(pool);
  await expect.poll(() => pool.connected().length).toBe(urls.length);
  return pool;
}

/** A track over two relays and the manifest peer, as deep as they are. */
async function deepTrack(options: { store?: MemoryStore; app?: GroupSource; stallMs?: number } = {}) {
  const objects = await connect(RELAY_A, RELAY_B);
  const manifests = await connect(MANIFESTS);
  const { store, app, stallMs } = options;
  const fetch = new FetchSource({
    clock: systemClock,
    keyRing,
    track: () => ({
      media,
      manifests: trackOf(namespaceOf(...BROADCAST), manifestTrackName("video")),
      streamId: broadcast.streamId,
    }),
    relays: () => objects.connected(),
    manifestPeers: () => manifests.connected(),
    newest: () => NEWEST,
    onLie: (source) => lies.push(source),
    ...(stallMs !== undefined && { stallMs }),
  });
  const track = new DeepTrack({
    track: media,
    streamId: broadcast.streamId,
    keyRing,
    store,
    app,
    fetch,
    onCorrupt: ({ code }) => corrupt.push(code),
  });
  return { track, fetch };
}

async function publish(first: number, last: number): Promise<void> {
  for (let group = first; group <= last; group++) {
    await broadcast.sign(group);
    broadcast.serve(RELAY_A, group);
  }
  broadcast.peer(RELAY_B).serve("video");
}

const payloads = (group: number): Uint8Array[] =>
  broadcast.cutter.group("video", group).map(({ payload }) => payload);

test("finds how far back relays reach, and gives a group from there, whole and proven", async () => {
  await publish(37, NEWEST);
  const { track } = await deepTrack();
  expect(await track.ranges()).toEqual({ stored: [], fetchable: [{ first: 37, last: NEWEST }], missing: [] });
  const found = await track.group(40);
  expect(found).toMatchObject({ group: 40, complete: true, from: "fetch" });
  expect(found?.objects.map(({ payload }) => payload)).toEqual(payloads(40));
  // One signed envelope is enough for a whole group.
  expect(found?.evidence).toHaveLength(1);
});

test("what was fetched is stored: it is there when nobody can be reached, and proven once more", async () => {
  await publish(58, NEWEST);
  const store = new MemoryStore();
  const { track } = await deepTrack({ store });
  await track.group(58);
  await store.flush();
  for (const peer of broadcast.peers.values()) peer.down();
  await expect.poll(() => pools.flatMap((pool) => pool.connected()).length).toBe(0);
  const again = await track.group(58);
  expect(again).toMatchObject({ complete: true, from: "store" });
  expect(again?.objects.map(({ payload }) => payload)).toEqual(payloads(58));
  expect((await track.ranges()).stored).toEqual([{ first: 58, last: 58 }]);
  // Not "nobody has it": nobody could be asked.
  await expect(track.group(59)).rejects.toMatchObject({ code: "no-object-relay" });
});

test("fetches again what of a stored group is damaged or lacking", async () => {
  await publish(58, NEWEST);
  const store = new MemoryStore();
  const { track } = await deepTrack({ store });
  const whole = await track.group(58);
  await store.flush();
  await store.forget("");
  const [first, second] = whole?.objects ?? [];
  if (first === undefined || second === undefined || whole === undefined) throw new Error("no objects");
  const altered = { ...second, payload: second.payload.map((byte) => byte ^ 1) };
  store.put(track.key, first, new Uint8Array(32));
  store.put(track.key, altered as typeof second, new Uint8Array(32));
  store.seal(track.key, 58, whole.evidence, true);
  await store.flush();
  const again = await track.group(58);
  expect(corrupt).toEqual(["store-corrupt"]);
  expect(again).toMatchObject({ complete: true, from: "fetch" });
  expect(again?.objects.map(({ payload }) => payload)).toEqual(payloads(58));
});

test("a relay that sends junk is named, and the next relay asked; what one lacks the other gives", async () => {
  for (let group = 58; group <= NEWEST; group++) {
    await broadcast.sign(group);
    const spoil = (object: MoqObject): MoqObject | undefined => {
      if (object.object === 1) return { ...object, payload: object.payload.map((byte) => byte ^ 1) };
      return object.object === 2 ? undefined : object;
    };
    broadcast.serve(RELAY_A, group, spoil);
    broadcast.serve(RELAY_B, group, (object) => (object.object === 0 ? undefined : object));
  }
  const { track } = await deepTrack();
  const found = await track.group(58);
  expect(found?.complete).toBe(true);
  expect(found?.objects.map(({ payload }) => payload)).toEqual(payloads(58));
  expect(lies).toEqual([RELAY_A]);
});

test("a hole that nobody can fill is told as one; what there is of a broken group is given as such", async () => {
  for (let group = 50; group <= NEWEST; group++) {
    if (group === 53) continue;
    await broadcast.sign(group);
    for (const relay of [RELAY_A, RELAY_B])
      broadcast.serve(relay, group, (object) => (group === 55 && object.object === 3 ? undefined : object));
  }
  const { track } = await deepTrack();
  expect(await track.group(53)).toBeUndefined();
  expect((await track.ranges()).missing).toEqual([{ first: 53, last: 53 }]);
  const broken = await track.group(55);
  expect(broken?.complete).toBe(false);
  expect(broken?.objects.map(({ object }) => object)).not.toContain(3);
  expect(broken?.evidence.length).toBeGreaterThan(1);
});

test("nothing is believed that the pinned keys did not sign", async () => {
  await publish(58, NEWEST);
  keyRing = await KeyRing.create([(await importSeed(generateSeed())).publicKey]);
  const { track } = await deepTrack();
  await expect(track.group(58)).rejects.toMatchObject({ name: "CountersignError" });
});

test("forged objects beside genuine evidence are not played, whatever digests the store keeps of them", async () => {
  await publish(58, NEWEST);
  const store = new MemoryStore();
  const { track } = await deepTrack({ store });
  await track.group(58);
  const genuine = await store.group(track.key, 58);
  const forged = (at: readonly number[]) => {
    const objects = genuine!.objects.map((object, i) =>
      at.includes(i) ? { ...object, payload: object.payload.map((byte) => byte ^ 1) } : object,
    );
    const lying = new MemoryStore();
    // What a disk gives back that somebody wrote to: the store's own digests would match.
    lying.group = async () => ({ ...genuine!, objects });
    return new DeepTrack({
      track: media,
      streamId: broadcast.streamId,
      keyRing,
      store: lying,
      app: undefined,
      fetch: undefined,
      onCorrupt: ({ code }) => corrupt.push(code),
    });
  };
  expect((await forged([]).group(58))?.complete).toBe(true);
  const all = genuine!.objects.map((_, i) => i);
  await expect(forged(all).group(58)).rejects.toMatchObject({ code: "store-corrupt" });
  // The one manifest that is kept proves the group as a whole: of a group with one forgery nothing can be told apart.
  const rest = await forged([2])
    .group(58)
    .catch(() => undefined);
  expect(rest?.objects.map(({ object }) => object) ?? []).not.toContain(2);
  expect(corrupt).toEqual(["store-corrupt", "store-corrupt"]);
});

test("a reader that gives up is let go with its reason", async () => {
  await publish(58, NEWEST);
  const { track } = await deepTrack();
  const given = new RangeError("given up");
  await expect(track.group(58, { signal: AbortSignal.abort(given) })).rejects.toBe(given);
  await expect(track.ranges(AbortSignal.abort(given))).rejects.toBe(given);
  const later = new AbortController();
  const reading = track.group(58, { signal: later.signal });
  later.abort(given);
  await expect(reading).rejects.toBe(given);
});

test("a relay that fails, or does not go on, leaves it open whether a group is there: an error, and never an absence", async () => {
  await publish(58, NEWEST);
  // Signed, and on no relay that answers.
  await broadcast.sign(NEWEST + 1);
  const { track } = await deepTrack({ stallMs: 200 });
  expect(await track.group(NEWEST + 1)).toBeUndefined();
  const relay = broadcast.peer(RELAY_A).serve("video");
  const answer = relay.fetch.bind(relay);
  relay.fetch = async (request) => request.reject({ errorCode: 0, reason: "the disk" });
  await expect(track.group(NEWEST + 1)).rejects.toMatchObject({ code: "request-rejected" });
  relay.fetch = () => Promise.resolve();
  await expect(track.group(NEWEST + 1)).rejects.toMatchObject({ code: "request-timeout", peer: RELAY_A });
  relay.fetch = answer;
  expect((await track.group(NEWEST))?.complete).toBe(true);
});

test("what is stored in part is made whole as soon as somebody has the rest", async () => {
  for (let group = 58; group <= NEWEST; group++) {
    await broadcast.sign(group);
    broadcast.serve(RELAY_A, group, (object) => (object.object === 3 ? undefined : object));
  }
  broadcast.peer(RELAY_B).serve("video");
  const store = new MemoryStore();
  const { track } = await deepTrack({ store });
  expect((await track.group(58))?.complete).toBe(false);
  await store.flush();
  expect((await store.group(track.key, 58))?.complete).toBe(false);
  // Nobody has more: the half is given, and not an error.
  expect((await track.group(58))?.objects).toHaveLength(payloads(58).length - 1);
  broadcast.serve(RELAY_B, 58);
  expect(await track.group(58)).toMatchObject({ complete: true, from: "fetch" });
  await store.flush();
  expect(await store.group(track.key, 58)).toMatchObject({ complete: true });
  expect(corrupt).toEqual([]);
});
