import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeJudge, junkAt, objectAt, payloadAt } from "./fakes.ts";
import type { MergerOptions } from "./track-merger.ts";
import { forwardingMerger, TrackMerger } from "./track-merger.ts";

const MAX = 0xffff_ffff_ffff_ffffn;

function verifying(options: Partial<MergerOptions> = {}) {
  const clock = new FakeClock(1_000_000);
  const judge = new FakeJudge();
  const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock, ...options });
  const log: string[] = [];
  merger.on("delivered", ({ object, source }) => log.push(`${source} ${object.group}/${object.object}`));
  merger.on("rejected", ({ source, group, object, reason }) =>
    log.push(`${source} ${group}/${object} ${reason}`),
  );
  merger.on("repair", ({ object, source }) =>
    log.push(`${source} ${object.group}/${object.object} for repair`),
  );
  return { clock, judge, merger, log };
}

function forwarding() {
  const clock = new FakeClock(1_000_000);
  const merger = forwardingMerger({ clock });
  const log: string[] = [];
  merger.on("delivered", ({ object, source }) => log.push(`${source} ${object.group}/${object.object}`));
  return { clock, merger, log };
}

describe("TrackMerger with trust", () => {
  it("delivers a signed object once, whichever source is first", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0, 1]);
    merger.offer("a", objectAt(1, 0));
    merger.offer("b", objectAt(1, 0));
    await settle();
    merger.offer("b", objectAt(1, 1));
    await settle();
    merger.offer("a", objectAt(1, 1));
    await settle();
    expect(log).toEqual(["a 1/0", "b 1/1"]);
    expect(merger.score("a")).toMatchObject({ good: 1, duplicate: 1, junk: 0 });
    expect(merger.score("b")).toMatchObject({ good: 1, duplicate: 1, junk: 0 });
  });

  it.each(["subscription", "fetch"] as const)(
    "takes an object over the size that can be signed at all, which ends its stream (%s), for the lie it is",
    (request) => {
      const { merger, log } = verifying();
      const { streamEnd } = merger.sink("a", request);
      const end = { group: 1, subgroup: 0, complete: false, endOfGroup: false };
      streamEnd?.({ ...end, error: new CountersignError("limit-exceeded", "17 MiB") });
      expect(log).toEqual(["a 1/0 too-large"]);
      expect(merger.score("a").junk).toBe(1);
      // What networks do, and what ends the whole session, proves nothing about objects.
      streamEnd?.({ ...end, error: new CountersignError("stream-reset", "gone") });
      streamEnd?.({ ...end, error: new CountersignError("limit-exceeded", "session", { protocolCode: 3 }) });
      streamEnd?.({ ...end, complete: true });
      expect(merger.score("a").junk).toBe(1);
    },
  );

  it("hashes a redundant copy never, whether the first is delivered or still being hashed", async () => {
    const { judge, merger } = verifying();
    judge.sign(1, [0]);
    merger.offer("a", objectAt(1, 0));
    merger.offer("b", objectAt(1, 0));
    await settle();
    merger.offer("c", objectAt(1, 0));
    await settle();
    expect(judge.verifications).toBe(1);
  });

  it("does not let junk that came first shadow the good copy behind it", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0]);
    merger.offer("liar", junkAt(1, 0));
    merger.offer("a", objectAt(1, 0));
    expect(merger.ledger.status(1, 0)).toBe("new");
    await settle();
    expect(log).toEqual(["liar 1/0 mismatch", "a 1/0"]);
    expect(merger.score("liar")).toMatchObject({ junk: 1, good: 0 });
  });

  it("takes the good copy from a source that sent junk before", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0]);
    merger.offer("a", junkAt(1, 0));
    merger.offer("a", objectAt(1, 0));
    await settle();
    expect(log).toEqual(["a 1/0 mismatch", "a 1/0"]);
  });

  it("goes through any number of liars to the one that is honest", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0]);
    for (const liar of ["l1", "l2", "l3"]) merger.offer(liar, junkAt(1, 0));
    merger.offer("honest", objectAt(1, 0));
    await settle();
    expect(log.at(-1)).toBe("honest 1/0");
  });

  it("claims once although two verifications of one object end well", async () => {
    const { judge, merger, log } = verifying();
    judge.manual = true;
    judge.sign(1, [0]);
    merger.offer("liar", junkAt(1, 0));
    merger.offer("a", objectAt(1, 0));
    judge.waiting[0]!.finish();
    await settle();
    merger.offer("b", objectAt(1, 0));
    judge.waiting[1]!.finish();
    await settle();
    expect(log).toEqual(["liar 1/0 mismatch", "a 1/0"]);
    expect(merger.score("b").duplicate).toBe(1);
    expect(judge.waiting).toHaveLength(2);
  });

  it("refuses a wrong size without hashing, and says which way it is wrong", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0]);
    merger.offer("a", objectAt(1, 0, new Uint8Array(5)));
    merger.offer("a", objectAt(1, 0, new Uint8Array(500)));
    await settle();
    expect(log).toEqual(["a 1/0 mismatch", "a 1/0 too-large"]);
    expect(judge.verifications).toBe(0);
  });

  it("refuses what a complete group has no place for", () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0], true);
    merger.offer("a", objectAt(1, 1));
    expect(log).toEqual(["a 1/1 unsigned"]);
    expect(merger.score("a").unsigned).toBe(1);
  });

  it("keeps an object until its manifest comes, then judges all copies in one sweep", async () => {
    const { judge, merger, log } = verifying();
    merger.offer("liar", junkAt(1, 0));
    merger.offer("a", objectAt(1, 0));
    merger.offer("a", objectAt(1, 1));
    merger.offer("a", objectAt(1, 7));
    await settle();
    expect(log).toEqual([]);
    expect(merger.score("a").pendingObjects).toBe(3);
    judge.sign(1, [0, 1], true);
    await settle();
    expect([...log].sort()).toEqual(["a 1/0", "a 1/1", "a 1/7 unsigned", "liar 1/0 mismatch"]);
    expect(merger.score("a")).toMatchObject({ pendingObjects: 0, pendingBytes: 0 });
  });

  it("lets a source that floods push out only its own waiting objects, oldest first", async () => {
    const { judge, merger, log } = verifying({ pendingMaxBytes: 100, pendingMaxObjects: 50 });
    merger.offer("honest", objectAt(1, 0));
    for (let object = 0; object < 30; object++)
      merger.offer("flood", objectAt(2, object, new Uint8Array(10)));
    expect(merger.score("flood").pendingBytes).toBeLessThanOrEqual(100);
    expect(log).toHaveLength(20);
    expect(log[0]).toBe("flood 2/0 pending-overflow");
    judge.sign(1, [0]);
    await settle();
    expect(log.at(-1)).toBe("honest 1/0");
  });

  it("counts waiting objects as well as their bytes", () => {
    const { merger, log } = verifying({ pendingMaxObjects: 3 });
    for (let object = 0; object < 5; object++) merger.offer("flood", objectAt(2, object, new Uint8Array(0)));
    expect(merger.score("flood").pendingObjects).toBe(3);
    expect(log).toEqual(["flood 2/0 pending-overflow", "flood 2/1 pending-overflow"]);
  });

  it("takes no object that could not wait within the cap", () => {
    const { merger, log } = verifying({ pendingMaxBytes: 100 });
    expect(merger.accept("a", { group: 1, object: 0, payloadLength: 101 })).toBe(false);
    expect(log).toEqual(["a 1/0 pending-overflow"]);
  });

  it("takes the promise of an object without end for the lie it is, before or after the signer spoke of it", () => {
    const { judge, merger, log } = verifying();
    const endless = (group: number) => ({ group, object: 0, payloadLength: 2 ** 40 });
    expect(merger.accept("a", endless(1))).toBe(false);
    expect(merger.score("a").junk).toBe(0);
    judge.sign(2, [0]);
    expect(merger.score("a").junk).toBe(0);
    judge.sign(1, [0]);
    expect(merger.score("a").junk).toBe(1);
    expect(log.at(-1)).toBe("a 1/0 too-large");
    merger.accept("a", endless(2));
    expect(merger.score("a").junk).toBe(2);
    for (let group = 100; group < 1_000; group++) merger.accept("a", endless(group));
    judge.sign(100, [0]);
    expect(merger.score("a").junk).toBe(2);
    judge.sign(999, [0]);
    expect(merger.score("a").junk).toBe(3);
    // Said of each place once.
    judge.sign(999, [0, 1]);
    expect(merger.score("a").junk).toBe(3);
  });

  it("lets a spare wait that alone exceeds the cap when its size is signed for", async () => {
    const { judge, merger, log } = verifying({ pendingMaxBytes: 4 });
    judge.sign(1, [0]);
    merger.offer("liar", junkAt(1, 0));
    merger.offer("a", objectAt(1, 0));
    await settle();
    expect(log).toEqual(["liar 1/0 mismatch", "a 1/0"]);
  });

  it("drops what waited too long, one by one as each grows old", () => {
    const { clock, merger, log } = verifying({ pendingMaxAgeMs: 1000 });
    merger.offer("a", objectAt(1, 0));
    clock.advance(600);
    merger.offer("b", objectAt(1, 1));
    clock.advance(400);
    expect(log).toEqual(["a 1/0 pending-expired"]);
    clock.advance(599);
    expect(log).toHaveLength(1);
    clock.advance(1);
    expect(log).toEqual(["a 1/0 pending-expired", "b 1/1 pending-expired"]);
    expect(clock.pending).toBe(0);
  });

  it("keeps two copies of a place from one source and no more", () => {
    const { merger } = verifying();
    for (let i = 0; i < 5; i++) merger.offer("a", objectAt(1, 0));
    expect(merger.score("a")).toMatchObject({ pendingObjects: 2, duplicate: 3 });
  });

  it("refuses before the payload is read what it would throw away afterwards", async () => {
    const { judge, merger } = verifying();
    judge.sign(1, [0, 1, 2], true);
    merger.offer("a", objectAt(1, 0));
    await settle();
    const size = payloadAt(1, 1).byteLength;
    expect(merger.accept("b", { group: 1, object: 0, payloadLength: size })).toBe(false);
    expect(merger.accept("b", { group: 1, object: 1, payloadLength: size + 1 })).toBe(false);
    expect(merger.accept("b", { group: 1, object: 3, payloadLength: size })).toBe(false);
    expect(merger.accept("b", { group: 1, object: 2, payloadLength: size })).toBe(true);
    expect(merger.score("b")).toMatchObject({ duplicate: 1, junk: 1, unsigned: 1, bytes: 3 * size + 1 });
  });

  it("takes no notice of a status: what does not exist is the signer's to say", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(1, [0], true);
    expect(merger.accept("a", { group: 1, object: 1, payloadLength: 0 })).toBe(true);
    merger.offer("a", { ...objectAt(1, 1, new Uint8Array(0)), status: "end-of-group" });
    merger.offer("a", { ...objectAt(1, 0, new Uint8Array(0)), status: "end-of-group" });
    await settle();
    expect(log).toEqual([]);
    merger.offer("b", objectAt(1, 0));
    await settle();
    expect(log).toEqual(["b 1/0"]);
  });

  it("calls it no lie when the judge itself fails, and asks again for the next copy", async () => {
    const { judge, merger, log } = verifying();
    judge.manual = true;
    judge.sign(1, [0]);
    merger.offer("a", objectAt(1, 0));
    merger.offer("b", objectAt(1, 0));
    judge.waiting[0]!.fail();
    await settle();
    judge.waiting[1]!.finish();
    await settle();
    expect(log).toEqual(["a 1/0 malformed", "b 1/0"]);
    expect(merger.score("a").junk).toBe(0);
  });

  it("hands a good object from below the window to the store, once, and never to the viewer", async () => {
    const { judge, merger, log } = verifying({ ledger: { windowGroups: 2 } });
    for (const group of [1, 2, 3, 4]) judge.sign(group, [0, 1]);
    for (const group of [2, 3, 4]) merger.offer("a", objectAt(group, 0));
    await settle();
    log.length = 0;
    merger.offer("slow", objectAt(2, 0));
    merger.offer("slow", objectAt(2, 1));
    merger.offer("slower", objectAt(2, 1));
    await settle();
    merger.offer("slowest", objectAt(2, 1));
    await settle();
    expect(log).toEqual(["slow 2/1 for repair"]);
    merger.offer("slow", objectAt(0, 0));
    expect(log.at(-1)).toBe("slow 0/0 below-window");
  });

  it("says how far a source comes behind the others", async () => {
    const { clock, judge, merger } = verifying();
    judge.sign(1, [0, 1, 2, 3]);
    for (let object = 0; object < 4; object++) {
      merger.offer("fast", objectAt(1, object));
      await settle();
      clock.advance(object === 3 ? 300 : 100);
      merger.offer("slow", objectAt(1, object));
      await settle();
    }
    expect(merger.lagMs("fast")).toBe(0);
    expect(merger.lagMs("slow")).toBeGreaterThan(10);
    expect(merger.score("slow")).toMatchObject({ duplicate: 4, late: 1 });
  });

  it("still judges what a source sent before it was lost", async () => {
    const { judge, merger, log } = verifying();
    merger.addSource("gone");
    merger.offer("gone", objectAt(1, 0));
    merger.removeSource("gone");
    judge.sign(1, [0]);
    await settle();
    expect(log).toEqual(["gone 1/0"]);
  });

  it("survives a listener that closes it while its objects are being judged", async () => {
    const { judge, merger, log } = verifying();
    merger.on("rejected", () => merger.close());
    for (let object = 0; object < 4; object++) merger.offer("liar", objectAt(1, object));
    judge.sign(1, [3], true);
    await settle();
    expect(log).toEqual(["liar 1/0 unsigned"]);
  });

  it("does nothing after it was closed, whatever is still being hashed", async () => {
    const { clock, judge, merger, log } = verifying();
    judge.manual = true;
    judge.sign(1, [0]);
    merger.offer("a", objectAt(1, 0));
    merger.offer("a", objectAt(2, 0));
    merger.close();
    judge.waiting[0]!.finish();
    await settle();
    merger.offer("a", objectAt(1, 0));
    judge.sign(2, [0]);
    clock.advance(60_000);
    expect(log).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it("is right about ids that use all 64 bits", async () => {
    const { judge, merger, log } = verifying();
    judge.sign(MAX, [MAX - 1n, MAX]);
    merger.offer("a", objectAt(MAX, MAX));
    merger.offer("a", objectAt(MAX, MAX - 1n));
    merger.offer("b", objectAt(MAX, MAX));
    await settle();
    expect(log).toEqual([`a ${MAX}/${MAX}`, `a ${MAX}/${MAX - 1n}`]);
  });
});

describe("TrackMerger without trust", () => {
  it("passes the first copy on within the call", () => {
    const { merger, log } = forwarding();
    merger.offer("a", objectAt(1, 0));
    expect(log).toEqual(["a 1/0"]);
    merger.offer("b", objectAt(1, 0));
    expect(log).toHaveLength(1);
  });

  it("drops redundant copies also when the streams of two origins do not overlap in time", () => {
    const { clock, merger, log } = forwarding();
    for (let object = 0; object < 10; object++) merger.offer("a", objectAt(1, object));
    clock.advance(20_000);
    for (let object = 0; object < 10; object++) merger.offer("b", objectAt(1, object));
    expect(log).toHaveLength(10);
    expect(merger.score("b")).toMatchObject({ duplicate: 10, late: 10 });
  });

  it("drops the copies of a peer that lags further than any cache reaches", () => {
    const { merger, log } = forwarding();
    for (let group = 0; group < 500; group++)
      for (let object = 0; object < 5; object++) merger.offer("a", objectAt(group, object));
    for (let group = 0; group < 500; group++)
      for (let object = 0; object < 5; object++) merger.offer("b", objectAt(group, object));
    expect(log).toHaveLength(2500);
    expect(merger.score("b").duplicate).toBe(2500);
  });

  it("is the union of sources that each have a part", () => {
    const { merger, log } = forwarding();
    for (let object = 0; object < 10; object++)
      merger.offer(object % 2 ? "odd" : "even", objectAt(1, object));
    expect(log).toHaveLength(10);
  });

  it("goes on without a seam when one source dies in the middle of a group", () => {
    const { merger, log } = forwarding();
    merger.addSource("a");
    merger.addSource("b");
    for (let object = 0; object < 5; object++) merger.offer("a", objectAt(1, object));
    merger.removeSource("a");
    for (let object = 3; object < 10; object++) merger.offer("b", objectAt(1, object));
    expect(log.map((line) => line.slice(2))).toEqual(
      Array.from({ length: 10 }, (_, object) => `1/${object}`),
    );
  });

  it("does not care which subgroup a copy came in", () => {
    const { merger, log } = forwarding();
    merger.offer("a", objectAt(1, 0));
    merger.offer("b", { ...objectAt(1, 0), subgroup: 5 });
    expect(log).toHaveLength(1);
  });

  it("passes a status on once like any object", () => {
    const { merger, log } = forwarding();
    const end: MoqObject = { ...objectAt(1, 3, new Uint8Array(0)), status: "end-of-group" };
    merger.offer("a", end);
    merger.offer("b", end);
    expect(log).toEqual(["a 1/3"]);
  });
});
