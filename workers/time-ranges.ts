/** Sorted, disjoint stretches of media time. */
import type { TimeRange } from "../src/rpc/protocol.ts";

/** Stretches closer than this are one: parts of neighbouring tracks and rounding. */
const JOIN_MS = 50;

/** Stretches kept; live playback has one, a broken evening a few. The oldest go. */
const MAX_RANGES = 256;

export class TimeRanges {
  #ranges: { startMs: number; endMs: number }[] = [];

  get all(): readonly TimeRange[] {
    return this.#ranges.map((range) => ({ ...range }));
  }

  /** Adds a stretch; nearly always it continues the last one. */
  add(startMs: number, endMs: number): void {
    const last = this.#ranges.at(-1);
    if (last && startMs >= last.startMs && startMs <= last.endMs + JOIN_MS) {
      last.endMs = Math.max(last.endMs, endMs);
      return;
    }
    this.#ranges.push({ startMs, endMs });
    this.#ranges.sort((a, b) => a.startMs - b.startMs);
    const joined: { startMs: number; endMs: number }[] = [];
    for (const range of this.#ranges) {
      const before = joined.at(-1);
      if (before && range.startMs <= before.endMs + JOIN_MS)
        before.endMs = Math.max(before.endMs, range.endMs);
      else joined.push(range);
    }
    this.#ranges = joined.slice(-MAX_RANGES);
  }
}
