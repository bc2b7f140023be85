import { expect, test } from "vitest";
import type { Clock } from "../clock.ts";
import {
  type BroadcastScheduleOptions,
  MAX_CATCH_UP_MS,
  type ScheduledObject,
  scheduleBroadcast,
} from "./broadcast-schedule.ts";
import { GroupCutter } from "./group-cutter.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const EPOCH_MS = 1_700_000_000_000;
const cutter = new GroupCutter(syntheticClip({ seconds: 8 }), { objectMs: 200 });

/** A clock that jumps to the next timer as soon as everybody waits for it. Only one timer is ever pending here. */
class JumpingClock implements Clock {
  timeMs: number;
  /** Added to every jump: how late the timers of this host fire. */
  lateMs = 0;
  constructor(timeMs: number) {
    this.timeMs = timeMs;
  }
  now(): number {
    return this.timeMs;
  }
  setTimer(delayMs: number, fn: () => void): () => void {
    let cancelled = false;
    const atMs = this.timeMs + delayMs + this.lateMs;
    setImmediate(() => {
      if (cancelled) return;
      this.timeMs = Math.max(this.timeMs, atMs);
      fn();
    });
    return () => {
      cancelled = true;
    };
  }
}

interface Emitted extends ScheduledObject {
  readonly atMs: number;
}

async function collect(
  clock: JumpingClock,
  count: number,
  options: Partial<BroadcastScheduleOptions> = {},
  between: (emitted: Emitted) => void = () => undefined,
): Promise<Emitted[]> {
  const all: Emitted[] = [];
  for await (const object of scheduleBroadcast(cutter, { epochMs: EPOCH_MS, clock, ...options })) {
    const emitted = { ...object, atMs: clock.timeMs - EPOCH_MS };
    all.push(emitted);
    if (all.length === count) break;
    between(emitted);
  }
  return all;
}

const places = (objects: readonly Emitted[]) => objects.map((o) => `${o.trackName} ${o.group}/${o.objectId}`);

test("every object is handed out at its time, and none before", async () => {
  const objects = await collect(new JumpingClock(EPOCH_MS), 60);
  for (const object of objects) expect(object.atMs).toBe(object.availableAtMs);
  expect(objects.at(-1)?.group).toBe(5);
});

test("late timers do not add up: there is no drift", async () => {
  const clock = new JumpingClock(EPOCH_MS);
  clock.lateMs = 7;
  const objects = await collect(clock, 500, { trackNames: ["video"] });
  expect(objects).toHaveLength(500);
  for (const object of objects) expect(object.atMs).toBe(object.availableAtMs + 7);
});

test("a publisher that joins in mid-group begins with that group's first object, and catches up at once", async () => {
  const clock = new JumpingClock(EPOCH_MS + 12_500);
  const objects = await collect(clock, 4, { trackNames: ["video"] });
  expect(places(objects)).toEqual(["video 12/0", "video 12/1", "video 12/2", "video 12/3"]);
  expect(objects.map((o) => o.atMs)).toEqual([12_500, 12_500, 12_600, 12_800]);
});

test("before the epoch nothing is handed out; the broadcast begins with group 0", async () => {
  const clock = new JumpingClock(EPOCH_MS - 90_000);
  const [first] = await collect(clock, 1);
  expect(first).toMatchObject({ group: 0, objectId: 0, atMs: 200 });
});

test("the start-up delay holds back the first object, not the broadcast", async () => {
  const [first] = await collect(new JumpingClock(EPOCH_MS), 1, { startupDelayMs: 5300 });
  expect(first).toMatchObject({ group: 5, objectId: 0, atMs: 5300 });
});

test("it stops when its time is over, counted from the end of the start-up delay", async () => {
  const clock = new JumpingClock(EPOCH_MS);
  const objects = await collect(clock, Number.POSITIVE_INFINITY, {
    trackNames: ["video"],
    startupDelayMs: 1000,
    stopAfterMs: 1000,
  });
  expect(places(objects)).toEqual(["video 1/0", "video 1/1", "video 1/2", "video 1/3"]);
  expect(clock.timeMs - EPOCH_MS).toBe(2000);
});

test("history comes first, at once and without a gap, and then the broadcast in its own time", async () => {
  const clock = new JumpingClock(EPOCH_MS + 100_000);
  const objects = await collect(clock, 5 * 62, { trackNames: ["video"], historyMs: 60_000 });
  expect(places(objects)).toEqual(
    Array.from({ length: 5 * 62 }, (_, i) => `video ${40 + Math.floor(i / 5)}/${i % 5}`),
  );
  expect(objects[5 * 60 - 1]?.atMs).toBe(100_000);
  expect(objects.at(-1)?.atMs).toBe(102_000);
});

test("both tracks come in the order in which they become available, group after group", async () => {
  const objects = await collect(new JumpingClock(EPOCH_MS), 22);
  expect(places(objects.slice(0, 4))).toEqual(["video 0/0", "audio 0/0", "video 0/1", "audio 0/1"]);
  expect(places(objects.slice(8, 12))).toEqual(["video 0/4", "audio 0/4", "video 1/0", "audio 1/0"]);
  for (let i = 1; i < objects.length; i++)
    expect(objects[i]!.group).toBeGreaterThanOrEqual(objects[i - 1]!.group);
});

test("a consumer that was slow gets what it missed without delay and without loss", async () => {
  const clock = new JumpingClock(EPOCH_MS);
  const objects = await collect(clock, 40, { trackNames: ["video"] }, ({ group, objectId }) => {
    if (group === 1 && objectId === 0) clock.timeMs += 4000;
  });
  expect(places(objects)).toEqual(
    Array.from({ length: 40 }, (_, i) => `video ${Math.floor(i / 5)}/${i % 5}`),
  );
  expect(objects.slice(6, 20).every((o) => o.atMs === 5200)).toBe(true);
  expect(objects.at(-1)?.atMs).toBe(8000);
});

test("after a long standstill it goes on at the current group and says what it left out", async () => {
  const clock = new JumpingClock(EPOCH_MS);
  const skipped: unknown[] = [];
  const objects = await collect(
    clock,
    7,
    { trackNames: ["video"], onSkip: (range) => skipped.push(range) },
    ({ group, objectId }) => {
      if (group === 0 && objectId === 4) clock.timeMs += MAX_CATCH_UP_MS + 30_000;
    },
  );
  expect(places(objects).slice(4)).toEqual(["video 0/4", "video 41/0", "video 41/1"]);
  expect(skipped).toEqual([{ fromGroup: 1, toGroup: 40 }]);
});

test("the signal ends a wait at once, and an aborted one begins nothing", async () => {
  const stop = new AbortController();
  // A clock whose timers never fire: only the signal can end the wait.
  const clock: Clock = { now: () => EPOCH_MS, setTimer: () => () => undefined };
  const waiting = scheduleBroadcast(cutter, { epochMs: EPOCH_MS, clock, signal: stop.signal }).next();
  await new Promise(setImmediate); // let it come to its wait
  stop.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
  const late = scheduleBroadcast(cutter, { epochMs: EPOCH_MS - 5000, clock, signal: stop.signal });
  expect((await late.next()).done).toBe(true);
});
