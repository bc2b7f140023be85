/**
 * One track's media playlist (draft-pantos-hls-rfc8216bis, Low-Latency HLS), written from its window.
 *
 * The text of a closed segment is written once and kept. A request that names a part (`_HLS_msn`, `_HLS_part`) is held until that part
 * exists and answered in the same call in which the object was appended: no timer, no polling.
 */
import { CountersignError } from "../errors.ts";
import { addVarInt } from "../wire/varint.ts";
import type { Segment } from "./segment.ts";
import type { TrackWindow } from "./track-window.ts";
import type { Part } from "./types.ts";

/** Segments before the open one that are also listed as parts (rfc8216bis §6.2.2 asks for three target durations). */
const SEGMENTS_WITH_PARTS = 3;

/**
 * Held requests of one track. hls.js has one, and for a moment two when it aborts one for another; the page is ours, so a
 * larger number is a mistake, refused with `limit-exceeded`.
 */
const MAX_HELD_REQUESTS = 16;

/** Which state of the list is asked for; undefined: the one that is there. */
export interface BlockingReload {
  readonly sequence: number;
  /** Undefined: the whole segment. */
  readonly part: number | undefined;
}

export interface MediaPlaylistOptions {
  /** Wall clock of media time 0, in ms since 1970. */
  readonly epochMs: number;
  /** Default true: parts are listed, and requests that name one are held until it exists. */
  readonly lowLatency?: boolean;
}

interface Held {
  readonly reload: BlockingReload | undefined;
  resolve(text: string): void;
  reject(error: CountersignError): void;
}

interface SegmentText {
  /** EXT-X-PART lines; dropped from the list before the segment is. */
  readonly parts: string;
  /** EXTINF and address. */
  readonly whole: string;
}

export class MediaPlaylist {
  readonly #window: TrackWindow;
  readonly #epochMs: number;
  readonly #lowLatency: boolean;
  readonly #texts = new WeakMap<Segment, SegmentText>();
  readonly #held = new Set<Held>();
  readonly #stop: () => void;
  /** The oldest number that was ever listed; RFC 8216 §6.2.2: the sequence number of a list never decreases. */
  #floor = 0;
  #cached: { readonly version: number; readonly floor: number; readonly text: string } | undefined;
  #closed: CountersignError | undefined;

  constructor(window: TrackWindow, options: MediaPlaylistOptions) {
    this.#window = window;
    this.#epochMs = options.epochMs;
    this.#lowLatency = options.lowLatency ?? true;
    this.#stop = window.onChange(() => this.#release());
  }

  /**
   * Starts a new reading of the list: stored groups that were put in front since the last one become visible, and what there is of the
   * group that is being received becomes a segment of its own.
   */
  restart(): void {
    this.#floor = 0;
    this.#cached = undefined;
    this.#window.closeOpen();
  }

  /** True when the list holds something to play. */
  get playable(): boolean {
    return this.#window.segments.length > 0;
  }

  /**
   * The list, once it contains what is asked for, or has ended.
   * Rejects with `destroyed` after close(), with the signal's reason when that is aborted.
   */
  request(reload: BlockingReload | undefined, signal?: AbortSignal): Promise<string> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.#has(reload)) return Promise.resolve(this.text());
    if (this.#held.size >= MAX_HELD_REQUESTS) {
      return Promise.reject(
        new CountersignError(
          "limit-exceeded",
          `More than ${MAX_HELD_REQUESTS} playlist requests are waiting.`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#held.delete(held);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => held.reject(canceled());
      const held: Held = {
        reload,
        resolve(text) {
          settle();
          resolve(text);
        },
        reject(error) {
          settle();
          reject(error);
        },
      };
      if (signal?.aborted) {
        reject(canceled());
        return;
      }
      signal?.addEventListener("abort", onAbort);
      this.#held.add(held);
    });
  }

  close(): void {
    this.#stop();
    this.#closed = new CountersignError("destroyed", "The player was destroyed.");
    for (const held of [...this.#held]) held.reject(this.#closed);
  }

  /** The list as it stands. */
  text(): string {
    const { version } = this.#window;
    if (this.#cached?.version === version && this.#cached.floor === this.#floor) return this.#cached.text;
    const text = this.#write();
    this.#cached = { version, floor: this.#floor, text };
    return text;
  }

  #release(): void {
    for (const held of [...this.#held]) {
      if (this.#has(held.reload)) held.resolve(this.text());
    }
  }

  #has(reload: BlockingReload | undefined): boolean {
    const last = this.#window.segments.at(-1);
    if (this.#window.ended) return true;
    if (last === undefined) return false;
    if (reload === undefined || reload.sequence < last.sequence) return true;
    if (reload.sequence > last.sequence) return false;
    if (!last.open) return true;
    return reload.part !== undefined && reload.part < last.parts.length;
  }

  #write(): string {
    const window = this.#window;
    const { timescale } = window.track;
    const segments = window.segments.filter((segment) => segment.sequence >= this.#floor);
    const [first] = segments;
    const live = !window.ended;
    const targetDuration = Math.max(1, Math.round(window.maxSegmentTicks / timescale));
    const partTarget = seconds(window.maxPartTicks, timescale);
    const lines = ["#EXTM3U", "#EXT-X-VERSION:9", `#EXT-X-TARGETDURATION:${targetDuration}`];
    const withParts = live && this.#lowLatency && window.maxPartTicks > 0;
    if (withParts) {
      // Three part targets is what rfc8216bis §4.4.3.8 recommends; our own player aims closer, by its own clock.
      lines.push(
        `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${seconds(3 * window.maxPartTicks, timescale)}`,
        `#EXT-X-PART-INF:PART-TARGET=${partTarget}`,
      );
    }
    lines.push(`#EXT-X-MEDIA-SEQUENCE:${first?.sequence ?? 0}`);
    if (window.discontinuitiesGone > 0)
      lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${window.discontinuitiesGone}`);
    if (segments.every((segment) => segment.independent)) lines.push("#EXT-X-INDEPENDENT-SEGMENTS");
    lines.push('#EXT-X-MAP:URI="init.mp4"');

    if (first) {
      this.#floor = first.sequence;
      let dated = false;
      segments.forEach((segment, index) => {
        if (segment.discontinuity) lines.push("#EXT-X-DISCONTINUITY");
        if (!dated || segment.discontinuity || segments[index - 1]?.kind === "gap") {
          lines.push(this.#dateTag(segment.startTicks));
          dated = true;
        }
        const recent = withParts && index >= segments.length - 1 - SEGMENTS_WITH_PARTS;
        const { parts, whole } = this.#textOf(segment);
        if (recent && parts !== "") lines.push(parts);
        if (whole !== "") lines.push(whole);
      });
    }
    if (!live) lines.push("#EXT-X-ENDLIST");
    else if (withParts) lines.push(preloadHint(segments.at(-1)));
    lines.push("");
    return lines.join("\n");
  }

  #textOf(segment: Segment): SegmentText {
    const kept = this.#texts.get(segment);
    if (kept) return kept;
    const { timescale } = this.#window.track;
    const text: SegmentText = {
      parts: segment.parts.map((part) => partTag(part, timescale)).join("\n"),
      whole: segment.open
        ? ""
        : `${segment.kind === "gap" ? "#EXT-X-GAP\n" : ""}#EXTINF:${seconds(segment.durationTicks, timescale)},\n` +
          segmentName(segment),
    };
    if (!segment.open) this.#texts.set(segment, text);
    return text;
  }

  #dateTag(ticks: number): string {
    const ms = this.#epochMs + (ticks * 1000) / this.#window.track.timescale;
    // Beyond what a Date can say (the year 275760) there is no date to give; timestamps alone still play.
    return Math.abs(ms) <= 8.64e15
      ? `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(ms)).toISOString()}`
      : "## no date";
  }
}

/** The address of a segment, relative to the list: `12.m4s`, or `12-5.m4s` for what begins with object 5 in group 12. */
export function segmentName(segment: Segment): string {
  if (segment.kind === "gap") return "gap.m4s";
  return segment.firstObject === 0 ? `${segment.group}.m4s` : `${segment.group}-${segment.firstObject}.m4s`;
}

/** The address of a part, relative to the list: `12.5.m4s`. */
export function partName(part: Pick<Part, "group" | "object">): string {
  return `${part.group}.${part.object}.m4s`;
}

function partTag(part: Part, timescale: number): string {
  const independent = part.independent ? ",INDEPENDENT=YES" : "";
  return `#EXT-X-PART:DURATION=${seconds(part.durationTicks, timescale)},URI="${partName(part)}"${independent}`;
}

/**
 * What will probably come next. Nobody requests it, but a low-latency list has to end with it (rfc8216bis §4.4.5.3), and hls.js 1.7 takes
 * the last whole segment for the one being written (and its duration for 0) in a list that ends with an address.
 */
function preloadHint(last: Segment | undefined): string {
  const lastPart = last?.parts.at(-1);
  const next =
    last?.open && lastPart
      ? { group: last.group, object: addVarInt(lastPart.object, 1) }
      : { group: addVarInt(last?.group ?? 0, 1), object: 0 };
  return `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${partName(next)}"`;
}

/** Decimal seconds to the microsecond, below the length of a tick, without trailing zeros. */
function seconds(ticks: number, timescale: number): string {
  return String(Math.round((ticks * 1e6) / timescale) / 1e6);
}

function canceled(): CountersignError {
  return new CountersignError("destroyed", "The request was canceled.");
}
