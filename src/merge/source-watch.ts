/**
 * Who keeps up. The manifests say what must exist by now; a source that does not bring it is silent, one that always brings it after the others is late. Only sources
 * that are asked to send are watched: one that stands by owes nothing.
 */
import type { Clock } from "../clock.ts";
import type { Location } from "../wire/names.ts";
import { compareLocations } from "../wire/names.ts";
import {
  LATE_AFTER_MS,
  SUBSCRIBE_GRACE_MS,
  SUSPECT_AFTER_MS,
  SWITCH_AFTER_MS,
  WATCH_INTERVAL_MS,
} from "./limits.ts";

export type Lag = "silent" | "late";

/** One track from one source. */
export interface WatchedFeed {
  /** Its subscription stands. */
  readonly live: boolean;
  /** Since when that is so, or not. */
  readonly sinceMs: number;
  /** The furthest object of worth that it brought. */
  readonly furthest: Location | undefined;
  /** How far its copies come behind the first ones. */
  readonly lagMs: number;
}

export interface WatchedTrack<S> {
  /** The furthest object that the signer spoke of. */
  signedUpTo(): Location | undefined;
  /** How much later than its signature an object may come without anybody being at fault. */
  allowanceMs(): number;
  feed(source: S): WatchedFeed | undefined;
}

export interface WatchContext<S> {
  readonly clock: Clock;
  /** Those that are to send. */
  sending(): Iterable<S>;
  /** Somebody could take the place of one that fell behind. */
  hasStandby(): boolean;
  /** `undefined`: it keeps up. Told at every look. */
  verdict(source: S, lag: Lag | undefined): void;
}

interface Sample {
  readonly atMs: number;
  readonly signed: Location;
}

/** What the signer had said, by when: as far back as any grace reaches. */
class SignedTimeline {
  readonly #samples: Sample[] = [];

  note(atMs: number, signed: Location | undefined): void {
    const last = this.#samples.at(-1);
    if (signed === undefined || (last !== undefined && compareLocations(signed, last.signed) <= 0)) return;
    this.#samples.push({ atMs, signed });
  }

  /** What had been signed by then; forgets what is older. */
  by(atMs: number): Location | undefined {
    let at = -1;
    while (at + 1 < this.#samples.length && this.#samples[at + 1]!.atMs <= atMs) at++;
    return this.#samples[at]?.signed;
  }

  forgetBefore(atMs: number): void {
    while (this.#samples.length > 1 && this.#samples[1]!.atMs <= atMs) this.#samples.shift();
  }
}

/** Beyond any grace: SUSPECT_AFTER_MS and the largest allowance for publishers. */
const TIMELINE_MS = 10_000;

export class SourceWatch<S> {
  readonly #context: WatchContext<S>;
  readonly #tracks = new Map<WatchedTrack<S>, SignedTimeline>();
  #cancelTimer: (() => void) | undefined;

  constructor(context: WatchContext<S>) {
    this.#context = context;
  }

  /** Watches a track until the returned function is called. */
  add(track: WatchedTrack<S>): () => void {
    this.#tracks.set(track, new SignedTimeline());
    this.#cancelTimer ??= this.#context.clock.setTimer(WATCH_INTERVAL_MS, this.#look);
    return () => {
      this.#tracks.delete(track);
      if (this.#tracks.size === 0) this.close();
    };
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  readonly #look = (): void => {
    const { clock, sending, hasStandby, verdict } = this.#context;
    this.#cancelTimer = clock.setTimer(WATCH_INTERVAL_MS, this.#look);
    const nowMs = clock.now();
    for (const [track, timeline] of this.#tracks) {
      timeline.note(nowMs, track.signedUpTo());
      timeline.forgetBefore(nowMs - TIMELINE_MS);
    }
    for (const source of [...sending()]) {
      verdict(source, this.#lagOf(source, nowMs, hasStandby()));
    }
  };

  #lagOf(source: S, nowMs: number, replaceable: boolean): Lag | undefined {
    let lag: Lag | undefined;
    for (const [track, timeline] of this.#tracks) {
      const feed = track.feed(source);
      if (feed === undefined) continue;
      // A subscription takes a while, or is refused where nobody publishes: that, too, is silence in the end.
      const patienceMs = replaceable ? (feed.live ? SWITCH_AFTER_MS : SUBSCRIBE_GRACE_MS) : SUSPECT_AFTER_MS;
      const dueMs = nowMs - patienceMs - track.allowanceMs();
      const due = timeline.by(dueMs);
      // What was signed before it was asked to send is brought by a fetch, or by another.
      if (due === undefined || feed.sinceMs > dueMs) continue;
      if (feed.furthest === undefined || compareLocations(feed.furthest, due) < 0) return "silent";
      // Where all send anyway, whoever is later than the first costs nobody anything.
      if (replaceable && feed.lagMs > LATE_AFTER_MS) lag = "late";
    }
    return lag;
  }
}
