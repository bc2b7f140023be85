/**
 * One publisher of one track, as the relay reads it: asked once, asked again after a pause when it refused or broke off, and joined without a hole.
 *
 * A subscription begins after the largest object; what lies between the end of our cache and that is fetched. While it is, live objects wait, because a
 * subgroup goes out to subscribers in the order of its ids.
 */
import type { Clock } from "../../../src/clock.ts";
import type { Connection, ObjectSink, Subscription } from "../../../src/transport/connection.ts";
import type { KeyValue } from "../../../src/wire/messages.ts";
import type { FullTrackName, Location } from "../../../src/wire/names.ts";
import { subVarInt } from "../../../src/wire/varint.ts";

/** Pause before a publisher that refused or lost a subscription is asked again. */
export const RETRY_MS = 1000;

/** How long live objects wait for those before them. Past it they go out, and the hole is left to FETCH. */
const CATCH_UP_TIMEOUT_MS = 1500;

/** Live bytes that wait meanwhile: two seconds of 16 Mb/s. Past it as above. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** PUBLISH_DONE status by name: the publisher says that the track is over, there is nothing to retry soon. */
const TRACK_ENDED = "track-ended";

export interface UpstreamOptions {
  readonly connection: Connection;
  readonly track: FullTrackName;
  readonly clock: Clock;
  /** Groups fetched before the live edge when nothing is cached yet, the current one included. */
  readonly recentGroups: number;
  /** Groups that a longer absence is worth. */
  readonly cacheGroups: number;
  readonly sink: (request: "subscription" | "fetch") => ObjectSink;
  /** The newest object that is here already. */
  readonly largest: () => Location | undefined;
  /** Whether another publisher feeds the track meanwhile: then nothing has to wait. */
  readonly isFed: () => boolean;
  /** What the publisher says of the track as a whole, when it accepts. */
  readonly properties: (properties: readonly KeyValue[]) => void;
  /** The state changed. */
  readonly changed: () => void;
  /** Between these groups, exclusive of the second, everything that exists is here now. */
  readonly caughtUp: (first: Location, until: Location) => void;
  /** The subscription ended or was refused. `ended`: the publisher said that the track is over. */
  readonly lost: (how: { readonly refused: boolean; readonly ended: boolean }) => void;
}

/** idle: not asked. asking: no answer yet. joining: accepted, the current group is being fetched. live: all there. waiting: will be asked again. */
export type UpstreamState = "idle" | "asking" | "joining" | "live" | "waiting" | "over";

export class Upstream {
  readonly #options: UpstreamOptions;
  #state: UpstreamState = "idle";
  #subscription: Subscription | undefined;
  #cancelRetry: (() => void) | undefined;
  #abort = new AbortController();
  #withdrawn = false;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  get state(): UpstreamState {
    return this.#state;
  }

  get connection(): Connection {
    return this.#options.connection;
  }

  /** Its namespace was withdrawn: no new subscription, but a standing one goes on until it ends (draft-18 §9.6). */
  withdraw(): void {
    this.#withdrawn = true;
  }

  /** Subscribes, unless that is done or under way. */
  ask(): void {
    if (this.#state !== "idle" && this.#state !== "waiting") return;
    if (this.#withdrawn) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    void this.#run();
  }

  /** Nobody wants the track any more. May be asked again. */
  release(): void {
    if (this.#state === "over") return;
    this.#stop();
    this.#enter("idle");
  }

  close(): void {
    this.#stop();
    this.#enter("over");
  }

  #stop(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#subscription?.cancel();
    this.#subscription = undefined;
  }

  #enter(state: UpstreamState): void {
    if (this.#state === state || this.#state === "over") return;
    this.#state = state;
    this.#options.changed();
  }

  async #run(): Promise<void> {
    const { connection, track, sink, isFed, lost } = this.#options;
    const { signal } = this.#abort;
    this.#enter("asking");
    const held = new HeldObjects(sink("subscription"), !isFed());
    let subscription: Subscription;
    try {
      subscription = await connection.subscribe(
        { track, filter: { type: "largest-object" }, forward: true, signal },
        held.sink,
      );
    } catch {
      if (signal.aborted) return;
      this.#retry();
      lost({ refused: true, ended: false });
      return;
    }
    if (signal.aborted) {
      subscription.cancel();
      return;
    }
    this.#subscription = subscription;
    this.#options.properties(subscription.trackProperties);
    void subscription.ended.then((end) => {
      if (this.#subscription !== subscription) return;
      this.#subscription = undefined;
      held.release();
      this.#retry();
      lost({ refused: false, ended: end.reason === TRACK_ENDED });
    });
    this.#enter("joining");
    await this.#catchUp(subscription, held, signal);
    held.release();
    if (this.#subscription === subscription) this.#enter("live");
  }

  /** What the subscription does not bring. A publisher that cannot answer costs that, not the track. */
  async #catchUp(subscription: Subscription, held: HeldObjects, signal: AbortSignal): Promise<void> {
    const { connection, sink, largest, clock, caughtUp } = this.#options;
    const newest = subscription.largest;
    if (newest === undefined) return;
    const start = this.#start(largest(), newest);
    if (start === undefined) return;
    const cancelTimer = clock.setTimer(CATCH_UP_TIMEOUT_MS, () => held.release());
    try {
      await connection.joiningFetch({ subscription, start, signal }, sink("fetch"));
      if ("absolute" in start) caughtUp({ group: start.absolute, object: 0 }, newest);
    } catch {
      // Live objects follow all the same; subscribers fetch what they miss, from us or from another relay.
    } finally {
      cancelTimer();
    }
  }

  #start(
    known: Location | undefined,
    newest: Location,
  ): { relative: number } | { absolute: Location["group"] } | undefined {
    const { recentGroups, cacheGroups } = this.#options;
    if (known === undefined) return { relative: recentGroups - 1 };
    // A publisher that began anew, or is behind us: it has nothing that we lack.
    if (known.group > newest.group) return undefined;
    if (subVarInt(newest.group, known.group) >= cacheGroups) return { relative: cacheGroups - 1 };
    return { absolute: known.group };
  }

  #retry(): void {
    if (this.#withdrawn) {
      this.#enter("over");
      return;
    }
    this.#cancelRetry = this.#options.clock.setTimer(RETRY_MS, () => this.ask());
    this.#enter("waiting");
  }
}

/** Keeps what a subscription brings, in order, until it is released. */
class HeldObjects {
  readonly sink: ObjectSink;
  #waiting: (() => void)[] | undefined;
  #bytes = 0;

  constructor(inner: ObjectSink, hold: boolean) {
    this.#waiting = hold ? [] : undefined;
    this.sink = {
      accept: (start) => inner.accept?.(start) ?? true,
      streamStart: (header) => this.#pass(0, () => inner.streamStart?.(header)),
      object: (object) => this.#pass(object.payload.byteLength, () => inner.object(object)),
      streamEnd: (end) => this.#pass(0, () => inner.streamEnd?.(end)),
    };
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const action of waiting) action();
  }

  #pass(bytes: number, action: () => void): void {
    if (this.#waiting === undefined) {
      action();
      return;
    }
    this.#waiting.push(action);
    this.#bytes += bytes;
    if (this.#bytes > MAX_HELD_BYTES) this.release();
  }
}
