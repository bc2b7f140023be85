/**
 * Group ids and media time, each from the other.
 *
 * Stores and relays know groups, players know milliseconds since the broadcast's epoch. Where groups have a fixed length the mapping is arithmetic; where
 * they do not, it is learnt from the groups that were seen. What has not been seen is not guessed: a time or group outside of what was learnt
 * has no answer.
 */
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, compareVarInt, subVarInt } from "../wire/varint.ts";
import { normalize } from "./group-ranges.ts";
import type { GroupRange } from "./types.ts";

/** Milliseconds since the broadcast's epoch; `endMs` is excluded. */
export interface MediaRange {
  readonly startMs: number;
  readonly endMs: number;
}

export interface GroupTimeline {
  /** When a group plays; undefined when that is not known. */
  timeOf(group: VarInt): MediaRange | undefined;
  /** The group that plays at a time; undefined when that is not known. */
  groupAt(timeMs: number): VarInt | undefined;
  /** The times that ranges of groups cover, merged where they touch. Groups of unknown time are left out. */
  timesOf(ranges: readonly GroupRange[]): MediaRange[];
  /** The groups that play, in whole or in part, within a stretch of time. */
  groupsIn(range: MediaRange): GroupRange[];
}

/** Every group has the same length, and group 0 begins at the epoch (so do Countersign's own publishers number them). */
export function fixedTimeline(groupDurationMs: number): GroupTimeline {
  if (!(groupDurationMs > 0)) throw new RangeError("a group's duration is more than 0 ms");
  const startOf = (group: VarInt): number => Number(group) * groupDurationMs;
  const groupAt = (timeMs: number): VarInt | undefined => {
    const group = Math.floor(timeMs / groupDurationMs);
    return timeMs >= 0 && Number.isSafeInteger(group) ? group : undefined;
  };
  return {
    timeOf: (group) => ({ startMs: startOf(group), endMs: startOf(addVarInt(group, 1)) }),
    groupAt,
    timesOf: (ranges) =>
      ranges.map(({ first, last }) => ({ startMs: startOf(first), endMs: startOf(addVarInt(last, 1)) })),
    groupsIn: ({ startMs, endMs }) => {
      if (!(endMs > 0) || endMs <= startMs) return [];
      const first = groupAt(Math.max(0, startMs));
      const last = groupAt(endMs);
      if (first === undefined || last === undefined) return [];
      // The end is excluded: a group that begins there is not in it.
      const beginsAtEnd = startOf(last) === endMs;
      return [{ first, last: beginsAtEnd ? subVarInt(last, 1) : last }];
    },
  };
}

/** Consecutive groups of one length: what a timeline is made of, so that three days of it are a few runs and not 259,200 entries. */
interface Run {
  readonly first: VarInt;
  count: number;
  readonly startMs: number;
  readonly durationMs: number;
}

/** Runs kept: enough for hours of groups that all differ in length, some 100 KB. Past it the earliest are forgotten. */
const MAX_RUNS = 4_096;

/** Learns from groups as they are seen, in any order. */
export class LearntTimeline implements GroupTimeline {
  /** Ordered by group, and so by time. */
  #runs: Run[] = [];

  /**
   * A group that was seen whole, by its media's own time stamps. One that contradicts what is known (it would overlap, or lie before a lower
   * group) is ignored: returns false.
   */
  learn(group: VarInt, { startMs, endMs }: MediaRange): boolean {
    const durationMs = endMs - startMs;
    if (!(durationMs > 0) || !Number.isFinite(startMs)) return false;
    const index = this.#runs.findLastIndex((run) => run.first <= group);
    const before = this.#runs[index];
    const after = this.#runs[index + 1];
    if (before !== undefined && subVarInt(group, before.first) < before.count) return false;
    if (before !== undefined && endOfRun(before) > startMs) return false;
    if (after !== undefined && after.startMs < endMs) return false;
    if (before !== undefined && continues(before, group, startMs, durationMs)) {
      before.count++;
      if (after !== undefined && joins(before, after)) {
        before.count += after.count;
        this.#runs.splice(index + 1, 1);
      }
      return true;
    }
    const run = { first: group, count: 1, startMs, durationMs };
    if (after !== undefined && joins(run, after)) {
      run.count += after.count;
      this.#runs.splice(index + 1, 1, run);
    } else {
      this.#runs.splice(index + 1, 0, run);
    }
    if (this.#runs.length > MAX_RUNS) this.#runs.shift();
    return true;
  }

  timeOf(group: VarInt): MediaRange | undefined {
    const run = this.#runs.findLast((candidate) => candidate.first <= group);
    if (run === undefined) return undefined;
    const offset = subVarInt(group, run.first);
    if (offset >= run.count) return undefined;
    const startMs = run.startMs + Number(offset) * run.durationMs;
    return { startMs, endMs: startMs + run.durationMs };
  }

  groupAt(timeMs: number): VarInt | undefined {
    const run = this.#runs.findLast((candidate) => candidate.startMs <= timeMs);
    return run === undefined || timeMs >= endOfRun(run) ? undefined : groupInRun(run, timeMs);
  }

  timesOf(ranges: readonly GroupRange[]): MediaRange[] {
    const times: MediaRange[] = [];
    for (const { first, last } of ranges) {
      for (const run of this.#runs) {
        const runLast = addVarInt(run.first, run.count - 1);
        if (runLast < first || run.first > last) continue;
        const { startMs } = this.timeOf(compareVarInt(first, run.first) > 0 ? first : run.first)!;
        const { endMs } = this.timeOf(compareVarInt(last, runLast) < 0 ? last : runLast)!;
        const previous = times.at(-1);
        if (previous?.endMs === startMs) times[times.length - 1] = { startMs: previous.startMs, endMs };
        else times.push({ startMs, endMs });
      }
    }
    return times;
  }

  groupsIn({ startMs, endMs }: MediaRange): GroupRange[] {
    const ranges: GroupRange[] = [];
    for (const run of this.#runs) {
      if (run.startMs >= endMs || endOfRun(run) <= startMs) continue;
      const first = groupInRun(run, Math.max(startMs, run.startMs));
      const lastOffset = Math.ceil((Math.min(endMs, endOfRun(run)) - run.startMs) / run.durationMs) - 1;
      ranges.push({ first, last: addVarInt(run.first, lastOffset) });
    }
    return normalize(ranges);
  }
}

function endOfRun({ startMs, count, durationMs }: Run): number {
  return startMs + count * durationMs;
}

function groupInRun({ first, startMs, durationMs }: Run, timeMs: number): VarInt {
  return addVarInt(first, Math.floor((timeMs - startMs) / durationMs));
}

function continues(run: Run, group: VarInt, startMs: number, durationMs: number): boolean {
  return (
    subVarInt(group, run.first) === run.count && durationMs === run.durationMs && startMs === endOfRun(run)
  );
}

function joins(run: Run, next: Run): boolean {
  return continues(run, next.first, next.startMs, next.durationMs);
}
