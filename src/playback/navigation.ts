/**
 * Where the viewer is, and how they get elsewhere: along the live list, into the past, and back.
 *
 * There is one live list, which has the last half minute. Behind it the worker makes a list for each place that is sought (an excerpt), which begins there and grows ahead
 * of the picture. Going from one list to another is a new source for hls.js: some tens of milliseconds, and a clock of its own, which attach.ts maps.
 * Nobody notices which list is played: a paused viewer whom the live list has left behind goes on in an excerpt, one that caught up with live goes on there.
 */
import { CountersignError } from "../errors.ts";
import type { WorkerClient } from "../rpc/connect.ts";
import type { TimeRange, WorkerEvent, WorkerStats } from "../rpc/protocol.ts";
import type { Attachment } from "./attach.ts";
import type { EdgeClock } from "./edge-clock.ts";
import { EndNudge } from "./end-nudge.ts";
import { MAIN_PLAYLIST } from "./hls-loaders.ts";
import { LatencyController } from "./latency-controller.ts";
import { joinRanges, rangeAt } from "./time-ranges.ts";

/** A seek back by less than this is a nudge (hls.js makes some), not a choice of the viewer. */
const VIEWER_SEEK_MS = 500;
/** Behind the target by more than this after a pause or a seek, the viewer has left the live edge. */
const LEFT_EDGE_MS = 1000;
/** Farther behind than hls.js buffers ahead, the place to go on is sought without waiting for it to be buffered. */
const SEEK_UNBUFFERED_MS = 8000;
/** Seeking may aim this far outside a range; lists have rounded decimals. */
const SEEK_TOLERANCE_MS = 100;
/** What the live list drops within this is no place to be: it moves on as fast as the picture. */
const LIST_MARGIN_MS = 3000;
/** An excerpt has whole groups only, so nearer to live than this it would run dry. */
const JOIN_LIVE_MS = 5000;
/** After a change of lists that failed, the next attempt that nobody asked for waits this long. */
const RETRY_MS = 5000;

export interface SeekOutcome {
  /** Media time at which playback goes on. */
  readonly positionMs: number;
  /** That is not what was asked for, because nobody has that. */
  readonly clamped: boolean;
}

export interface NavigationOptions {
  readonly video: HTMLVideoElement;
  readonly client: WorkerClient;
  readonly attachment: Attachment;
  readonly edge: EdgeClock;
  readonly targetLatencyMs: number;
  readonly autoplay: boolean;
  readonly resumesPosition: boolean;
  /** The worker's latest figures. */
  readonly stats: () => WorkerStats | undefined;
  /** Live or rewound may have changed. */
  readonly onMoved: () => void;
  readonly onAutoplay: (blocked: boolean) => void;
  readonly onWarning: (error: CountersignError) => void;
}

export class Navigation {
  readonly #options: NavigationOptions;
  readonly #controller: LatencyController;
  readonly #endNudge = new EndNudge();
  readonly #listening = new AbortController();
  #begun = false;
  #autoplayBlocked = false;
  /** The list of a stretch of the past is being read. */
  #excerpt = false;
  /** Where playback is to begin in the live list, until it has; undefined: at its edge. */
  #startMs: number | undefined;
  /** Where it will go on, while lists are changed. */
  #pendingMs: number | undefined;
  /** Nobody but the viewer is to move the picture. */
  #chosen = false;
  #seeks = 0;
  #lastPositionMs: number | undefined;
  #ownSeekS: number | undefined;
  #stalls = 0;
  #notBeforeMs = 0;

  constructor(options: NavigationOptions) {
    this.#options = options;
    this.#controller = new LatencyController(options.targetLatencyMs);
    options.attachment.on("mapped", () => this.#onMapped());
    this.#listen();
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** At the live edge or on the way there. */
  get following(): boolean {
    return this.#controller.following;
  }

  get autoplayBlocked(): boolean {
    return this.#autoplayBlocked;
  }

  get stalls(): number {
    return this.#stalls;
  }

  get targetMs(): number {
    return this.#controller.targetFor(this.#options.edge.requiredMs);
  }

  /** Media time of the picture, or of where it will go on in a moment. */
  get positionMs(): number | undefined {
    return this.#begun ? (this.#pendingMs ?? this.#options.attachment.positionMs) : undefined;
  }

  /** Where seeking leads to media. */
  get seekable(): readonly TimeRange[] {
    const stats = this.#options.stats();
    return joinRanges(
      this.#options.attachment.seekable,
      stats?.live ?? [],
      stats?.stored ?? [],
      stats?.fetchable ?? [],
    );
  }

  /** There is something to play, for the first time or again after a time without peers. */
  ready({ live, startMs, path }: Extract<WorkerEvent, { type: "ready" }>): void {
    const { video, autoplay, resumesPosition } = this.#options;
    // Who went back by choice stays there when live returns; they can go live whenever they like.
    if (live && this.#excerpt && this.#chosen && this.#begun && !video.ended) return;
    // Where nothing is live, or the viewer asked for where they were, nobody pulls the picture to the edge.
    this.#startMs = live && !resumesPosition ? undefined : startMs;
    if (this.#startMs === undefined) this.#controller.follow();
    else this.#controller.release();
    // A second time, when the network is back, it goes on as it was.
    const plays = this.#begun ? !video.paused || video.ended : autoplay;
    if (path !== undefined) this.#startMs = undefined;
    this.#load(path, plays);
  }

  goLive(): void {
    this.#chosen = false;
    // With nothing live there is no edge to go to; when there is, it is joined.
    if (this.#excerpt && !this.#options.stats()?.live.length) return;
    this.#seeks += 1;
    this.#controller.follow();
    if (this.#excerpt) this.#loadLive(undefined, true);
    else {
      if (this.#pendingMs !== undefined) {
        // A leap into the past was under way and is not wanted any more: nobody waits for its list.
        this.#pendingMs = undefined;
        this.#options.client.leaveExcerpt();
      }
      this.#seekToEdge();
      if (this.#options.video.paused) this.#play();
    }
    this.#options.onMoved();
  }

  /**
   * Resolves when it is known where playback goes on. Rejects with `range-unavailable` when nobody has anything, `destroyed` when another seek came, or with what the worker
   * failed with.
   */
  async seekTo(mediaMs: number): Promise<SeekOutcome> {
    if (!Number.isFinite(mediaMs)) throw nothingAt(mediaMs);
    this.#chosen = true;
    this.#seeks += 1;
    const seek = this.#seeks;
    if (this.#isListed(mediaMs)) {
      this.#pendingMs = undefined;
      this.#seekInList(mediaMs);
      return { positionMs: mediaMs, clamped: false };
    }
    this.#pendingMs = mediaMs;
    this.#controller.release();
    this.#options.onMoved();
    try {
      return await this.#leap(mediaMs, seek);
    } catch (thrown) {
      if (seek === this.#seeks) this.#pendingMs = undefined;
      throw thrown;
    }
  }

  /** Ten times a second. */
  tick(): void {
    const { video, attachment, edge } = this.#options;
    const nudgeS = this.#begun ? this.#endNudge.check(video) : undefined;
    if (nudgeS !== undefined) this.#seekElement(nudgeS);
    const nowMs = Date.now();
    const edgeMs = edge.edgeAt(nowMs);
    const { positionMs } = attachment;
    if (edgeMs === undefined || positionMs === undefined || this.#pendingMs !== undefined) return;
    this.#lastPositionMs = positionMs;

    // Decided once, when a pause has lasted that long: what was shown as rewound must not become live again by a wobble of the edge.
    if (this.#begun && video.paused && this.#behindMs() > LEFT_EDGE_MS) this.#controller.release();
    if (!this.#controller.following && !video.paused && this.#behindMs() <= 0 && !this.#excerpt)
      this.#controller.follow();
    const idle = !this.#begun || video.paused || video.seeking || video.ended;
    if (!idle) this.#changeLists(positionMs, nowMs);
    if (!idle && this.#controller.following && this.#behindMs() > SEEK_UNBUFFERED_MS) this.#seekToEdge();
    const decision = this.#controller.tick({
      nowMs,
      positionMs,
      buffered: attachment.buffered,
      edgeMs,
      requiredMs: edge.requiredMs,
      rate: video.playbackRate,
      idle,
    });
    if (decision.rate !== undefined) video.playbackRate = decision.rate;
    if (decision.jumpToMs !== undefined) {
      const elementS = attachment.toElementS(decision.jumpToMs);
      if (elementS !== undefined) this.#seekElement(elementS);
    }
    this.#options.onMoved();
  }

  destroy(): void {
    this.#seeks += 1;
    this.#listening.abort();
  }

  // ---- from list to list ----

  /** The list that is being read has it, and will for a while. */
  #isListed(mediaMs: number): boolean {
    const listed = rangeAt(this.#options.attachment.seekable, mediaMs, SEEK_TOLERANCE_MS);
    if (!listed) return false;
    if (this.#excerpt) return true;
    return mediaMs >= listed.startMs + LIST_MARGIN_MS || !this.#isDeep(mediaMs);
  }

  /** It can be had without the live list. */
  #isDeep(mediaMs: number): boolean {
    const stats = this.#options.stats();
    return rangeAt(joinRanges(stats?.stored ?? [], stats?.fetchable ?? []), mediaMs) !== undefined;
  }

  #seekInList(mediaMs: number): void {
    const { attachment } = this.#options;
    const inside = rangeAt(attachment.seekable, mediaMs, SEEK_TOLERANCE_MS);
    const elementS = attachment.toElementS(Math.max(mediaMs, inside?.startMs ?? mediaMs));
    const edgeMs = this.#options.edge.edgeAt(Date.now());
    const behindMs = edgeMs === undefined ? 0 : edgeMs - mediaMs - this.targetMs;
    if (behindMs > LEFT_EDGE_MS || this.#excerpt) this.#controller.release();
    else this.#controller.follow();
    if (elementS !== undefined) this.#seekElement(elementS);
    this.#options.onMoved();
  }

  async #leap(mediaMs: number, seek: number, onlyAfter = false): Promise<SeekOutcome> {
    const { client, video, attachment } = this.#options;
    const plays = !video.paused || video.ended;
    const answer = await client.seek({ targetMs: mediaMs, onlyAfter });
    if (seek !== this.#seeks) throw new CountersignError("destroyed", "Another seek came.");
    if (answer.kind === "nothing") throw nothingAt(mediaMs);
    if (answer.kind === "excerpt") {
      this.#pendingMs = answer.startMs;
      this.#load(answer.path, plays);
      return { positionMs: answer.startMs, clamped: Math.abs(answer.startMs - mediaMs) > SEEK_TOLERANCE_MS };
    }
    if (this.#excerpt) {
      this.#loadLive(mediaMs, plays);
      return { positionMs: mediaMs, clamped: false };
    }
    const [listed] = attachment.seekable;
    if (!listed) throw nothingAt(mediaMs);
    const positionMs = Math.max(mediaMs, listed.startMs);
    this.#pendingMs = undefined;
    this.#seekInList(positionMs);
    return { positionMs, clamped: positionMs > mediaMs + SEEK_TOLERANCE_MS };
  }

  /** Undefined path: the live list. */
  #load(path: string | undefined, plays: boolean): void {
    this.#excerpt = path !== undefined;
    const seek = this.#seeks;
    // A new source pauses the element, so play() comes after.
    void this.#options.attachment.load(path ?? MAIN_PLAYLIST).then(() => {
      if (plays && seek === this.#seeks) this.#play();
    });
  }

  #loadLive(startMs: number | undefined, plays: boolean): void {
    this.#startMs = startMs;
    this.#pendingMs = startMs ?? this.#options.edge.edgeMs;
    this.#load(undefined, plays);
    this.#options.client.leaveExcerpt();
  }

  /** The picture goes on where the list that is being read does not. */
  #changeLists(positionMs: number, nowMs: number): void {
    if (this.#controller.following || nowMs < this.#notBeforeMs) return;
    if (this.#excerpt) {
      const [live] = this.#options.stats()?.live ?? [];
      // Twice the margin: who has just come must not be left behind at once.
      if (!live || this.#behindMs() > JOIN_LIVE_MS || positionMs < live.startMs + 2 * LIST_MARGIN_MS) return;
      this.#notBeforeMs = nowMs + RETRY_MS;
      this.#loadLive(positionMs, true);
      return;
    }
    const [listed] = this.#options.attachment.seekable;
    if (!listed || positionMs >= listed.startMs + LIST_MARGIN_MS || !this.#isDeep(positionMs)) return;
    this.#notBeforeMs = nowMs + RETRY_MS;
    this.#goOn(positionMs, false);
  }

  /** Without anybody having asked: what fails is told, and playback stays where it is. */
  #goOn(mediaMs: number, onlyAfter: boolean): void {
    this.#seeks += 1;
    const seek = this.#seeks;
    this.#leap(mediaMs, seek, onlyAfter).catch((thrown: unknown) => {
      if (seek !== this.#seeks) return;
      this.#pendingMs = undefined;
      if (thrown instanceof CountersignError && thrown.code !== "range-unavailable")
        this.#options.onWarning(thrown);
    });
  }

  #onMapped(): void {
    const startMs = this.#startMs;
    const elementS = startMs === undefined ? undefined : this.#options.attachment.toElementS(startMs);
    this.#pendingMs = undefined;
    if (startMs === undefined || elementS === undefined) return;
    this.#startMs = undefined;
    if ((this.#options.edge.edgeMs ?? startMs) - startMs <= LEFT_EDGE_MS) this.#controller.follow();
    else this.#seekElement(elementS);
  }

  // ---- the element ----

  #listen(): void {
    const { video } = this.#options;
    const { signal } = this.#listening;
    const on = (type: keyof HTMLMediaElementEventMap, listener: () => void): void =>
      video.addEventListener(type, listener, { signal });
    on("playing", () => {
      this.#begun = true;
      this.#setAutoplayBlocked(false);
    });
    on("waiting", () => {
      if (!this.#begun || video.seeking || video.paused || this.#pendingMs !== undefined) return;
      this.#stalls += 1;
      this.#controller.stalled(Date.now());
    });
    on("play", () => {
      // Whoever was let in late (a click after blocked autoplay) wants to see what is live.
      if (!this.#begun && this.#controller.following) this.#seekToEdge();
      else if (this.#behindMs() > LEFT_EDGE_MS) this.#controller.release();
      this.#options.onMoved();
    });
    on("seeking", () => this.#onSeeking());
    // An excerpt ends where a long hole begins, or with all there is.
    on("ended", () => {
      const endMs = this.#options.attachment.seekable.at(-1)?.endMs;
      if (this.#excerpt && endMs !== undefined) this.#goOn(endMs + SEEK_TOLERANCE_MS, true);
    });
  }

  #onSeeking(): void {
    const { currentTime } = this.#options.video;
    if (this.#ownSeekS !== undefined && Math.abs(currentTime - this.#ownSeekS) < 0.01) return;
    const before = this.#lastPositionMs;
    const now = this.#options.attachment.positionMs;
    if (!this.#begun || before === undefined || now === undefined || this.#pendingMs !== undefined) return;
    const behindMs = this.#behindMs();
    if (now < before - VIEWER_SEEK_MS && behindMs > LEFT_EDGE_MS) {
      this.#chosen = true;
      this.#controller.release();
    } else if (behindMs <= LEFT_EDGE_MS && !this.#excerpt) this.#controller.follow();
    this.#options.onMoved();
  }

  /** How far beyond the target the picture is behind. */
  #behindMs(): number {
    const edgeMs = this.#options.edge.edgeAt(Date.now());
    const { positionMs } = this.#options.attachment;
    return edgeMs === undefined || positionMs === undefined ? 0 : edgeMs - positionMs - this.targetMs;
  }

  #seekToEdge(): void {
    if (this.#behindMs() <= LEFT_EDGE_MS) return;
    const edgeMs = this.#options.edge.edgeAt(Date.now());
    const elementS =
      edgeMs === undefined ? undefined : this.#options.attachment.toElementS(edgeMs - this.targetMs);
    if (elementS !== undefined) this.#seekElement(elementS);
  }

  #seekElement(elementS: number): void {
    this.#ownSeekS = elementS;
    this.#options.video.currentTime = elementS;
  }

  #play(): void {
    this.#options.video.play().catch((thrown: unknown) => {
      // AbortError: pause() or a new source came before playback began; somebody else decided, nothing failed.
      if (thrown instanceof DOMException && thrown.name === "NotAllowedError") this.#setAutoplayBlocked(true);
    });
  }

  #setAutoplayBlocked(blocked: boolean): void {
    if (blocked === this.#autoplayBlocked || this.#listening.signal.aborted) return;
    this.#autoplayBlocked = blocked;
    this.#options.onAutoplay(blocked);
  }
}

export function nothingAt(mediaMs: number): CountersignError {
  return new CountersignError("range-unavailable", `There is nothing to play at ${Math.round(mediaMs)} ms.`, {
    hint: "Seek to a time within player.seekable.",
  });
}
