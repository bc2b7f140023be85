/** Stretches of media time, as lists that are sorted and disjoint. */
import type { TimeRange } from "../rpc/protocol.ts";

/** Stretches closer than this are one: rounding of the list's decimals, and frames of sound that begin a little after their group. */
const JOIN_MS = 50;

/** What is in any of the lists. */
export function joinRanges(...lists: readonly (readonly TimeRange[])[]): TimeRange[] {
  const joined: { startMs: number; endMs: number }[] = [];
  for (const { startMs, endMs } of lists.flat().sort((a, b) => a.startMs - b.startMs)) {
    const last = joined.at(-1);
    if (last && startMs <= last.endMs + JOIN_MS) last.endMs = Math.max(last.endMs, endMs);
    else joined.push({ startMs, endMs });
  }
  return joined;
}

/** The range that has the time, or is not farther from it than that. */
export function rangeAt(ranges: readonly TimeRange[], ms: number, toleranceMs = 0): TimeRange | undefined {
  return ranges.find(({ startMs, endMs }) => ms >= startMs - toleranceMs && ms <= endMs + toleranceMs);
}
