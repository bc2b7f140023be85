import { describe, expect, it } from "vitest";
import { settle } from "../testing/fake-clock.ts";
import { broadcast } from "./broadcast.fixture.ts";
import type { FakeRelay } from "./fake-relay.ts";
import { junkAt, objectAt } from "./fakes.ts";
import { BAN_MS, MISSING_AFTER_MS, REPAIR_TIMEOUT_MS } from "./limits.ts";

describe("SourcePool, joining", () => {
  it("joins in the middle of a group and plays that group from its beginning", async () => {
    const { air, start, played, expected, relays } = broadcast(["a"]);
    await air(8);
    start();
    await settle();
    await air(4);
    expect(played).toEqual(expected(5, 7));
    expect(relays[0]!.fetches).toEqual(["join 1"]);
  });

  it("plays each object once from any number of relays", async () => {
    const { air, start, played, expected, merger } = broadcast(["a", "b", "c"]);
    start();
    await settle();
    await air(20);
    expect(played).toEqual(expected(0, 20));
    expect(merger.score("a").good + merger.score("b").good + merger.score("c").good).toBe(20);
  });

  it("takes the union of relays that each have a part", async () => {
    const { air, start, played, expected, relays } = broadcast(["odd", "even"]);
    const [odd, even] = relays as [FakeRelay, FakeRelay];
    odd.send = (object, by) => (by === "fetch" || Number(object.object) % 2 === 1 ? object : undefined);
    even.send = (object, by) => (by === "fetch" || Number(object.object) % 2 === 0 ? object : undefined);
    start();
    await settle();
    await air(15);
    expect(played).toEqual(expected(0, 15));
  });

  it("asks again for a track that nobody publishes yet, says so with a typed error, and plays when it comes", async () => {
    const { air, start, played, log, clock, relays } = broadcast(["a"]);
    relays[0]!.hasTrack = false;
    start();
    await clock.run(3000);
    expect(log.filter((line) => line === "a track-unknown").length).toBeGreaterThan(2);
    expect(relays[0]!.subscribes).toBeLessThan(7);
    relays[0]!.hasTrack = true;
    await clock.run(5000);
    await air(5);
    expect(played).toHaveLength(5);
  });

  it("subscribes again when a relay says that the track ended, since its publisher may come back", async () => {
    const { air, start, played, relays, clock } = broadcast(["a"]);
    start();
    await settle();
    await air(5);
    relays[0]!.endTrack();
    await clock.run(300);
    await air(5);
    expect(played).toHaveLength(10);
  });

  it("connects to all relays at once and is not held up by one that never answers", async () => {
    const { air, start, played, relays } = broadcast(["mute", "a"]);
    relays[0]!.mute = true;
    start();
    await settle();
    await air(5);
    expect(played).toHaveLength(5);
  });

  it("lets a relay that turns up late join in", async () => {
    const { air, start, pool, relays, provider } = broadcast(["a", "b"], { sources: ["a"] });
    start();
    await settle();
    await air(3);
    expect(provider.kept).toEqual(["a"]);
    pool.addSource("b");
    pool.addSource("b");
    await settle();
    await air(5);
    expect(provider.kept).toEqual(["a", "b"]);
    expect(relays[1]!.sentObjects).toBeGreaterThan(2);
  });
});

describe("SourcePool, failing over", () => {
  it("plays on without a gap when a relay dies in the middle of a group", async () => {
    const { air, start, played, holes, expected, relays, log } = broadcast(["a", "b"]);
    start();
    await settle();
    await air(7);
    relays[0]!.kill();
    await air(10);
    expect(played).toEqual(expected(0, 17));
    expect(holes).toEqual([]);
    expect(log).toContain("a connecting");
  });

  it("fetches from where it stands when the only relay comes back", async () => {
    const { air, start, played, holes, expected, relays, judge } = broadcast(["a"]);
    const [relay] = relays as [FakeRelay];
    start();
    await settle();
    await air(7);
    relay.kill();
    await air(6);
    for (const [group, object] of [
      [1, 2],
      [1, 3],
      [1, 4],
      [2, 0],
      [2, 1],
      [2, 2],
    ] as const)
      relay.store(objectAt(group, object));
    judge.sign(2, [0, 1, 2]);
    relay.restart();
    await settle();
    await air(7);
    expect(relay.fetches.at(-1)).toBe("1/2-2/2");
    expect(played).toEqual(expected(0, 20));
    expect(holes).toEqual([]);
  });

  it("names the hole, and goes on, when what was missed is nowhere to be had", async () => {
    const { air, start, played, holes, expected, relays } = broadcast(["a"]);
    const [relay] = relays as [FakeRelay];
    start();
    await settle();
    await air(7);
    relay.kill();
    await air(6);
    relay.restart(false);
    await air(27);
    expect(holes[0]).toBe("1/2 withheld");
    expect(played.slice(0, 7)).toEqual(expected(0, 7));
    expect(played.at(-1)).toBe("7/4");
    expect(new Set(played).size).toBe(played.length);
  });

  it("says when no relay can be reached, and when one can again", async () => {
    const { start, relays, log, clock } = broadcast(["a", "b"]);
    start();
    await settle();
    relays[0]!.kill();
    await settle();
    expect(log).not.toContain("starved no-object-relay");
    relays[1]!.kill();
    await settle();
    expect(log).toContain("starved no-object-relay");
    relays[1]!.restart();
    await clock.run(10);
    expect(log).toContain("recovered b");
  });

  it("leaves nothing behind when closed, in whatever state its relays are", async () => {
    const { air, start, relays, pool, merger, sequencer, clock, provider } = broadcast([
      "a",
      "mute",
      "absent",
      "down",
    ]);
    relays[1]!.mute = true;
    relays[2]!.hasTrack = false;
    relays[3]!.kill();
    const stop = start();
    await settle();
    await air(6);
    stop();
    pool.close();
    merger.close();
    sequencer.close();
    await settle();
    expect(provider.kept).toEqual([]);
    expect(relays.map((relay) => relay.connections)).toEqual([0, 0, 0, 0]);
    expect(clock.pending).toBe(0);
  });
});

describe("SourcePool, lies", () => {
  it("plays the honest copy whatever the other relay sends, bans the liar after three lies and lets it try again", async () => {
    const { air, start, played, holes, expected, relays, log, clock, provider } = broadcast(["liar", "b"]);
    relays[0]!.send = (object) => junkAt(object.group, object.object);
    start();
    await settle();
    await air(10);
    expect(played).toEqual(expected(0, 10));
    expect(holes).toEqual([]);
    expect(log).toContain("liar suspect");
    expect(log).toContain("liar banned");
    expect(provider.kept).toEqual(["b"]);
    relays[0]!.send = (object) => object;
    await clock.run(BAN_MS);
    expect(provider.kept).toEqual(["b", "liar"]);
    await air(5);
    expect(log.at(-1)).toBe("liar active");
  });

  it("bans longer each time", async () => {
    const { air, start, relays, provider, clock } = broadcast(["liar", "b"]);
    relays[0]!.send = (object) => junkAt(object.group, object.object);
    start();
    await settle();
    await air(4);
    await clock.run(BAN_MS);
    await air(5);
    expect(provider.kept).toEqual(["b"]);
    await clock.run(BAN_MS);
    expect(provider.kept).toEqual(["b"]);
    await clock.run(BAN_MS);
    expect(provider.kept).toEqual(["b", "liar"]);
  });

  it("calls no waiting object a lie: a relay ahead of the manifests stays", async () => {
    const { start, relays, log } = broadcast(["a"]);
    start();
    await settle();
    for (let object = 0; object < 3000; object++) relays[0]!.publish(objectAt(9, object));
    await settle();
    expect(log).toEqual(["a active"]);
  });

  it("says that all relays lie when they do, and plays nothing", async () => {
    const { air, start, played, relays, log } = broadcast(["a", "b"]);
    for (const relay of relays) relay.send = (object) => junkAt(object.group, object.object);
    start();
    await settle();
    await air(20);
    expect(played).toEqual([]);
    expect(log).toContain("starved all-relays-lie");
  });

  it("forgives single mishaps that are far apart", async () => {
    const { air, start, relays, log } = broadcast(["a", "b"]);
    start();
    await settle();
    for (let i = 0; i < 6; i++) {
      relays[0]!.send = (object) => junkAt(object.group, object.object);
      await air(1);
      relays[0]!.send = (object) => object;
      await air(60);
    }
    expect(log).toContain("a suspect");
    expect(log).not.toContain("a banned");
    expect(log.at(-1)).toBe("a active");
  });
});

describe("SourcePool, repairing", () => {
  it("fetches what a relay withholds from another one, and counts it against the first", async () => {
    const { air, start, played, holes, expected, relays, merger } = broadcast(["a", "b"]);
    const [a, b] = relays as [FakeRelay, FakeRelay];
    a.send = (object) => (object.object === 2 ? undefined : object);
    b.send = (object, by) => (by === "subscription" ? undefined : object);
    start();
    await settle();
    await air(20);
    await air(3);
    expect(played.slice(0, 20)).toEqual(expected(0, 20));
    expect(holes).toEqual([]);
    expect(b.fetches.length).toBeGreaterThan(3);
    expect(b.fetches).toContain("1/2-1/2");
    expect(merger.score("a").withheld).toBeGreaterThanOrEqual(3);
    expect(merger.score("b").withheld).toBe(0);
  });

  it("asks the next relay when one does not answer, or answers with junk", async () => {
    const { air, start, played, holes, expected, relays, clock } = broadcast(["mute", "liar", "c"], {
      banAfterLies: 100,
    });
    const [mute, liar, c] = relays as [FakeRelay, FakeRelay, FakeRelay];
    for (const relay of [mute, liar, c])
      relay.send = (object, by) =>
        by === "subscription" && object.group === 1 && object.object === 1 ? undefined : object;
    start();
    await settle();
    await air(6);
    mute.mute = true;
    liar.send = (object, by) =>
      by === "fetch" ? junkAt(object.group, object.object) : object.object === 1 ? undefined : object;
    await air(2);
    await clock.run(MISSING_AFTER_MS + REPAIR_TIMEOUT_MS);
    expect(c.fetches).toContain("1/1-1/1");
    await air(4);
    expect(played).toEqual(expected(0, 12));
    expect(holes).toEqual([]);
  });

  it("reports the hole, with its cause, as soon as all were asked in vain and none can still send it", async () => {
    const { air, start, played, holes, relays } = broadcast(["a", "b"]);
    for (const relay of relays)
      relay.send = (object) => (object.group === 1 && object.object === 3 ? undefined : object);
    start();
    await settle();
    await air(15);
    expect(holes).toEqual(["1/3 withheld"]);
    expect(played).not.toContain("1/4");
    expect(played.slice(-5)).toEqual(["2/0", "2/1", "2/2", "2/3", "2/4"]);
  });

  it("waits for a relay that has not come to an object yet, although nobody has it now", async () => {
    const { start, relays, judge, clock, played, holes } = broadcast(["a", "slow"]);
    const [a, slow] = relays as [FakeRelay, FakeRelay];
    a.send = (object) => (object.object === 1 ? undefined : object);
    start();
    await settle();
    judge.sign(0, [0, 1, 2, 3]);
    for (let object = 0; object < 4; object++) {
      a.publish(objectAt(0, object));
      clock.setTimer(1_000 + object, () => slow.publish(objectAt(0, object)));
    }
    await clock.run(MISSING_AFTER_MS + 100);
    expect(a.fetches).toContain("0/1-0/1");
    expect(holes).toEqual([]);
    await clock.run(1_000);
    expect(played).toEqual(["0/0", "0/1", "0/2", "0/3"]);
    expect(holes).toEqual([]);
  });

  it("says that a hole is for copies that were refused, when it is", async () => {
    const { air, start, holes, relays } = broadcast(["a", "b"], { banAfterLies: 100 });
    for (const relay of relays)
      relay.send = (object) => (object.group === 1 && object.object === 3 ? junkAt(1, 3) : object);
    start();
    await settle();
    await air(15);
    expect(holes).toEqual(["1/3 rejected"]);
  });
});

describe("SourcePool, redundancy", () => {
  it("keeps k relays sending and the others at hand without costing media", async () => {
    const { air, start, relays, log, played } = broadcast(["a", "b", "c"], { redundancy: 1 });
    start();
    await settle();
    await air(10);
    expect(relays.map((relay) => relay.sentObjects)).toEqual([10, 0, 0]);
    expect(relays.map((relay) => relay.subscribes)).toEqual([1, 1, 1]);
    expect(log).toContain("b standby");
    expect(played).toHaveLength(10);
  });

  it("switches to a standby when the one that sends dies, and fetches what was lost between", async () => {
    const { air, start, relays, log, played, holes, expected } = broadcast(["a", "b"], { redundancy: 1 });
    start();
    await settle();
    await air(7);
    relays[0]!.kill();
    await air(8);
    expect(log).toContain("b active");
    expect(played).toEqual(expected(0, 15));
    expect(holes).toEqual([]);
    expect(relays[1]!.subscribes).toBe(1);
    expect(relays[1]!.fetches).toEqual(["join 1"]);
  });

  it("names the one that sends first for requests beside the tracks, whichever was named first", async () => {
    const { air, start, relays, pool } = broadcast(["a", "b"], { redundancy: 1 });
    start();
    await settle();
    await air(3);
    expect(pool.connected().map(({ source }) => source)).toEqual(["a", "b"]);
    relays[0]!.kill();
    await air(8);
    relays[0]!.restart();
    await air(40);
    expect(pool.connected().map(({ source }) => source)).toEqual(["b", "a"]);
  });

  it("leaves a relay that cannot stand by unsubscribed, tells nobody of a problem, and asks it the moment it is needed", async () => {
    const { air, start, relays, log, played, holes, expected } = broadcast(["a", "b"], { redundancy: 1 });
    relays[1]!.knowsStandby = false;
    start();
    await settle();
    await air(7);
    expect(relays[1]!.sentObjects).toBe(0);
    // Standing by is not asked for over and over.
    expect(relays[1]!.subscribes).toBe(1);
    relays[0]!.kill();
    await settle();
    expect(relays[1]!.subscribes).toBe(2);
    await air(8);
    expect(log).toContain("b active");
    expect(log).not.toContain("b request-rejected");
    expect(played).toEqual(expected(0, 15));
    expect(holes).toEqual([]);
  });

  it("subscribes anew where a relay stands by but cannot be woken", async () => {
    const { air, start, relays, log, played, holes, expected } = broadcast(["a", "b"], { redundancy: 1 });
    relays[1]!.knowsUpdates = false;
    start();
    await settle();
    await air(7);
    expect(relays[1]!.sentObjects).toBe(0);
    relays[0]!.kill();
    await settle();
    expect(relays[1]!.subscribes).toBe(2);
    await air(8);
    expect(log).not.toContain("b request-rejected");
    expect(played).toEqual(expected(0, 15));
    expect(holes).toEqual([]);
  });

  it("drops the subscription of a relay that cannot be told to pause, and takes it up again when it is needed", async () => {
    const { air, start, relays, pool, log, played, expected } = broadcast(["a", "b"], { redundancy: 2 });
    relays[0]!.knowsStandby = false;
    relays[1]!.knowsStandby = false;
    start();
    await settle();
    await air(5);
    pool.setRedundancy(1);
    await settle();
    const before = relays.map((relay) => relay.sentObjects);
    await air(5);
    const sent = relays.map((relay, i) => relay.sentObjects - before[i]!);
    expect(sent.toSorted()).toEqual([0, 5]);
    relays[sent.indexOf(5)]!.kill();
    await air(5);
    expect(log.filter((line) => line.endsWith("request-rejected"))).toEqual([]);
    expect(played).toEqual(expected(0, 15));
  });

  it("does not switch back when the first one returns", async () => {
    const { air, start, relays, played, expected } = broadcast(["a", "b"], { redundancy: 1 });
    start();
    await settle();
    await air(7);
    relays[0]!.kill();
    await air(2);
    relays[0]!.restart();
    await settle();
    const before = relays[0]!.sentObjects;
    await air(6);
    expect(relays[0]!.sentObjects).toBe(before);
    expect(played).toEqual(expected(0, 15));
  });
});
