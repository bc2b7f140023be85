import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import type { Connection } from "../transport/connection.ts";
import { Backoff } from "./backoff.ts";
import type { ConnectionProvider } from "./connection-provider.ts";
import type { LieLimits } from "./lie-record.ts";
import { LieRecord } from "./lie-record.ts";
import { BEHIND_PENALTY_MS, MAX_BEHIND_PENALTY_MS } from "./limits.ts";
import { instanceOf } from "./source-instance.ts";
import type { Lag } from "./source-watch.ts";
import type { TrackSpec } from "./track-feed.ts";
import { TrackFeed } from "./track-feed.ts";
import type { SourceId, SourceState } from "./types.ts";

export interface PoolSourceOptions {
  readonly source: SourceId;
  readonly provider: ConnectionProvider;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: LieLimits;
  /** The tracks that are played now. */
  readonly tracks: () => Iterable<TrackSpec>;
  /** State, connection or error changed. */
  readonly changed: (source: PoolSource) => void;
  readonly subscribed: (source: PoolSource, track: TrackSpec) => void;
  readonly problem: (source: PoolSource, track: TrackSpec, error: CountersignError) => void;
  readonly trackEnded: (source: PoolSource, track: TrackSpec) => void;
}

/**
 * One relay: its connection as it comes and goes, a feed for each track, and what it was caught at. A relay that lies is disconnected and left alone for
 * a while; then it may try again.
 */
export class PoolSource {
  readonly source: SourceId;
  readonly #options: PoolSourceOptions;
  readonly #lies: LieRecord;
  readonly #feeds = new Map<TrackSpec, TrackFeed>();
  #handle: { close(): void } | undefined;
  #connection: Connection | undefined;
  #forward = true;
  #banned = false;
  #closed = false;
  #error: CountersignError | undefined;
  #cancelBan: (() => void) | undefined;
  #cancelSuspicion: (() => void) | undefined;
  readonly #penalty: Backoff;
  #behindUntilMs = 0;
  #cancelPenalty: (() => void) | undefined;
  #reported: SourceState | undefined;

  constructor(options: PoolSourceOptions) {
    this.source = options.source;
    this.#options = options;
    this.#lies = new LieRecord(options.clock, options.limits, options.random);
    this.#penalty = new Backoff(BEHIND_PENALTY_MS, MAX_BEHIND_PENALTY_MS, options.random);
  }

  get state(): SourceState {
    if (this.#closed) return "closed";
    if (this.#banned) return "banned";
    if (this.#connection === undefined) return "connecting";
    if (this.#lies.suspect || this.isBehind) return "suspect";
    return this.#forward ? "active" : "standby";
  }

  /** It fell behind lately: others are chosen first. */
  get isBehind(): boolean {
    return this.#behindUntilMs > this.#options.clock.now();
  }

  /** It was caught at something that contradicts a signature lately. */
  get hasLied(): boolean {
    return this.#lies.suspect;
  }

  /** What the relay calls itself, to tell whether two addresses are one; undefined where it does not. */
  get instance(): string | undefined {
    return instanceOf(this.#connection?.peerImplementation);
  }

  /** What went wrong last: why it is banned or not connected. */
  get error(): CountersignError | undefined {
    return this.#error;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get forward(): boolean {
    return this.#forward;
  }

  feed(track: TrackSpec): TrackFeed | undefined {
    return this.#feeds.get(track);
  }

  /** Begins to connect. Apart from the constructor, since a provider may answer at once. */
  start(): void {
    this.#keep();
    this.#report();
  }

  addTrack(track: TrackSpec): void {
    if (this.#connection !== undefined) this.#addFeed(track, this.#connection);
  }

  removeTrack(track: TrackSpec): void {
    this.#feeds.get(track)?.close();
    this.#feeds.delete(track);
  }

  setForward(forward: boolean): void {
    if (forward === this.#forward) return;
    this.#forward = forward;
    for (const feed of this.#feeds.values()) feed.setForward(forward);
    this.#report();
  }

  /** It sent something that contradicts a signature. */
  lied(): void {
    if (this.#closed || this.#banned) return;
    const banMs = this.#lies.add();
    if (banMs !== undefined) {
      this.#ban(banMs);
      return;
    }
    this.#cancelSuspicion?.();
    this.#cancelSuspicion = this.#options.clock.setTimer(this.#lies.suspectForMs, () => this.#report());
    this.#report();
  }

  /** It does not bring what is signed (`lag`), or does again. */
  keepsUp(lag: Lag | undefined): void {
    if (this.#closed || this.#banned || this.#connection === undefined) return;
    const wasBehind = this.isBehind;
    const nowMs = this.#options.clock.now();
    if (lag === undefined) {
      // One that stands by brings nothing: that is no proof of anything, and the penalty runs.
      if (!wasBehind || !this.#forward) return;
      this.#behindUntilMs = 0;
      this.#error = undefined;
    } else if (!wasBehind) {
      if (nowMs - this.#behindUntilMs > MAX_BEHIND_PENALTY_MS) this.#penalty.reset();
      const penaltyMs = this.#penalty.next();
      this.#behindUntilMs = nowMs + penaltyMs;
      this.#error = behindError(this.source, lag);
      this.#cancelPenalty?.();
      this.#cancelPenalty = this.#options.clock.setTimer(penaltyMs, () => {
        if (this.#error?.code === "request-timeout") this.#error = undefined;
        this.#report();
      });
    }
    this.#report();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelBan?.();
    this.#cancelSuspicion?.();
    this.#cancelPenalty?.();
    this.#disconnect();
    this.#report();
  }

  #keep(): void {
    this.#handle = this.#options.provider.keep(this.source, {
      open: (connection) => {
        if (this.#closed || this.#banned) return;
        // A provider that reconnects without a word first: the old feeds are of the old connection.
        this.#closeFeeds();
        this.#connection = connection;
        this.#error = undefined;
        this.#forgetPenalty();
        this.#report();
        for (const track of this.#options.tracks()) this.#addFeed(track, connection);
        void connection.closed.then((end) => {
          if (this.#connection === connection) this.#lost(end.error);
        });
      },
      lost: (error) => {
        if (!this.#closed && !this.#banned) this.#lost(error);
      },
    });
    // Lies told within keep() were judged before there was a handle to close.
    if (this.#banned || this.#closed) this.#disconnect();
  }

  #lost(error: CountersignError | undefined): void {
    this.#connection = undefined;
    this.#error =
      error ??
      new CountersignError("session-closed", `The connection to ${this.source} was closed.`, {
        peer: this.source,
      });
    this.#closeFeeds();
    this.#report();
  }

  #ban(banMs: number): void {
    this.#banned = true;
    this.#error = new CountersignError(
      "object-mismatch",
      `${this.source} sent objects that contradict the signed manifests.`,
      {
        hint: "It is left alone for a while. If it is yours, compare what it publishes with what was signed.",
        peer: this.source,
      },
    );
    this.#disconnect();
    this.#cancelBan = this.#options.clock.setTimer(banMs, () => {
      this.#cancelBan = undefined;
      this.#banned = false;
      this.#keep();
      this.#report();
    });
    this.#report();
  }

  #disconnect(): void {
    this.#closeFeeds();
    this.#connection = undefined;
    const handle = this.#handle;
    this.#handle = undefined;
    handle?.close();
  }

  /** What another session of the same relay will be like is not known. */
  #forgetPenalty(): void {
    this.#cancelPenalty?.();
    this.#cancelPenalty = undefined;
    this.#behindUntilMs = 0;
  }

  #closeFeeds(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #addFeed(track: TrackSpec, connection: Connection): void {
    if (this.#connection !== connection || this.#feeds.has(track)) return;
    const { clock, random } = this.#options;
    const feed = new TrackFeed(track, {
      source: this.source,
      connection,
      clock,
      random,
      forward: this.#forward,
      report: {
        problem: (error) => this.#options.problem(this, track, error),
        subscribed: () => this.#options.subscribed(this, track),
        trackEnded: () => this.#options.trackEnded(this, track),
      },
    });
    this.#feeds.set(track, feed);
  }

  #report(): void {
    const { state } = this;
    if (state === this.#reported) return;
    this.#reported = state;
    this.#options.changed(this);
  }
}

function behindError(source: SourceId, lag: Lag): CountersignError {
  const what =
    lag === "silent" ? "does not send what the signer has signed" : "sends everything later than the others";
  return new CountersignError("request-timeout", `${source} ${what}.`, {
    hint: "Others are preferred to it for a while. If it is yours, check its publisher and its load.",
    peer: source,
  });
}
