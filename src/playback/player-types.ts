/** What an app sees of a player while it plays. Times are ms since the broadcast's epoch unless said otherwise. */
import type { CountersignError } from "../errors.ts";
import type { Recording } from "../recording/assemble.ts";
import type { PlayerState, TimeRange, TrackDescription, WorkerEvent, WorkerStats } from "../rpc/protocol.ts";
import type { ExportOptions } from "./export.ts";
import type { SeekOutcome } from "./navigation.ts";

/** What the page knows of playback itself. */
export interface PlaybackStats {
  /** How far the picture is behind the newest verified media, in ms; undefined before the first picture. */
  readonly latencyMs: number | undefined;
  /** The distance that is being kept: what was asked for, or what the broadcast's parts allow. */
  readonly targetLatencyMs: number;
  /** The least distance that the arrival of parts allowed over the last ten seconds. */
  readonly requiredLatencyMs: number;
  /** Buffered from the picture on, in ms. */
  readonly bufferedMs: number;
  readonly buffered: readonly TimeRange[];
  /** How often playback came to a halt for want of media, after it had begun. */
  readonly stalls: number;
  /** From createPlayer to the first picture, in ms. */
  readonly firstFrameMs: number | undefined;
  readonly droppedFrames: number;
  readonly playbackRate: number;
}

export interface PlayerStats extends WorkerStats {
  readonly playback: PlaybackStats;
}

type EventOf<T extends WorkerEvent["type"]> = Omit<Extract<WorkerEvent, { type: T }>, "type">;

export interface PlayerEvents {
  /** `error` comes with failed, and where there is a reason worth telling. */
  state: { readonly state: PlayerState; readonly error?: CountersignError };
  /** The catalog is verified: what there is to play. */
  ready: Omit<EventOf<"ready">, "path">;
  /** About once a second. */
  stats: PlayerStats;
  /** A peer's state changed. */
  source: Omit<EventOf<"source">, "reason"> & { readonly reason?: CountersignError };
  /** A peer's connection was lost and is dialed again; playback goes on from the other peers and what is buffered. */
  reconnecting: Omit<EventOf<"reconnecting">, "reason"> & { readonly reason?: CountersignError };
  /** It is back (or the peer moved us elsewhere), and what nobody brought meanwhile is fetched. */
  resumed: EventOf<"resumed">;
  /** Media that will not come; playback goes on behind it. */
  hole: EventOf<"hole">;
  /** An object was refused: not what the signer signed, or not signed at all. */
  rejected: EventOf<"rejected">;
  /** The browser wants a click before it plays with sound (`blocked`), or got it. Show a button that calls `video.play()`. */
  autoplay: { readonly blocked: boolean };
  /** The first picture of this player is on the screen. */
  firstframe: { readonly afterMs: number };
  /** Worth telling; playback goes on. */
  warning: CountersignError;
  /** Playback cannot go on; the state is `failed`. */
  error: CountersignError;
}

export interface Player {
  readonly video: HTMLVideoElement;
  readonly state: PlayerState;
  /** Why the state is what it is, where there is a reason. */
  readonly error: CountersignError | undefined;
  readonly tracks: readonly TrackDescription[];
  /** Wall clock of media time 0, in ms since 1970; undefined until ready. */
  readonly epochMs: number | undefined;
  /** The latest; undefined before the first. */
  readonly stats: PlayerStats | undefined;
  /** What the page itself knows, at this moment. */
  readonly playback: PlaybackStats;
  /** How far the picture is behind the newest verified media, in ms; undefined before the first picture. */
  readonly latencyMs: number | undefined;
  /** Media time of the picture. */
  readonly positionMs: number | undefined;
  /** Where seeking leads to media: the live list, what is stored, and what relays still have. Holes left out. */
  readonly seekable: readonly TimeRange[];
  /** True while the browser waits for a click before it plays. */
  readonly autoplayBlocked: boolean;
  /** Calls `listener` for each such event; returns the function that removes it. */
  on<K extends keyof PlayerEvents>(type: K, listener: (event: PlayerEvents[K]) => void): () => void;
  /** To the live edge, and stay there; plays if paused. */
  goLive(): void;
  /**
   * To a time of day, by the broadcast's own clock, or to a media time in ms: behind the live list too. Where nobody has that place, to the next one behind it that somebody has
   * (`clamped`), and the hole in between is told. Resolves when it is known where playback goes on; later seeks overtake earlier ones, which reject with `destroyed`.
   * Rejects with `range-unavailable` when there is nothing at all, `storage-failed` or `worker-failed`.
   */
  seekTo(to: Date | number): Promise<SeekOutcome>;
  /** To a media time, without waiting. Throws CountersignError `range-unavailable` when it is not in {@link seekable}. */
  seekToMediaTime(mediaMs: number): void;
  /** To a time of day, by the broadcast's own clock. Throws like {@link seekToMediaTime}. */
  seek(date: Date): void;
  /**
   * A stretch of the broadcast, stored or fetched, as one fragmented MP4 that any player opens, and beside it the manifests that prove it (`countersign verify FILE --manifests FILE
   * --root KEY`). Whole groups are taken, so it may begin a little before `from`; what is missing is in `holes`. Rejects with `range-unavailable` when there is nothing,
   * `media-unsupported` for encrypted broadcasts, `destroyed` when the signal is aborted, `invalid-options`, `storage-failed` or `worker-failed`.
   */
  export(options: ExportOptions): Promise<Recording>;
  /**
   * Keeps these stretches (media times in ms) in the store beyond age and budget, also after a reload, in place of those kept before; `[]` lets go of all. Keeps what is
   * stored, and what will be; fetches nothing by itself. Resolves with what is kept. Rejects with `storage-unavailable`, `invalid-options` or `worker-failed`.
   */
  keep(ranges: readonly TimeRange[]): Promise<readonly TimeRange[]>;
  /**
   * When the signer was caught with two truths for one place: the proof, as a file that anybody who knows the root keys can check with `countersign verify`. Undefined
   * otherwise. Rejects with CountersignError `worker-failed` or `destroyed`.
   */
  exportEvidence(): Promise<Blob | undefined>;
  /** Ends everything: connections, worker, listeners. The element is left paused and empty. Never rejects. */
  destroy(): Promise<void>;
}
