import { expect, test } from "vitest";
import { TimeRanges } from "./time-ranges.ts";

test("parts that follow each other are one stretch", () => {
  const ranges = new TimeRanges();
  ranges.add(0, 200);
  ranges.add(200, 400);
  ranges.add(420, 600);
  expect(ranges.all).toEqual([{ startMs: 0, endMs: 600 }]);
});

test("a gap stays a gap until it is filled", () => {
  const ranges = new TimeRanges();
  ranges.add(0, 1000);
  ranges.add(2000, 3000);
  expect(ranges.all).toEqual([
    { startMs: 0, endMs: 1000 },
    { startMs: 2000, endMs: 3000 },
  ]);
  ranges.add(1000, 2000);
  expect(ranges.all).toEqual([{ startMs: 0, endMs: 3000 }]);
});

test("an earlier stretch is put in its place", () => {
  const ranges = new TimeRanges();
  ranges.add(5000, 6000);
  ranges.add(0, 1000);
  expect(ranges.all[0]).toEqual({ startMs: 0, endMs: 1000 });
});
