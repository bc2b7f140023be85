import { afterEach, expect, it } from "vitest";
import { Relay } from "../../demo/peers/relay/relay.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { MemoryTransport } from "../testing/memory-transport.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { accept, connect } from "../transport/connect.ts";
import type { SubgroupWriter } from "../transport/connection.ts";
import { keepConnected } from "../transport/reconnect.ts";
import type { Verified } from "../trust/types.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeJudge, objectAt } from "./fakes.ts";
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

/** One embedded relay with a publisher on it, reached through whole MOQT sessions. */
async function relayWithPublisher(clock: FakeClock, url: string) {
  const relay = new Relay({ clock, cacheGroups: 8 });
  const viewers: MemoryTransport[] = [];
  const dial = (seen: (transport: MemoryTransport) => void) =>
    memoryDial((server, transport) => {
      seen(transport);
      relay.serve((handlers) => accept(server, { clock }, handlers)).catch(() => undefined);
    });
  const publisher = await connect(
    dial(() => undefined),
    { url, clock },
  );
  cleanUps.push(() => publisher.close());
  const track = await publisher.publish(VIDEO, {});
  let writer: SubgroupWriter | undefined;
  return {
    url,
    dial: dial((transport) => viewers.push(transport)),
    /** Cuts all viewers off, as a network does. */
    cut: () => {
      for (const transport of viewers.splice(0)) transport.lose();
    },
    publish: async (object: MoqObject) => {
      if (object.object === 0) {
        writer = await track.openSubgroup({
          group: object.group,
          subgroup: 0,
          endOfGroup: true,
          firstObject: true,
          hasProperties: false,
        });
      }
      await writer?.write(object);
      if (object.object === OBJECTS - 1) await writer?.close();
    },
  };
}

it("plays one clean track from two embedded relays over whole sessions, although both are cut off in turn", async () => {
  const clock = new FakeClock(1_000_000);
  const relays = await Promise.all(NAMES.map((url) => relayWithPublisher(clock, url)));
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
          random: () => 0,
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
  await air(14);
  await clock.run(3_000);
  await quiet();

  // Joined in the middle of group 1: it is played from its beginning.
  const expected = Array.from({ length: next - OBJECTS }, (_, i) => i + OBJECTS);
  expect(played).toEqual(expected.map((at) => `${Math.floor(at / OBJECTS)}/${at % OBJECTS}`));
  // The signer spoke of group 0 before the viewer came: skipped, and said so. Nothing else is missing.
  expect(holes).toEqual(["0/0 start"]);
  for (const url of NAMES) expect(merger.score(url)).toMatchObject({ junk: 0, unsigned: 0 });
  expect(merger.score(NAMES[0]!).good + merger.score(NAMES[1]!).good).toBe(expected.length);
  expect(merger.score(NAMES[0]!).duplicate + merger.score(NAMES[1]!).duplicate).toBeGreaterThan(0);
}, 30_000);
