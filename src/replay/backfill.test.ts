import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { Backfill, type BackfillOptions, type BackfillProgress, type BackfillTrack } from "./backfill.ts";
import { addInPlace, intersect } from "./group-ranges.ts";
import type { GroupRange } from "./types.ts";

const running: Backfill[] = [];

afterEach(() => {
  for (const backfill of running.splice(0)) backfill.close();
});

/** A track of a store that lacks things and relays that have some of them. */
class FakeTrack implements BackfillTrack {
  readonly stored: GroupRange[] = [];
  readonly asked: number[] = [];
  fetchableRanges: readonly GroupRange[];
  /** Groups that relays say to have, and have not. */
  readonly gone = new Set<number>();
  /** Calls that fail before one does not. */
  failures = 0;
  tookMs = 10;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, fetchable: readonly GroupRange[]) {
    this.#clock = clock;
    this.fetchableRanges = fetchable;
  }

  async whole(range: GroupRange): Promise<readonly GroupRange[]> {
    return intersect([range], this.stored);
  }

  async fetchable(): Promise<readonly GroupRange[]> {
    return this.fetchableRanges;
  }

  async fetch(group: VarInt): Promise<number | undefined> {
    this.asked.push(Number(group));
    await new Promise<void>((resolve) => this.#clock.setTimer(this.tookMs, resolve));
    if (this.failures-- > 0) throw new RangeError("nobody is there");
    if (this.gone.has(Number(group))) return undefined;
    addInPlace(this.stored, group);
    return 100;
  }
}

function world(options: Partial<BackfillOptions> & { readonly fetchable?: readonly GroupRange[] } = {}) {
  const clock = new FakeClock(0);
  const { fetchable = [{ first: 50, last: 99 }], ...rest } = options;
  const track = new FakeTrack(clock, fetchable);
  const heard: BackfillProgress[] = [];
  const start = (more: Partial<BackfillOptions> = {}): Backfill => {
    const backfill = new Backfill({
      clock,
      tracks: [track],
      window: () => ({ first: 0, last: 99 }),
      mayRun: () => true,
      hasRoom: () => true,
      onProgress: (progress) => heard.push(progress),
      ...rest,
      ...more,
    });
    running.push(backfill);
    return backfill;
  };
  return { clock, track, heard, start };
}

describe("backfill", () => {
  it("fetches what relays have and the store lacks, newest first, and says how far it is", async () => {
    const { clock, track, heard, start } = world();
    addInPlace(track.stored, 97);
    const backfill = start();
    await clock.run(10_000);
    const expected = Array.from({ length: 50 }, (_, at) => 99 - at).filter((group) => group !== 97);
    expect(track.asked).toEqual(expected);
    expect(backfill.progress).toEqual({
      state: "done",
      wanted: 50,
      stored: 50,
      missing: 0,
      fetched: 49,
      fetchedBytes: 4900,
      error: undefined,
    });
    expect(heard.some(({ state, stored }) => state === "filling" && stored === 20)).toBe(true);
  });

  it("goes on after a reload where it was, without a note of its own", async () => {
    const { clock, track, start } = world();
    const first = start();
    await clock.run(400);
    first.close();
    await clock.run(100);
    const before = track.asked.length;
    expect(before).toBeGreaterThan(5);
    start();
    await clock.run(10_000);
    expect(new Set(track.asked).size).toBe(50);
    // At most the one that was under way is asked for twice.
    expect(track.asked.length).toBeLessThanOrEqual(51);
  });

  it("rests at least as long as it worked", async () => {
    const { clock, track, start } = world();
    track.tookMs = 100;
    start();
    await clock.run(2000);
    expect(track.asked.length).toBeLessThanOrEqual(11);
    expect(track.asked.length).toBeGreaterThan(5);
  });

  it("stops for live at once, rests longer after it, and then gets faster again", async () => {
    let suffers = false;
    const { clock, track, start } = world({
      fetchable: [{ first: 0, last: 499 }],
      window: () => ({ first: 0, last: 499 }),
      mayRun: () => !suffers,
    });
    track.tookMs = 100;
    const backfill = start();
    await clock.run(1000);
    suffers = true;
    await clock.run(300);
    const stopped = track.asked.length;
    await clock.run(700);
    expect(track.asked.length).toBe(stopped);
    expect(backfill.progress.state).toBe("waiting");
    suffers = false;
    await clock.run(2000);
    const slow = track.asked.length - stopped;
    expect(slow).toBeGreaterThan(0);
    expect(slow).toBeLessThan(5);
    await clock.run(90_000);
    const before = track.asked.length;
    await clock.run(2000);
    expect(track.asked.length - before).toBeGreaterThan(slow);
  });

  it("counts what nobody has, and does not ask for it again in the same walk", async () => {
    const { clock, track, start } = world();
    for (const group of [60, 61]) track.gone.add(group);
    const backfill = start();
    await clock.run(10_000);
    expect(backfill.progress).toMatchObject({ state: "done", missing: 2, stored: 48 });
    expect(track.asked.filter((group) => group === 60)).toHaveLength(1);
  });

  it("says that it failed, and goes on when it can", async () => {
    const { clock, track, heard, start } = world();
    track.failures = 4;
    const backfill = start();
    await clock.run(6_000);
    expect(heard.some(({ state, error }) => state === "failed" && error?.code === "range-unavailable")).toBe(
      true,
    );
    await clock.run(20_000);
    expect(backfill.progress).toMatchObject({ state: "done", stored: 50, error: undefined });
  });

  it("does not push out what is stored: it stops when the store is full", async () => {
    const { clock, track, start } = world({});
    const backfill = start({ hasRoom: () => track.asked.length < 7 });
    await clock.run(100_000);
    expect(track.asked).toHaveLength(7);
    expect(backfill.progress.state).toBe("full");
  });

  it("waits until it is known what is wanted, and looks again when it was done", async () => {
    let window: GroupRange | undefined;
    const { clock, track, start } = world({ window: () => window });
    start();
    await clock.run(5_000);
    expect(track.asked).toEqual([]);
    window = { first: 90, last: 99 };
    await clock.run(5_000);
    expect(track.asked).toHaveLength(10);
    track.fetchableRanges = [{ first: 50, last: 101 }];
    window = { first: 92, last: 101 };
    await clock.run(40_000);
    expect(track.asked.slice(10)).toEqual([101, 100]);
  });

  it("does nothing more once it is ended", async () => {
    const { clock, track, start } = world();
    const backfill = start();
    await clock.run(100);
    backfill.close();
    const asked = track.asked.length;
    await clock.run(10_000);
    expect(track.asked).toHaveLength(asked);
    expect(clock.pending).toBe(0);
  });
});
