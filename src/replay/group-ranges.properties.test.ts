import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonical } from "../wire/varint.ts";
import {
  addInPlace,
  contains,
  countIds,
  firstAtOrAbove,
  flatten,
  intersect,
  isSubset,
  normalize,
  subtract,
  unflatten,
  union,
} from "./group-ranges.ts";
import type { GroupRange } from "./types.ts";

/** A failure prints its seed; FC_SEED runs that again. */
const seed = process.env["FC_SEED"];
const parameters = { numRuns: 300, ...(seed !== undefined && { seed: Number(seed) }) };

/** Bases at 0, around 2^53 and at the very top, so that numbers, bigints and the border between them are all met. */
const BASES = [0n, 2n ** 53n - 10n, 2n ** 64n - 32n];
const WIDTH = 32;
const base = fc.constantFrom(...BASES);
const ids = fc.uniqueArray(fc.integer({ min: 0, max: WIDTH - 1 }));

function rangesOf(from: bigint, offsets: readonly number[]): GroupRange[] {
  const ranges: GroupRange[] = [];
  for (const offset of offsets) addInPlace(ranges, canonical(from + BigInt(offset)));
  return ranges;
}

function offsetsOf(from: bigint, ranges: readonly GroupRange[]): number[] {
  const all = Array.from({ length: WIDTH }, (_, offset) => offset);
  return all.filter((offset) => contains(ranges, canonical(from + BigInt(offset))));
}

const sorted = (offsets: Iterable<number>): number[] => [...offsets].sort((a, b) => a - b);

function expectNormal(ranges: readonly GroupRange[]): void {
  expect(normalize(ranges)).toEqual(ranges);
}

describe("ranges behave as the set of their ids", () => {
  it("adding ids one by one, in any order, gives exactly those ids", () => {
    fc.assert(
      fc.property(base, ids, (from, offsets) => {
        const ranges = rangesOf(from, offsets);
        expect(offsetsOf(from, ranges)).toEqual(sorted(offsets));
        expect(countIds(ranges)).toBe(offsets.length);
        expectNormal(ranges);
        for (const offset of offsets)
          expect(addInPlace(ranges, canonical(from + BigInt(offset)))).toBe(false);
      }),
      parameters,
    );
  });

  it("union, intersection, difference and inclusion agree with sets", () => {
    fc.assert(
      fc.property(base, ids, ids, (from, left, right) => {
        const a = rangesOf(from, left);
        const b = rangesOf(from, right);
        const inRight = new Set(right);
        expect(offsetsOf(from, union(a, b))).toEqual(sorted(new Set([...left, ...right])));
        expect(offsetsOf(from, intersect(a, b))).toEqual(sorted(left.filter((id) => inRight.has(id))));
        expect(offsetsOf(from, subtract(a, b))).toEqual(sorted(left.filter((id) => !inRight.has(id))));
        expect(isSubset(a, b)).toBe(left.every((id) => inRight.has(id)));
        for (const result of [union(a, b), intersect(a, b), subtract(a, b)]) expectNormal(result);
      }),
      parameters,
    );
  });

  it("finds the smallest id at or above another", () => {
    fc.assert(
      fc.property(base, ids, fc.integer({ min: 0, max: WIDTH - 1 }), (from, offsets, asked) => {
        const expected = sorted(offsets).find((offset) => offset >= asked);
        expect(firstAtOrAbove(rangesOf(from, offsets), canonical(from + BigInt(asked)))).toBe(
          expected === undefined ? undefined : canonical(from + BigInt(expected)),
        );
      }),
      parameters,
    );
  });

  it("survives the flat form, and a damaged flat form is refused, never misread", () => {
    fc.assert(
      fc.property(base, ids, (from, offsets) => {
        const ranges = rangesOf(from, offsets);
        expect(unflatten(flatten(ranges))).toEqual(ranges);
      }),
      parameters,
    );
    for (const damaged of [
      [1],
      [2, 1],
      [1, 5, 4, 9],
      [-1, 2],
      [0.5, 1],
      ["0", "1"],
      [5n, 6n],
      [Number.NaN, 1],
      7,
      null,
    ])
      expect(unflatten(damaged)).toBeUndefined();
  });
});
