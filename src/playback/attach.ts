/**
 * hls.js between a worker and a `<video>`: attach, load, and the mapping between the element's time and the broadcast's.
 *
 * hls.js lets every source begin near 0 on the element's clock. What the app and the rest of us speak is media time since the epoch; hls.js tells the difference
 * when it has seen the first timestamp of a stretch.
 */
import Hls, { type ErrorData, ErrorTypes, type HlsConfig, type LevelDetails } from "hls.js";
import { CountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { TimeRange } from "../rpc/protocol.ts";
import { hlsConfig } from "./hls-config.ts";
import { addressOf, MAIN_PLAYLIST, type ResourceClient } from "./hls-loaders.ts";

export interface AttachOptions {
  readonly targetLatencyMs: number;
  /** One that the app created: it is configured for us, used, and not destroyed at the end. */
  readonly hls?: Hls;
  /** Laid over our configuration when the instance is ours. */
  readonly hlsConfig?: Partial<HlsConfig>;
}

export interface AttachmentEvents {
  /** The element's clock is mapped: positions are known from now on. */
  mapped: undefined;
  /** Playback cannot go on, after hls.js and we have tried. */
  error: CountersignError;
  /** Playback went on after something that is worth telling. */
  warning: CountersignError;
}

interface Stretch {
  /** Element time from which it holds, in seconds. */
  readonly fromS: number;
  /** Media time since the epoch at element time 0. */
  readonly offsetMs: number;
}

/** Attempts to revive a failed decoder within {@link RECOVERY_WINDOW_MS}; hls.js's documentation advises one or two. */
const MAX_RECOVERIES = 2;
const RECOVERY_WINDOW_MS = 10_000;

/** Stretches remembered: one per discontinuity. The oldest are long out of the buffer. */
const MAX_STRETCHES = 16;

/** Throws CountersignError `media-unsupported` when this browser cannot play fragmented MP4 from memory. */
export function checkMediaSupport(): void {
  if (Hls.isSupported()) return;
  throw new CountersignError("media-unsupported", "This browser has no Media Source Extensions with H.264.", {
    hint: "Use a current Chromium, Firefox, Edge or Safari; on an iPhone, iOS 17.1 or newer.",
  });
}

export class Attachment {
  readonly hls: Hls;
  readonly #video: HTMLVideoElement;
  readonly #ownsHls: boolean;
  readonly #emitter = new Emitter<AttachmentEvents>();
  readonly #attached: Promise<void>;
  #stretches: Stretch[] = [];
  #recoveries: number[] = [];
  #destroyed = false;

  constructor(video: HTMLVideoElement, client: ResourceClient, options: AttachOptions) {
    checkMediaSupport();
    this.#video = video;
    this.#ownsHls = options.hls === undefined;
    const config = hlsConfig(client, options);
    if (options.hls) {
      this.hls = options.hls;
      Object.assign(this.hls.config, config);
    } else {
      this.hls = new Hls({ ...config, ...options.hlsConfig });
    }
    const { hls } = this;
    hls.on(Hls.Events.INIT_PTS_FOUND, (_event, data) => {
      if (data.id !== "main") return;
      const offsetMs = (data.initPTS / data.timescale) * 1000;
      this.#stretches.push({ fromS: this.#stretches.length === 0 ? 0 : data.frag.start, offsetMs });
      if (this.#stretches.length > MAX_STRETCHES) this.#stretches.shift();
      this.#emitter.emit("mapped", undefined);
    });
    hls.on(Hls.Events.ERROR, (_event, data) => this.#onError(data));
    // The source is loaded into an element that is already attached; the other way round costs a tick of 100 ms before the first append.
    this.#attached = new Promise((resolve) => {
      if (hls.media === video) resolve();
      else hls.once(Hls.Events.MEDIA_ATTACHED, () => resolve());
    });
    if (hls.media !== video) hls.attachMedia(video);
  }

  on<K extends keyof AttachmentEvents>(type: K, listener: (event: AttachmentEvents[K]) => void): () => void {
    return this.#emitter.on(type, listener);
  }

  /** Begins to load what has this path; the worker holds the first answer until there is something to play. */
  async load(path: string = MAIN_PLAYLIST): Promise<void> {
    await this.#attached;
    // Another source has a clock of its own.
    this.#stretches = [];
    if (!this.#destroyed) this.hls.loadSource(addressOf(path));
  }

  /** Media time since the epoch of an element time in seconds; undefined until it is mapped. */
  toMediaMs(elementS: number): number | undefined {
    const stretch = this.#stretches.findLast(({ fromS }) => fromS <= elementS) ?? this.#stretches[0];
    return stretch && elementS * 1000 + stretch.offsetMs;
  }

  /** Element time in seconds of a media time; undefined until it is mapped. */
  toElementS(mediaMs: number): number | undefined {
    const at = ({ offsetMs }: Stretch): number => (mediaMs - offsetMs) / 1000;
    const stretch =
      this.#stretches.findLast((candidate) => candidate.fromS <= at(candidate)) ?? this.#stretches[0];
    return stretch && at(stretch);
  }

  get positionMs(): number | undefined {
    return this.toMediaMs(this.#video.currentTime);
  }

  get buffered(): TimeRange[] {
    const { buffered } = this.#video;
    const ranges: TimeRange[] = [];
    for (let i = 0; i < buffered.length; i++) {
      const startMs = this.toMediaMs(buffered.start(i));
      const endMs = this.toMediaMs(buffered.end(i));
      if (startMs !== undefined && endMs !== undefined) ranges.push({ startMs, endMs });
    }
    return ranges;
  }

  /** What the current list offers, gaps left out. */
  get seekable(): TimeRange[] {
    const details: LevelDetails | null = this.hls.latestLevelDetails;
    const ranges: { startMs: number; endMs: number }[] = [];
    for (const fragment of [...(details?.fragments ?? []), details?.fragmentHint]) {
      if (!fragment || fragment.gap || fragment.duration <= 0) continue;
      const startMs = this.toMediaMs(fragment.start);
      const endMs = this.toMediaMs(fragment.start + fragment.duration);
      if (startMs === undefined || endMs === undefined) continue;
      const last = ranges.at(-1);
      // Rounding of the list's decimals; a hole is a gap segment in between.
      if (last && Math.abs(startMs - last.endMs) < 50) last.endMs = endMs;
      else ranges.push({ startMs, endMs });
    }
    return ranges;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#emitter.clear();
    if (this.#ownsHls) {
      this.hls.destroy();
    } else {
      this.hls.stopLoad();
      this.hls.detachMedia();
    }
  }

  #onError(data: ErrorData): void {
    if (this.#destroyed) return;
    const error = new CountersignError("media-error", `Playback: ${data.details} (${data.error.message}).`, {
      cause: data.error,
    });
    if (!data.fatal) {
      // hls.js deals with these by itself; stalls and gaps are ours to deal with and are told as such elsewhere.
      return;
    }
    const now = performance.now();
    this.#recoveries = this.#recoveries.filter((at) => now - at < RECOVERY_WINDOW_MS);
    if (this.#recoveries.length < MAX_RECOVERIES) {
      this.#recoveries.push(now);
      if (data.type === ErrorTypes.MEDIA_ERROR) this.hls.recoverMediaError();
      else this.hls.startLoad();
      this.#emitter.emit("warning", error);
      return;
    }
    this.#emitter.emit("error", error);
  }
}
