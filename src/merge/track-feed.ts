import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import type { Connection, ObjectSink, Subscription } from "../transport/connection.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import { compareLocations, trackKey } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import { subVarInt } from "../wire/varint.ts";
import { Backoff } from "./backoff.ts";
import { MAX_SUBSCRIBE_RETRY_MS, RESUME_MAX_GROUPS, SUBSCRIBE_RETRY_MS } from "./limits.ts";
import type { SourceId } from "./types.ts";

/** REQUEST_ERROR code DOES_NOT_EXIST (§10.6): nobody publishes the track there, yet. */
const DOES_NOT_EXIST = 0x10;
/** REQUEST_ERROR code NOT_SUPPORTED (§10.6). */
const NOT_SUPPORTED = 0x3;

/** Where a track's objects go, by source. A TrackMerger is one; trust's intake of manifests another. */
export interface FeedTarget {
  sink(source: SourceId, request: "subscription" | "fetch"): ObjectSink;
  addSource?(source: SourceId): void;
  removeSource?(source: SourceId): void;
}

export interface TrackSpec {
  readonly name: FullTrackName;
  readonly target: FeedTarget;
  /** Subscriber priority, 0 (most urgent) to 255. */
  readonly priority?: number;
  /** The next object that is lacked; undefined: the current group from its beginning. Asked each time a source joins. */
  readonly needed?: () => Location | undefined;
}

export interface FeedReport {
  /** A request was refused or broke off. Not the end: the feed goes on trying. */
  problem(error: CountersignError): void;
  /** The subscription was accepted. */
  subscribed(): void;
  /** The publisher said that the track is over. */
  trackEnded(): void;
}

export interface FeedOptions {
  readonly source: SourceId;
  readonly connection: Connection;
  readonly clock: Clock;
  readonly random: () => number;
  readonly forward: boolean;
  readonly report: FeedReport;
}

/**
 * One track from one source over one connection: subscribes, fetches what the subscription does not bring (the current group's beginning, or all since what
 * is needed), and subscribes anew with back-off when refused. It lives as long as its connection: a new connection gets a new feed.
 */
export class TrackFeed {
  readonly #spec: TrackSpec;
  readonly #options: FeedOptions;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  #forward: boolean;
  #subscription: Subscription | undefined;
  #cancelRetry: (() => void) | undefined;
  #furthest: { group: VarInt; object: VarInt } | undefined;
  #sinceMs: number;
  /** A SUBSCRIBE is under way. */
  #asking = false;
  /** An object came since the latest subscription. */
  #served = false;
  #closed = false;

  constructor(spec: TrackSpec, options: FeedOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#forward = options.forward;
    this.#sinceMs = options.clock.now();
    this.#backoff = new Backoff(SUBSCRIBE_RETRY_MS, MAX_SUBSCRIBE_RETRY_MS, options.random);
    spec.target.addSource?.(options.source);
    void this.#subscribe();
  }

  /** The subscription stands and brings objects. */
  get live(): boolean {
    return this.#subscription !== undefined && this.#forward;
  }

  /** Since when it is as it is: live, refused, or standing by. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** The furthest object that the subscription brought. */
  get furthest(): Location | undefined {
    return this.#furthest;
  }

  /**
   * FORWARD 1 or 0: a source that stands by is subscribed and costs no media bytes. Not every relay can do that (moq-relay 0.17 answers NOT_SUPPORTED); such a
   * one is not subscribed while it stands by, and asked as soon as it is needed. One that cannot change a subscription (moq-relay-ietf 0.8) gets a new one.
   */
  setForward(forward: boolean): void {
    if (this.#closed || forward === this.#forward) return;
    this.#forward = forward;
    this.#sinceMs = this.#options.clock.now();
    const subscription = this.#subscription;
    if (subscription === undefined) {
      if (forward && !this.#asking) this.#askNow();
      return;
    }
    subscription.update({ forward }).then(
      () => {
        if (forward && subscription === this.#subscription && this.#forward)
          void this.#join(subscription, true);
      },
      (thrown: unknown) => {
        // A relay that cannot change a subscription can still make a new one. The news that it ended may have come first.
        const current = this.#subscription ?? subscription;
        if (this.#closed || this.#asking || subscription !== current) return;
        this.#subscription = undefined;
        subscription.cancel();
        this.#refused(thrown, forward, true);
      },
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetry?.();
    this.#abort.abort(
      new CountersignError("session-closed", "The source is not read any more.", {
        peer: this.#options.source,
      }),
    );
    this.#subscription?.cancel();
    this.#subscription = undefined;
    this.#spec.target.removeSource?.(this.#options.source);
  }

  async #subscribe(): Promise<void> {
    const { connection, report } = this.#options;
    const forward = this.#forward;
    let subscription: Subscription;
    this.#asking = true;
    try {
      subscription = await connection.subscribe(
        {
          track: this.#spec.name,
          filter: { type: "largest-object" },
          forward,
          signal: this.#abort.signal,
          ...(this.#spec.priority !== undefined && { priority: this.#spec.priority }),
        },
        this.#sink(),
      );
    } catch (thrown) {
      this.#asking = false;
      if (!this.#closed) this.#refused(thrown, forward, false);
      return;
    }
    this.#asking = false;
    if (this.#closed) {
      subscription.cancel();
      return;
    }
    this.#subscription = subscription;
    this.#sinceMs = this.#options.clock.now();
    this.#served = false;
    void subscription.ended.then((end) => {
      if (this.#closed || subscription !== this.#subscription) return;
      this.#subscription = undefined;
      this.#sinceMs = this.#options.clock.now();
      if (end.reason === "track-ended") report.trackEnded();
      else if (end.error !== undefined) this.#problem(end.error);
      this.#retry();
    });
    report.subscribed();
    // setForward() may have been called while the answer was on its way.
    if (this.#forward !== forward) {
      this.#forward = forward;
      this.setForward(!forward);
    } else if (forward) void this.#join(subscription, false);
  }

  /** Objects of the subscription also say how far this source is. */
  #sink(): ObjectSink {
    const sink = this.#spec.target.sink(this.#options.source, "subscription");
    return {
      ...sink,
      accept: (start) => {
        this.#seen(start);
        return sink.accept?.(start) ?? true;
      },
      object: (object) => {
        this.#seen(object);
        sink.object(object);
      },
    };
  }

  #seen({ group, object }: Location): void {
    if (!this.#served) {
      this.#served = true;
      this.#backoff.reset();
    }
    const furthest = this.#furthest;
    if (furthest === undefined) this.#furthest = { group, object };
    else if (group > furthest.group || (group === furthest.group && object > furthest.object)) {
      // Changed in place: this happens twice for each object.
      furthest.group = group;
      furthest.object = object;
    }
  }

  /** Fetches what lies between what is needed and what the subscription brings (§5.1.3). The merger drops what turns out to be there already. */
  async #join(subscription: Subscription, resumed: boolean): Promise<void> {
    const { connection, source } = this.#options;
    const sink = this.#spec.target.sink(source, "fetch");
    const { signal } = this.#abort;
    const priority = this.#spec.priority !== undefined && { priority: this.#spec.priority };
    const needed = this.#spec.needed?.();
    const { largest } = subscription;
    try {
      if (resumed) {
        // Where the subscription resumes is known to the relay only: a joining fetch ends exactly there (§10.12.2).
        const start = needed === undefined ? { relative: 0 } : { absolute: needed.group };
        await connection.joiningFetch({ subscription, start, signal, ...priority }, sink);
      } else if (largest !== undefined && needed === undefined) {
        await connection.joiningFetch({ subscription, start: { relative: 0 }, signal, ...priority }, sink);
      } else if (largest !== undefined && needed !== undefined && compareLocations(needed, largest) <= 0) {
        await connection.fetch(
          {
            track: this.#spec.name,
            start: notTooOld(needed, largest.group),
            end: largest,
            signal,
            ...priority,
          },
          sink,
        );
      }
    } catch (thrown) {
      // What it would have brought is missed by the sequencer, and fetched from wherever it can be had.
      if (!this.#closed) this.#problem(thrown);
    }
  }

  /** NOT_SUPPORTED says what a relay is, not that something is wrong with it: what it cannot do is done without. */
  #refused(thrown: unknown, forward: boolean, update: boolean): void {
    if (isNotSupported(thrown) && (update || !forward)) {
      if (this.#forward) this.#askNow();
      return;
    }
    this.#problem(thrown);
    this.#retry();
  }

  #askNow(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    void this.#subscribe();
  }

  #retry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.setTimer(this.#backoff.next(), () => {
      this.#cancelRetry = undefined;
      void this.#subscribe();
    });
  }

  /** The end of the session itself is the pool's to report, once, not each track's. */
  #problem(thrown: unknown): void {
    const error = this.#translate(thrown);
    if (error.code !== "session-closed") this.#options.report.problem(error);
  }

  #translate(thrown: unknown): CountersignError {
    const { source } = this.#options;
    const error = toCountersignError(thrown, "internal", { peer: source });
    if (error.code !== "request-rejected" || error.protocolCode !== DOES_NOT_EXIST) return error;
    return new CountersignError("track-unknown", `${source} has no track ${trackKey(this.#spec.name)}.`, {
      hint: "It is asked for again: check that a publisher is connected to this relay and uses this name.",
      peer: source,
      protocolCode: DOES_NOT_EXIST,
      cause: error,
      ...(error.section !== undefined && { section: error.section }),
    });
  }
}

function isNotSupported(thrown: unknown): boolean {
  return (
    thrown instanceof CountersignError &&
    thrown.code === "request-rejected" &&
    thrown.protocolCode === NOT_SUPPORTED
  );
}

function notTooOld(needed: Location, largestGroup: VarInt): Location {
  if (subVarInt(largestGroup, needed.group) < RESUME_MAX_GROUPS) return needed;
  return { group: subVarInt(largestGroup, RESUME_MAX_GROUPS - 1), object: 0 };
}
