import { expect, it } from "vitest";
import { IntervalSet, nextId } from "./interval-set.ts";

it("joins neighbouring ids into one stretch, from either side and from between", () => {
  const ids = new IntervalSet(10);
  for (const id of [5, 7, 6, 4, 0]) expect(ids.add(id)).toBe(true);
  expect(ids.intervalCount).toBe(2);
  for (const id of [0, 4, 5, 6, 7]) expect(ids.add(id)).toBe(false);
  for (const id of [1, 3, 8]) expect(ids.has(id)).toBe(false);
});

it("keeps one stretch across the seam between numbers and bigints", () => {
  const ids = new IntervalSet(10);
  for (const id of [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 53n + 1n])
    ids.add(id);
  expect(ids.intervalCount).toBe(1);
  expect(nextId(Number.MAX_SAFE_INTEGER)).toBe(2n ** 53n);
});

it("holds the largest id there is", () => {
  const ids = new IntervalSet(10);
  expect(ids.add(2n ** 64n - 1n)).toBe(true);
  expect(ids.add(2n ** 64n - 1n)).toBe(false);
  expect(ids.has(2n ** 64n - 2n)).toBe(false);
});

it("forgets the lowest stretch past its cap and says up to where", () => {
  const ids = new IntervalSet(2);
  for (const id of [0, 10, 20]) ids.add(id);
  expect(ids.intervalCount).toBe(2);
  expect(ids.forgottenBelow).toBe(1);
  expect(ids.has(0)).toBe(false);
  expect(ids.add(0)).toBe(false);
});
