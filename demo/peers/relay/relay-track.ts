/**
 * One track in the relay: any number of publishers merged into one, served to any number of subscribers (draft-18 §9.5).
 *
 * It is read from upstream (track-upstreams.ts) while somebody wants it, and a little longer, so that a viewer who reloads finds the cache warm.
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
} from "../../../src/transport/connection.ts";
import { publishDoneCodes, requestErrors } from "../../../src/wire/codes.ts";
import type { KeyValue } from "../../../src/wire/messages.ts";
import { type FullTrackName, type Location, trackKey } from "../../../src/wire/names.ts";
import type { MoqObject } from "../../../src/wire/objects.ts";
import { compareVarInt, type VarInt } from "../../../src/wire/varint.ts";
import type { FileGroups } from "./files/file-groups.ts";
import { KeptTrack } from "./files/kept-track.ts";
import { type LookUpTarget, TrackUpstreams } from "./track-upstreams.ts";
import { RETRY_MS } from "./upstream.ts";

/** How long a track nobody watches stays subscribed upstream. */
export const LINGER_MS = 30_000;

/** How long a subscriber waits for the track to be joined upstream, the dialing of an origin included, before it is accepted or refused with what there is. */
const JOIN_TIMEOUT_MS = 3000;

/** The longest that a subscriber's RENDEZVOUS_TIMEOUT is honoured: long enough for a broadcast that begins on the hour, and no longer than an idle session lives. */
export const MAX_RENDEZVOUS_MS = 30_000;

export interface RelayTrackOptions {
  readonly track: FullTrackName;
  readonly clock: Clock;
  /** Groups kept for FETCH. */
  readonly cacheGroups: number;
  /** How long a track nobody watches stays subscribed upstream; default {@link LINGER_MS}. */
  readonly lingerMs?: number;
  /** An edge: begins to look for a relay that has the track. Returns what ends the search. */
  readonly lookUp?: (track: FullTrackName, target: LookUpTarget) => () => void;
  /** Where groups are kept beyond the cache. */
  readonly files?: FileGroups;
  /** The files cannot be written. */
  readonly onFilesFailed?: (thrown: unknown) => void;
  /** A new object came from upstream. */
  readonly onObject: () => void;
  /** The linger is over: nobody wants this track and nothing feeds it. */
  readonly onIdle: () => void;
}

export class RelayTrack {
  readonly #options: RelayTrackOptions;
  readonly #server: TrackServer;
  readonly #merger: TrackMerger<MoqObject>;
  readonly #upstreams: TrackUpstreams;
  readonly #waiting = new Set<() => void>();
  readonly #kept: KeptTrack | undefined;
  #cancelLinger: (() => void) | undefined;
  #closed = false;

  constructor(options: RelayTrackOptions) {
    this.#options = options;
    const cache = new GroupCache(options.cacheGroups);
    const { files, onFilesFailed = () => undefined } = options;
    const kept = files && new KeptTrack(trackKey(options.track), files, cache, onFilesFailed);
    this.#kept = kept;
    this.#server = new TrackServer({
      track: options.track,
      cache,
      older: (first, last) => this.#older(first, last),
      ...(kept && {
        largestKept: () => kept.largest(),
        // Who is asked upstream may have more than the files: then every group may be there.
        oldest: async (from: VarInt) => (this.#upstreams.isServed ? from : kept.floor(from)),
      }),
    });
    this.#server.onSubscribers = (count) => (count === 0 ? this.#linger() : undefined);
    this.#merger = forwardingMerger({ clock: options.clock });
    this.#upstreams = new TrackUpstreams({
      track: options.track,
      clock: options.clock,
      cacheGroups: options.cacheGroups,
      merger: this.#merger,
      ...(options.lookUp && { lookUp: options.lookUp }),
      largest: () => cache.largest,
      properties: (properties) => this.#learn(properties),
      caughtUp: (first, until) => this.#caughtUp(first, until),
      changed: () => {
        for (const check of [...this.#waiting]) check();
      },
      ended: () => this.#endWithPublishers(),
    });
    this.#merger.on("delivered", ({ object }) => {
      this.#take(object);
      this.#kept?.added(object.group);
    });
    // Too late for subscribers, but not for who fetches. Files keep what they have of the group: the cache may have given it up, and the rest is no replacement.
    this.#merger.on("repair", ({ object }) => this.#take(object));
    this.#merger.on("subgroupEnd", (end) => {
      this.#server.endSubgroup(end.group, end.subgroup ?? 0, {
        clean: end.complete,
        endOfGroup: end.endOfGroup,
      });
      if (this.#server.cache.get(end.group)?.complete) this.#kept?.completed(end.group);
    });
  }

  get name(): FullTrackName {
    return this.#options.track;
  }

  /** A publisher pushes it with PUBLISH. */
  get isPushed(): boolean {
    return this.#upstreams.isPushed;
  }

  get subscribers(): number {
    return this.#server.subscribers;
  }

  /** Objects written to subscribers and fetches so far. */
  get objectsSent(): number {
    return this.#server.objectsSent;
  }

  get largest(): Location | undefined {
    return this.#server.cache.largest;
  }

  get properties(): readonly KeyValue[] {
    return this.#server.properties;
  }

  /** A publisher of this track's namespace is there. Asked at once when somebody wants the track. */
  addPublisher(source: SourceId, connection: Connection): void {
    this.#upstreams.addPublisher(source, connection);
  }

  /** The namespace was withdrawn (`gone` false: the session goes on, and so does what is subscribed), or the session ended. */
  removePublisher(source: SourceId, gone: boolean): void {
    this.#upstreams.removePublisher(source, gone);
  }

  /** A publisher pushes the track with PUBLISH. */
  acceptPublish(source: SourceId, request: IncomingPublish): void {
    this.#upstreams.acceptPublish(source, request);
  }

  async subscribe(request: IncomingSubscribe): Promise<void> {
    await this.#ready();
    // An established upstream is what SUBSCRIBE_OK promises (draft-18 §9.5), and a warm cache is none. Files are: what they hold is served as an original publisher would.
    const isServable = () =>
      this.#upstreams.isServed || (this.#kept !== undefined && this.largest !== undefined);
    // §10.2.6: who says so would rather wait for a publisher than hear that there is none.
    const patienceMs = Math.min(Number(request.parameters.rendezvousTimeoutMs ?? 0), MAX_RENDEZVOUS_MS);
    if (patienceMs > 0) await this.#until(isServable, patienceMs);
    if (isServable()) this.#server.subscribe(request);
    else {
      request.reject({
        errorCode: requestErrors[patienceMs > 0 ? "timeout" : "does-not-exist"],
        reason: "no publisher has this track",
        retryAfterMs: RETRY_MS,
      });
    }
  }

  /** Offers the track with PUBLISH to a peer that asked for such. Rejects when it is declined. */
  async offerTo(connection: Connection): Promise<void> {
    const { largest, properties: trackProperties } = this;
    const published = await connection.publish(this.name, { trackProperties, ...(largest && { largest }) });
    this.#upstreams.want();
    this.#cancelLinger?.();
    this.#server.attach(published);
  }

  async fetch(request: IncomingFetch): Promise<void> {
    await this.#ready();
    await this.#server.fetch(request);
    if (this.#server.subscribers === 0 && !this.#closed) this.#linger();
  }

  /** Reads the track although nobody asks for it: it was recorded before, and is published again. */
  record(): void {
    if (this.#kept !== undefined && !this.#closed) void this.#ready();
  }

  /** Ends everything at once. Resolves when what is to be kept has been written. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelLinger?.();
    this.#upstreams.close();
    this.#merger.close();
    for (const check of [...this.#waiting]) check();
    await this.#kept?.flush();
  }

  // ---- who wants it ----

  /** Sees to it that the track is read, and waits until it is known what the newest group holds, or that nobody has it. */
  async #ready(): Promise<void> {
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    if (this.#server.subscribers === 0) this.#linger();
    this.#upstreams.want();
    await this.#until(() => this.#upstreams.isSettled, JOIN_TIMEOUT_MS);
  }

  /** Resolves when it is so, when the time is over, or when the track is closed. Looks whenever something changed among those who serve. */
  #until(isSo: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiting.delete(check);
        cancel();
        resolve();
      };
      const check = (): void => {
        if (this.#closed || isSo()) finish();
      };
      const cancel = this.#options.clock.setTimer(timeoutMs, finish);
      this.#waiting.add(check);
      check();
    });
  }

  #linger(): void {
    this.#cancelLinger?.();
    this.#cancelLinger = this.#options.clock.setTimer(this.#options.lingerMs ?? LINGER_MS, () => {
      if (this.#server.subscribers > 0) return;
      if (this.#waiting.size > 0) {
        // Who waits may yet be refused, and then nobody would ask again.
        this.#linger();
        return;
      }
      if (this.#kept !== undefined && this.#upstreams.isServedHere) {
        // An archive must not have holes because nobody watched for a while.
        this.#linger();
        return;
      }
      this.#upstreams.release();
      if (!this.isPushed) this.#options.onIdle();
    });
  }

  // ---- what of it is here ----

  #take(object: MoqObject): void {
    this.#options.onObject();
    this.#server.publish(object, this.#upstreams.flagsOf(object));
  }

  /** §9.6: they are passed on as they are. All publishers of a track say the same of it; where one says nothing, the other is believed. */
  #learn(properties: readonly KeyValue[]): void {
    if (this.#server.properties.length > 0 || properties.length === 0) return;
    // Copied: a view would keep the chunk it was read from for as long as the track lives.
    this.#server.properties = properties.map(({ type, value }) => ({
      type,
      value: value instanceof Uint8Array ? value.slice() : value,
    }));
  }

  /** The last publisher said that the track is over: so it is for the subscribers. */
  #endWithPublishers(): void {
    if (this.#upstreams.isServed) return;
    void this.#server.done(publishDoneCodes["track-ended"], "the publisher ended the track").then(() => {
      if (this.#server.subscribers === 0 && !this.#closed) this.#linger();
    });
  }

  /** Groups before the live one that were fetched to their end: nobody else will say that they are whole. */
  #caughtUp(first: Location, until: Location): void {
    for (const group of this.#server.cache.range(first.group, until.group)) {
      if (group.group === until.group) continue;
      for (const subgroup of new Set(group.objects.map((object) => object.subgroup ?? 0))) {
        this.#server.endSubgroup(group.group, subgroup, { clean: true, endOfGroup: true });
      }
    }
  }

  /** Older groups: from the files, and what they lack from the first upstream that has it. */
  async #older(first: VarInt, last: VarInt): Promise<CachedGroup[]> {
    const kept = await this.#kept?.read(first, last);
    if (kept?.all) return kept.groups;
    const groups = new Map((await this.#upstreamGroups(first, last)).map((group) => [group.group, group]));
    for (const group of kept?.groups ?? []) {
      const other = groups.get(group.group);
      if (other === undefined || other.objects.length < group.objects.length) groups.set(group.group, group);
    }
    return [...groups.values()].sort((a, b) => compareVarInt(a.group, b.group));
  }

  async #upstreamGroups(first: VarInt, last: VarInt): Promise<CachedGroup[]> {
    for (const connection of this.#upstreams.connections) {
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
}
