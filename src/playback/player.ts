/**
 * The page's half of Countersign: one `<video>`, one worker, one hls.js between them.
 *
 * Everything of weight happens in the worker: it connects, verifies, stores and writes playlists. What is left for the main thread is to hand
 * bytes to Media Source Extensions and, ten times a second, to decide whether to play a little faster or slower.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { Recording } from "../recording/assemble.ts";
import { connectWorker, type WorkerClient } from "../rpc/connect.ts";
import type {
  OpenOptions,
  PlayerState,
  TimeRange,
  TrackDescription,
  WorkerEvent,
  WorkerStats,
} from "../rpc/protocol.ts";
import { Attachment, checkMediaSupport } from "./attach.ts";
import { EdgeClock } from "./edge-clock.ts";
import { type ExportOptions, exportRange } from "./export.ts";
import { TICK_MS } from "./latency-controller.ts";
import { makeWorker } from "./make-worker.ts";
import { Navigation, nothingAt, type SeekOutcome } from "./navigation.ts";
import { pageApi } from "./page-api.ts";
import { askWhenWatched } from "./persistence.ts";
import {
  checkEnvironment,
  checkSignatureSupport,
  type PlayerOptions,
  parseOptions,
} from "./player-options.ts";
import type { PlaybackStats, Player, PlayerEvents, PlayerStats } from "./player-types.ts";
import { rangeAt } from "./time-ranges.ts";
import { passOn } from "./worker-news.ts";

/** The worker is told where the picture is every this many ticks: 4 times a second is finer than any decision it takes. */
const TICKS_PER_REPORT = 3;
/** Seeking may aim this far outside a range; lists have rounded decimals. */
const SEEK_TOLERANCE_MS = 100;

class WorkerPlayer implements Player {
  readonly video: HTMLVideoElement;
  readonly #emitter = new Emitter<PlayerEvents>();
  readonly #client: WorkerClient;
  readonly #attachment: Attachment;
  readonly #navigation: Navigation;
  readonly #edge = new EdgeClock();
  readonly #createdAt = performance.now();
  readonly #listening = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;

  #workerState: PlayerState = "connecting";
  #state: PlayerState = "connecting";
  #error: CountersignError | undefined;
  #tracks: readonly TrackDescription[] = [];
  #epochMs: number | undefined;
  #workerStats: WorkerStats | undefined;
  #firstFrameMs: number | undefined;
  #ticks = 0;
  #destroying: Promise<void> | undefined;

  constructor(video: HTMLVideoElement, options: PlayerOptions, open: OpenOptions) {
    this.video = video;
    this.#client = connectWorker(makeWorker(options));
    this.#attachment = new Attachment(video, this.#client, {
      targetLatencyMs: open.targetLatencyMs,
      ...(options.hls && { hls: options.hls }),
      ...(options.hlsConfig && { hlsConfig: options.hlsConfig }),
    });
    this.#navigation = new Navigation({
      video,
      client: this.#client,
      attachment: this.#attachment,
      edge: this.#edge,
      targetLatencyMs: open.targetLatencyMs,
      autoplay: options.autoplay ?? video.autoplay,
      resumesPosition: open.resume === "position",
      stats: () => this.#workerStats,
      onMoved: () => this.#showState(),
      onAutoplay: (blocked) => this.#emitter.emit("autoplay", { blocked }),
      onWarning: (error) => this.#emitter.emit("warning", error),
    });
    this.#client.on("event", (event) => this.#onWorkerEvent(event));
    this.#client.on("failed", (error) => this.#fail(error));
    this.#attachment.on("error", (error) => this.#fail(error));
    this.#attachment.on("warning", (error) => this.#emitter.emit("warning", error));
    video.addEventListener("loadeddata", this.#onFirstFrame, { signal: this.#listening.signal });
    if (open.replay.enabled) askWhenWatched(video, globalThis.navigator?.storage, this.#listening.signal);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    checkSignatureSupport(globalThis, open.roots)
      .then(() => this.#client.open(open, pageApi(options)))
      .catch((thrown: unknown) => this.#fail(toCountersignError(thrown, "internal")));
  }

  get state(): PlayerState {
    return this.#state;
  }

  get error(): CountersignError | undefined {
    return this.#error;
  }

  get tracks(): readonly TrackDescription[] {
    return this.#tracks;
  }

  get epochMs(): number | undefined {
    return this.#epochMs;
  }

  get stats(): PlayerStats | undefined {
    return this.#workerStats && { ...this.#workerStats, playback: this.playback };
  }

  get playback(): PlaybackStats {
    const { buffered } = this.#attachment;
    const positionMs = this.positionMs ?? 0;
    const here = buffered.find(({ startMs, endMs }) => startMs <= positionMs && positionMs <= endMs);
    return {
      latencyMs: this.latencyMs,
      targetLatencyMs: this.#navigation.targetMs,
      requiredLatencyMs: this.#edge.requiredMs,
      bufferedMs: here ? here.endMs - positionMs : 0,
      buffered,
      stalls: this.#navigation.stalls,
      firstFrameMs: this.#firstFrameMs,
      droppedFrames: this.video.getVideoPlaybackQuality().droppedVideoFrames,
      playbackRate: this.video.playbackRate,
    };
  }

  get positionMs(): number | undefined {
    return this.#navigation.positionMs;
  }

  get latencyMs(): number | undefined {
    const edgeMs = this.#edge.edgeAt(Date.now());
    const { positionMs } = this;
    return edgeMs === undefined || positionMs === undefined ? undefined : Math.max(0, edgeMs - positionMs);
  }

  get seekable(): readonly TimeRange[] {
    return this.#navigation.seekable;
  }

  get autoplayBlocked(): boolean {
    return this.#navigation.autoplayBlocked;
  }

  on<K extends keyof PlayerEvents>(type: K, listener: (event: PlayerEvents[K]) => void): () => void {
    return this.#emitter.on(type, listener);
  }

  goLive(): void {
    if (!this.#destroying) this.#navigation.goLive();
  }

  async seekTo(to: Date | number): Promise<SeekOutcome> {
    const mediaMs = this.#mediaTimeOf(to);
    if (this.#destroying) throw nothingAt(mediaMs);
    return await this.#navigation.seekTo(mediaMs);
  }

  seekToMediaTime(mediaMs: number): void {
    const inside = rangeAt(this.seekable, mediaMs, SEEK_TOLERANCE_MS);
    if (inside === undefined || this.#destroying) throw nothingAt(mediaMs);
    this.#navigation.seekTo(Math.max(mediaMs, inside.startMs)).catch((thrown: unknown) => {
      const error = toCountersignError(thrown, "internal");
      // Another seek came, or the end: nothing that anybody has to be told.
      if (error.code !== "destroyed") this.#emitter.emit("warning", error);
    });
  }

  seek(date: Date): void {
    this.seekToMediaTime(this.#mediaTimeOf(date));
  }

  async export(options: ExportOptions): Promise<Recording> {
    const range = { startMs: this.#mediaTimeOf(options.from), endMs: this.#mediaTimeOf(options.to) };
    return await exportRange(this.#client, range, options);
  }

  async keep(ranges: readonly TimeRange[]): Promise<readonly TimeRange[]> {
    return await this.#client.keep(ranges);
  }

  async exportEvidence(): Promise<Blob | undefined> {
    const bytes = await this.#client.evidence();
    return bytes && new Blob([bytes], { type: "application/cbor" });
  }

  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy();
    return this.#destroying;
  }

  async #destroy(): Promise<void> {
    clearInterval(this.#timer);
    this.#navigation.destroy();
    this.#listening.abort();
    this.video.pause();
    this.video.playbackRate = 1;
    this.#attachment.destroy();
    this.#state = "closed";
    this.#emitter.emit("state", { state: "closed" });
    this.#emitter.clear();
    await this.#client.close();
  }

  #onWorkerEvent(event: WorkerEvent): void {
    switch (event.type) {
      case "edge":
        this.#edge.update(event.edgeMs, event.atMs);
        return;
      case "state":
        this.#workerState = event.state;
        if (event.state === "failed") {
          this.#fail(
            event.error
              ? CountersignError.fromData(event.error)
              : new CountersignError("internal", "The worker gave up without saying why."),
          );
          return;
        }
        this.#error = event.error && CountersignError.fromData(event.error);
        this.#showState(true);
        return;
      case "ready": {
        const { type: _, path: __, ...ready } = event;
        this.#tracks = ready.tracks;
        this.#epochMs = ready.epochMs;
        this.#emitter.emit("ready", ready);
        this.#navigation.ready(event);
        return;
      }
      case "stats":
        this.#workerStats = event.stats;
        this.#emitter.emit("stats", { ...event.stats, playback: this.playback });
        return;
      default:
        passOn(this.#emitter, event);
    }
  }

  readonly #onFirstFrame = (): void => {
    if (this.#firstFrameMs !== undefined) return;
    this.#firstFrameMs = performance.now() - this.#createdAt;
    this.#emitter.emit("firstframe", { afterMs: this.#firstFrameMs });
  };

  #mediaTimeOf(to: Date | number): number {
    if (typeof to === "number") return to;
    return this.#epochMs === undefined ? Number.NaN : to.getTime() - this.#epochMs;
  }

  #tick(): void {
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_REPORT === 0) this.#report();
    this.#navigation.tick();
  }

  #report(): void {
    this.#client.playhead({
      positionMs: this.positionMs,
      bufferedEndMs: this.#attachment.buffered.at(-1)?.endMs,
      atLiveEdge: this.#navigation.following,
      paused: this.video.paused,
    });
  }

  /** The worker knows of peers and trust, the page of the viewer: live or rewound is the page's to say. */
  #showState(force = false): void {
    if (this.#state === "failed" || this.#destroying) return;
    let state = this.#workerState;
    if (state === "live" || state === "rewound") state = this.#navigation.following ? "live" : "rewound";
    if (state === this.#state && !force) return;
    this.#state = state;
    this.#emitter.emit("state", { state, ...(this.#error && { error: this.#error }) });
  }

  #fail(error: CountersignError): void {
    if (this.#state === "failed" || this.#destroying) return;
    this.#state = "failed";
    this.#error = error;
    this.#emitter.emit("state", { state: "failed", error });
    this.#emitter.emit("error", error);
  }
}

/**
 * Plays a broadcast in `video`.
 *
 * Returns at once; what happens is told by events (`state`, `ready`, `error`, ...). Throws CountersignError synchronously for what can be known now:
 * `invalid-options`, `address-invalid`, `webtransport-unavailable`, `crypto-unavailable`, `media-unsupported`.
 */
export function createPlayer(video: HTMLVideoElement, options: PlayerOptions): Player {
  if (!(video instanceof HTMLVideoElement)) {
    throw new CountersignError("invalid-options", "createPlayer was given no <video> element.", {
      hint: "Pass the element itself, after it is in the document: createPlayer(document.querySelector('video'), ...).",
    });
  }
  const open = parseOptions(options);
  checkEnvironment(globalThis);
  checkMediaSupport();
  return new WorkerPlayer(video, options, open);
}
