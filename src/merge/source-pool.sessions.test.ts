import { afterEach, expect, it } from "vitest";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { MemoryTransport } from "../testing/memory-transport.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { accept, connect } from "../transport/connect.ts";
import type { PublishedTrack, RequestHandlers, SubgroupWriter } from "../transport/connection.ts";
import { keepConnected } from "../transport/reconnect.ts";
import type { Verified } from "../trust/types.ts";
import { compareLocations, namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeJudge, objectAt } from "./fakes.ts";
import { HOLD_ABOVE_OBJECTS, PENDING_MAX_OBJECTS } from "./limits.ts";
import { TrackSequencer } from "./sequencer.ts";
import { SourcePool } from "./source-pool.ts";
import { TrackMerger } from "./track-merger.ts";

const VIDEO = trackOf(namespaceOf("live"), "video");
const NAMES = ["https://a.example/", "https://b.example/"];
const OBJECTS = 5;

/** Promises here pass through several streams: a few turns of the event loop each. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 8; i++) await settle();
}

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** A publisher that serves viewers itself, through whole MOQT sessions: live subgroups, and fetches from all it ever published. */
function sessionServer(clock: FakeClock, url: string) {
  const cache: MoqObject[] = [];
  const viewers: MemoryTransport[] = [];
  const streams = new Map<PublishedTrack, SubgroupWriter | undefined>();
  const fetches: string[] = [];
  const handlers: RequestHandlers = {
    subscribe: (request) => {
      const largest = cache.at(-1);
      const track = request.accept(largest === undefined ? {} : { largest });
      streams.set(track, undefined);
      void track.cancelled.then(() => streams.delete(track));
    },
    fetch: (request) => {
      const last = { group: request.end.group, object: request.end.object ?? Number.MAX_SAFE_INTEGER };
      fetches.push(`${request.start.group}/${request.start.object}`);
      void request.accept({ end: request.end, endOfTrack: false }).then(async (writer) => {
        for (const object of cache) {
          const wanted = compareLocations(object, request.start) >= 0 && compareLocations(object, last) <= 0;
          if (wanted) await writer.write(object);
        }
        await writer.close();
      });
    },
  };
  return {
    url,
    fetches,
    dial: memoryDial((server, transport) => {
      viewers.push(transport);
      accept(server, { clock }, handlers).catch(() => undefined);
    }),
    /** Cuts all viewers off, as a network does. */
    cut: () => {
      for (const transport of viewers.splice(0)) transport.lose();
    },
    publish: async (object: MoqObject) => {
      cache.push(object);
      for (const [track, open] of [...streams]) {
        if (!track.wants(object)) continue;
        try {
          const writer =
            object.object !== 0 && open !== undefined
              ? open
              : await track.openSubgroup({
                  group: object.group,
                  subgroup: 0,
                  endOfGroup: true,
                  firstObject: object.object === 0,
                  hasProperties: false,
                });
          await writer.write(object);
          if (object.object === OBJECTS - 1) await writer.close();
          if (streams.has(track)) streams.set(track, object.object === OBJECTS - 1 ? undefined : writer);
        } catch {
          // This viewer was cut off.
          streams.delete(track);
        }
      }
    },
  };
}

it("plays one clean track from two relays over whole sessions, although they are cut off in turn and both at once", async () => {
  const clock = new FakeClock(1_000_000);
  const relays = NAMES.map((url) => sessionServer(clock, url));
  const judge = new FakeJudge();
  const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
  const sequencer = new TrackSequencer({ clock });
  merger.on("delivered", (delivery) => sequencer.deliver(delivery));
  judge.on("truth", (truth) => sequencer.truth(truth));
  const played: string[] = [];
  const holes: string[] = [];
  sequencer.on("object", ({ object }) => played.push(`${object.group}/${object.object}`));
  sequencer.on("hole", (hole) => holes.push(`${hole.group}/${hole.objectStart} ${hole.cause}`));

  let next = 0;
  const air = async (count: number) => {
    for (let aired = 0; aired < count; aired++, next++) {
      const group = Math.floor(next / OBJECTS);
      const object = next % OBJECTS;
      const signed = Array.from({ length: object + 1 }, (_, id) => id);
      judge.sign(group, signed, object === OBJECTS - 1);
      for (const relay of relays) await relay.publish(objectAt(group, object));
      await quiet();
      await clock.run(200);
    }
  };
  await air(8);

  const pool = new SourcePool({
    clock,
    sources: NAMES,
    random: () => 0.5,
    provider: {
      keep: (source, listener) =>
        keepConnected({
          clock,
          random: () => 0.99,
          connect: (signal) =>
            connect(relays.find(({ url }) => url === source)!.dial, { url: source, clock, signal }),
          onState: (state) => {
            if (state.kind === "open") listener.open(state.connection);
            else if (state.kind === "backing-off") listener.lost(state.error);
          },
        }),
    },
  });
  cleanUps.push(() => pool.close());
  pool.addMergedTrack(VIDEO, merger, sequencer);
  await quiet();
  await air(4);
  relays[0]!.cut();
  await air(9);
  relays[1]!.cut();
  await air(9);
  // Nobody is there for a while: what was aired meanwhile has to be fetched.
  for (const relay of relays) relay.cut();
  await air(10);
  await clock.run(3_000);
  await quiet();

  // Joined in the middle of group 1: it is played from its beginning.
  const expected = Array.from({ length: next - OBJECTS }, (_, i) => i + OBJECTS);
  expect(played).toEqual(expected.map((at) => `${Math.floor(at / OBJECTS)}/${at % OBJECTS}`));
  // The signer spoke of group 0 before the viewer came: skipped, and said so. Nothing else is missing.
  expect(holes).toEqual(["0/0 start"]);
  // Each joined with the whole current group; after the common loss the first one back was asked for what the viewer stood at.
  expect(relays.map(({ fetches }) => fetches[0])).toEqual(["1/0", "1/0"]);
  expect(relays.flatMap(({ fetches }) => fetches.slice(1))).toEqual(["6/0"]);
  for (const url of NAMES) expect(merger.score(url)).toMatchObject({ junk: 0, unsigned: 0 });
  expect(merger.score(NAMES[0]!).good + merger.score(NAMES[1]!).good).toBe(expected.length);
  expect(merger.score(NAMES[0]!).duplicate + merger.score(NAMES[1]!).duplicate).toBeGreaterThan(0);
}, 30_000);

it("catches up by one fetch that is far faster than its manifests, and drops nothing of it", async () => {
  const GROUPS = 30;
  const PER_GROUP = 100;
  const clock = new FakeClock(1_000_000);
  const relay = sessionServer(clock, NAMES[0]!);
  for (let group = 0; group < GROUPS; group++)
    for (let object = 0; object < PER_GROUP; object++) await relay.publish(objectAt(group, object));
  const judge = new FakeJudge();
  const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
  const sequencer = new TrackSequencer({ clock, start: { group: 0, object: 0 } });
  let played = 0;
  const refused: string[] = [];
  merger.on("delivered", (delivery) => sequencer.deliver(delivery));
  merger.on("rejected", ({ reason }) => refused.push(reason));
  judge.on("truth", (truth) => sequencer.truth(truth));
  sequencer.on("object", () => played++);
  const pool = new SourcePool({
    clock,
    sources: NAMES.slice(0, 1),
    provider: {
      keep: (source, listener) =>
        keepConnected({
          clock,
          connect: (signal) => connect(relay.dial, { url: source, clock, signal }),
          onState: (state) => {
            if (state.kind === "open") listener.open(state.connection);
          },
        }),
    },
  });
  cleanUps.push(() => pool.close());
  pool.addMergedTrack(VIDEO, merger, sequencer);
  const ids = Array.from({ length: PER_GROUP }, (_, object) => object);
  let most = 0;
  for (let group = 0; group < GROUPS; group++) {
    await quiet();
    most = Math.max(most, merger.score(NAMES[0]!).pendingObjects);
    judge.sign(group, ids, true);
    await clock.run(20);
  }
  await quiet();
  await clock.run(1_000);
  await quiet();
  expect(refused).toEqual([]);
  expect(played).toBe(GROUPS * PER_GROUP);
  expect(relay.fetches).toEqual(["0/0"]);
  // It did pile up, and stopped where it should.
  expect(most).toBeGreaterThan(HOLD_ABOVE_OBJECTS);
  expect(most).toBeLessThanOrEqual(PENDING_MAX_OBJECTS);
}, 30_000);
