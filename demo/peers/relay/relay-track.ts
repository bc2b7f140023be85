/**
 * One track in the relay: any number of publishers merged into one, served to any number of subscribers (draft-18 §9.5).
 *
 * It is read from upstream while somebody wants it, and a little longer, so that a viewer who reloads finds the cache warm. Publishers connected to this relay are
 * all subscribed to; an edge looks for another relay only while none of them serves.
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
import { publishDoneCodes, requestErrors } from "../../../src/wire/codes.ts";
import { type FullTrackName, type Location, trackKey } from "../../../src/wire/names.ts";
import type { MoqObject, SubgroupHeader } from "../../../src/wire/objects.ts";
import { compareVarInt, type VarInt } from "../../../src/wire/varint.ts";
import type { FileGroups } from "./files/file-groups.ts";
import { KeptTrack } from "./files/kept-track.ts";
import { RETRY_MS, Upstream } from "./upstream.ts";

/** How long a track nobody watches stays subscribed upstream. */
export const LINGER_MS = 30_000;

/** How long a subscriber waits for the track to be joined upstream, the dialing of an origin included, before it is accepted or refused with what there is. */
const JOIN_TIMEOUT_MS = 3000;

/** A reset of a stream may be the first sign that its whole session is gone: the merger hears of it only when that has not shown meanwhile. */
const RESET_SETTLE_MS = 100;

/** After a publisher was lost, how long its subgroups may be carried on by another one, or by itself when it is back. */
const RETURN_MS = 2500;

/** Subgroup headers remembered, to carry their flags on; far more than are open at a time. */
const MAX_REMEMBERED_HEADERS = 64;

/** Stands in the merger for a publisher that may come. */
const EXPECTED: SourceId = "expected";

/** What an edge's search for another relay tells the track. */
export interface LookUpTarget {
  use(source: SourceId, connection: Connection, refused: () => void): void;
  drop(source: SourceId): void;
  /** No relay serves the track, as far as anybody knows. */
  nobody(): void;
}

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

/** Recent groups that an edge fetches before it follows live: what a joining viewer rewinds to most often. */
const EDGE_RECENT_GROUPS = 4;

export class RelayTrack {
  readonly #options: RelayTrackOptions;
  readonly #server: TrackServer;
  readonly #merger: TrackMerger<MoqObject>;
  readonly #publishers = new Map<SourceId, Upstream>();
  readonly #relays = new Map<SourceId, Upstream>();
  readonly #pushed = new Map<SourceId, Subscription>();
  readonly #headers = new Map<string, SubgroupHeader>();
  readonly #waiting = new Set<() => void>();
  readonly #kept: KeptTrack | undefined;
  #wanted = false;
  #stopLookUp: (() => void) | undefined;
  #lookUpFailed = false;
  #cancelLinger: (() => void) | undefined;
  #cancelExpectation: (() => void) | undefined;
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
        oldest: async (from: VarInt) => (this.#isServed() ? from : kept.floor(from)),
      }),
    });
    this.#server.onSubscribers = (count) => (count === 0 ? this.#linger() : undefined);
    this.#merger = forwardingMerger({ clock: options.clock });
    this.#merger.on("delivered", ({ object }) => {
      options.onObject();
      const header = this.#headers.get(headerKey(object.group, object.subgroup));
      this.#server.publish(object, {
        endOfGroup: header?.endOfGroup ?? false,
        firstObject: header?.firstObject ?? object.object === 0,
        priority: object.priority,
      });
      this.#kept?.added(object.group);
    });
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
    return this.#pushed.size > 0;
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

  /** A publisher of this track's namespace is there. Asked at once when somebody wants the track. */
  addPublisher(source: SourceId, connection: Connection): void {
    if (this.#publishers.has(source)) return;
    this.#publishers.set(source, this.#upstream(this.#publishers, source, connection, 1));
    if (this.#wanted) this.#publishers.get(source)?.ask();
  }

  /** The namespace was withdrawn (`gone` false: the session goes on, and so does what is subscribed), or the session ended. */
  removePublisher(source: SourceId, gone: boolean): void {
    const upstream = this.#publishers.get(source);
    if (!upstream) return;
    upstream.withdraw();
    if (gone || upstream.state === "idle" || upstream.state === "waiting")
      this.#drop(this.#publishers, source);
  }

  /** A publisher pushes the track with PUBLISH. */
  acceptPublish(source: SourceId, request: IncomingPublish): void {
    this.#merger.addSource(source);
    const subscription = request.accept(this.#sink(source, "subscription", () => this.#pushed.has(source)));
    this.#pushed.set(source, subscription);
    this.#settle();
    void subscription.ended.then((end) => {
      this.#pushed.delete(source);
      this.#leave(source);
      if (end.reason === "track-ended") this.#endWithPublishers();
    });
  }

  async subscribe(request: IncomingSubscribe): Promise<void> {
    await this.#ready();
    // An established upstream is what SUBSCRIBE_OK promises (draft-18 §9.5), and a warm cache is none. Files are: what they hold is served as an original publisher would.
    if (this.#isServed() || (this.#kept !== undefined && this.largest !== undefined))
      this.#server.subscribe(request);
    else
      request.reject({
        errorCode: requestErrors["does-not-exist"],
        reason: "no publisher has this track",
        retryAfterMs: RETRY_MS,
      });
  }

  /** Offers the track with PUBLISH to a peer that asked for such. Rejects when it is declined. */
  async offerTo(connection: Connection): Promise<void> {
    const { largest } = this;
    const published = await connection.publish(this.name, { ...(largest && { largest }) });
    this.#wanted = true;
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
    this.#wanted = false;
    this.#cancelLinger?.();
    this.#cancelExpectation?.();
    this.#stopLookUp?.();
    this.#stopLookUp = undefined;
    for (const upstream of [...this.#publishers.values(), ...this.#relays.values()]) upstream.close();
    for (const subscription of this.#pushed.values()) subscription.cancel();
    this.#merger.close();
    for (const check of [...this.#waiting]) check();
    await this.#kept?.flush();
  }

  // ---- who wants it ----

  /** Sees to it that the track is read, and waits until it is known what the newest group holds, or that nobody has it. */
  async #ready(): Promise<void> {
    this.#wanted = true;
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    if (this.#server.subscribers === 0) this.#linger();
    // All at once, and none twice: those that are asked already go on.
    if (!this.#isServed()) for (const upstream of this.#publishers.values()) upstream.ask();
    this.#settle();
    await this.#joined();
  }

  /** Resolves when something feeds the track, when nothing is left to wait for, or when it takes too long. */
  #joined(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiting.delete(check);
        cancel();
        resolve();
      };
      const check = (): void => {
        const states = this.#all().map(({ state }) => state);
        const pending = states.some((state) => state === "asking" || state === "joining");
        const searching = this.#stopLookUp !== undefined && !this.#lookUpFailed && this.#relays.size === 0;
        if (this.#closed || this.#pushed.size > 0 || states.includes("live") || !(pending || searching))
          finish();
      };
      const cancel = this.#options.clock.setTimer(JOIN_TIMEOUT_MS, finish);
      this.#waiting.add(check);
      check();
    });
  }

  #linger(): void {
    this.#cancelLinger?.();
    this.#cancelLinger = this.#options.clock.setTimer(this.#options.lingerMs ?? LINGER_MS, () => {
      if (this.#server.subscribers > 0 || this.#waiting.size > 0) return;
      if (this.#kept !== undefined && this.#isServedHere()) {
        // An archive must not have holes because nobody watched for a while.
        this.#linger();
        return;
      }
      this.#wanted = false;
      for (const [source, upstream] of this.#publishers) {
        upstream.release();
        this.#merger.removeSource(source);
      }
      this.#settle();
      if (this.#pushed.size === 0) this.#options.onIdle();
    });
  }

  // ---- who has it ----

  #all(): Upstream[] {
    return [...this.#publishers.values(), ...this.#relays.values()];
  }

  /** Somebody connected to this relay serves the track. */
  #isServedHere(): boolean {
    return this.#pushed.size > 0 || [...this.#publishers.values()].some(isEstablished);
  }

  #isServed(): boolean {
    return this.#isServedHere() || [...this.#relays.values()].some(isEstablished);
  }

  #upstream(
    among: Map<SourceId, Upstream>,
    source: SourceId,
    connection: Connection,
    recentGroups: number,
    refused?: () => void,
  ): Upstream {
    const { track, clock, cacheGroups } = this.#options;
    const upstream: Upstream = new Upstream({
      connection,
      track,
      clock,
      recentGroups: Math.min(recentGroups, cacheGroups),
      cacheGroups,
      largest: () => this.#server.cache.largest,
      isFed: () =>
        this.#pushed.size > 0 || this.#all().some((other) => other !== upstream && other.state === "live"),
      sink: (request) => {
        this.#merger.addSource(source);
        return this.#sink(source, request, () => among.get(source) === upstream && isEstablished(upstream));
      },
      caughtUp: (first, until) => this.#caughtUp(first, until),
      changed: () => {
        if (upstream.state === "over" && among.get(source) === upstream) among.delete(source);
        this.#settle();
      },
      lost: (how) => {
        this.#leave(source);
        if (how.refused) refused?.();
        else if (how.ended) this.#endWithPublishers();
      },
    });
    return upstream;
  }

  #drop(among: Map<SourceId, Upstream>, source: SourceId): void {
    const upstream = among.get(source);
    if (!upstream) return;
    among.delete(source);
    const fed = isEstablished(upstream);
    upstream.close();
    if (fed) this.#leave(source);
    else this.#merger.removeSource(source);
    this.#settle();
  }

  /** A source is gone. Its subgroups wait a moment for another to carry them on, so that none is split over two streams downstream. */
  #leave(source: SourceId): void {
    if (this.#wanted && !this.#closed) {
      this.#merger.addSource(EXPECTED);
      this.#cancelExpectation?.();
      this.#cancelExpectation = this.#options.clock.setTimer(RETURN_MS, () =>
        this.#merger.removeSource(EXPECTED),
      );
    }
    this.#merger.removeSource(source);
    this.#settle();
  }

  /** Looks elsewhere while nobody here serves, and only then; tells those who wait. */
  #settle(): void {
    const { lookUp, track } = this.#options;
    const needed = this.#wanted && !this.#closed && !this.#isServedHere();
    if (needed && lookUp !== undefined && this.#stopLookUp === undefined) {
      this.#lookUpFailed = false;
      this.#stopLookUp = lookUp(track, {
        use: (source, connection, refused) => {
          this.#lookUpFailed = false;
          this.#drop(this.#relays, source);
          const upstream = this.#upstream(this.#relays, source, connection, EDGE_RECENT_GROUPS, refused);
          this.#relays.set(source, upstream);
          upstream.ask();
        },
        drop: (source) => this.#drop(this.#relays, source),
        nobody: () => {
          this.#lookUpFailed = true;
          this.#settle();
        },
      });
    } else if (!needed && this.#stopLookUp !== undefined) {
      const stop = this.#stopLookUp;
      this.#stopLookUp = undefined;
      for (const source of [...this.#relays.keys()]) this.#drop(this.#relays, source);
      stop();
    }
    for (const check of [...this.#waiting]) check();
  }

  /** The last publisher said that the track is over: so it is for the subscribers. */
  #endWithPublishers(): void {
    if (this.#isServed()) return;
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
    for (const { connection } of this.#all()) {
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

  #sink(source: SourceId, request: "subscription" | "fetch", isCurrent: () => boolean): ObjectSink {
    const sink = this.#merger.sink(source, request);
    if (request === "fetch") return sink;
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
      streamEnd: (end) => {
        if (end.complete) sink.streamEnd?.(end);
        else {
          this.#options.clock.setTimer(RESET_SETTLE_MS, () => {
            if (isCurrent()) sink.streamEnd?.(end);
          });
        }
      },
    };
  }
}

function isEstablished(upstream: Upstream): boolean {
  return upstream.state === "joining" || upstream.state === "live";
}

function headerKey(group: VarInt, subgroup: VarInt | undefined): string {
  return `${group}/${subgroup ?? 0}`;
}
