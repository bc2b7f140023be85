/**
 * Sets of ids as sorted, disjoint, non-adjacent ranges: groups that are stored, objects that a group has.
 *
 * Stored media is long runs with few holes, so three days of one-second groups are one range instead of 259,200 ids. All
 * functions are pure except where the name says "InPlace"; ids are the full 64 bits.
 */
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, canonical, compareVarInt, subVarInt } from "../wire/varint.ts";
import type { GroupRange } from "./types.ts";

/** Index of the last range that begins at or before `id`, or -1. */
function rangeAtOrBefore(ranges: readonly GroupRange[], id: VarInt): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.first <= id) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function contains(ranges: readonly GroupRange[], id: VarInt): boolean {
  const index = rangeAtOrBefore(ranges, id);
  return index >= 0 && ranges[index]!.last >= id;
}

/** True when b directly follows a. Never true at 2^64 - 1, which nothing follows. */
function follows(a: VarInt, b: VarInt): boolean {
  return b > a && subVarInt(b, a) === 1;
}

/** Adds one id; returns false when it was there. The append that live writing does costs O(1) beyond the look-up. */
export function addInPlace(ranges: GroupRange[], id: VarInt): boolean {
  const index = rangeAtOrBefore(ranges, id);
  const before = ranges[index];
  if (before !== undefined && before.last >= id) return false;
  const after = ranges[index + 1];
  const joinsBefore = before !== undefined && follows(before.last, id);
  const joinsAfter = after !== undefined && follows(id, after.first);
  if (joinsBefore && joinsAfter) ranges.splice(index, 2, { first: before.first, last: after.last });
  else if (joinsBefore) ranges[index] = { first: before.first, last: id };
  else if (joinsAfter) ranges[index + 1] = { first: id, last: after.last };
  else ranges.splice(index + 1, 0, { first: id, last: id });
  return true;
}

/** Sorted, disjoint, non-adjacent, whatever came in; ranges with last < first are dropped. */
export function normalize(ranges: readonly GroupRange[]): GroupRange[] {
  const sorted = ranges
    .filter((range) => range.first <= range.last)
    .sort((a, b) => compareVarInt(a.first, b.first));
  const result: GroupRange[] = [];
  for (const range of sorted) {
    const previous = result.at(-1);
    if (previous !== undefined && (range.first <= previous.last || follows(previous.last, range.first))) {
      if (range.last > previous.last) result[result.length - 1] = { first: previous.first, last: range.last };
    } else {
      result.push({ first: range.first, last: range.last });
    }
  }
  return result;
}

export function union(a: readonly GroupRange[], b: readonly GroupRange[]): GroupRange[] {
  return normalize([...a, ...b]);
}

/** What is in both. Both must be normalized. */
export function intersect(a: readonly GroupRange[], b: readonly GroupRange[]): GroupRange[] {
  const result: GroupRange[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    const first = compareVarInt(x.first, y.first) > 0 ? x.first : y.first;
    const last = compareVarInt(x.last, y.last) < 0 ? x.last : y.last;
    if (first <= last) result.push({ first, last });
    if (x.last < y.last) i++;
    else j++;
  }
  return result;
}

/** What is in `a` and not in `b`. Both must be normalized. */
export function subtract(a: readonly GroupRange[], b: readonly GroupRange[]): GroupRange[] {
  const result: GroupRange[] = [];
  let j = 0;
  for (const range of a) {
    let first = range.first;
    let done = false;
    while (j < b.length && b[j]!.last < first) j++;
    let k = j;
    while (k < b.length && b[k]!.first <= range.last) {
      const cut = b[k]!;
      if (cut.first > first) result.push({ first, last: subVarInt(cut.first, 1) });
      if (cut.last >= range.last) {
        done = true;
        break;
      }
      first = addVarInt(cut.last, 1);
      k++;
    }
    if (!done) result.push({ first, last: range.last });
  }
  return result;
}

/** True when every id of `a` is in `b`. Both must be normalized. */
export function isSubset(a: readonly GroupRange[], b: readonly GroupRange[]): boolean {
  return a.every((range) => {
    const index = rangeAtOrBefore(b, range.first);
    return index >= 0 && b[index]!.last >= range.last;
  });
}

/** The smallest id at or above `id` that is in the set. */
export function firstAtOrAbove(ranges: readonly GroupRange[], id: VarInt): VarInt | undefined {
  const index = rangeAtOrBefore(ranges, id);
  if (index >= 0 && ranges[index]!.last >= id) return id;
  return ranges[index + 1]?.first;
}

/** How many ids the set has. */
export function countIds(ranges: readonly GroupRange[]): VarInt {
  let count = 0n;
  for (const range of ranges) count += BigInt(range.last) - BigInt(range.first) + 1n;
  return canonical(count);
}

/** `[first, last, first, last, ...]`: the form on disk. */
export function flatten(ranges: readonly GroupRange[]): VarInt[] {
  return ranges.flatMap((range) => [range.first, range.last]);
}

/** The ranges of a flat list, or undefined when it is not one that {@link flatten} could have made (the record is damaged). */
export function unflatten(flat: unknown): GroupRange[] | undefined {
  if (!Array.isArray(flat) || flat.length % 2 !== 0) return undefined;
  const ranges: GroupRange[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const first: unknown = flat[i];
    const last: unknown = flat[i + 1];
    const previous = ranges.at(-1);
    if (!isId(first) || !isId(last) || last < first) return undefined;
    if (previous !== undefined && first <= previous.last) return undefined;
    ranges.push({ first, last });
  }
  return ranges;
}

function isId(value: unknown): value is VarInt {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0;
  return (
    typeof value === "bigint" && value > BigInt(Number.MAX_SAFE_INTEGER) && value <= 0xffff_ffff_ffff_ffffn
  );
}
