/**
 * A media timeline that the publisher wrote down, and the same with what is learnt from the media behind it.
 *
 * A list says where each group begins. Where one ends is known when the next one's beginning is; so the newest group of a list has no time yet, and
 * neither has one behind which records lack.
 */
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, compareVarInt } from "../wire/varint.ts";
import { normalize } from "./group-ranges.ts";
import type { GroupTimeline, LearntTimeline, MediaRange } from "./media-range.ts";
import type { GroupRange } from "./types.ts";

/** Where a group begins. */
export interface GroupStart {
  readonly group: number;
  readonly startMs: number;
}

/** The index of the last value that is at most `value`, or -1; `values` ascends. */
function atOrBefore(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class ListedTimeline implements GroupTimeline {
  /** Both ascend, and belong together by index: three days of one-second groups are 4 MB so, and every question is a binary search. */
  #groups: number[] = [];
  #startsMs: number[] = [];

  get size(): number {
    return this.#groups.length;
  }

  /** Everything anew. `starts` ascends, in group and in time. */
  replace(starts: readonly GroupStart[]): void {
    this.#groups = starts.map(({ group }) => group);
    this.#startsMs = starts.map(({ startMs }) => startMs);
  }

  /** Goes on behind what is listed. False, and nothing was added: one does not lie behind the last. */
  append(starts: readonly GroupStart[]): boolean {
    const [first] = starts;
    const group = this.#groups.at(-1) ?? -1;
    const startMs = this.#startsMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (first !== undefined && (first.group <= group || first.startMs <= startMs)) return false;
    for (const start of starts) {
      this.#groups.push(start.group);
      this.#startsMs.push(start.startMs);
    }
    return true;
  }

  /** Where a group begins, also where it is not known where it ends. */
  startOf(group: VarInt): number | undefined {
    return this.#startsMs[this.#indexOf(group)];
  }

  timeOf(group: VarInt): MediaRange | undefined {
    return this.#timeAt(this.#indexOf(group));
  }

  groupAt(timeMs: number): VarInt | undefined {
    const index = atOrBefore(this.#startsMs, timeMs);
    const time = this.#timeAt(index);
    return time !== undefined && timeMs < time.endMs ? this.#groups[index] : undefined;
  }

  timesOf(ranges: readonly GroupRange[]): MediaRange[] {
    const times: MediaRange[] = [];
    for (const { first, last } of ranges) {
      for (let index = this.#firstIndexFrom(first); this.#groups[index]! <= last; index++) {
        const time = this.#timeAt(index);
        if (time === undefined) continue;
        const previous = times.at(-1);
        if (previous?.endMs === time.startMs)
          times[times.length - 1] = { startMs: previous.startMs, endMs: time.endMs };
        else times.push(time);
      }
    }
    return times;
  }

  groupsIn({ startMs, endMs }: MediaRange): GroupRange[] {
    const ranges: GroupRange[] = [];
    for (
      let index = Math.max(0, atOrBefore(this.#startsMs, startMs));
      this.#startsMs[index]! < endMs;
      index++
    ) {
      const time = this.#timeAt(index);
      const group = this.#groups[index]!;
      if (time === undefined || time.endMs <= startMs) continue;
      const previous = ranges.at(-1);
      if (previous?.last === group - 1) ranges[ranges.length - 1] = { first: previous.first, last: group };
      else ranges.push({ first: group, last: group });
    }
    return ranges;
  }

  #firstIndexFrom(group: VarInt): number {
    const index = atOrBefore(this.#groups, Number(group));
    return index >= 0 && this.#groups[index] === group ? index : index + 1;
  }

  /** -1: not listed. */
  #indexOf(group: VarInt): number {
    const index = typeof group === "number" ? atOrBefore(this.#groups, group) : -1;
    return this.#groups[index] === group ? index : -1;
  }

  #timeAt(index: number): MediaRange | undefined {
    const startMs = this.#startsMs[index];
    const endMs = this.#startsMs[index + 1];
    if (startMs === undefined || endMs === undefined) return undefined;
    return this.#groups[index + 1] === this.#groups[index]! + 1 ? { startMs, endMs } : undefined;
  }
}

/** Times closer than this touch: a list gives whole milliseconds, the media their own. */
const TOUCH_MS = 2;

/** What the publisher listed, and where that says nothing, what was learnt from the media. */
export class LayeredTimeline implements GroupTimeline {
  readonly listed = new ListedTimeline();
  readonly #learnt: LearntTimeline;

  constructor(learnt: LearntTimeline) {
    this.#learnt = learnt;
  }

  timeOf(group: VarInt): MediaRange | undefined {
    return this.listed.timeOf(group) ?? this.#learnt.timeOf(group);
  }

  groupAt(timeMs: number): VarInt | undefined {
    return this.listed.groupAt(timeMs) ?? this.#learnt.groupAt(timeMs);
  }

  timesOf(ranges: readonly GroupRange[]): MediaRange[] {
    const both = [...this.listed.timesOf(ranges), ...this.#learnt.timesOf(ranges)];
    const times: { startMs: number; endMs: number }[] = [];
    for (const { startMs, endMs } of both.sort((a, b) => a.startMs - b.startMs)) {
      const previous = times.at(-1);
      if (previous !== undefined && startMs <= previous.endMs + TOUCH_MS)
        previous.endMs = Math.max(previous.endMs, endMs);
      else times.push({ startMs, endMs });
    }
    return times;
  }

  groupsIn(range: MediaRange): GroupRange[] {
    const listed = this.listed.groupsIn(range);
    // A group that both know is the list's to place: within the other's rounding it may be one more.
    const learnt = this.#learnt.groupsIn(range).flatMap(({ first, last }) => {
      const unlisted: GroupRange[] = [];
      for (let group = first; compareVarInt(group, last) <= 0; group = addVarInt(group, 1))
        if (this.listed.timeOf(group) === undefined) unlisted.push({ first: group, last: group });
      return unlisted;
    });
    return normalize([...listed, ...learnt]);
  }
}
