import { expect, it } from "vitest";
import { SETTLE_MS } from "../../../src/mesh/namespace-board.ts";
import { NamespaceRelayDirectory } from "../../../src/mesh/namespace-relay-directory.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import {
  air,
  LIVE,
  names,
  quiet,
  TestPublisher,
  TestRelay,
  TestViewer,
  VIDEO,
  within,
} from "./relay.fixture.ts";

const LINGER_MS = 5_000;
const urlOf = (name: string): string => `https://${name}.example/`;

/** Relays that know of each other through the first one's namespaces; those in `edges` read from the others. */
async function fleet(origins: readonly string[], edges: readonly string[]) {
  const clock = new FakeClock(1_000_000);
  const relays = new Map<string, TestRelay>();
  const dials: string[] = [];
  for (const name of [...origins, ...edges]) {
    const self = { id: urlOf(name) };
    const directory = new NamespaceRelayDirectory({ clock, self });
    const relay = new TestRelay(
      clock,
      {
        directory,
        self,
        lingerMs: LINGER_MS,
        ...(edges.includes(name) && {
          dialRelay: async ({ id }) => {
            dials.push(`${name} ${id}`);
            const origin = [...relays].find(([other]) => urlOf(other) === id)?.[1];
            return (await origin!.dial()).connection;
          },
        }),
      },
      self.id,
    );
    directory.attach(relay.relay.link);
    const first = relays.values().next().value;
    if (first !== undefined) directory.attach((await within(clock, first.dial())).connection);
    relays.set(name, relay);
  }
  await quiet(clock);
  await clock.run(SETTLE_MS);
  const publishers = await Promise.all(
    origins.map(async (name) => {
      const publisher = new TestPublisher();
      await within(clock, publisher.join(relays.get(name)!));
      return publisher;
    }),
  );
  await quiet(clock);
  return {
    clock,
    dials,
    publishers,
    relay: (name: string) => relays.get(name)!,
    viewer: async (name: string) => within(clock, new TestViewer().join(relays.get(name)!)),
  };
}

it("reads a track once from an origin for all its viewers, recent groups first, then live, without hole or double", async () => {
  const { clock, publishers, viewer, dials, relay } = await fleet(["o"], ["e"]);
  await air(clock, publishers, 0, 18);
  const early = await viewer("e");
  await within(clock, early.watch(2));
  await air(clock, publishers, 18, 25);
  const late = await viewer("e");
  await within(clock, late.watch(2));
  await air(clock, publishers, 25, 32);
  expect(early.seen).toEqual(names(8, 32));
  expect(late.seen).toEqual(names(16, 32));
  expect(dials).toEqual([`e ${urlOf("o")}`]);
  expect(relay("o").relay.stats().subscribers).toBe(1);
  expect(relay("e").relay.stats().subscribers).toBe(2);
});

it("gives the origin back when the last viewer has left, and its session with it", async () => {
  const { clock, publishers, viewer, relay } = await fleet(["o"], ["e"]);
  await air(clock, publishers, 0, 3);
  const [one, two] = [await viewer("e"), await viewer("e")];
  await within(clock, Promise.all([one.watch(), two.watch()]));
  const sessions = relay("o").relay.stats().sessions;
  one.subscription?.cancel();
  await quiet(clock);
  await clock.run(2 * LINGER_MS);
  await air(clock, publishers, 3, 6);
  expect(two.seen).toEqual(names(0, 6));
  two.subscription?.cancel();
  await quiet(clock);
  await clock.run(LINGER_MS);
  await quiet(clock);
  expect(relay("o").relay.stats()).toMatchObject({ subscribers: 0, sessions: sessions - 1 });
  // And it finds its way back.
  const three = await viewer("e");
  await within(clock, three.watch());
  await air(clock, publishers, 6, 10);
  expect(three.seen).toEqual(names(4, 10));
});

it("goes on from another origin when its own dies: no viewer misses an object or gets one twice", async () => {
  const { clock, publishers, viewer, dials, relay } = await fleet(["hub", "p", "q"], ["e", "f"]);
  const viewers = [await viewer("e"), await viewer("f")];
  await air(clock, publishers, 0, 2);
  await within(clock, Promise.all(viewers.map((each) => each.watch())));
  await air(clock, publishers, 2, 6);
  const used = dials[0]?.split(" ")[1] ?? "";
  const name = ["hub", "p", "q"].find((each) => urlOf(each) === used)!;
  relay(name).kill();
  // Aired while the edges look for another.
  await air(clock, publishers, 6, 11);
  await clock.run(500);
  await air(clock, publishers, 11, 17);
  await clock.run(5_000);
  await quiet(clock);
  for (const each of viewers) {
    expect(each.seenByGroup).toEqual(names(0, 17));
    expect([...each.ends].sort()).toEqual(["0 fin", "1 fin", "2 fin", "3 fin"]);
  }
  expect(new Set(dials.map((dial) => dial.split(" ")[1])).size).toBe(2);
});

it("looks elsewhere only while no publisher of its own serves", async () => {
  const { clock, publishers, viewer, dials, relay } = await fleet(["o"], ["e"]);
  const origin = publishers[0]!;
  const watching = await viewer("e");
  await air(clock, publishers, 0, 2);
  await within(clock, watching.watch());
  expect(dials.length).toBe(1);
  const own = new TestPublisher();
  await within(clock, own.join(relay("e")));
  await quiet(clock);
  // The origin's own publisher goes on; nobody reads it through the origin any more.
  await air(clock, [own], 2, 6);
  expect(relay("o").relay.stats().subscribers).toBe(0);
  const other = await viewer("e");
  await within(clock, other.watch());
  expect(dials.length).toBe(1);
  for (let at = 2; at < 6; at++) origin.put(Math.floor(at / 4), at % 4);
  own.lose();
  await quiet(clock);
  await clock.run(500);
  await air(clock, [origin], 6, 10);
  expect(dials.length).toBe(2);
  expect(watching.seenByGroup).toEqual(names(0, 10));
});

it("refuses a broadcast that nobody serves, within seconds", async () => {
  const { clock, publishers, viewer } = await fleet(["o"], ["e"]);
  publishers[0]?.withdraw();
  await quiet(clock);
  const watching = await viewer("e");
  await expect(within(clock, watching.subscribe())).rejects.toMatchObject({
    code: "request-rejected",
    protocolCode: 0x10,
  });
});

it("lets a viewer with one address find the other relays, and learn at once that one has withdrawn, and that nobody is left", async () => {
  const { clock, publishers, viewer } = await fleet(["o", "p"], ["e"]);
  const watching = await viewer("e");
  const directory = new NamespaceRelayDirectory({ clock, broadcast: LIVE });
  directory.attach(watching.connection);
  const log: string[] = [];
  directory.pull(VIDEO, { use: () => undefined, nobody: ({ code }) => log.push(code) });
  await quiet(clock);
  await clock.run(SETTLE_MS);
  const found = () => directory.locate(LIVE).map(({ id, tier }) => `${tier} ${id}`);
  expect(found()).toEqual([`edge ${urlOf("e")}`, `origin ${urlOf("o")}`, `origin ${urlOf("p")}`]);
  publishers[1]?.withdraw();
  await quiet(clock);
  expect(found()).toEqual([`edge ${urlOf("e")}`, `origin ${urlOf("o")}`]);
  expect(log).toEqual([]);
  publishers[0]?.withdraw();
  await quiet(clock);
  expect(found()).toEqual([]);
  expect(log).toEqual(["broadcast-unknown"]);
});
