/** What comes long after its time: a copy that the cache cannot know any more, and the rest of a subgroup whose stream has ended downstream. */
import { expect, it } from "vitest";
import { LEDGER_WINDOW_GROUPS } from "../../../src/merge/limits.ts";
import { DEFAULT_CACHE_BYTES } from "../../../src/publish/group-cache.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import {
  air,
  names,
  OBJECTS,
  objectAt,
  quiet,
  TestPublisher,
  TestRelay,
  TestViewer,
  within,
} from "./relay.fixture.ts";

/** So few of them run the cache over long before it has its number of groups: from then on it would let old ones in again. */
const LARGE_BYTES = 1024 * 1024;
const CACHE_GROUPS = 60;

async function twoPublishers(cacheGroups = CACHE_GROUPS) {
  const clock = new FakeClock(1_000_000);
  const relay = new TestRelay(clock, { cacheGroups });
  const [a, b] = [new TestPublisher(), new TestPublisher()];
  await within(clock, a.join(relay));
  await within(clock, b.join(relay));
  const viewer = await within(clock, new TestViewer().join(relay));
  await within(clock, viewer.watch());
  return { clock, relay, a, b, viewer };
}

it("sends no copy twice whose group the cache gave up for want of room: the ledger depends on no cache", async () => {
  const { clock, relay, a, b, viewer } = await twoPublishers();
  // By datagrams: no stream that has ended stands in their way downstream.
  const datagrams = async ({ server }: TestPublisher): Promise<void> => {
    for (let object = 0; object < OBJECTS; object++) {
      server.publish(
        { ...objectAt(0, object), subgroup: undefined },
        { endOfGroup: false, firstObject: object === 0, priority: undefined },
      );
      await quiet(clock);
    }
  };
  await datagrams(a);
  const groups = DEFAULT_CACHE_BYTES / (OBJECTS * LARGE_BYTES) + 3;
  for (let group = 1; group < groups; group++) {
    for (let object = 0; object < OBJECTS; object++) {
      a.put(group, object, LARGE_BYTES);
      await quiet(clock);
    }
  }
  expect(groups).toBeLessThan(LEDGER_WINDOW_GROUPS);
  await datagrams(b);
  expect(viewer.live).toEqual(names(0, groups * OBJECTS));
  expect(relay.relay.stats().objectsIn).toBe(groups * OBJECTS);
});

it("splits no subgroup over two streams, however late the rest of it comes: it is left to FETCH", async () => {
  const { clock, relay, a, b, viewer } = await twoPublishers();
  await air(clock, [a, b], 0, 2);
  a.server.endSubgroup(0, 0, { clean: false, endOfGroup: false });
  b.server.endSubgroup(0, 0, { clean: false, endOfGroup: false });
  await quiet(clock);
  await clock.run(1_000);
  await quiet(clock);
  await air(clock, [a], OBJECTS, 20 * OBJECTS);
  expect(viewer.ends[0]).toBe("0 reset");
  // A third publisher has all of it, and begins with it.
  const late = new TestPublisher();
  await within(clock, late.join(relay));
  await quiet(clock);
  await air(clock, [late], 0, OBJECTS);
  await clock.run(1_000);
  await quiet(clock);
  expect(viewer.seen).toEqual([...names(0, 2), ...names(OBJECTS, 20 * OBJECTS)]);
  await within(clock, viewer.fetch(0, 0));
  expect(viewer.fetched.slice(-OBJECTS)).toEqual(names(0, OBJECTS));
});

it("keeps for FETCH what comes too late to be sent live, when whoever brought it is gone, too", async () => {
  const { clock, a, b, viewer } = await twoPublishers();
  await air(clock, [a], 0, 2);
  await air(clock, [a], OBJECTS, (LEDGER_WINDOW_GROUPS + 2) * OBJECTS);
  await air(clock, [b], 0, OBJECTS);
  const live = [...names(0, 2), ...names(OBJECTS, (LEDGER_WINDOW_GROUPS + 2) * OBJECTS)];
  expect(viewer.seen).toEqual(live);
  a.lose();
  b.lose();
  await quiet(clock);
  await within(clock, viewer.fetch(0, 1));
  expect(viewer.fetched).toEqual(names(0, 2 * OBJECTS));
  expect(viewer.live).toEqual(live);
});
