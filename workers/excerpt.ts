/**
 * A stretch of the past, as a live stream of its own that follows the viewer.
 *
 * The list that hls.js reads on every update must stay short, so behind the live window there is no list of three days: there is an excerpt that begins with the group
 * that was sought and grows ahead of the picture, some seconds at a time. Only what was read and proven is listed: a record that is damaged, or that no relay gives,
 * becomes a gap with a report, never a request that fails.
 */
import type { Clock } from "../src/clock.ts";
import { type CountersignError, toCountersignError } from "../src/errors.ts";
import { Presentation } from "../src/playback/presentation.ts";
import { TrackWindow } from "../src/playback/track-window.ts";
import { contains, union } from "../src/replay/group-ranges.ts";
import type { GroupTimeline } from "../src/replay/media-range.ts";
import { planResume, replanFrom } from "../src/replay/resume-plan.ts";
import type { GroupRange } from "../src/replay/types.ts";
import type { WorkerEvent } from "../src/rpc/protocol.ts";
import { addVarInt, subVarInt, type VarInt } from "../src/wire/varint.ts";
import {
  type ReadableRanges,
  type ReadableTrack,
  type ReadResult,
  readableRanges,
  readGroup,
  storedRanges,
  upTo,
  withoutTear,
} from "./readable-tracks.ts";

/** Listed ahead of the picture: twice what hls.js buffers, so that it never waits for the list. */
const AHEAD_MS = 20_000;

/** And no more than this many bytes of it in memory, once there are {@link LEAST_AHEAD_MS}: 16 s of 16 Mb/s. */
const AHEAD_BYTES = 32 * 1024 * 1024;
const LEAST_AHEAD_MS = 4000;

/** Segments listed, those behind the picture included: a minute of one-second groups. hls.js reads such a list in 2 to 5 ms. */
const EXCERPT_SEGMENTS = 60;

/** Media that must be there before playback begins, so that it does not begin with a stall. */
const START_WITH_MS = 1000;

/** A hole up to this long is a gap in the list that playback jumps over. At a longer one the excerpt ends, and the next begins behind the hole. */
const MAX_GAP_MS = 10_000;

/** What can be read is asked again this often, where it matters: stores evict, relays forget, live goes on. */
const RANGES_AGE_MS = 5000;

/** The end of what there is, is looked at again this often; a store or relay that fails, too. */
const RETRY_MS = 500;

/** A group that came whole may be on its way into the store: that close to live one that cannot be read is asked for again, this often at most. */
const ON_ITS_WAY_GROUPS = 8;
const ON_ITS_WAY_RETRIES = 10;

/** Groups that cannot be read are passed over when a start is looked for; more than this in a row are taken for a source that is broken. */
const MAX_UNREADABLE = 60;

export interface ExcerptOptions {
  /** The leading track first. */
  readonly tracks: readonly ReadableTrack[];
  readonly timeline: GroupTimeline;
  readonly epochMs: number;
  readonly clock: Clock;
  /** Where live is: the newest group that came whole. Undefined: nothing is live, so what is there is all there will be. */
  readonly newest: () => VarInt | undefined;
  readonly emit: (event: WorkerEvent) => void;
  readonly onProblem: (error: CountersignError) => void;
}

/** Where an excerpt is to begin. */
export interface ExcerptStart {
  /** Media time. */
  readonly targetMs: number;
  /** The first group at or behind it; else, with nothing there, the last before it. */
  readonly onlyAfter: boolean;
}

export class Excerpt {
  readonly presentation: Presentation;
  /** Where playback begins: within the group that was handed out first. */
  readonly startMs: number;
  readonly #options: ExcerptOptions;
  readonly #windows: readonly TrackWindow[];
  readonly #abort: AbortController;
  #next: VarInt;
  #playheadMs: number;
  #wake: () => void = () => undefined;

  /**
   * Reads the first group that can be read at or behind the target. Undefined: there is none. What was passed over for it is told as a hole.
   * Rejects when what is stored cannot be told, and with `range-unavailable` when many groups in a row cannot be read.
   */
  static async open(options: ExcerptOptions, start: ExcerptStart): Promise<Excerpt | undefined> {
    const { timeline } = options;
    const abort = new AbortController();
    const stored = await storedRanges(options.tracks, abort.signal);
    let available: ReadableRanges = upTo(options.newest(), { stored, fetchable: [] });
    let wanted = firstGroupAt(timeline, start.targetMs, available.stored);
    if (wanted === undefined || !contains(available.stored, wanted)) {
      available = upTo(options.newest(), await readableRanges(options.tracks, abort.signal));
      wanted = firstGroupAt(timeline, start.targetMs, union(available.stored, available.fetchable));
    }
    if (wanted === undefined) return undefined;
    let { start: group } = planResume(
      { first: wanted, last: undefined },
      { ...available, liveFrom: undefined },
    );
    if (group === undefined || (start.onlyAfter && group < wanted)) return undefined;
    for (let unreadable = 0; ; unreadable++) {
      const read = await readGroup(options.tracks, group, abort.signal);
      const [leading] = read;
      if (leading !== undefined && !("cause" in leading)) {
        if (group > wanted) tellHole(options, wanted, subVarInt(group, 1), "unavailable");
        return new Excerpt(options, abort, group, read, start.targetMs);
      }
      if (unreadable >= MAX_UNREADABLE && leading?.error) throw leading.error;
      if (unreadable === 0)
        available = upTo(options.newest(), await readableRanges(options.tracks, abort.signal));
      const [piece] = replanFrom(addVarInt(group, 1), undefined, { ...available, liveFrom: undefined });
      const next =
        piece?.from === "unavailable" && piece.last !== undefined ? addVarInt(piece.last, 1) : piece?.first;
      if (next === undefined) return undefined;
      group = next;
    }
  }

  private constructor(
    options: ExcerptOptions,
    abort: AbortController,
    group: VarInt,
    read: readonly ReadResult[],
    targetMs: number,
  ) {
    this.#options = options;
    this.#abort = abort;
    this.#windows = options.tracks.map(
      ({ playable }) => new TrackWindow(playable, { maxSegments: EXCERPT_SEGMENTS }),
    );
    this.#append(group, read);
    const [leading] = this.#windows;
    const beginsMs = leading ? msOf(leading, leading.startTicks) : 0;
    const endsMs = leading ? msOf(leading, leading.endTicks) : 0;
    this.startMs = targetMs > beginsMs && targetMs < endsMs ? targetMs : beginsMs;
    this.#playheadMs = this.startMs;
    this.#next = addVarInt(group, 1);
    this.presentation = new Presentation({
      epochMs: options.epochMs,
      windows: this.#windows,
      lowLatency: false,
      startOffsetMs: this.startMs - beginsMs,
      startWithMs: this.startMs - beginsMs + START_WITH_MS,
      loadStored: async (name, wanted, signal) =>
        (await options.tracks.find(({ playable }) => playable.name === name)?.group(wanted, { signal }))
          ?.objects,
    });
    void this.#follow().catch((thrown: unknown) => {
      if (!abort.signal.aborted) options.onProblem(toCountersignError(thrown, "internal"));
      this.#end();
    });
  }

  /** What is listed, as media time. */
  get range(): { readonly startMs: number; readonly endMs: number } {
    const [leading] = this.#windows;
    if (!leading) return { startMs: 0, endMs: 0 };
    return { startMs: msOf(leading, leading.startTicks), endMs: msOf(leading, leading.endTicks) };
  }

  /** Where the picture is; positions outside are of another list and mean nothing here. */
  playhead(positionMs: number): void {
    const { startMs, endMs } = this.range;
    if (positionMs < startMs || positionMs > endMs) return;
    this.#playheadMs = positionMs;
    this.#wake();
  }

  close(): void {
    this.#abort.abort();
    this.#wake();
    this.presentation.close();
  }

  /** Reads on, as far ahead of the picture as is good, until something ends it. */
  async #follow(): Promise<void> {
    const { tracks, timeline, newest } = this.#options;
    const { signal } = this.#abort;
    let retries = 0;
    let known: { readonly ranges: ReadableRanges; readonly atMs: number } | undefined;
    while (!signal.aborted) {
      if (this.#farEnough()) {
        await this.#pause();
        continue;
      }
      const nowMs = this.#options.clock.now();
      const isFresh: boolean = known === undefined || nowMs - known.atMs > RANGES_AGE_MS;
      if (known === undefined || isFresh) {
        known = { ranges: await this.#ranges(), atMs: nowMs };
        if (signal.aborted) return;
      }
      const plan = replanFrom(this.#next, undefined, { ...known.ranges, liveFrom: undefined });
      const [piece] = plan;
      if (piece?.from !== "store" && !isFresh) {
        // Where something lacks, what was known may be old, or have been what is stored alone.
        known = undefined;
        continue;
      }
      if (piece === undefined) {
        known = undefined;
        if (newest() === undefined) {
          this.#end();
          return;
        }
        await this.#pause(RETRY_MS);
        continue;
      }
      if (piece.from === "unavailable" && piece.last !== undefined) {
        if (lengthMs(timeline, piece.first, piece.last) > MAX_GAP_MS) {
          // Told by whoever goes on behind it.
          this.#end();
          return;
        }
        tellHole(this.#options, piece.first, piece.last, "unavailable");
        this.#next = addVarInt(piece.last, 1);
        continue;
      }
      const group = this.#next;
      const read = await readGroup(tracks, group, signal);
      if (signal.aborted) return;
      const live = newest();
      const onItsWay = live !== undefined && addVarInt(group, ON_ITS_WAY_GROUPS) >= live;
      if (
        onItsWay &&
        retries < ON_ITS_WAY_RETRIES &&
        read.some((result) => "cause" in result || !result.complete)
      ) {
        retries += 1;
        await this.#pause(RETRY_MS);
        continue;
      }
      retries = 0;
      this.#append(group, read);
      this.#next = addVarInt(group, 1);
    }
  }

  #append(group: VarInt, read: readonly ReadResult[]): void {
    read.forEach((result, index) => {
      const window = this.#windows[index];
      if (window === undefined) return;
      if ("cause" in result) {
        tellHole(this.#options, group, group, result.cause, window.track.name);
        return;
      }
      const objects = window.track.role === "audio" ? result.objects : withoutTear(result.objects);
      if (!result.complete || objects.length < result.objects.length)
        tellHole(this.#options, group, group, "unavailable", window.track.name);
      for (const object of objects) {
        try {
          window.append(object);
        } catch (thrown) {
          this.#options.onProblem(toCountersignError(thrown, "media-error"));
        }
      }
      window.complete(group);
    });
  }

  #farEnough(): boolean {
    const aheadMs = this.range.endMs - this.#playheadMs;
    if (aheadMs < LEAST_AHEAD_MS) return false;
    return aheadMs >= AHEAD_MS || this.#bytesAhead() >= AHEAD_BYTES;
  }

  #bytesAhead(): number {
    let bytes = 0;
    for (const window of this.#windows) {
      for (const segment of window.segments) {
        if (msOf(window, segment.startTicks) < this.#playheadMs) continue;
        for (const { payload } of segment.parts) bytes += payload.byteLength;
      }
    }
    return bytes;
  }

  async #ranges(): Promise<ReadableRanges> {
    for (;;) {
      try {
        const { tracks, newest } = this.#options;
        const stored = upTo(newest(), {
          stored: await storedRanges(tracks, this.#abort.signal),
          fetchable: [],
        });
        if (contains(stored.stored, this.#next)) return stored;
        return upTo(newest(), await readableRanges(tracks, this.#abort.signal));
      } catch (thrown) {
        if (this.#abort.signal.aborted) return { stored: [], fetchable: [] };
        this.#options.onProblem(toCountersignError(thrown, "storage-failed"));
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Until the picture moved, or that long, or it is closed. */
  #pause(atMostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = atMostMs === undefined ? undefined : this.#options.clock.setTimer(atMostMs, resolve);
      this.#wake = () => {
        cancel?.();
        resolve();
      };
      if (this.#abort.signal.aborted) this.#wake();
    });
  }

  #end(): void {
    for (const window of this.#windows) window.end();
  }
}

/** The group that plays at a time, or where none is known to, the first one that does later, or the last. */
function firstGroupAt(
  timeline: GroupTimeline,
  timeMs: number,
  existing: readonly GroupRange[],
): VarInt | undefined {
  const exactly = timeline.groupAt(Math.max(0, timeMs));
  if (exactly !== undefined) return exactly;
  const times = timeline.timesOf(existing);
  const later = times.find(({ endMs }) => endMs > timeMs);
  if (later) return timeline.groupAt(Math.max(later.startMs, timeMs));
  return existing.at(-1)?.last;
}

function lengthMs(timeline: GroupTimeline, first: VarInt, last: VarInt): number {
  const from = timeline.timeOf(first);
  const to = timeline.timeOf(last);
  return from && to ? to.endMs - from.startMs : Number.POSITIVE_INFINITY;
}

function tellHole(
  { timeline, tracks, emit }: ExcerptOptions,
  first: VarInt,
  last: VarInt,
  cause: string,
  track: string | undefined = tracks[0]?.playable.name,
): void {
  const from = timeline.timeOf(first);
  const to = timeline.timeOf(last);
  if (from && to && track !== undefined)
    emit({ type: "hole", track, startMs: from.startMs, endMs: to.endMs, cause });
}

function msOf(window: TrackWindow, ticks: number | undefined): number {
  return ((ticks ?? 0) / window.track.timescale) * 1000;
}
