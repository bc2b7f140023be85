/** A broadcast with groups of 1.2 s, and one of 0.4 s each time the clip begins anew: which group plays when, only its publisher can tell. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TimelineRecord } from "../src/catalog/media-timeline.ts";
import { systemClock } from "../src/clock.ts";
import { broadcastCatalog } from "../src/publish/broadcast-catalog.ts";
import { TICKS_PER_MS } from "../src/publish/clip.ts";
import { TimelineWriter } from "../src/publish/timeline-writer.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { SeekAnswer } from "../src/rpc/protocol.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { utf8Encode } from "../src/utf8.ts";
import { BROADCAST, EventLog, MANIFESTS, MemoryBroadcast, RELAY_A } from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

const OLDEST = 70;
const NEWEST = 90;
const SOUGHT = 76;
const WARNING = { code: "timeline-unusable" };

let key: SigningKey;
let broadcast: MemoryBroadcast;
let writer: TimelineWriter;
let clients: BroadcastClient[];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key, {}, { gopFrames: 30 });
  writer = new TimelineWriter(systemClock);
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.close();
});

function startMs(group: number): number {
  return broadcast.cutter.span(group).startTicks / TICKS_PER_MS;
}

function record(group: number, shiftMs = 0): TimelineRecord {
  const mediaMs = startMs(group) + shiftMs;
  return { mediaMs, group, object: 0, wallclockMs: broadcast.epochMs + mediaMs };
}

/** Signed; the relay has it. */
async function publish(group: number): Promise<void> {
  await broadcast.sign(group);
  broadcast.serve(RELAY_A, group);
}

/** The catalog and the history, as a publisher that has run for a while has it. Resolves with the timeline's latest group. */
async function publishAll({ shiftMs = 0, timeline = true } = {}): Promise<number> {
  await broadcast.publishCatalog(
    broadcastCatalog(broadcast.cutter, { epochMs: broadcast.epochMs, timeline }),
  );
  let latest = 0;
  for (let group = OLDEST; group <= NEWEST; group++) {
    await publish(group);
    const listed = writer.add(record(group, shiftMs));
    await broadcast.publishTimeline(listed);
    latest = listed.group;
  }
  return latest;
}

async function open(store = new MemoryStore()): Promise<{ client: BroadcastClient; log: EventLog }> {
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
      replay: { enabled: true, maxAgeMs: 72 * 3_600_000, maxBytes: undefined },
      versions: ["moqt-18"],
    },
    port1,
  );
  return { client, log };
}

/** 0.3 s into the sought group. */
function seek(client: BroadcastClient): Promise<SeekAnswer> {
  return client.seek({ targetMs: startMs(SOUGHT) + 300, onlyAfter: false });
}

const found = () => ({
  kind: "excerpt",
  startMs: startMs(SOUGHT) + 300,
  listStartMs: startMs(SOUGHT),
});

test("a seek into what this player never saw lands in the group that the timeline says, at the millisecond", async () => {
  await publishAll();
  const { client, log } = await open();
  await log.until("ready");
  await vi.waitFor(async () => expect(await seek(client)).toMatchObject(found()), 5_000);
  expect(log.all.some(({ type }) => type === "warning")).toBe(false);
});

test("without a timeline nothing is guessed: the same seek finds only what was seen", async () => {
  await publishAll({ timeline: false });
  const { client, log } = await open();
  await log.until("ready");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await seek(client)).not.toMatchObject({ listStartMs: startMs(SOUGHT) });
});

test("the timeline grows with the broadcast", async () => {
  await publishAll();
  const { client, log } = await open();
  await log.until("ready");
  for (let group = NEWEST + 1; group <= NEWEST + 3; group++) {
    await publish(group);
    await broadcast.publishTimeline(writer.add(record(group)));
  }
  const keep = { startMs: startMs(NEWEST), endMs: startMs(NEWEST + 2) };
  await vi.waitFor(async () => expect(await client.keep([keep])).toEqual([keep]), 5_000);
});

test("with the network gone, what is stored has its times: the timeline was kept with its proof", async () => {
  await publishAll();
  const store = new MemoryStore();
  const first = await open(store);
  await first.log.until("ready");
  await vi.waitFor(async () => expect(await seek(first.client)).toMatchObject(found()), 5_000);
  // The excerpt stores what it fetches, some groups ahead.
  await vi.waitFor(
    async () => expect((await first.client.stats()).stored[0]?.startMs).toBe(startMs(SOUGHT)),
    5_000,
  );
  broadcast.peer(RELAY_A).down();
  broadcast.peer(MANIFESTS).down();
  const close = store.close.bind(store);
  store.close = async () => undefined;
  await first.client.close();
  const second = await open(store);
  const ready = await second.log.until("ready");
  expect(ready.live).toBe(false);
  expect(await seek(second.client)).toMatchObject(found());
  store.close = close;
});

test.each([
  ["is not JSON", utf8Encode("[[")],
  ["goes back in time", utf8Encode("[[2000,[70,0],0],[1000,[71,0],0]]")],
])("a timeline that %s is told once and not used; the broadcast plays on", async (_, payload) => {
  const group = (await publishAll()) + 1;
  await broadcast.publishTimeline({ group, object: 0, payload });
  const { client, log } = await open();
  expect((await log.until("warning")).error).toMatchObject(WARNING);
  await log.until("ready");
  expect(await seek(client)).not.toMatchObject({ listStartMs: startMs(SOUGHT) });
  expect(log.all.filter(({ type }) => type === "warning").length).toBe(1);
});

test("an update that contradicts what it updates ends the timeline", async () => {
  await publishAll();
  const { client, log } = await open();
  await log.until("ready");
  await vi.waitFor(async () => expect(await seek(client)).toMatchObject(found()), 5_000);
  await broadcast.publishTimeline(writer.add(record(OLDEST)));
  expect((await log.until("warning")).error).toMatchObject(WARNING);
});

test("a timeline that lies, signed or not, is held against the media themselves and dropped", async () => {
  await publishAll({ shiftMs: 3_000 });
  const { client, log } = await open();
  await log.until("ready");
  // A group's time is learnt when the next one has begun.
  for (let group = NEWEST + 1; group <= NEWEST + 2; group++) await publish(group);
  const { error } = await log.until("warning");
  expect(error).toMatchObject(WARNING);
  expect(error.message).toContain("the media themselves");
  // The times that were learnt are right.
  const keep = { startMs: startMs(NEWEST), endMs: startMs(NEWEST + 1) };
  expect(await client.keep([keep])).toEqual([keep]);
});

test("what a manifest peer alters of the timeline is not read", async () => {
  const group = (await publishAll()) + 1;
  const altered = utf8Encode(
    `[[0,[70,0],0],[${startMs(SOUGHT)},[75,0],0],[${startMs(SOUGHT + 1)},[76,0],0]]`,
  );
  await broadcast.publishTimeline({ group, object: 0, payload: utf8Encode("[]") }, altered);
  const { client, log } = await open();
  await log.until("ready");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await seek(client)).not.toMatchObject({ listStartMs: startMs(SOUGHT) });
  expect(log.all.some(({ type }) => type === "warning")).toBe(false);
});
