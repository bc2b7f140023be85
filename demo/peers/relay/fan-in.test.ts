/** Several ways by which a track comes to a relay: its viewers see one track, whatever overlaps, lacks or fails. */
import { expect, it } from "vitest";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { feed } from "./feed.fixture.ts";
import { air, names, OBJECTS, quiet, TestPublisher, TestRelay, TestViewer, within } from "./relay.fixture.ts";

/** A feed between two relays, and what cuts it off from the second one. */
async function feedBetween(from: TestRelay, to: TestRelay): Promise<{ lose(): void }> {
  let lose: () => void = () => undefined;
  await feed((await from.dial()).connection, async (handlers) => {
    const { connection, wire } = await to.dial(handlers);
    lose = () => wire.lose();
    return connection;
  });
  return { lose: () => lose() };
}

async function threeRelays() {
  const clock = new FakeClock(1_000_000);
  const [a, b, near] = ["a", "b", "near"].map(
    (name) => new TestRelay(clock, {}, `https://${name}.example/`),
  ) as [TestRelay, TestRelay, TestRelay];
  const [atA, atB] = [new TestPublisher(), new TestPublisher()];
  await within(clock, atA.join(a));
  await within(clock, atB.join(b));
  const feeds = [
    await within(clock, feedBetween(a, near)),
    await within(clock, feedBetween(b, near)),
  ] as const;
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

it("asks all publishers at once, and waits for none that never answers while another serves", async () => {
  const clock = new FakeClock(1_000_000);
  const relay = new TestRelay(clock);
  const [mute, good] = [new TestPublisher(), new TestPublisher()];
  mute.mute = true;
  await within(clock, mute.join(relay));
  await within(clock, good.join(relay));
  const viewer = await within(clock, new TestViewer().join(relay));
  const askedAtMs = clock.now();
  await within(clock, viewer.watch());
  expect(clock.now() - askedAtMs).toBeLessThan(100);
  expect([mute.asked, good.asked]).toEqual([["subscribe"], ["subscribe"]]);
  await air(clock, [good], 0, 8);
  expect(viewer.seen).toEqual(names(0, 8));
  // A second viewer is no reason to ask anybody again.
  await within(clock, (await within(clock, new TestViewer().join(relay))).watch());
  expect(mute.asked).toEqual(["subscribe"]);
});
