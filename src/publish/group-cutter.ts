/** Cuts a looped clip into MOQT groups and objects: the same bytes in every process, wherever it joins. */
import { CountersignError } from "../errors.ts";
import type { Bytes } from "./boxes.ts";
import { chunk } from "./chunk.ts";
import { type Clip, type ClipTrack, TICKS_PER_MS } from "./clip.ts";
import { type GroupPlan, type GroupSpan, groupAt, groupSpan, planGroups } from "./group-plan.ts";
import { initSegment } from "./init-segment.ts";

/** One object, ready to be signed or sent. */
export interface CutObject {
  /** From 0, without holes, within the group. */
  readonly objectId: number;
  /** A CMAF chunk (`moof` and `mdat`) in a buffer of its own. */
  readonly payload: Bytes;
  /** Decode time of the first sample, in ticks since the epoch. */
  readonly mediaStartTicks: number;
  /** To the decode time of the next object's first sample, exactly. */
  readonly durationTicks: number;
  /** When its media would have been encoded: its end, in whole milliseconds since the epoch, rounded up. */
  readonly availableAtMs: number;
  /** Whether decoding can start with it. */
  readonly independent: boolean;
  /** Whether it is the last one of its group. */
  readonly last: boolean;
}

export interface GroupCutterOptions {
  /** Media time per object, in whole milliseconds; the last object of a group may be shorter. */
  readonly objectMs: number;
  /** The least media time per group, in whole milliseconds (default 1000); see {@link planGroups}. */
  readonly groupMs?: number;
}

/** One track of the clip, with what a publisher has to say about it before the first object. */
export interface CutterTrack {
  readonly clipTrack: ClipTrack;
  readonly initSegment: Bytes;
}

interface LoopedTrack extends CutterTrack {
  /** Start of each sample within the loop, in ticks; one more at the end, the length of the loop. */
  readonly startsTicks: readonly number[];
}

const DEFAULT_GROUP_MS = 1000;

function loopedTrack(clipTrack: ClipTrack): LoopedTrack {
  const startsTicks: number[] = [0];
  let at = 0;
  for (const sample of clipTrack.samples) {
    at += sample.durationTicks;
    startsTicks.push(at);
  }
  return { clipTrack, initSegment: initSegment(clipTrack), startsTicks };
}

/** The first index whose value is at least `value`; `values` ascends. */
function lowerBound(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? Number.POSITIVE_INFINITY) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The broadcast that a clip becomes when it is repeated from the epoch on, for ever.
 *
 * Stateless after construction: {@link group} is a pure function of clip, options and group id, so a publisher that joins
 * at any group cuts what one that ran from the beginning cuts. Timestamps go on over the loop's end as if there were none.
 *
 * Throws CountersignError `invalid-options` for durations that are not positive integers, `media-unsupported` for a
 * codec that has no CMAF sample entry here.
 */
export class GroupCutter {
  readonly clip: Clip;
  readonly objectMs: number;
  readonly plan: GroupPlan;
  /** In the order of the clip. */
  readonly tracks: readonly CutterTrack[];
  readonly #tracks: ReadonlyMap<string, LoopedTrack>;
  readonly #objectTicks: number;
  /** No group has more objects than this, so `group * stride + object` numbers all chunks of a track in order. */
  readonly #sequenceStride: number;

  constructor(clip: Clip, options: GroupCutterOptions) {
    const { objectMs, groupMs = DEFAULT_GROUP_MS } = options;
    if (!Number.isSafeInteger(objectMs) || objectMs <= 0) {
      throw new CountersignError(
        "invalid-options",
        `An object duration of ${objectMs} ms is not a positive integer.`,
      );
    }
    this.clip = clip;
    this.objectMs = objectMs;
    this.plan = planGroups(clip, groupMs);
    const tracks = clip.tracks.map(loopedTrack);
    this.tracks = tracks;
    this.#tracks = new Map(tracks.map((track) => [track.clipTrack.name, track]));
    this.#objectTicks = objectMs * TICKS_PER_MS;
    this.#sequenceStride = Math.ceil(this.plan.maxGroupTicks / this.#objectTicks);
  }

  /** The group that covers `mediaMs` after the epoch; 0 before it. */
  groupAt(mediaMs: number): number {
    return groupAt(this.plan, mediaMs * TICKS_PER_MS);
  }

  /** The track that decides where groups begin: the first sample of a group is this one's. */
  get leading(): CutterTrack | undefined {
    return this.tracks.find(({ clipTrack }) => clipTrack.kind === "video") ?? this.tracks[0];
  }

  /** The media time of a group, in ticks since the epoch. */
  span(group: number): GroupSpan {
    return groupSpan(this.plan, group);
  }

  /**
   * All objects of a group of a track, in order. A sample belongs to the group, and within it to the object, in whose
   * time it starts; so an audio frame that straddles a boundary belongs to the earlier side. Spans in which nothing
   * starts give no object (the ids stay without holes), and a group too short for one audio frame gives none at all.
   *
   * Throws CountersignError `track-unknown` for a name that the clip lacks; RangeError for a group that is not a non-negative safe integer.
   */
  group(trackName: string, group: number): CutObject[] {
    const track = this.#tracks.get(trackName);
    if (track === undefined)
      throw new CountersignError("track-unknown", `The clip has no track "${trackName}".`);
    if (!Number.isSafeInteger(group) || group < 0) throw new RangeError(`${group} is not a group id`);

    const { startTicks, endTicks } = this.span(group);
    const loopStart = startTicks - (startTicks % this.plan.durationTicks);
    const { samples } = track.clipTrack;
    const end = lowerBound(track.startsTicks, endTicks - loopStart);
    const objects: CutObject[] = [];
    let from = lowerBound(track.startsTicks, startTicks - loopStart);
    while (from < end) {
      const mediaStartTicks = loopStart + (track.startsTicks[from] ?? 0);
      const slot = Math.floor((mediaStartTicks - startTicks) / this.#objectTicks);
      const slotEndTicks = startTicks + (slot + 1) * this.#objectTicks;
      const to = Math.min(end, lowerBound(track.startsTicks, slotEndTicks - loopStart));
      const mediaEndTicks = loopStart + (track.startsTicks[to] ?? 0);
      const objectId = objects.length;
      objects.push({
        objectId,
        payload: chunk(
          track.clipTrack,
          samples.slice(from, to),
          mediaStartTicks,
          group * this.#sequenceStride + objectId + 1,
        ),
        mediaStartTicks,
        durationTicks: mediaEndTicks - mediaStartTicks,
        availableAtMs: Math.ceil(mediaEndTicks / TICKS_PER_MS),
        independent: samples[from]?.keyframe ?? false,
        last: to === end,
      });
      from = to;
    }
    return objects;
  }
}
