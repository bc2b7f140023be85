import { expect, it } from "vitest";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { type Namespace, namespaceKey, namespaceOf, trackOf } from "../../../src/wire/names.ts";
import {
  air,
  LIVE,
  names,
  OBJECTS,
  objectAt,
  quiet,
  TestPublisher,
  TestRelay,
  TestViewer,
  VIDEO,
  within,
} from "./relay.fixture.ts";
import { LINGER_MS } from "./relay-track.ts";

function world() {
  const clock = new FakeClock(1_000_000);
  const relay = new TestRelay(clock);
  return {
    clock,
    relay,
    publisher: async (announce = true) => {
      const publisher = new TestPublisher();
      await within(clock, publisher.join(relay, announce));
      return publisher;
    },
    viewer: async () => within(clock, new TestViewer().join(relay)),
  };
}

it("reads a track once for all its subscribers, who get the current group's beginning and then every object once", async () => {
  const { clock, publisher, viewer } = world();
  const origin = await publisher();
  await air(clock, [origin], 0, 6);
  const early = await viewer();
  await within(clock, early.watch());
  await air(clock, [origin], 6, 11);
  const late = await viewer();
  await within(clock, late.watch());
  await air(clock, [origin], 11, 16);
  expect(early.seen).toEqual(names(4, 16));
  expect(late.seen).toEqual(names(8, 16));
  expect(early.ends).toEqual(["1 fin", "2 fin", "3 fin"]);
  expect(origin.asked.filter((request) => request === "subscribe").length).toBe(1);
});

it("asks a publisher once for subscribers that come at the same time", async () => {
  const { clock, publisher, viewer } = world();
  const origin = await publisher();
  const viewers = [await viewer(), await viewer(), await viewer()];
  await within(clock, Promise.all(viewers.map((each) => each.subscribe())));
  expect(origin.asked.filter((request) => request === "subscribe").length).toBe(1);
});

it("answers a fetch from its cache, and what is older than that from upstream", async () => {
  const { clock, publisher, viewer } = world();
  const origin = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [origin], 0, 14 * OBJECTS);
  origin.asked.length = 0;
  const fetching = await viewer();
  await within(clock, fetching.fetch(10, 12));
  expect(fetching.fetched).toEqual(names(40, 52));
  expect(origin.asked).toEqual([]);
  fetching.fetched.length = 0;
  // The cache holds 10 groups: 0 to 3 are gone from it.
  await within(clock, fetching.fetch(1, 5));
  expect(fetching.fetched).toEqual(names(4, 24));
  expect(origin.asked).toEqual(["fetch 1-5"]);
});

it("serves a joining fetch of earlier groups", async () => {
  const { clock, publisher, viewer } = world();
  const origin = await publisher();
  await air(clock, [origin], 0, 22);
  const late = await viewer();
  await within(clock, late.watch(3));
  await air(clock, [origin], 22, 26);
  expect(late.seen).toEqual(names(8, 26));
});

it("refuses a track that nobody publishes, and serves it once somebody does", async () => {
  const { clock, publisher, viewer } = world();
  const early = await viewer();
  await expect(within(clock, early.subscribe())).rejects.toMatchObject({
    code: "request-rejected",
    protocolCode: 0x10,
  });
  const origin = await publisher();
  await air(clock, [origin], 0, 2);
  await within(clock, early.watch());
  await air(clock, [origin], 2, 4);
  expect(early.seen).toEqual(names(0, 4));
});

it("subscribes to every publisher of a track and forwards each object once", async () => {
  const { clock, publisher, viewer } = world();
  const both = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, both, 0, 8);
  expect(watching.seen).toEqual(names(0, 8));
  expect(watching.ends).toEqual(["0 fin", "1 fin"]);
  expect(both.map(({ asked }) => asked.filter((request) => request === "subscribe").length)).toEqual([1, 1]);
});

it("makes one track of publishers that have different parts of it", async () => {
  const { clock, publisher, viewer } = world();
  const [a, b] = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [a], 0, 4);
  await air(clock, [b], 4, 8);
  await air(clock, [a], 8, 12);
  expect(watching.seen).toEqual(names(0, 12));
});

it("joins a publisher that comes later, while others serve", async () => {
  const { clock, publisher, viewer } = world();
  const first = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [first], 0, 3);
  const second = await publisher();
  await quiet(clock);
  expect(second.asked).toContain("subscribe");
  first.lose();
  await air(clock, [second], 3, 9);
  expect(watching.seen).toEqual(names(0, 9));
});

it("is not disturbed by a publisher that refuses", async () => {
  const { clock, publisher, viewer } = world();
  const [bad, good] = [await publisher(), await publisher()];
  bad.refusing = true;
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [good], 0, 6);
  expect(watching.seen).toEqual(names(0, 6));
  // Another viewer is no reason to ask again while one serves: the bad one has its own pace.
  const before = bad.asked.length;
  const other = await viewer();
  await within(clock, other.watch());
  expect(bad.asked.length).toBe(before);
});

it("carries a subgroup on, on the same stream, when one of two publishers dies in the middle of it", async () => {
  const { clock, publisher, viewer } = world();
  const both = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, both, 0, 2);
  both[0]?.lose();
  await air(clock, both.slice(1), 2, 8);
  await clock.run(5_000);
  expect(watching.seen).toEqual(names(0, 8));
  expect(watching.ends).toEqual(["0 fin", "1 fin"]);
});

it("leaves no hole when its only publisher dies and is back within seconds", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [origin], 0, 6);
  origin.lose();
  await quiet(clock);
  // Goes on meanwhile, where nobody hears it.
  await air(clock, [origin], 6, 11);
  await clock.run(500);
  await within(clock, origin.join(relay));
  await quiet(clock);
  await air(clock, [origin], 11, 17);
  await clock.run(5_000);
  expect(watching.seenByGroup).toEqual(names(0, 17));
  expect([...watching.ends].sort()).toEqual(["0 fin", "1 fin", "2 fin", "3 fin"]);
});

it("lets live objects wait for those before them that are still being fetched, but not for ever", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [origin], 0, 5);
  origin.lose();
  await quiet(clock);
  await air(clock, [origin], 5, 6);
  let open: () => void = () => undefined;
  origin.fetchGate = new Promise((resolve) => {
    open = resolve;
  });
  await within(clock, origin.join(relay));
  await quiet(clock);
  await air(clock, [origin], 6, 7);
  expect(watching.seen).toEqual(names(0, 5));
  open();
  await quiet(clock);
  expect(watching.seenByGroup).toEqual(names(0, 7));
  origin.lose();
  await quiet(clock);
  origin.fetchGate = new Promise(() => undefined);
  await within(clock, origin.join(relay));
  await quiet(clock);
  await air(clock, [origin], 7, 9);
  await clock.run(2_000);
  await quiet(clock);
  expect(watching.seenByGroup).toEqual(names(0, 9));
});

it("resets a subgroup when every publisher reset it, not before", async () => {
  const { clock, publisher, viewer } = world();
  const [a, b] = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [a, b], 0, 2);
  a.server.endSubgroup(0, 0, { clean: false, endOfGroup: false });
  await quiet(clock);
  await clock.run(1_000);
  expect(watching.ends).toEqual([]);
  b.server.endSubgroup(0, 0, { clean: false, endOfGroup: false });
  await quiet(clock);
  await clock.run(1_000);
  await quiet(clock);
  expect(watching.ends).toEqual(["0 reset"]);
});

it("ends a subgroup cleanly when one publisher did, though another reset it", async () => {
  const { clock, publisher, viewer } = world();
  const [a, b] = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [a, b], 0, 2);
  a.server.endSubgroup(0, 0, { clean: false, endOfGroup: false });
  await air(clock, [b], 2, 4);
  await clock.run(5_000);
  await quiet(clock);
  expect(watching.live).toEqual(names(0, 4));
  expect(watching.ends).toEqual(["0 fin"]);
});

it("ends the track for its subscribers when its last publisher says that it is over", async () => {
  const { clock, publisher, viewer } = world();
  const [a, b] = [await publisher(), await publisher()];
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [a, b], 0, 4);
  let end: string | undefined;
  void watching.subscription?.ended.then(({ reason }) => {
    end = reason;
  });
  await within(clock, a.server.done(0x2, ""));
  await quiet(clock);
  expect(end).toBeUndefined();
  await within(clock, b.server.done(0x2, ""));
  await quiet(clock);
  expect(end).toBe("track-ended");
});

it("tells who watches a prefix of namespaces that come and go, each once however many publish it", async () => {
  const { clock, relay, publisher, viewer } = world();
  const first = await publisher();
  const watching = await viewer();
  const log: string[] = [];
  const watch = (prefix: ReturnType<typeof namespaceOf>) =>
    watching.connection.subscribeNamespace(prefix, {
      added: (namespace) => log.push(`+${namespaceKey(namespace)}`),
      removed: (namespace) => log.push(`-${namespaceKey(namespace)}`),
    });
  await within(clock, watch(namespaceOf("example.com")));
  await within(clock, watch(namespaceOf("example.co")));
  await quiet(clock);
  expect(log).toEqual(["+example.2ecom-live"]);
  const second = await publisher();
  first.lose();
  await quiet(clock);
  expect(log.length).toBe(1);
  second.withdraw();
  await quiet(clock);
  expect(log).toEqual(["+example.2ecom-live", "-example.2ecom-live"]);
  await within(clock, new TestPublisher(trackOf(namespaceOf("example.com", "other"), "video")).join(relay));
  expect(log.at(-1)).toBe("+example.2ecom-other");
});

it("keeps a standing subscription when its namespace is withdrawn, and makes no new one", async () => {
  const { clock, publisher, viewer } = world();
  const origin = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  await air(clock, [origin], 0, 3);
  origin.withdraw();
  await quiet(clock);
  await air(clock, [origin], 3, 6);
  expect(watching.seen).toEqual(names(0, 6));
  watching.subscription?.cancel();
  await clock.run(LINGER_MS);
  await quiet(clock);
  const late = await viewer();
  await expect(within(clock, late.subscribe())).rejects.toMatchObject({ protocolCode: 0x10 });
  expect(origin.asked.filter((request) => request === "subscribe").length).toBe(1);
});

it("gives a track up a while after its last subscriber, and not when one comes back meanwhile", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  const watching = await viewer();
  await within(clock, watching.watch());
  watching.subscription?.cancel();
  await clock.run(LINGER_MS - 1);
  expect(origin.server.subscribers).toBe(1);
  await within(clock, watching.subscribe());
  await clock.run(2 * LINGER_MS);
  expect(origin.server.subscribers).toBe(1);
  watching.subscription?.cancel();
  await quiet(clock);
  await clock.run(LINGER_MS);
  await quiet(clock);
  expect(origin.server.subscribers).toBe(0);
  expect(relay.relay.stats()).toMatchObject({ tracks: 0, subscribers: 0 });
});

it("serves a track that is pushed with PUBLISH, also beside one that is announced", async () => {
  const { clock, publisher, viewer } = world();
  const pushing = await publisher(false);
  const pushed = await within(clock, pushing.connection.publish(VIDEO, {}));
  const watching = await viewer();
  await within(clock, watching.watch());
  const announcing = await publisher();
  await quiet(clock);
  const writer = await pushed.openSubgroup({
    group: 0,
    subgroup: 0,
    endOfGroup: true,
    firstObject: true,
    hasProperties: false,
  });
  for (let id = 0; id < OBJECTS; id++) {
    await writer.write(objectAt(0, id));
    announcing.put(0, id);
    await quiet(clock);
  }
  await writer.close();
  await quiet(clock);
  expect(watching.live).toEqual(names(0, 4));
  pushing.lose();
  await quiet(clock);
  await air(clock, [announcing], 4, 8);
  expect(watching.live).toEqual(names(0, 8));
});

it("accepts no subscriber from a warm cache alone: an established upstream comes first (draft-18 §9.5)", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  const early = await viewer();
  await within(clock, early.watch());
  await air(clock, [origin], 0, 8);
  origin.lose();
  await quiet(clock);
  const late = await viewer();
  await expect(within(clock, late.subscribe())).rejects.toMatchObject({ protocolCode: 0x10 });
  await late.fetch(0, 1);
  expect(late.fetched).toEqual(names(0, 8));
  await within(clock, origin.join(relay));
  await within(clock, late.subscribe());
  await air(clock, [origin], 8, 10);
  expect(late.live).toEqual(names(8, 10));
});

it("offers pushed tracks to whoever asked for a prefix of them, early or late, and to nobody else (draft-18 §6.2)", async () => {
  const { clock, relay, publisher } = world();
  const offered = async (prefix: Namespace) => {
    const seen: string[] = [];
    const { connection } = await relay.dial({
      publish: (request) =>
        void request.accept({ object: ({ group, object }) => seen.push(`${group}/${object}`) }),
    });
    await within(clock, connection.subscribeTracks(prefix));
    return seen;
  };
  const early = await offered(VIDEO.namespace);
  const elsewhere = await offered(namespaceOf("elsewhere"));
  const pushing = await publisher(false);
  const pushed = await within(clock, pushing.connection.publish(VIDEO, {}));
  await quiet(clock);
  const write = async (group: number): Promise<void> => {
    const header = { subgroup: 0, endOfGroup: true, firstObject: true, hasProperties: false };
    const writer = await pushed.openSubgroup({ group, ...header });
    for (let id = 0; id < OBJECTS; id++) await writer.write(objectAt(group, id));
    await writer.close();
    await quiet(clock);
  };
  await write(0);
  const late = await offered(VIDEO.namespace);
  await quiet(clock);
  await write(1);
  expect(early).toEqual(names(0, 8));
  expect(late).toEqual(names(4, 8));
  expect(elsewhere).toEqual([]);
});

it("lets no slow subscriber hold up another, and counts only what it sent", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  const [quick, slow, idle] = [await viewer(), await viewer(), await viewer()];
  await within(clock, Promise.all([quick.subscribe(), slow.subscribe(), idle.subscribe(VIDEO, false)]));
  slow.wire.stall();
  const big = 1024 * 1024;
  for (let group = 0; group < 5; group++) {
    for (let id = 0; id < OBJECTS; id++) {
      origin.put(group, id, big);
      await quiet(clock);
    }
  }
  expect(quick.live).toEqual(names(0, 20));
  expect(slow.live).toEqual([]);
  expect(idle.live).toEqual([]);
  const { objectsIn, objectsOut } = relay.relay.stats();
  expect(objectsIn).toBe(20);
  // All of the quick one's; of the slow one's no more than its streams took before they filled up; none for FORWARD 0.
  expect(objectsOut).toBeGreaterThanOrEqual(20);
  expect(objectsOut).toBeLessThan(30);
  slow.wire.release();
  await quiet(clock);
  await air(clock, [origin], 20, 24);
  // Two groups are what may wait for one subscriber; the next three were given up for it, whole.
  expect(slow.seenByGroup).toEqual([...names(0, 8), ...names(20, 24)]);
  expect([...slow.ends].sort()).toEqual(["0 fin", "1 fin", "5 fin"]);
});

it("counts objects sent in answer to fetches, and those of tracks it has given up", async () => {
  const { clock, relay, publisher, viewer } = world();
  const origin = await publisher();
  await air(clock, [origin], 0, 8);
  const watching = await viewer();
  await within(clock, watching.watch(1));
  expect(relay.relay.stats().objectsOut).toBe(8);
  watching.subscription?.cancel();
  await quiet(clock);
  await clock.run(LINGER_MS);
  expect(relay.relay.stats()).toMatchObject({ tracks: 0, objectsOut: 8 });
});

it("does not take a namespace for the prefix of one that merely begins with the same letters", async () => {
  const { clock, relay, viewer } = world();
  const other = new TestPublisher(trackOf(namespaceOf("example.com", "li"), "video"));
  await within(clock, other.join(relay));
  const watching = await viewer();
  await expect(within(clock, watching.subscribe())).rejects.toMatchObject({ protocolCode: 0x10 });
  expect(other.asked).toEqual([]);
  expect(LIVE.length).toBe(2);
});
