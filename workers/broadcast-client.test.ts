import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";
import { TrackSigner } from "../src/publish/signer.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import { storedTrackKey } from "../src/replay/track-key.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type { OpenOptions } from "../src/rpc/protocol.ts";
import { signDelegation } from "../src/trust/delegation.ts";
import { decodeEvidence, verifyEvidence } from "../src/trust/evidence.ts";
import { signRevocation } from "../src/trust/key-change.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import { BROADCAST, EventLog, MANIFESTS, MemoryBroadcast, RELAY_A, RELAY_B } from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

let key: SigningKey;
let broadcast: MemoryBroadcast;
let clients: BroadcastClient[];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key);
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.close();
});

async function open(
  change: Partial<OpenOptions> = {},
  store?: ReplayStore,
  opened?: Promise<void>,
): Promise<{ client: BroadcastClient; log: EventLog }> {
  const client = new BroadcastClient({
    dial: broadcast.dial,
    clock: systemClock,
    openStore: async () => {
      await opened;
      return { store: store ?? new MemoryStore(), warning: undefined };
    },
  });
  clients.push(client);
  const { port1, port2 } = new MessageChannel();
  const log = new EventLog(port2);
  // Resolves when the store is open; the session is under way before.
  const opening = client.open(
    {
      broadcast: BROADCAST,
      objects: [{ url: RELAY_A }, { url: RELAY_B }],
      manifests: [{ url: MANIFESTS }],
      roots: [key.publicKey],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: store !== undefined, maxAgeMs: 72 * 3_600_000, maxBytes: undefined },
      versions: ["moqt-18"],
      ...change,
    } as OpenOptions,
    port1,
  );
  if (opened === undefined) await opening;
  return { client, log };
}

let nextRequest = 1;

async function media(client: BroadcastClient, path: string): Promise<Uint8Array> {
  const response = await client.resource({ id: nextRequest++, path });
  if (response.kind !== "media") throw new Error("not media");
  return new Uint8Array(response.data);
}

async function playlist(client: BroadcastClient, path: string): Promise<string> {
  const response = await client.resource({ id: nextRequest++, path });
  if (response.kind !== "playlist") throw new Error("not a playlist");
  return response.text;
}

const FIRST = 90;

/** Of all tracks together. */
function objects(group: number): number {
  return broadcast.cutter.group("video", group).length + broadcast.cutter.group("audio", group).length;
}

async function publish(group: number): Promise<void> {
  await broadcast.sign(group);
  broadcast.serve(RELAY_A, group);
  broadcast.serve(RELAY_B, group);
}

test("plays what was signed: states, playlists, and the very bytes that were published", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open();
  const ready = await log.until("ready");
  expect(ready.live).toBe(true);
  expect(ready.tracks.map(({ name }) => name)).toEqual(["video", "audio"]);
  expect(await playlist(client, "main.m3u8")).toContain("video/live.m3u8");
  const [, sequence] = /MEDIA-SEQUENCE:(\d+)/.exec(await playlist(client, "video/live.m3u8")) ?? [];
  // Asked for before it exists, as a player does: the answer is held until the part is there.
  const next = playlist(client, `video/live.m3u8?_HLS_msn=${Number(sequence) + 1}&_HLS_part=0`);
  await publish(FIRST + 1);
  expect(await next).toContain(`${FIRST + 1}.0.m4s`);
  const published = broadcast.cutter.group("video", FIRST + 1)[0];
  expect(await media(client, `video/${FIRST + 1}.0.m4s`)).toEqual(published?.payload);
  expect(await media(client, "video/init.mp4")).toEqual(broadcast.cutter.tracks[0]?.initSegment);
  await log.until("state", ({ state }) => state === "live");
});

test.each(["moqt-16", "moqt-14"] as const)(
  "plays the very bytes that were signed in %s too",
  async (version) => {
    broadcast.versions = [version];
    await broadcast.publishCatalog();
    await publish(FIRST);
    const { client, log } = await open({ versions: [version] });
    expect((await log.until("ready")).tracks.map(({ name }) => name)).toEqual(["video", "audio"]);
    await publish(FIRST + 1);
    await vi.waitFor(
      async () => expect(await playlist(client, "video/live.m3u8")).toContain(`URI="${FIRST + 1}.4.m4s"`),
      { timeout: 30_000 },
    );
    for (const [index, { payload }] of broadcast.cutter.group("video", FIRST + 1).entries()) {
      expect(await media(client, `video/${FIRST + 1}.${index}.m4s`)).toEqual(payload);
    }
    await log.until("state", ({ state }) => state === "live");
  },
);

test("two relays give every object once", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open();
  await log.until("ready");
  for (let group = FIRST + 1; group < FIRST + 4; group++) await publish(group);
  const signed = [FIRST, FIRST + 1, FIRST + 2, FIRST + 3].reduce(
    (sum, group) =>
      sum + broadcast.cutter.group("video", group).length + broadcast.cutter.group("audio", group).length,
    0,
  );
  await expect.poll(async () => (await client.stats()).objects.delivered).toBe(signed);
  await expect.poll(async () => (await client.stats()).objects.duplicate).toBe(signed);
});

test("a relay that stands by is subscribed and sends nothing, until the one that sends is gone", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open({ redundancy: 1 });
  await log.until("ready");
  for (let group = FIRST + 1; group < FIRST + 4; group++) await publish(group);
  const before = [0, 1, 2, 3].reduce((sum, ahead) => sum + objects(FIRST + ahead), 0);
  await expect.poll(async () => (await client.stats()).objects.delivered).toBe(before);
  const sent = (url: string): number =>
    ["video", "audio"].reduce((sum, name) => sum + broadcast.peer(url).serve(name).objectsSent, 0);
  const { sources } = await client.stats();
  const active = sources.find(({ kind, state }) => kind === "objects" && state === "active")?.url ?? "";
  const standby = sources.find(({ state }) => state === "standby");
  expect([active, standby?.url].sort()).toEqual([RELAY_A, RELAY_B]);
  expect(broadcast.peer(standby?.url ?? "").serve("video").subscribers).toBe(1);
  // Measured where it would be sent and where it would be received: not one byte of media.
  expect(sent(standby?.url ?? "")).toBe(0);
  expect(standby?.score.bytes).toBe(0);
  expect(sent(active)).toBe(before);

  broadcast.peer(active).down();
  await publish(FIRST + 4);
  await expect.poll(async () => (await client.stats()).objects.delivered).toBe(before + objects(FIRST + 4));
  expect(sent(standby?.url ?? "")).toBeGreaterThanOrEqual(objects(FIRST + 4));
});

test("what a relay alters is refused, and the honest copy of the other is played", async () => {
  await broadcast.publishCatalog();
  await broadcast.sign(FIRST);
  broadcast.serve(RELAY_A, FIRST, (object) => ({
    ...object,
    payload: object.payload.map((byte, i) => (i === 300 ? byte ^ 1 : byte)),
  }));
  broadcast.serve(RELAY_B, FIRST);
  const { client, log } = await open();
  await log.until("ready");
  const rejected = await log.until("rejected");
  expect(rejected).toMatchObject({ url: RELAY_A, reason: "mismatch" });
  // Playback begins with the first parts; the others are on their way from the honest relay.
  await expect
    .poll(async () => (await client.stats()).objects.delivered, { timeout: 20_000 })
    .toBe(objects(FIRST));
  for (const { objectId, payload } of broadcast.cutter.group("video", FIRST)) {
    expect(await media(client, `video/${FIRST}.${objectId}.m4s`)).toEqual(payload);
  }
});

test("when both relays lie nothing is announced, and the state says why", async () => {
  await broadcast.publishCatalog();
  const lie = { group: FIRST };
  const alter = (url: string): void =>
    broadcast.serve(url, lie.group, (object) => ({
      ...object,
      payload: object.payload.map((byte) => byte ^ 0x55),
    }));
  await broadcast.sign(FIRST);
  alter(RELAY_A);
  alter(RELAY_B);
  const { log } = await open();
  const blocked = await log.until("state", ({ state }) => state === "blocked");
  expect(blocked.error?.code).toBe("all-relays-lie");
  expect(log.all.some(({ type }) => type === "ready")).toBe(false);
});

test("a broadcast signed by a key that is not pinned is not played", async () => {
  const other = await importSeed(generateSeed());
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { log } = await open({ roots: [other.publicKey] });
  const waiting = await log.until("state", ({ error }) => error?.code === "manifest-wrong-key");
  expect(waiting.state).toBe("waiting");
  expect(log.all.some(({ type }) => type === "ready")).toBe(false);
});

test("a signed catalog that is none leaves the player waiting with catalog-malformed", async () => {
  await broadcast.publishCatalog(new TextEncoder().encode('{"version":1,"tracks":"none"}'));
  const { log } = await open();
  const waiting = await log.until("state", ({ error }) => error?.code === "catalog-malformed");
  expect(waiting.state).toBe("waiting");
});

test("a broadcast that nobody has published yet is told as unknown, and played once it is there", async () => {
  const { log } = await open();
  const unknown = await log.until("state", ({ error }) => error?.code === "broadcast-unknown");
  expect(unknown.state).toBe("waiting");
  await broadcast.publishCatalog();
  await publish(FIRST);
  await log.until("ready");
});

test("a relay that goes away and comes back costs no object", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open();
  await log.until("ready");
  broadcast.peer(RELAY_A).down();
  broadcast.peer(RELAY_B).down();
  for (let group = FIRST + 1; group < FIRST + 4; group++) await publish(group);
  broadcast.peer(RELAY_B).up = true;
  await expect
    .poll(async () => (await client.stats()).objects, { timeout: 10_000 })
    .toMatchObject({ delivered: 4 * (5 + 5), holes: 0 });
});

test("with every peer gone, a new session plays what was stored, verified again", async () => {
  const store = new MemoryStore();
  await broadcast.publishCatalog();
  await publish(FIRST);
  const first = await open({}, store);
  await first.log.until("ready");
  await publish(FIRST + 1);
  await expect.poll(async () => (await first.client.stats()).objects.delivered).toBe(20);
  await store.flush();

  for (const peer of broadcast.peers.values()) peer.down();
  const { client, log } = await open({}, unclosable(store));
  const ready = await log.until("ready");
  expect(ready.live).toBe(false);
  await log.until("state", ({ state }) => state === "offline");
  const folder = ready.path?.replace("main.m3u8", "") ?? "none";
  expect(await playlist(client, `${folder}main.m3u8`)).toContain("video/live.m3u8");
  await expect.poll(() => playlist(client, `${folder}video/live.m3u8`)).toContain("#EXT-X-ENDLIST");
  const whole = await media(client, `${folder}video/${FIRST}.m4s`);
  const published = broadcast.cutter.group("video", FIRST).map(({ payload }) => payload);
  expect(whole.byteLength).toBe(published.reduce((sum, { byteLength }) => sum + byteLength, 0));
});

test("a signer that was restarted as a new stream is followed without a reload, and its media are played", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open();
  await log.until("ready");
  await log.until("state", ({ state }) => state === "live");
  broadcast.restartSigner();
  await broadcast.publishCatalog();
  await publish(FIRST + 1);
  await publish(FIRST + 2);
  await expect.poll(() => log.all.filter(({ type }) => type === "ready").length).toBe(2);
  const published = broadcast.cutter.group("video", FIRST + 2)[0];
  expect(await media(client, `video/${FIRST + 2}.0.m4s`)).toEqual(published?.payload);
  const told = log.all.slice(log.all.findLastIndex(({ type }) => type === "ready"));
  expect(told.some((event) => event.type === "state" && event.state === "failed")).toBe(false);
});

test("a restart that is heard of on a media track first is followed as well", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { log } = await open();
  await log.until("ready");
  broadcast.restartSigner();
  await publish(FIRST + 1);
  await broadcast.publishCatalog();
  await publish(FIRST + 2);
  await expect.poll(() => log.all.filter(({ type }) => type === "ready").length).toBe(2);
});

test("a signer caught with two truths ends playback, and the proof can be exported and checked by others", async () => {
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { client, log } = await open();
  await log.until("ready");
  expect(await client.evidence()).toBeUndefined();
  const video = trackOf(namespaceOf(...BROADCAST), "video");
  const liar = new TrackSigner({
    key,
    track: video,
    streamId: broadcast.streamId,
    clock: systemClock,
    publish: ({ group, object, envelope }) =>
      broadcast
        .peer(MANIFESTS)
        .serve("video.manifest")
        .publish(
          {
            group: Number(group) + 1,
            object,
            subgroup: 0,
            priority: undefined,
            status: "normal",
            properties: new Uint8Array(0),
            payload: envelope,
          },
          { endOfGroup: true, firstObject: true, priority: undefined },
        ),
  });
  await liar.add({ group: FIRST, object: 0, payload: new Uint8Array(99) });
  const failed = await log.until("state", ({ state }) => state === "failed");
  expect(failed.error?.code).toBe("manifest-equivocation");
  const bytes = await client.evidence();
  const proven = await verifyEvidence(decodeEvidence(bytes!), await KeyRing.create([key.publicKey]));
  expect(proven.track).toEqual(video);
});

test("a revocation that was seen once is known to the next session, whatever its peers hide", async () => {
  const store = new MemoryStore();
  const root = key;
  const signer = await importSeed(generateSeed());
  const delegation = await signDelegation(root, {
    publicKey: signer.publicKey,
    namespacePrefix: namespaceOf(...BROADCAST),
    notBeforeMs: 0,
    notAfterMs: Date.now() + 3_600_000,
    serial: 1,
  });
  const revocation = await signRevocation(root, { publicKey: signer.publicKey, fromMs: 0 });
  const first = new MemoryBroadcast(root, { delegation: [delegation], revocation: [revocation] });
  broadcast = first;
  await broadcast.publishCatalog();
  await publish(FIRST);
  await (await open({}, unclosable(store))).log.until("ready");
  await store.flush();
  broadcast = new MemoryBroadcast(signer, { delegation: [delegation] });
  await broadcast.publishCatalog();
  await publish(FIRST + 1);
  const { log } = await open({ roots: [root.publicKey] }, unclosable(store));
  const refused = await log.until("state", ({ error }) => error?.code === "manifest-key-revoked");
  expect(refused.state).toBe("waiting");
});

test("a catalog that was signed before the one an earlier session kept is not played: a reload is no way back", async () => {
  const store = new MemoryStore();
  await broadcast.publishCatalog();
  await publish(FIRST);
  await (await open({}, unclosable(store))).log.until("ready");
  await store.flush();
  // Fresh enough to begin with, for a viewer who remembers nothing.
  broadcast = new MemoryBroadcast(key);
  broadcast.restartSigner(-60_000);
  await broadcast.publishCatalog();
  await publish(FIRST + 1);
  const { log } = await open({}, unclosable(store));
  const refused = await log.until("state", ({ error }) => error?.code === "manifest-rollback");
  expect(refused.state).toBe("waiting");
  // The signer itself is heard as soon as somebody carries it.
  broadcast.restartSigner(1_000);
  await broadcast.publishCatalog();
  await publish(FIRST + 2);
  await log.until("ready", ({ live }) => live);
});

test("a catalog that is here before the store is open waits for it, so that what is played is kept from the first object on", async () => {
  const store = new MemoryStore();
  let openStore: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    openStore = resolve;
  });
  await broadcast.publishCatalog();
  await publish(FIRST);
  const { log } = await open({}, store, opened);
  // The catalog has come and was proven by then: its peers are long connected.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(log.all.some(({ type }) => type === "ready")).toBe(false);
  openStore();
  await log.until("ready");
  await store.flush();
  const video = storedTrackKey(broadcast.streamId, trackOf(namespaceOf(...BROADCAST), "video"));
  expect(await store.ranges(video)).toEqual([{ first: FIRST, last: FIRST }]);
});

test("closing a client ends requests that were waiting for something to play", async () => {
  const { client } = await open();
  const waiting = client.resource({ id: 1, path: "main.m3u8" });
  const outcome = expect(waiting).rejects.toMatchObject({ code: "destroyed" });
  await client.close();
  await outcome;
});

test("a version that this build does not speak is refused with those it does", async () => {
  await expect(open({ versions: ["moqt-99"] })).rejects.toMatchObject({ code: "invalid-options" });
});

/** Two sessions of one test share a store; the first to close must not take it from the other. */
function unclosable(store: MemoryStore): ReplayStore {
  return new Proxy(store, {
    get(target, property) {
      if (property === "close") return async () => undefined;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
