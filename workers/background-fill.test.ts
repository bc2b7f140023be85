import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import { storedTrackKey } from "../src/replay/track-key.ts";
import type { OpenOptions } from "../src/rpc/protocol.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import { BROADCAST, EventLog, MANIFESTS, MemoryBroadcast, RELAY_A, TRACKS } from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

const FIRST = 70;
const NEWEST = 100;
let key: SigningKey;
let broadcast: MemoryBroadcast;
let clients: BroadcastClient[];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key);
  clients = [];
  await broadcast.publishCatalog();
  for (let group = FIRST; group <= NEWEST; group++) await publish(group);
});

afterEach(async () => {
  for (const client of clients) await client.close();
});

async function publish(group: number): Promise<void> {
  await broadcast.sign(group);
  broadcast.serve(RELAY_A, group);
}

async function open(store: MemoryStore, replay: Partial<OpenOptions["replay"]>): Promise<BroadcastClient> {
  const client = new BroadcastClient({
    dial: broadcast.dial,
    clock: systemClock,
    openStore: async () => ({ store, warning: undefined }),
  });
  clients.push(client);
  const { port1, port2 } = new MessageChannel();
  const log = new EventLog(port2);
  await client.open(
    {
      broadcast: BROADCAST,
      objects: [{ url: RELAY_A }],
      manifests: [{ url: MANIFESTS }],
      roots: [key.publicKey],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: true, maxAgeMs: 72 * 3_600_000, maxBytes: undefined, ...replay },
      versions: ["moqt-18"],
    },
    port1,
  );
  await log.until("ready");
  return client;
}

const keyOf = (name: string): string =>
  storedTrackKey(broadcast.streamId, trackOf(namespaceOf(...BROADCAST), name));

async function oldestStored(store: MemoryStore, name: string) {
  const range = { first: 0, last: NEWEST };
  return (await store.wholeRanges(keyOf(name), range))[0]?.first;
}

test("with a backfill wanted the store fills up behind the viewer, that far and no farther, whole and proven", async () => {
  const store = new MemoryStore();
  let flushes = 0;
  store.flush = async () => void flushes++;
  const client = await open(store, { backfillMs: 20_000 });
  await expect.poll(async () => (await client.stats()).backfill?.state, { timeout: 30_000 }).toBe("done");
  for (const name of TRACKS) expect(await oldestStored(store, name)).toBe(NEWEST - 20);
  const stored = await store.group(keyOf("video"), NEWEST - 15);
  expect(stored?.complete).toBe(true);
  expect(stored?.objects.map(({ payload }) => payload)).toEqual(
    broadcast.cutter.group("video", NEWEST - 15).map(({ payload }) => payload),
  );
  const { backfill } = await client.stats();
  expect(backfill?.fetchedGroups).toBeGreaterThanOrEqual(30);
  expect(backfill?.missingGroups).toBe(0);
  // One group at a time: the past must not fill the queue that live writes through.
  expect(flushes).toBeGreaterThanOrEqual(backfill?.fetchedGroups ?? Number.POSITIVE_INFINITY);
  expect(backfill?.storedGroups).toBe(backfill?.wantedGroups);
});

test("what is filled in expires by when it was on, not by when it was stored", async () => {
  // Media time 100 s is now: group 80 was on 20 s ago, and is stored only now.
  const store = new MemoryStore({ maxAgeMs: 15_000 });
  const expired: unknown[] = [];
  store.on("evicted", ({ first, cause }) => {
    if (cause === "age") expired.push(first);
  });
  await open(store, { backfillMs: 20_000 });
  await expect.poll(() => expired, { timeout: 10_000 }).toContain(NEWEST - 20);
});

test("after a reload it goes on where it was, and fetches nothing twice", async () => {
  const store = new MemoryStore();
  const first = await open(store, { backfillMs: 10_000 });
  await expect.poll(async () => (await first.stats()).backfill?.state, { timeout: 30_000 }).toBe("done");
  const before = (await first.stats()).backfill?.fetchedGroups ?? 0;
  // The store outlives its player.
  store.close = async () => undefined;
  await first.close();
  const second = await open(store, { backfillMs: 20_000 });
  await expect.poll(async () => (await second.stats()).backfill?.state, { timeout: 30_000 }).toBe("done");
  for (const name of TRACKS) expect(await oldestStored(store, name)).toBe(NEWEST - 20);
  expect(((await second.stats()).backfill?.fetchedGroups ?? 0) + before).toBeLessThanOrEqual(2 * 20);
});

test("without one nothing is fetched that nobody asked for", async () => {
  const store = new MemoryStore();
  const client = await open(store, {});
  await publish(NEWEST + 1);
  await expect.poll(async () => (await client.stats()).objects.delivered).toBeGreaterThan(10);
  await store.flush();
  expect((await client.stats()).backfill).toBeUndefined();
  expect((await store.ranges(keyOf("video")))[0]?.first).toBeGreaterThanOrEqual(NEWEST - 1);
});
