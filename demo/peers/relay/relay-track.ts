/**
 * One track in the relay: any number of upstreams merged into one, served to any number of subscribers (draft-18 §9.5).
 *
 * It is pulled from upstream while somebody wants it, and a little longer, so that a viewer who reloads finds the cache warm.
 */
import type { Clock } from "../../../src/clock.ts";
import { forwardingMerger, type TrackMerger } from "../../../src/merge/track-merger.ts";
import type { SourceId } from "../../../src/merge/types.ts";
import { type CachedGroup, GroupCache } from "../../../src/publish/group-cache.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import type {
  Connection,
  IncomingFetch,
  IncomingPublish,
  IncomingSubscribe,
  ObjectSink,
  Subscription,
} from "../../../src/transport/connection.ts";
import type { FullTrackName, Location } from "../../../src/wire/names.ts";
import type { MoqObject, SubgroupHeader } from "../../../src/wire/objects.ts";
import type { VarInt } from "../../../src/wire/varint.ts";

/** How long a track nobody watches stays subscribed upstream. */
const LINGER_MS = 30_000;

/** How long a subscriber waits for the current group to be fetched from upstream before it is accepted without. */
const JOIN_TIMEOUT_MS = 1500;

/** Pause before an upstream that refused or lost a subscription is asked again. */
const RETRY_MS = 1000;

/** Subgroup headers remembered, to carry their flags on; far more than are open at a time. */
const MAX_REMEMBERED_HEADERS = 64;

const REQUEST_DOES_NOT_EXIST = 0x10;

interface Upstream {
  readonly connection: Connection;
  subscription: Subscription | undefined;
  /** Resolves when the current group was fetched, or could not be. */
  joined: Promise<void>;
  cancelRetry: (() => void) | undefined;
}

export interface RelayTrackOptions {
  readonly track: FullTrackName;
  readonly clock: Clock;
  /** Groups kept for FETCH. */
  readonly cacheGroups: number;
  /** An object came from upstream and is about to go to every subscriber. */
  readonly onObject: () => void;
  /** The linger is over: nobody wants this track and nothing feeds it. */
  readonly onIdle: () => void;
}

export class RelayTrack {
  readonly #options: RelayTrackOptions;
  readonly #server: TrackServer;
  readonly #merger: TrackMerger<MoqObject>;
  readonly #upstreams = new Map<SourceId, Upstream>();
  readonly #pushed = new Map<SourceId, Subscription>();
  readonly #headers = new Map<string, SubgroupHeader>();
  #wanted = false;
  #cancelLinger: (() => void) | undefined;

  constructor(options: RelayTrackOptions) {
    this.#options = options;
    this.#server = new TrackServer({
      track: options.track,
      cache: new GroupCache(options.cacheGroups),
      older: (first, last) => this.#older(first, last),
    });
    this.#server.onSubscribers = (count) => (count === 0 ? this.#linger() : undefined);
    this.#merger = forwardingMerger({ clock: options.clock });
    this.#merger.on("delivered", ({ object }) => {
      options.onObject();
      const header = this.#headers.get(headerKey(object.group, object.subgroup));
      this.#server.publish(object, {
        endOfGroup: header?.endOfGroup ?? false,
        firstObject: header?.firstObject ?? false,
        priority: object.priority,
      });
    });
    this.#merger.on("subgroupEnd", (end) => {
      this.#server.endSubgroup(end.group, end.subgroup ?? 0, {
        clean: end.complete,
        endOfGroup: end.endOfGroup,
      });
    });
  }

  get subscribers(): number {
    return this.#server.subscribers;
  }

  get largest(): Location | undefined {
    return this.#server.cache.largest;
  }

  /** A publisher of this track's namespace is there. Pulled from at once when somebody wants the track. */
  addUpstream(source: SourceId, connection: Connection): void {
    if (this.#upstreams.has(source)) return;
    const upstream: Upstream = {
      connection,
      subscription: undefined,
      joined: Promise.resolve(),
      cancelRetry: undefined,
    };
    this.#upstreams.set(source, upstream);
    if (this.#wanted) this.#pull(source, upstream);
  }

  removeUpstream(source: SourceId): void {
    const upstream = this.#upstreams.get(source);
    if (!upstream) return;
    this.#upstreams.delete(source);
    upstream.cancelRetry?.();
    upstream.subscription?.cancel();
    this.#merger.removeSource(source);
  }

  /** A publisher pushes the track with PUBLISH. */
  acceptPublish(source: SourceId, request: IncomingPublish): void {
    this.#merger.addSource(source);
    const subscription = request.accept(this.#sink(source));
    this.#pushed.set(source, subscription);
    void subscription.ended.then(() => {
      this.#pushed.delete(source);
      this.#merger.removeSource(source);
    });
  }

  async subscribe(request: IncomingSubscribe): Promise<void> {
    if (await this.#ready()) this.#server.subscribe(request);
    else
      request.reject({
        errorCode: REQUEST_DOES_NOT_EXIST,
        reason: "no publisher has this track",
        retryAfterMs: RETRY_MS,
      });
  }

  async fetch(request: IncomingFetch): Promise<void> {
    await this.#ready();
    await this.#server.fetch(request);
  }

  close(): void {
    this.#cancelLinger?.();
    for (const source of [...this.#upstreams.keys()]) this.removeUpstream(source);
    for (const subscription of this.#pushed.values()) subscription.cancel();
    this.#merger.close();
  }

  /** Sees to it that the track is pulled, and waits until it is known what the newest group holds. False: nobody has it. */
  async #ready(): Promise<boolean> {
    this.#wanted = true;
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    if (this.#server.subscribers === 0) this.#linger();
    for (const [source, upstream] of this.#upstreams)
      if (!upstream.subscription) this.#pull(source, upstream);
    await Promise.race([
      Promise.any([...this.#upstreams.values()].map((upstream) => upstream.joined)).catch(() => undefined),
      this.#wait(JOIN_TIMEOUT_MS),
    ]);
    const fed =
      this.#pushed.size > 0 ||
      [...this.#upstreams.values()].some((upstream) => upstream.subscription !== undefined);
    return fed || this.#server.cache.largest !== undefined;
  }

  #pull(source: SourceId, upstream: Upstream): void {
    if (upstream.subscription) return;
    upstream.joined = this.#join(source, upstream);
    upstream.joined.catch(() => this.#retry(source, upstream));
  }

  async #join(source: SourceId, upstream: Upstream): Promise<void> {
    this.#merger.addSource(source);
    const { connection } = upstream;
    const subscription = await connection.subscribe(
      { track: this.#options.track, filter: { type: "largest-object" } },
      this.#sink(source),
    );
    if (this.#upstreams.get(source) !== upstream) return subscription.cancel();
    upstream.subscription = subscription;
    void subscription.ended.then(() => {
      if (this.#upstreams.get(source) !== upstream) return;
      upstream.subscription = undefined;
      this.#merger.removeSource(source);
      if (this.#wanted) this.#retry(source, upstream);
    });
    if (!subscription.largest) return;
    // The beginning of the current group. A publisher that cannot answer costs the group's beginning, not the track.
    await connection
      .joiningFetch({ subscription, start: { relative: 0 } }, this.#merger.sink(source, "fetch"))
      .catch(() => undefined);
  }

  #retry(source: SourceId, upstream: Upstream): void {
    if (this.#upstreams.get(source) !== upstream || upstream.cancelRetry) return;
    upstream.cancelRetry = this.#options.clock.setTimer(RETRY_MS, () => {
      upstream.cancelRetry = undefined;
      if (this.#wanted && this.#upstreams.get(source) === upstream) this.#pull(source, upstream);
    });
  }

  #linger(): void {
    this.#cancelLinger?.();
    this.#cancelLinger = this.#options.clock.setTimer(LINGER_MS, () => {
      if (this.#server.subscribers > 0) return;
      this.#wanted = false;
      for (const upstream of this.#upstreams.values()) {
        upstream.subscription?.cancel();
        upstream.subscription = undefined;
      }
      if (this.#pushed.size === 0) this.#options.onIdle();
    });
  }

  /** Older groups from the first upstream that has them. */
  async #older(first: VarInt, last: VarInt): Promise<CachedGroup[]> {
    for (const { connection } of this.#upstreams.values()) {
      const found = new GroupCache(Number.POSITIVE_INFINITY);
      try {
        await connection.fetch(
          { track: this.#options.track, start: { group: first, object: 0 }, end: { group: last } },
          { object: (object) => void found.put(object) },
        );
        return [...found.range(first, last)];
      } catch {
        // The next upstream may have them; if none has, the answer is what the cache holds.
      }
    }
    return [];
  }

  #sink(source: SourceId): ObjectSink {
    const sink = this.#merger.sink(source, "subscription");
    return {
      ...sink,
      streamStart: (header) => {
        this.#headers.set(headerKey(header.group, header.subgroup), header);
        if (this.#headers.size > MAX_REMEMBERED_HEADERS) {
          const oldest = this.#headers.keys().next().value;
          if (oldest !== undefined) this.#headers.delete(oldest);
        }
        sink.streamStart?.(header);
      },
    };
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(delayMs, resolve));
  }
}

function headerKey(group: VarInt, subgroup: VarInt | undefined): string {
  return `${group}/${subgroup ?? 0}`;
}
