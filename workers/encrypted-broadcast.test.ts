/** An encrypted broadcast through the whole worker: relays and store see ciphertext, the page gets media or a reason. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import { broadcastCatalog } from "../src/publish/broadcast-catalog.ts";
import { BroadcastEncryption, type EncryptionPlan } from "../src/publish/encryption.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { PageApi } from "../src/rpc/protocol.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { namespaceOf } from "../src/wire/names.ts";
import { BROADCAST, EventLog, MANIFESTS, MemoryBroadcast, RELAY_A, RELAY_B } from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

const FIRST = 90;
const PLAN: EncryptionPlan = {
  suite: "AES_128_GCM_SHA256_128",
  keys: [
    { keyId: 5, baseKey: new Uint8Array(16).fill(5) },
    { keyId: 6, baseKey: new Uint8Array(16).fill(6) },
  ],
  rotateGroups: 1,
};
const RIGHT: PageApi = { key: async ({ keyId }) => new Uint8Array(16).fill(Number(keyId)) };
const WRONG: PageApi = { key: async () => new Uint8Array(16).fill(77) };

let key: SigningKey;
let broadcast: MemoryBroadcast;
let encryption: BroadcastEncryption;
let clients: BroadcastClient[];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key);
  encryption = new BroadcastEncryption(namespaceOf(...BROADCAST), PLAN);
  clients = [];
});

/** The catalog says how the tracks are encrypted. */
async function announce(
  described: { cipherSuite: string; keyId: string } = encryption.described,
): Promise<void> {
  const { cutter, epochMs } = broadcast;
  await broadcast.publishCatalog(broadcastCatalog(cutter, { epochMs, encryption: described }));
}

afterEach(async () => {
  for (const client of clients) await client.close();
});

async function open(page: PageApi | undefined, store?: MemoryStore) {
  const client = new BroadcastClient({
    dial: broadcast.dial,
    clock: systemClock,
    openStore: async () => ({ store: store ?? new MemoryStore(), warning: undefined }),
  });
  clients.push(client);
  const { port1, port2 } = new MessageChannel();
  const log = new EventLog(port2);
  await client.open(
    {
      broadcast: BROADCAST,
      objects: [{ url: RELAY_A }, { url: RELAY_B }],
      manifests: [{ url: MANIFESTS }],
      roots: [key.publicKey],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: store !== undefined, maxAgeMs: 3_600_000, maxBytes: undefined },
      ...(page && { encryption: { keyTimeoutMs: 5000 } }),
      versions: ["moqt-18"],
    },
    port1,
    page,
  );
  return { client, log };
}

async function publish(group: number): Promise<void> {
  await broadcast.encrypt(encryption, group);
  await broadcast.sign(group);
  broadcast.serve(RELAY_A, group);
  broadcast.serve(RELAY_B, group);
}

let nextRequest = 1;

async function playlist(client: BroadcastClient, path: string): Promise<string> {
  const response = await client.resource({ id: nextRequest++, path });
  if (response.kind !== "playlist") throw new Error("not a playlist");
  return response.text;
}

async function media(client: BroadcastClient, path: string): Promise<Uint8Array> {
  const response = await client.resource({ id: nextRequest++, path });
  if (response.kind !== "media") throw new Error("not media");
  return new Uint8Array(response.data);
}

test("plays what was published, over a change of keys in mid-stream", async () => {
  await announce();
  await publish(FIRST);
  const { client, log } = await open(RIGHT);
  await log.until("ready");
  for (const group of [FIRST + 1, FIRST + 2]) await publish(group);
  for (const group of [FIRST, FIRST + 1, FIRST + 2]) {
    for (const { objectId, payload } of broadcast.cutter.group("video", group)) {
      await expect
        .poll(() => media(client, `video/${group}.${objectId}.m4s`).catch(() => undefined))
        .toEqual(payload);
    }
  }
  expect(log.all.filter(({ type }) => type === "hole" || type === "rejected")).toEqual([]);
  await log.until("state", ({ state }) => state === "live");
});

test("with a wrong key is locked, says why and what to do, and blames nobody", async () => {
  await announce();
  await publish(FIRST);
  const { client, log } = await open(WRONG);
  const locked = await log.until("state", ({ state }) => state === "locked");
  expect(locked.error).toMatchObject({ code: "decryption-failed", hint: expect.stringMatching(/keys/) });
  const hole = await log.until("hole");
  expect(hole).toMatchObject({ cause: "undecipherable" });
  await publish(FIRST + 1);
  const objects = [FIRST, FIRST + 1].flatMap((group) =>
    ["video", "audio"].flatMap((name) => broadcast.cutter.group(name, group)),
  );
  await expect.poll(async () => (await client.stats()).objects.delivered).toBe(objects.length);
  expect(log.all.filter(({ type }) => type === "ready" || type === "rejected")).toEqual([]);
  expect((await client.stats()).sources.map(({ state }) => state)).not.toContain("banned");
});

test("loses what the signer itself signed wrong up to the next keyframe, says so, blames nobody and goes on", async () => {
  await announce();
  await publish(FIRST);
  const { client, log } = await open(RIGHT);
  await log.until("ready");
  await broadcast.encrypt(encryption, FIRST + 1);
  broadcast.tamper("video", FIRST + 1, 2);
  await broadcast.sign(FIRST + 1);
  broadcast.serve(RELAY_A, FIRST + 1);
  await publish(FIRST + 2);
  const hole = await log.until("hole");
  expect(hole).toMatchObject({ track: "video", cause: "undecipherable", startMs: (FIRST + 1) * 1000 });
  const [before, , lost, behind] = broadcast.cutter.group("video", FIRST + 1);
  const [next] = broadcast.cutter.group("video", FIRST + 2);
  await expect
    .poll(() => media(client, `video/${FIRST + 2}.0.m4s`).catch(() => undefined))
    .toEqual(next?.payload);
  expect(await media(client, `video/${FIRST + 1}.${before?.objectId}.m4s`)).toEqual(before?.payload);
  for (const gone of [lost, behind])
    await expect(media(client, `video/${FIRST + 1}.${gone?.objectId}.m4s`)).rejects.toThrow(CountersignError);
  // Sound does not depend on what was before.
  const [sound] = broadcast.cutter.group("audio", FIRST + 1).slice(-1);
  expect(await media(client, `audio/${FIRST + 1}.${sound?.objectId}.m4s`)).toEqual(sound?.payload);
  expect(log.all.filter(({ type }) => type === "rejected")).toEqual([]);
  expect((await client.stats()).sources.map(({ state }) => state)).not.toContain("banned");
});

test("without keys is locked and tells the app to give some", async () => {
  await announce();
  await publish(FIRST);
  const { log } = await open(undefined);
  const locked = await log.until("state", ({ state }) => state === "locked");
  expect(locked.error).toMatchObject({
    code: "key-unavailable",
    hint: expect.stringMatching(/createPlayer/),
  });
});

test("plays when a provider that failed has the key, from the first object on", async () => {
  await announce();
  await publish(FIRST);
  let asked = 0;
  const { client, log } = await open({
    async key(request) {
      asked += 1;
      if (asked <= 2) throw new Error("not yet");
      return RIGHT.key(request);
    },
  });
  await log.until("state", ({ state }) => state === "locked");
  await log.until("ready");
  const [first] = broadcast.cutter.group("video", FIRST);
  expect(await media(client, `video/${FIRST}.${first?.objectId}.m4s`)).toEqual(first?.payload);
  await log.until("state", ({ state }) => state === "live");
  expect(log.all.filter(({ type }) => type === "hole")).toEqual([]);
  // The group was over before its first object could be opened: it is listed whole all the same.
  await expect.poll(() => playlist(client, "video/live.m3u8")).toContain(`\n${FIRST}.m4s`);
});

test("is kept as ciphertext, and read from the store with the app's key, of which it waits for a late one", async () => {
  const store = new MemoryStore();
  await announce();
  await publish(FIRST);
  const first = await open(RIGHT, store);
  await first.log.until("ready");
  for (let group = FIRST + 1; group < FIRST + 4; group++) await publish(group);
  const length = (group: number) =>
    broadcast.cutter.group("video", group).length + broadcast.cutter.group("audio", group).length;
  const all = [0, 1, 2, 3].reduce((sum, ahead) => sum + length(FIRST + ahead), 0);
  await expect.poll(async () => (await first.client.stats()).objects.delivered).toBe(all);
  await expect.poll(async () => (await first.client.stats()).stored.length).toBeGreaterThan(0);
  await expect.poll(async () => (await first.client.stats()).stored[0]?.endMs).toBe((FIRST + 4) * 1000);
  // Closing the client closes the store: an in-memory one would be gone.
  for (const url of [RELAY_A, RELAY_B, MANIFESTS]) broadcast.peer(url).down();

  let asked = 0;
  const offline = await open(
    {
      async key(request) {
        asked += 1;
        return asked === 1 ? undefined : RIGHT.key(request);
      },
    },
    store,
  );
  const ready = await offline.log.until("ready");
  expect(ready.live).toBe(false);
  const published = broadcast.cutter.group("video", FIRST + 1).map(({ payload }) => payload);
  const whole = new Uint8Array(await new Blob(published as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  expect(await media(offline.client, `video/${FIRST + 1}.m4s`)).toEqual(whole);
  expect(asked).toBeGreaterThan(1);
});

test("of a scheme that nobody knows is not played, and the reason names it", async () => {
  await announce({ cipherSuite: "rot13", keyId: "1" });
  const { log } = await open(RIGHT);
  const waiting = await log.until("state", ({ error }) => error?.code === "encryption-unsupported");
  expect(waiting.error?.message).toContain("rot13");
});
