/** Several ways by which a track comes to a relay: its viewers see one track, whatever overlaps, lacks or fails. */
import { expect, it } from "vitest";
import { GroupCache } from "../../../src/publish/group-cache.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import {
  air,
  names,
  OBJECTS,
  quiet,
  TestPublisher,
  TestRelay,
  TestViewer,
  VIDEO,
  within,
} from "./relay.fixture.ts";

/** Reads the track at one relay and offers it to another, as a relay does that is told to feed a second one. */
async function feed(from: TestRelay, to: TestRelay): Promise<{ lose(): void }> {
  const server = new TrackServer({ track: VIDEO, cache: new GroupCache(100) });
  const there = await from.dial();
  await there.connection.subscribe(
    { track: VIDEO, filter: { type: "largest-object" } },
    {
      object: (object) =>
        void server.publish(object, {
          endOfGroup: true,
          firstObject: object.object === 0,
          priority: undefined,
        }),
      streamEnd: ({ group, subgroup, complete, endOfGroup }) =>
        server.endSubgroup(group, subgroup ?? 0, { clean: complete, endOfGroup }),
    },
  );
  const here = await to.dial({
    subscribe: (request) => server.subscribe(request),
    fetch: (request) => void server.fetch(request),
  });
  await here.connection.publishNamespace(VIDEO.namespace);
  return { lose: () => here.wire.lose() };
}

async function threeRelays() {
  const clock = new FakeClock(1_000_000);
  const [a, b, near] = ["a", "b", "near"].map(
    (name) => new TestRelay(clock, {}, `https://${name}.example/`),
  ) as [TestRelay, TestRelay, TestRelay];
  const [atA, atB] = [new TestPublisher(), new TestPublisher()];
  await within(clock, atA.join(a));
  await within(clock, atB.join(b));
  const feeds = [await within(clock, feed(a, near)), await within(clock, feed(b, near))] as const;
  const viewer = await within(clock, new TestViewer().join(near));
  await within(clock, viewer.watch());
  return { clock, atA, atB, feeds, viewer };
}

it("two remotes across relays fan in: what both have comes once", async () => {
  const { clock, atA, atB, viewer } = await threeRelays();
  await air(clock, [atA, atB], 0, 12);
  expect(viewer.seen).toEqual(names(0, 12));
  expect(viewer.ends).toEqual(["0 fin", "1 fin", "2 fin"]);
});

it("two remotes across relays fan in: what only one of them has comes, too", async () => {
  const { clock, atA, atB, viewer } = await threeRelays();
  for (let group = 0; group < 4; group++)
    await air(clock, [group % 2 === 0 ? atA : atB], group * OBJECTS, (group + 1) * OBJECTS);
  expect(viewer.seen).toEqual(names(0, 16));
});

it("one remote that is lost in the middle of a group disturbs no subscriber, and splits no subgroup over two streams", async () => {
  const { clock, atA, atB, feeds, viewer } = await threeRelays();
  await air(clock, [atA, atB], 0, 6);
  feeds[0].lose();
  await air(clock, [atA, atB], 6, 12);
  await clock.run(5_000);
  expect(viewer.seen).toEqual(names(0, 12));
  // One end for each group: a second stream of a subgroup would have had an end of its own.
  expect(viewer.ends).toEqual(["0 fin", "1 fin", "2 fin"]);
});

it("an origin that sends, long after another, what that one had sent brings nothing twice, also beyond the cache", async () => {
  const { clock, atA, atB, viewer } = await threeRelays();
  // The relays' caches hold 10 groups.
  await air(clock, [atA], 0, 30 * OBJECTS);
  await clock.run(20_000);
  await quiet(clock);
  await air(clock, [atB], 0, 32 * OBJECTS);
  expect(viewer.seen).toEqual(names(0, 32 * OBJECTS));
});
