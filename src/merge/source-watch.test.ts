import { describe, expect, it } from "vitest";
import { settle } from "../testing/fake-clock.ts";
import { broadcast } from "./broadcast.fixture.ts";
import type { FakeRelay } from "./fake-relay.ts";
import { junkAt } from "./fakes.ts";
import { BEHIND_PENALTY_MS, SUSPECT_AFTER_MS } from "./limits.ts";
import { canonicalAddress, instanceOf, instanceWord } from "./source-instance.ts";

const silent = (_object: unknown, by: "subscription" | "fetch") => by === "fetch";

/** Takes over what a relay sends: nothing by its subscriptions while `muted`, everything else as it is. */
function hush(relay: FakeRelay): void {
  relay.send = (object, by) => (silent(object, by) ? object : undefined);
}

function stateOf(setup: ReturnType<typeof broadcast>, name: string) {
  return setup.pool.sources().find(({ source }) => source === name);
}

describe("a source that goes silent while the manifests go on", () => {
  it("is replaced by a standby, which fetches what was missed", async () => {
    const setup = broadcast(["a", "b", "c"], { redundancy: 1 });
    const { air, start, relays, played, holes, expected, log } = setup;
    start();
    await settle();
    await air(7);
    hush(relays[0]!);
    await air(8);
    expect(log).toContain("b active");
    expect(log).not.toContain("c active");
    expect(played).toEqual(expected(0, 15));
    expect(holes).toEqual([]);
    // It is named, with a reason that can be shown.
    expect(stateOf(setup, "a")).toMatchObject({ state: "suspect", error: { code: "request-timeout" } });
    // What it was good for is not held against it for ever.
    await air(Math.ceil(BEHIND_PENALTY_MS / 200) + 5);
    expect(stateOf(setup, "a")).toMatchObject({ state: "standby", error: undefined });
    expect(stateOf(setup, "b")?.state).toBe("active");
  });

  it("is replaced although it goes on about objects that nobody signed yet", async () => {
    const setup = broadcast(["a", "b"], { redundancy: 1 });
    const { air, start, relays, played, expected } = setup;
    start();
    await settle();
    await air(7);
    relays[0]!.send = (object, by) => (by === "fetch" ? object : junkAt(1_000_000, object.object));
    await air(8);
    expect(played).toEqual(expected(0, 15));
    expect(stateOf(setup, "b")?.state).toBe("active");
  });

  it("is replaced when its subscription is refused, since nobody publishes there", async () => {
    const setup = broadcast(["a", "b"], { redundancy: 1 });
    const { air, start, relays, played } = setup;
    relays[0]!.hasTrack = false;
    start();
    await settle();
    await air(20);
    expect(stateOf(setup, "b")?.state).toBe("active");
    expect(played.at(-1)).toBe("3/4");
  });

  it("is only called suspect where all send anyway, and is cleared when it catches up", async () => {
    const setup = broadcast(["a", "b"]);
    const { air, start, relays, played, expected, log } = setup;
    start();
    await settle();
    await air(5);
    hush(relays[0]!);
    await air(Math.ceil(SUSPECT_AFTER_MS / 200) + 3);
    expect(stateOf(setup, "a")?.state).toBe("suspect");
    expect(stateOf(setup, "b")?.state).toBe("active");
    relays[0]!.send = (object) => object;
    await air(2);
    expect(stateOf(setup, "a")?.state).toBe("active");
    expect(log).not.toContain("a standby");
    expect(played).toEqual(expected(0, played.length));
  });

  it("is nobody's fault when the signer pauses, nor when all publishers are behind it", async () => {
    const setup = broadcast(["a", "b"], { redundancy: 1 });
    const { air, start, log, clock } = setup;
    start();
    await settle();
    await air(12);
    await clock.run(20_000);
    await air(5);
    expect(log.filter((line) => line.endsWith("suspect"))).toEqual([]);
  });

  it("is not exchanged for another that is silent too, over and over", async () => {
    const setup = broadcast(["a", "b"], { redundancy: 1 });
    const { air, start, relays, log } = setup;
    start();
    await settle();
    await air(7);
    for (const relay of relays) relay.send = () => undefined;
    await air(300);
    const switches = log.filter((line) => line.endsWith("suspect"));
    expect(switches.length).toBeLessThan(12);
  });
});

describe("a source that is late", () => {
  it("gives its place to a standby when another one that sends is faster", async () => {
    const setup = broadcast(["slow", "fast", "third"], { redundancy: 2 });
    const { air, start, relays, clock, played, expected } = setup;
    const [slow] = relays as [FakeRelay, FakeRelay, FakeRelay];
    const publish = slow.publish.bind(slow);
    slow.publish = (object) => void clock.setTimer(350, () => publish(object));
    start();
    await settle();
    await air(40);
    expect(stateOf(setup, "third")?.state).toBe("active");
    expect(stateOf(setup, "fast")?.state).toBe("active");
    expect(stateOf(setup, "slow")?.state).not.toBe("active");
    expect(played).toEqual(expected(0, 40));
  });

  it("is not judged by what it fetched to catch up", async () => {
    const { air, start, relays, merger } = broadcast(["a", "b"], { redundancy: 1 });
    start();
    await settle();
    await air(24);
    relays[0]!.kill();
    await air(3);
    expect(relays[1]!.fetches).toEqual(["join 4"]);
    expect(merger.score("b")).toMatchObject({ good: 3, duplicate: 4, late: 0 });
    expect(merger.lagMs("b")).toBe(0);
  });
});

describe("a source that is caught lying", () => {
  it("gives its place to a standby at its first lie, before it is banned", async () => {
    const setup = broadcast(["liar", "b"], { redundancy: 1, banAfterLies: 100 });
    const { air, start, relays, played, expected, holes } = setup;
    start();
    await settle();
    await air(7);
    relays[0]!.send = (object, by) => (by === "fetch" ? object : junkAt(object.group, object.object));
    await air(1);
    expect(stateOf(setup, "b")?.state).toBe("active");
    await air(7);
    expect(played).toEqual(expected(0, 15));
    expect(holes).toEqual([]);
    expect(setup.merger.score("liar").junk).toBe(1);
  });
});

describe("one relay under two addresses", () => {
  const TWIN = `some relay/2.0 (${instanceWord("00112233445566778899aabbccddeeff")})`;

  it("sends once, and the other address is at hand when the first is lost", async () => {
    const setup = broadcast(["a4", "a6", "b"]);
    const { air, start, relays, played, expected, holes } = setup;
    relays[0]!.implementation = TWIN;
    relays[1]!.implementation = TWIN;
    start();
    await settle();
    await air(7);
    expect(relays.map((relay) => relay.sentObjects)).toEqual([7, 0, 7]);
    expect(stateOf(setup, "a6")?.state).toBe("standby");
    relays[0]!.kill();
    await air(5);
    expect(stateOf(setup, "a6")?.state).toBe("active");
    expect(relays[1]!.sentObjects).toBeGreaterThan(3);
    expect(played).toEqual(expected(0, 12));
    expect(holes).toEqual([]);
  });

  it("does not help a relay that claims to be another one: the other takes over as any standby does", async () => {
    const setup = broadcast(["impostor", "a"]);
    const { air, start, relays, played, expected } = setup;
    for (const relay of relays) relay.implementation = TWIN;
    relays[0]!.send = () => undefined;
    start();
    await settle();
    await air(15);
    expect(stateOf(setup, "a")?.state).toBe("active");
    expect(played).toEqual(expected(0, 15));
  });

  it("is known by its own word only, and addresses by what they mean", () => {
    expect(instanceOf(TWIN)).toBe("00112233445566778899aabbccddeeff");
    expect(instanceOf("instance=0011223344556677")).toBe("0011223344556677");
    for (const text of [undefined, "", "relay", "noinstance=0011223344556677", "instance=00", "instance=XYZ"])
      expect(instanceOf(text)).toBeUndefined();
    expect(canonicalAddress("moqt://Relay.Example:443")).toBe("https://relay.example/");
    expect(canonicalAddress("https://relay.example/live")).not.toBe("https://relay.example/");
    expect(canonicalAddress("a")).toBe("a");
  });

  it("is one source when it is merely spelled in two ways", async () => {
    const { pool, provider } = broadcast([], { sources: ["https://r.example/", "https://R.example:443"] });
    await settle();
    expect(provider.kept).toEqual(["https://r.example/"]);
    pool.close();
  });
});
