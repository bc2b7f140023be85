import { describe, expect, test } from "vitest";
import { type LaneRanges, marksOf, oldestOf, wordsAt } from "./dvr-ranges.ts";

const NOTHING: LaneRanges = {
  fetchable: [],
  stored: [],
  verified: [],
  live: [],
  missing: [],
  waiting: [],
  stale: [],
  rejected: [],
  equivocation: [],
  buffered: [],
};

describe("what the DVR bar says of a time", () => {
  const ranges: LaneRanges = {
    ...NOTHING,
    fetchable: [{ startMs: 0, endMs: 50_000 }],
    stored: [{ startMs: 60_000, endMs: 100_000 }],
    missing: [{ startMs: 50_000, endMs: 60_000 }],
    live: [{ startMs: 90_000, endMs: 120_000 }],
    rejected: [{ startMs: 70_000, endMs: 71_000 }],
  };

  test("is where it would be played from, the nearest first", () => {
    expect(wordsAt(ranges, 10_000)).toBe("at the relays");
    expect(wordsAt(ranges, 55_000)).toBe("missing");
    expect(wordsAt(ranges, 65_000)).toBe("stored in this browser");
    expect(wordsAt(ranges, 95_000)).toBe("live");
    expect(wordsAt(ranges, 130_000)).toBe("nothing here");
  });

  test("says when something was refused there", () => {
    expect(wordsAt(ranges, 70_500)).toBe("stored in this browser, some of it refused");
  });

  test("the bar begins with the oldest that can be played, not with what is missing", () => {
    expect(oldestOf(ranges)).toBe(0);
    expect(oldestOf({ ...ranges, fetchable: [] })).toBe(60_000);
    expect(oldestOf(NOTHING)).toBeUndefined();
  });
});

describe("the marks of the scale", () => {
  const start = new Date(2026, 10, 20, 21, 58, 40).getTime();

  test("are at round times of the viewer's clock, and no more than fit", () => {
    const marks = marksOf(start, start + 10 * 60_000, 6).map((ms) => new Date(ms));
    expect(marks.map((at) => [at.getHours(), at.getMinutes(), at.getSeconds()])).toEqual([
      [22, 0, 0],
      [22, 2, 0],
      [22, 4, 0],
      [22, 6, 0],
      [22, 8, 0],
    ]);
    for (const spanMs of [20_000, 60_000, 3_600_000, 72 * 3_600_000]) {
      const some = marksOf(start, start + spanMs, 6);
      expect(some.length).toBeLessThanOrEqual(7);
      expect(some.length).toBeGreaterThan(0);
      expect(some.every((ms) => ms >= start && ms <= start + spanMs)).toBe(true);
    }
  });
});
