/** One entry of a track's list, and what is made without media: stored groups, and gaps. */
import type { VarInt } from "../wire/varint.ts";
import type { Part } from "./types.ts";

/** The longest time without media that is shown as gap segments. After a longer one the list starts over behind a discontinuity. */
export const MAX_GAP_MS = 60_000;

/** The media sequence number of group 0: above 0, because hls.js takes a last number of 0 for "unknown". */
const SEQUENCE_OF_GROUP_0 = 1;

/** Group ids above this (timestamps in microseconds, say, or 64-bit ids) are not used as sequence numbers; counting starts here. */
const MAX_SEQUENCE_FROM_GROUP = 2 ** 40;

/** One entry of the list. */
export interface Segment {
  readonly kind: "media" | "gap";
  /** HLS media sequence number: given once, never changed. */
  readonly sequence: number;
  /** Of gap segments: the group before. */
  readonly group: VarInt;
  /** Above 0 where a group goes on after a hole inside it or after {@link MAX_PARTS_PER_SEGMENT}. */
  readonly firstObject: VarInt;
  /** Begins with a keyframe. */
  readonly independent: boolean;
  readonly startTicks: number;
  /** Of an open segment: so far. */
  readonly durationTicks: number;
  /** Empty when the payload is in the store only. */
  readonly parts: readonly Part[];
  readonly open: boolean;
  /** Timestamps start anew here. */
  readonly discontinuity: boolean;
}

/** As the window that owns it sees it. */
export interface MutableSegment extends Segment {
  durationTicks: number;
  parts: Part[];
  open: boolean;
  bytes: number;
}

/** A group that is in the store, as the list needs it; see measure-group.ts. */
export interface StoredSegment {
  readonly group: VarInt;
  readonly startTicks: number;
  readonly durationTicks: number;
}

/** The number of a list that begins with this group. */
export function firstSequence(group: VarInt): number {
  return SEQUENCE_OF_GROUP_0 + (group <= MAX_SEQUENCE_FROM_GROUP ? Number(group) : MAX_SEQUENCE_FROM_GROUP);
}

/** A segment whose payload is in the store. */
export function closedSegment(stored: StoredSegment, sequence: number): MutableSegment {
  return {
    kind: "media",
    sequence,
    group: stored.group,
    firstObject: 0,
    independent: true,
    startTicks: stored.startTicks,
    durationTicks: stored.durationTicks,
    parts: [],
    open: false,
    discontinuity: false,
    bytes: 0,
  };
}

/**
 * Missing time as gap segments; undefined when it is too long, or negative. `longestTicks`: of the other segments, than which none of these is longer.
 */
export function gapSegments(
  stored: StoredSegment,
  timescale: number,
  longestTicks: number,
): MutableSegment[] | undefined {
  const { group, startTicks, durationTicks: gapTicks } = stored;
  if (gapTicks < 0 || gapTicks > (timescale * MAX_GAP_MS) / 1000) return undefined;
  const count = Math.ceil(gapTicks / Math.max(longestTicks, timescale));
  const pieces: MutableSegment[] = [];
  for (let i = 0; i < count; i++) {
    const from = Math.round((gapTicks * i) / count);
    const to = Math.round((gapTicks * (i + 1)) / count);
    pieces.push({
      ...closedSegment({ group, startTicks: startTicks + from, durationTicks: to - from }, 0),
      kind: "gap",
    });
  }
  return pieces;
}
