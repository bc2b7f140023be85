/** Which stretch of media time each group of a broadcast covers, when a clip is repeated without end. */
import { CountersignError } from "../errors.ts";
import { type Clip, type ClipTrack, TICKS_PER_MS } from "./clip.ts";

/** Where groups begin, in ticks from the start of the clip: the same in every loop. */
export interface GroupPlan {
  /** Ascending, begins with 0. */
  readonly startsTicks: readonly number[];
  /** The length of one loop. */
  readonly durationTicks: number;
  /** The longest group. */
  readonly maxGroupTicks: number;
  /**
   * The length of every group when all are equal and whole milliseconds; then group g covers media time
   * [g, g + 1) times this. Undefined when keyframes are not that regular.
   */
  readonly regularGroupMs: number | undefined;
}

/** A group as a span of media time. */
export interface GroupSpan {
  readonly startTicks: number;
  readonly endTicks: number;
}

function keyframeStarts(track: ClipTrack): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const sample of track.samples) {
    if (sample.keyframe) starts.push(at);
    at += sample.durationTicks;
  }
  return starts;
}

/**
 * Groups of a clip: a new one begins at the first keyframe of the leading track (the video; the audio when there is none)
 * that is at least `groupMs` after the start of the current one. With a keyframe every `groupMs` that is every keyframe;
 * rarer keyframes give longer groups (a group must begin with a keyframe, draft-ietf-moq-cmsf §3.4), more frequent ones are gathered.
 *
 * Throws CountersignError `invalid-options` when `groupMs` is not a positive integer.
 */
export function planGroups(clip: Clip, groupMs: number): GroupPlan {
  if (!Number.isSafeInteger(groupMs) || groupMs <= 0) {
    throw new CountersignError(
      "invalid-options",
      `A group duration of ${groupMs} ms is not a positive integer.`,
    );
  }
  const leading = clip.tracks.find((track) => track.kind === "video") ?? clip.tracks[0];
  const keyframes = leading === undefined ? [0] : keyframeStarts(leading);
  const startsTicks: number[] = [0];
  let current = 0;
  for (const at of keyframes) {
    if (at - current < groupMs * TICKS_PER_MS) continue;
    startsTicks.push(at);
    current = at;
  }
  const lengths = startsTicks.map((start, i) => (startsTicks[i + 1] ?? clip.durationTicks) - start);
  const maxGroupTicks = Math.max(...lengths);
  const regular = lengths.every((length) => length === maxGroupTicks) && maxGroupTicks % TICKS_PER_MS === 0;
  return {
    startsTicks,
    durationTicks: clip.durationTicks,
    maxGroupTicks,
    regularGroupMs: regular ? maxGroupTicks / TICKS_PER_MS : undefined,
  };
}

/** The media time that group `group` covers, counted from the epoch. */
export function groupSpan(plan: GroupPlan, group: number): GroupSpan {
  const perLoop = plan.startsTicks.length;
  const index = group % perLoop;
  const loopStart = ((group - index) / perLoop) * plan.durationTicks;
  return {
    startTicks: loopStart + (plan.startsTicks[index] ?? 0),
    endTicks: loopStart + (plan.startsTicks[index + 1] ?? plan.durationTicks),
  };
}

/** The group that covers a media time, in ticks since the epoch; negative times belong to no group and give 0. */
export function groupAt(plan: GroupPlan, mediaTicks: number): number {
  if (mediaTicks <= 0) return 0;
  const loop = Math.floor(mediaTicks / plan.durationTicks);
  const inLoop = mediaTicks - loop * plan.durationTicks;
  let low = 0;
  let high = plan.startsTicks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((plan.startsTicks[middle] ?? 0) <= inLoop) low = middle;
    else high = middle - 1;
  }
  return loop * plan.startsTicks.length + low;
}
