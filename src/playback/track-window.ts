/**
 * The recent past of one track, as HLS sees it: a group is a segment, an object is a part.
 *
 * Verified objects come in order from the sequencer. Each one becomes a part the moment it is appended; when its group is complete (or the next one begins) the
 * segment is closed. What did not come shows as time that is missing between two parts, and becomes a gap segment: the numbering goes on and the player
 * knows how much to jump. Groups from the store can be put in front.
 */
import { CountersignError } from "../errors.ts";
import type { Hole } from "../merge/types.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { malformedMedia } from "./boxes.ts";
import { type InitSegmentInfo, readInitSegment } from "./init-segment.ts";
import { readChunkTiming } from "./moof.ts";
import {
  closedSegment,
  firstSequence,
  gapSegments,
  type MutableSegment,
  type Segment,
  type StoredSegment,
} from "./segment.ts";
import type { Part, PlayableTrack } from "./types.ts";

/**
 * Segments kept listed. hls.js merges the whole list on every reload, once per part (25 a second with 40 ms objects): 30 of them cost it
 * about 1 ms. The oldest leave; older media are reached through the store.
 */
export const WINDOW_SEGMENTS = 30;

/**
 * Bytes of payload held for one track; 30 s of 16 Mb/s. Past it the oldest closed segments leave early. The open segment never leaves, but it is
 * closed when it alone takes half of this.
 */
export const WINDOW_PAYLOAD_BYTES = 64 * 1024 * 1024;

/**
 * Parts in one segment. A publisher that never ends its group would otherwise make a segment without end; at this many the segment is closed and the
 * group goes on in a further one. A group of 8 s in 40 ms objects has 200.
 */
export const MAX_PARTS_PER_SEGMENT = 512;

/** Differences of timestamps below this are rounding of a publisher's clock, not missing media: half a frame of 50 fps. */
const CONTINUITY_TOLERANCE_MS = 10;

export interface TrackWindowOptions {
  /** Default {@link WINDOW_SEGMENTS}; a list of stored groups that is read once can be longer. */
  readonly maxSegments?: number;
  /** Default {@link WINDOW_PAYLOAD_BYTES}. */
  readonly maxPayloadBytes?: number;
}

export interface LastStretch {
  readonly startTicks: number;
  readonly endTicks: number;
  /** A gap is listed right before it. */
  readonly behindGap: boolean;
}

export class TrackWindow {
  readonly track: PlayableTrack;
  readonly #init: InitSegmentInfo;
  readonly #maxSegments: number;
  readonly #maxPayloadBytes: number;
  readonly #toleranceTicks: number;
  #segments: MutableSegment[] = [];
  #payloadBytes = 0;
  #ended = false;
  #discontinuitiesGone = 0;
  #maxSegmentTicks = 0;
  #maxPartTicks = 0;
  #version = 0;
  #closedCount = 0;
  readonly #listeners = new Set<() => void>();

  /** Throws CountersignError `media-error` when the initialization segment cannot be read or contradicts the catalog. */
  constructor(track: PlayableTrack, options: TrackWindowOptions = {}) {
    this.track = track;
    this.#init = readInitSegment(track.initSegment);
    if (this.#init.timescale !== track.timescale) {
      throw malformedMedia(
        `the catalog gives track "${track.name}" ${track.timescale} ticks a second, its initialization segment ${this.#init.timescale}`,
      );
    }
    this.#maxSegments = Math.max(3, options.maxSegments ?? WINDOW_SEGMENTS);
    this.#maxPayloadBytes = options.maxPayloadBytes ?? WINDOW_PAYLOAD_BYTES;
    this.#toleranceTicks = (track.timescale * CONTINUITY_TOLERANCE_MS) / 1000;
  }

  /** Oldest first; at most the last one is open. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Counts changes, so that a reader can keep what it made of an earlier state. */
  get version(): number {
    return this.#version;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whole segments of media appended since the start (stored ones not counted). */
  get closedCount(): number {
    return this.#closedCount;
  }

  /** Discontinuities in segments that have left the list (EXT-X-DISCONTINUITY-SEQUENCE). */
  get discontinuitiesGone(): number {
    return this.#discontinuitiesGone;
  }

  /** Longest segment and part so far; 0 before the first. Never shrinks: the tags made of them may not. */
  get maxSegmentTicks(): number {
    return this.#maxSegmentTicks;
  }

  get maxPartTicks(): number {
    return this.#maxPartTicks;
  }

  /** Where the newest media end, in ticks since the epoch; undefined before any. */
  get endTicks(): number | undefined {
    const last = this.#segments.at(-1);
    return last && last.startTicks + last.durationTicks;
  }

  /** Where the oldest listed media begin. */
  get startTicks(): number | undefined {
    return this.#segments.find((segment) => segment.kind === "media")?.startTicks;
  }

  /** The media that go on without a gap up to the newest; undefined before any. */
  get lastStretch(): LastStretch | undefined {
    const { endTicks } = this;
    if (endTicks === undefined) return undefined;
    let at = this.#segments.length - 1;
    while (at > 0 && !this.#segments[at]!.discontinuity && this.#segments[at - 1]!.kind === "media") at -= 1;
    const behindGap = this.#segments[at - 1]?.kind === "gap";
    return { startTicks: this.#segments[at]!.startTicks, endTicks, behindGap };
  }

  /** Calls `listener` synchronously after every change. Returns the function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * The next verified object of the track. Groups and the objects in them come in ascending order; ids may jump.
   *
   * Throws CountersignError `media-error` when the payload is not CMAF (the object is left out; the next one may be appended), `internal` when
   * the order is broken or the window has ended.
   */
  append(object: Verified<MoqObject>): Part {
    if (this.#ended) throw new CountersignError("internal", "An object came after the end of its track.");
    const last = this.#segments.at(-1);
    const lastPart = last?.parts.at(-1);
    if (
      last &&
      (object.group < last.group ||
        (object.group === last.group && lastPart && object.object <= lastPart.object))
    ) {
      throw new CountersignError("internal", `Object ${object.group}.${object.object} came out of order.`);
    }
    const timing = readChunkTiming(object.payload, this.#init.defaults);
    const part: Part = {
      group: object.group,
      object: object.object,
      startTicks: timing.baseDecodeTimeTicks,
      durationTicks: timing.durationTicks,
      independent: timing.independent,
      payload: object.payload,
    };
    const segment = this.#segmentFor(part);
    segment.parts.push(part);
    segment.durationTicks = part.startTicks + part.durationTicks - segment.startTicks;
    segment.bytes += part.payload.byteLength;
    this.#payloadBytes += part.payload.byteLength;
    this.#maxPartTicks = Math.max(this.#maxPartTicks, part.durationTicks);
    if (segment.parts.length >= MAX_PARTS_PER_SEGMENT || segment.bytes > this.#maxPayloadBytes / 2)
      this.#close();
    this.#trim();
    this.#changed();
    return part;
  }

  /** The group has all its objects. Harmless for groups that are not open. */
  complete(group: VarInt): void {
    const last = this.#segments.at(-1);
    if (last?.open && last.group === group) {
      this.#close();
      this.#changed();
    }
  }

  /**
   * Closes what there is of the open segment; the group goes on in a further one. For a reader who joins in the middle of a group: hls.js would load each part
   * since the keyframe by itself (20 requests of 40 ms parts instead of one: 1.5 s to the first frame instead of 0.65 on a busy machine), and takes a list without
   * any whole segment for an empty one.
   */
  closeOpen(): void {
    if (!this.#segments.at(-1)?.open) return;
    this.#close();
    this.#changed();
  }

  /** Some objects will not come. The missing time itself is found when the next object shows where it begins. */
  hole(hole: Pick<Hole, "group" | "objectEnd">): void {
    if (hole.objectEnd === undefined) this.complete(hole.group);
  }

  /**
   * Puts stored groups in front, oldest first, all of them older than what is here. Their payload is read from the store when it is asked for. Groups that would
   * exceed the list are left out, oldest first, and so are those that do not end where the next one begins, with a gap in their place.
   */
  prepend(groups: readonly StoredSegment[]): void {
    const live = this.#segments;
    const added: MutableSegment[] = [];
    const room = (): boolean => live.length + added.length < this.#maxSegments;
    let next: Pick<Segment, "sequence" | "startTicks" | "group"> | undefined = live[0];
    for (const stored of [...groups].reverse()) {
      if (!room()) break;
      if (next && stored.group >= next.group) {
        throw new CountersignError(
          "internal",
          `Stored group ${stored.group} is not older than ${next.group}.`,
        );
      }
      const endTicks = stored.startTicks + stored.durationTicks;
      let sequence = next ? next.sequence - 1 : firstSequence(stored.group);
      const gapTicks = next ? next.startTicks - endTicks : 0;
      if (Math.abs(gapTicks) > this.#toleranceTicks) {
        const pieces = this.#gap(stored.group, endTicks, gapTicks);
        // What lies behind a gap that cannot be shown is not shown either: the list stays one line of time.
        if (pieces === undefined || sequence - pieces.length < 1) break;
        for (const piece of pieces.reverse()) {
          added.push({ ...piece, sequence });
          sequence -= 1;
        }
      }
      if (sequence < 1 || !room()) break;
      const segment = closedSegment(stored, sequence);
      this.#maxSegmentTicks = Math.max(this.#maxSegmentTicks, segment.durationTicks);
      added.push(segment);
      next = segment;
    }
    while (added.at(-1)?.kind === "gap") added.pop();
    if (added.length === 0) return;
    this.#segments = [...added.reverse(), ...live];
    this.#changed();
  }

  /** Nothing follows: the broadcast ended, or this is a stored stretch. */
  end(): void {
    if (this.#ended) return;
    this.#close();
    this.#ended = true;
    this.#changed();
  }

  /** The segment that holds a part of this group and object, or begins with it; undefined when it left. */
  find(group: VarInt, object: VarInt): Segment | undefined {
    let found: Segment | undefined;
    for (const segment of this.#segments) {
      if (segment.kind === "media" && segment.group === group && segment.firstObject <= object)
        found = segment;
    }
    return found;
  }

  #changed(): void {
    this.#version += 1;
    for (const listener of [...this.#listeners]) listener();
  }

  #close(): void {
    const last = this.#segments.at(-1);
    if (!last?.open) return;
    last.open = false;
    this.#closedCount += 1;
    this.#maxSegmentTicks = Math.max(this.#maxSegmentTicks, last.durationTicks);
  }

  #segmentFor(part: Part): MutableSegment {
    const last = this.#segments.at(-1);
    if (last === undefined) {
      return this.#open(part, firstSequence(part.group), false);
    }
    const aheadTicks = part.startTicks - (last.startTicks + last.durationTicks);
    const continuous = Math.abs(aheadTicks) <= this.#toleranceTicks;
    if (last.open && last.group === part.group && continuous) return last;

    this.#close();
    if (continuous) return this.#open(part, last.sequence + 1, false);
    const pieces = this.#gap(last.group, last.startTicks + last.durationTicks, aheadTicks);
    if (pieces === undefined) return this.#open(part, last.sequence + 1, true);
    let sequence = last.sequence;
    for (const piece of pieces) {
      sequence += 1;
      this.#segments.push({ ...piece, sequence });
    }
    return this.#open(part, sequence + 1, false);
  }

  #open(part: Part, sequence: number, discontinuity: boolean): MutableSegment {
    const segment: MutableSegment = {
      kind: "media",
      sequence,
      group: part.group,
      firstObject: this.#segments.at(-1)?.group === part.group ? part.object : 0,
      independent: part.independent,
      startTicks: part.startTicks,
      durationTicks: 0,
      parts: [],
      open: true,
      discontinuity,
      bytes: 0,
    };
    this.#segments.push(segment);
    return segment;
  }

  #gap(group: VarInt, startTicks: number, durationTicks: number): MutableSegment[] | undefined {
    return gapSegments({ group, startTicks, durationTicks }, this.track.timescale, this.#maxSegmentTicks);
  }

  /** Drops from the front what exceeds the caps. The last segment always stays. */
  #trim(): void {
    let drop = 0;
    while (
      this.#segments.length - drop > 1 &&
      (this.#segments.length - drop > this.#maxSegments || this.#payloadBytes > this.#maxPayloadBytes)
    ) {
      this.#forget(this.#segments[drop]!);
      drop += 1;
    }
    // A list that begins with a gap has nothing to say about it.
    while (this.#segments.length - drop > 1 && drop > 0 && this.#segments[drop]!.kind === "gap") {
      this.#forget(this.#segments[drop]!);
      drop += 1;
    }
    if (drop > 0) this.#segments.splice(0, drop);
  }

  #forget(segment: MutableSegment): void {
    this.#payloadBytes -= segment.bytes;
    if (segment.discontinuity) this.#discontinuitiesGone += 1;
  }
}
