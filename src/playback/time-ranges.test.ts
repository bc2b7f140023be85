import { describe, expect, test } from "vitest";
import { joinRanges, rangeAt } from "./time-ranges.ts";

describe("stretches of media time", () => {
  test("from several lists are one sorted list, joined where they touch or overlap", () => {
    const joined = joinRanges(
      [{ startMs: 5000, endMs: 9000 }],
      [
        { startMs: 0, endMs: 1000 },
        { startMs: 8000, endMs: 8500 },
      ],
      [{ startMs: 1020, endMs: 2000 }],
    );
    expect(joined).toEqual([
      { startMs: 0, endMs: 2000 },
      { startMs: 5000, endMs: 9000 },
    ]);
  });

  test("leave holes that are more than rounding", () => {
    const lists = [
      { startMs: 0, endMs: 1000 },
      { startMs: 1200, endMs: 2000 },
    ];
    expect(joinRanges(lists)).toEqual(lists);
    expect(rangeAt(lists, 1100)).toBeUndefined();
    expect(rangeAt(lists, 1100, 100)).toEqual(lists[0]);
    expect(rangeAt(lists, 1500)).toEqual(lists[1]);
  });
});
