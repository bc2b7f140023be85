import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeJudge, objectAt } from "./fakes.ts";
import { Gate } from "./gate.ts";
import { HOLD_ABOVE_OBJECTS, HOLD_MAX_MS, PENDING_MAX_OBJECTS } from "./limits.ts";
import { forwardingMerger, TrackMerger } from "./track-merger.ts";
import type { RejectReason } from "./types.ts";

const PER_GROUP = 100;

function setup() {
  const clock = new FakeClock();
  const judge = new FakeJudge();
  const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
  const delivered: string[] = [];
  const rejected: RejectReason[] = [];
  merger.on("delivered", ({ object }) => delivered.push(`${object.group}/${object.object}`));
  merger.on("rejected", ({ reason }) => rejected.push(reason));
  return { clock, judge, merger, delivered, rejected };
}

const ids = Array.from({ length: PER_GROUP }, (_, object) => object);

describe("a fetch that is faster than what it must wait for", () => {
  it("is paced by manifests that come later, and loses nothing", async () => {
    const { clock, judge, merger, delivered, rejected } = setup();
    const sink = merger.sink("a", "fetch");
    const groups = 30;
    let held = 0;
    const reading = (async () => {
      for (let group = 0; group < groups; group++) {
        for (const object of ids) {
          sink.object(objectAt(group, object));
          const ready = sink.ready?.();
          if (ready === undefined) continue;
          held++;
          await ready;
        }
      }
    })();
    for (let group = 0; group < groups; group++) {
      await clock.run(100);
      judge.sign(group, ids, true);
    }
    await reading;
    await settle();
    expect(held).toBeGreaterThan(0);
    expect(rejected).toEqual([]);
    expect(delivered).toHaveLength(groups * PER_GROUP);
    expect(clock.pending).toBeLessThanOrEqual(1);
  });

  it("is paced by hashing", async () => {
    const { judge, merger, delivered } = setup();
    judge.manual = true;
    judge.sign(
      0,
      Array.from({ length: 5_000 }, (_, object) => object),
      true,
    );
    const sink = merger.sink("a", "fetch");
    let most = 0;
    const reading = (async () => {
      for (let object = 0; object < 5_000; object++) {
        sink.object(objectAt(0, object));
        most = Math.max(most, judge.waiting.length);
        await sink.ready?.();
      }
    })();
    while (delivered.length < 5_000) {
      await settle();
      for (const verification of judge.waiting.splice(0, 100)) verification.finish();
    }
    await reading;
    expect(most).toBeLessThanOrEqual(HOLD_ABOVE_OBJECTS + 1);
  });

  it("holds back no other source", async () => {
    const { merger, judge } = setup();
    const [a, b] = [merger.sink("a", "fetch"), merger.sink("b", "subscription")];
    for (let object = 0; object <= HOLD_ABOVE_OBJECTS; object++) a.object(objectAt(9, object));
    expect(a.ready?.()).toBeInstanceOf(Promise);
    b.object(objectAt(0, 0));
    expect(b.ready?.()).toBeUndefined();
    judge.sign(0, [0]);
    await settle();
    expect(merger.score("b").good).toBe(1);
  });

  it("is let on when nothing moves: its caps do their work then", async () => {
    const { clock, merger, rejected } = setup();
    const sink = merger.sink("a", "fetch");
    for (let object = 0; object <= HOLD_ABOVE_OBJECTS; object++) sink.object(objectAt(9, object));
    let on = false;
    void sink.ready?.()?.then(() => {
      on = true;
    });
    await clock.run(HOLD_MAX_MS - 1);
    expect(on).toBe(false);
    await clock.run(1);
    expect(on).toBe(true);
    expect(sink.ready?.()).toBeUndefined();
    for (let object = 0; object < PENDING_MAX_OBJECTS; object++) sink.object(objectAt(10, object));
    expect(rejected[0]).toBe("pending-overflow");
    expect(merger.score("a").pendingObjects).toBe(PENDING_MAX_OBJECTS);
  });

  it("is let on when the track is closed", async () => {
    const { merger, clock } = setup();
    const sink = merger.sink("a", "fetch");
    for (let object = 0; object <= HOLD_ABOVE_OBJECTS; object++) sink.object(objectAt(9, object));
    const ready = sink.ready?.();
    merger.close();
    await ready;
    expect(clock.pending).toBe(0);
  });
});

it("a relay's merger judges nothing and holds nobody", () => {
  const merger = forwardingMerger({ clock: new FakeClock() });
  expect(merger.sink("a", "fetch").ready).toBeUndefined();
});

it("a gate that gave up holding stays open until there was room again", async () => {
  const clock = new FakeClock();
  let held = 10;
  const gate = new Gate({ clock, isFull: () => held > 8, hasRoom: () => held < 4, maxHoldMs: 100 });
  expect(gate.ready()).toBe(gate.ready());
  clock.advance(100);
  expect(gate.ready()).toBeUndefined();
  held = 3;
  expect(gate.ready()).toBeUndefined();
  held = 9;
  const again = gate.ready();
  expect(again).toBeInstanceOf(Promise);
  held = 5;
  gate.check();
  expect(gate.ready()).toBe(again);
  held = 3;
  gate.check();
  await again;
  expect(gate.ready()).toBeUndefined();
  expect(clock.pending).toBe(0);
});
