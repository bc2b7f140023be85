/**
 * The page's half of Countersign: one `<video>`, one worker, one hls.js between them.
 *
 * Everything of weight happens in the worker: it connects, verifies, stores and writes playlists. What is left for the main thread is to hand
 * bytes to Media Source Extensions and, ten times a second, to decide whether to play a little faster or slower.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
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
import { LatencyController, TICK_MS } from "./latency-controller.ts";
import { pageApi } from "./page-api.ts";
import { askWhenWatched } from "./persistence.ts";
import {
  checkEnvironment,
  checkSignatureSupport,
  type PlayerOptions,
  parseOptions,
} from "./player-options.ts";
import type { PlaybackStats, Player, PlayerEvents, PlayerStats } from "./player-types.ts";
import { passOn } from "./worker-news.ts";

/** The worker is told where the picture is every this many ticks: 4 times a second is finer than any decision it takes. */
const TICKS_PER_REPORT = 3;
/** A seek back by less than this is a nudge (hls.js makes some), not a choice of the viewer. */
const VIEWER_SEEK_MS = 500;
/** Behind the target by more than this after a pause or a seek, the viewer has left the live edge. */
const LEFT_EDGE_MS = 1000;
/** Farther behind than hls.js buffers ahead, the place to go on is sought without waiting for it to be buffered. */
const SEEK_UNBUFFERED_MS = 8000;
/** This close to the end there is no further frame. */
const END_REACH_S = 0.01;
/** Seeking may aim this far outside a range; lists have rounded decimals. */
const SEEK_TOLERANCE_MS = 100;

function makeWorker(options: PlayerOptions): Worker {
  if (options.createWorker) return options.createWorker();
  if (options.workerUrl !== undefined) return new Worker(options.workerUrl, { type: "module" });
  // Literally in this form: it is what bundlers look for.
  return new Worker(new URL("../../workers/client.worker.ts", import.meta.url), { type: "module" });
}

class WorkerPlayer implements Player {
  readonly video: HTMLVideoElement;
  readonly #emitter = new Emitter<PlayerEvents>();
  readonly #client: WorkerClient;
  readonly #attachment: Attachment;
  readonly #controller: LatencyController;
  readonly #edge = new EdgeClock();
  readonly #autoplay: boolean;
  readonly #resumesPosition: boolean;
  readonly #createdAt = performance.now();
  readonly #listening = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;

  #workerState: PlayerState = "connecting";
  #state: PlayerState = "connecting";
  #error: CountersignError | undefined;
  #tracks: readonly TrackDescription[] = [];
  #epochMs: number | undefined;
  #workerStats: WorkerStats | undefined;
  /** Where playback is to begin, until it has; undefined: at the live edge. */
  #startMs: number | undefined;
  #autoplayBlocked = false;
  #begun = false;
  #stalls = 0;
  #firstFrameMs: number | undefined;
  #lastPositionMs: number | undefined;
  #ownSeekS: number | undefined;
  #endedAtS: number | undefined;
  #ticks = 0;
  #destroying: Promise<void> | undefined;

  constructor(video: HTMLVideoElement, options: PlayerOptions, open: OpenOptions) {
    this.video = video;
    this.#autoplay = options.autoplay ?? video.autoplay;
    this.#resumesPosition = open.resume === "position";
    this.#controller = new LatencyController(open.targetLatencyMs);
    this.#client = connectWorker(makeWorker(options));
    this.#attachment = new Attachment(video, this.#client, {
      targetLatencyMs: open.targetLatencyMs,
      ...(options.hls && { hls: options.hls }),
      ...(options.hlsConfig && { hlsConfig: options.hlsConfig }),
    });
    this.#client.on("event", (event) => this.#onWorkerEvent(event));
    this.#client.on("failed", (error) => this.#fail(error));
    this.#attachment.on("mapped", () => this.#seekToStart());
    this.#attachment.on("error", (error) => this.#fail(error));
    this.#attachment.on("warning", (error) => this.#emitter.emit("warning", error));
    this.#listen();
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
      targetLatencyMs: this.#targetMs(),
      requiredLatencyMs: this.#edge.requiredMs,
      bufferedMs: here ? here.endMs - positionMs : 0,
      buffered,
      stalls: this.#stalls,
      firstFrameMs: this.#firstFrameMs,
      droppedFrames: this.video.getVideoPlaybackQuality().droppedVideoFrames,
      playbackRate: this.video.playbackRate,
    };
  }

  get positionMs(): number | undefined {
    return this.#begun ? this.#attachment.positionMs : undefined;
  }

  get latencyMs(): number | undefined {
    const edgeMs = this.#edge.edgeAt(Date.now());
    const { positionMs } = this;
    return edgeMs === undefined || positionMs === undefined ? undefined : Math.max(0, edgeMs - positionMs);
  }

  get seekable(): readonly TimeRange[] {
    return this.#attachment.seekable;
  }

  get autoplayBlocked(): boolean {
    return this.#autoplayBlocked;
  }

  on<K extends keyof PlayerEvents>(type: K, listener: (event: PlayerEvents[K]) => void): () => void {
    return this.#emitter.on(type, listener);
  }

  goLive(): void {
    if (this.#destroying) return;
    this.#controller.follow();
    this.#seekToEdge();
    if (this.video.paused) this.#play();
    this.#showState();
  }

  seekToMediaTime(mediaMs: number): void {
    const inside = this.seekable.find(
      ({ startMs, endMs }) => mediaMs >= startMs - SEEK_TOLERANCE_MS && mediaMs <= endMs + SEEK_TOLERANCE_MS,
    );
    const elementS = inside && this.#attachment.toElementS(Math.max(mediaMs, inside.startMs));
    if (elementS === undefined || this.#destroying) {
      throw new CountersignError(
        "range-unavailable",
        `There is nothing to play at ${Math.round(mediaMs)} ms.`,
        {
          hint: "Seek to a time within player.seekable.",
        },
      );
    }
    const edgeMs = this.#edge.edgeAt(Date.now());
    const behindMs = edgeMs === undefined ? 0 : edgeMs - mediaMs - this.#targetMs();
    if (behindMs > LEFT_EDGE_MS) this.#controller.release();
    else this.#controller.follow();
    this.#seekElement(elementS);
    this.#showState();
  }

  seek(date: Date): void {
    this.seekToMediaTime(this.#epochMs === undefined ? Number.NaN : date.getTime() - this.#epochMs);
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
        const { type: _, ...ready } = event;
        this.#tracks = ready.tracks;
        this.#epochMs = ready.epochMs;
        // Where nothing is live, or the viewer asked for where they were, nobody pulls the picture to the edge.
        this.#startMs = ready.live && !this.#resumesPosition ? undefined : ready.startMs;
        if (this.#startMs === undefined) this.#controller.follow();
        else this.#controller.release();
        this.#emitter.emit("ready", ready);
        // A second time, when the network is back, it goes on as it was: a new source pauses the element, so play() comes after.
        const { paused, ended } = this.video;
        const plays = this.#begun ? !paused || ended : this.#autoplay;
        void this.#attachment.load().then(() => {
          if (plays && !this.#destroying) this.#play();
        });
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

  #listen(): void {
    const { video } = this;
    const { signal } = this.#listening;
    const on = (type: keyof HTMLMediaElementEventMap, listener: () => void): void =>
      video.addEventListener(type, listener, { signal });
    on("loadeddata", () => this.#onFirstFrame());
    on("playing", () => {
      this.#begun = true;
      this.#setAutoplayBlocked(false);
    });
    on("waiting", () => {
      if (this.#begun && !video.seeking && !video.paused) this.#stalls += 1;
    });
    on("play", () => {
      // Whoever was let in late (a click after blocked autoplay) wants to see what is live.
      if (!this.#begun && this.#controller.following) this.#seekToEdge();
      else if (this.#behindMs() > LEFT_EDGE_MS) this.#controller.release();
      this.#showState();
    });
    on("seeking", () => this.#onSeeking());
  }

  #onFirstFrame(): void {
    if (this.#firstFrameMs !== undefined) return;
    this.#firstFrameMs = performance.now() - this.#createdAt;
    this.#emitter.emit("firstframe", { afterMs: this.#firstFrameMs });
  }

  #onSeeking(): void {
    const { currentTime } = this.video;
    if (this.#ownSeekS !== undefined && Math.abs(currentTime - this.#ownSeekS) < 0.01) return;
    const before = this.#lastPositionMs;
    const now = this.#attachment.positionMs;
    if (!this.#begun || before === undefined || now === undefined) return;
    const behindMs = this.#behindMs();
    if (now < before - VIEWER_SEEK_MS && behindMs > LEFT_EDGE_MS) this.#controller.release();
    else if (behindMs <= LEFT_EDGE_MS) this.#controller.follow();
    this.#showState();
  }

  #targetMs(): number {
    return this.#controller.targetFor(this.#edge.requiredMs);
  }

  /** How far beyond the target the picture is behind. */
  #behindMs(): number {
    const edgeMs = this.#edge.edgeAt(Date.now());
    const positionMs = this.#attachment.positionMs;
    return edgeMs === undefined || positionMs === undefined ? 0 : edgeMs - positionMs - this.#targetMs();
  }

  #seekToEdge(): void {
    if (this.#behindMs() <= LEFT_EDGE_MS) return;
    const edgeMs = this.#edge.edgeAt(Date.now());
    const elementS =
      edgeMs === undefined ? undefined : this.#attachment.toElementS(edgeMs - this.#targetMs());
    if (elementS !== undefined) this.#seekElement(elementS);
  }

  #seekToStart(): void {
    const startMs = this.#startMs;
    const elementS = startMs === undefined ? undefined : this.#attachment.toElementS(startMs);
    if (startMs === undefined || elementS === undefined) return;
    this.#startMs = undefined;
    if ((this.#edge.edgeMs ?? startMs) - startMs <= LEFT_EDGE_MS) this.#controller.follow();
    else this.#seekElement(elementS);
  }

  #seekElement(elementS: number): void {
    this.#ownSeekS = elementS;
    this.video.currentTime = elementS;
  }

  #play(): void {
    this.video.play().catch((thrown: unknown) => {
      // AbortError: pause() or a new source came before playback began; somebody else decided, nothing failed.
      if (thrown instanceof DOMException && thrown.name === "NotAllowedError") this.#setAutoplayBlocked(true);
    });
  }

  #setAutoplayBlocked(blocked: boolean): void {
    if (blocked === this.#autoplayBlocked || this.#destroying) return;
    this.#autoplayBlocked = blocked;
    this.#emitter.emit("autoplay", { blocked });
  }

  #tick(): void {
    const { video } = this;
    const nowMs = Date.now();
    const edgeMs = this.#edge.edgeAt(nowMs);
    const positionMs = this.#attachment.positionMs;
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_REPORT === 0) this.#report();
    this.#endIfAtEnd();
    if (edgeMs === undefined || positionMs === undefined) return;
    this.#lastPositionMs = positionMs;

    // Decided once, when a pause has lasted that long: what was shown as rewound must not become live again by a wobble of the edge.
    if (this.#begun && video.paused && this.#behindMs() > LEFT_EDGE_MS) this.#controller.release();
    if (!this.#controller.following && !video.paused && this.#behindMs() <= 0) this.#controller.follow();
    const idle = !this.#begun || video.paused || video.seeking || video.ended;
    if (!idle && this.#controller.following && this.#behindMs() > SEEK_UNBUFFERED_MS) this.#seekToEdge();
    const decision = this.#controller.tick({
      nowMs,
      positionMs,
      buffered: this.#attachment.buffered,
      edgeMs,
      requiredMs: this.#edge.requiredMs,
      rate: video.playbackRate,
      idle,
    });
    if (decision.rate !== undefined) video.playbackRate = decision.rate;
    if (decision.jumpToMs !== undefined) {
      const elementS = this.#attachment.toElementS(decision.jumpToMs);
      if (elementS !== undefined) this.#seekElement(elementS);
    }
    this.#showState();
  }

  /**
   * Firefox does not end when the picture had already come to where the end is then declared: it waits there for media. A seek to the end makes
   * it look again; once, for a browser that has another opinion is not to be argued with ten times a second.
   */
  #endIfAtEnd(): void {
    const { duration, currentTime, ended, paused, seeking } = this.video;
    if (
      !Number.isFinite(duration) ||
      ended ||
      paused ||
      seeking ||
      !this.#begun ||
      this.#endedAtS === duration
    )
      return;
    if (duration - currentTime > END_REACH_S) return;
    this.#endedAtS = duration;
    this.#seekElement(duration);
  }

  #report(): void {
    this.#client.playhead({
      positionMs: this.positionMs,
      bufferedEndMs: this.#attachment.buffered.at(-1)?.endMs,
      atLiveEdge: this.#controller.following,
      paused: this.video.paused,
    });
  }

  /** The worker knows of peers and trust, the page of the viewer: live or rewound is the page's to say. */
  #showState(force = false): void {
    if (this.#state === "failed" || this.#destroying) return;
    let state = this.#workerState;
    if (state === "live" || state === "rewound") state = this.#controller.following ? "live" : "rewound";
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
