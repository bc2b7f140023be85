/**
 * Who has a track: publishers that announced it or push it, and, for an edge, the relay that was found for it. Each is a source of the track's merger, asked while
 * somebody wants the track; a relay is looked for only while no publisher connected here serves.
 */
import type { Clock } from "../../../src/clock.ts";
import type { TrackMerger } from "../../../src/merge/track-merger.ts";
import type { SourceId } from "../../../src/merge/types.ts";
import type { SubgroupFlags } from "../../../src/publish/downstream.ts";
import type {
  Connection,
  IncomingPublish,
  ObjectSink,
  Subscription,
} from "../../../src/transport/connection.ts";
import type { KeyValue } from "../../../src/wire/messages.ts";
import type { FullTrackName, Location } from "../../../src/wire/names.ts";
import type { MoqObject, SubgroupHeader } from "../../../src/wire/objects.ts";
import type { VarInt } from "../../../src/wire/varint.ts";
import { Upstream } from "./upstream.ts";

/** A reset of a stream may be the first sign that its whole session is gone: the merger hears of it only when that has not shown meanwhile. */
const RESET_SETTLE_MS = 100;

/** After a publisher was lost, how long its subgroups may be carried on by another one, or by itself when it is back. */
const RETURN_MS = 2500;

/** Subgroup headers remembered, to carry their flags on; far more than are open at a time. */
const MAX_REMEMBERED_HEADERS = 64;

/** Stands in the merger for a publisher that may come. */
const EXPECTED: SourceId = "expected";

/** Recent groups that an edge fetches before it follows live: what a joining viewer rewinds to most often. */
const EDGE_RECENT_GROUPS = 4;

/** What an edge's search for another relay tells the track. */
export interface LookUpTarget {
  use(source: SourceId, connection: Connection, refused: () => void): void;
  drop(source: SourceId): void;
  /** No relay serves the track, as far as anybody knows. */
  nobody(): void;
}

export interface TrackUpstreamsOptions {
  readonly track: FullTrackName;
  readonly clock: Clock;
  readonly cacheGroups: number;
  readonly merger: TrackMerger<MoqObject>;
  /** An edge: begins to look for a relay that has the track. Returns what ends the search. */
  readonly lookUp?: (track: FullTrackName, target: LookUpTarget) => () => void;
  /** The newest object that is here already. */
  readonly largest: () => Location | undefined;
  /** What a publisher says of the track as a whole, before anything of it is served. */
  readonly properties: (properties: readonly KeyValue[]) => void;
  /** Between these groups, exclusive of the second, everything that exists is here now. */
  readonly caughtUp: (first: Location, until: Location) => void;
  /** Who serves, or may serve soon, is not what it was. */
  readonly changed: () => void;
  /** A publisher said that the track is over. */
  readonly ended: () => void;
}

export class TrackUpstreams {
  readonly #options: TrackUpstreamsOptions;
  readonly #publishers = new Map<SourceId, Upstream>();
  readonly #relays = new Map<SourceId, Upstream>();
  readonly #pushed = new Map<SourceId, Subscription>();
  readonly #headers = new Map<string, SubgroupHeader>();
  #wanted = false;
  #stopLookUp: (() => void) | undefined;
  #lookUpFailed = false;
  #cancelExpectation: (() => void) | undefined;
  #closed = false;

  constructor(options: TrackUpstreamsOptions) {
    this.#options = options;
  }

  /** A publisher pushes it with PUBLISH. */
  get isPushed(): boolean {
    return this.#pushed.size > 0;
  }

  /** Somebody connected to this relay serves the track. */
  get isServedHere(): boolean {
    return this.isPushed || [...this.#publishers.values()].some(isEstablished);
  }

  get isServed(): boolean {
    return this.isServedHere || [...this.#relays.values()].some(isEstablished);
  }

  /** The track has been joined, or there is nobody left from whom it may come soon. */
  get isSettled(): boolean {
    const states = this.#all().map(({ state }) => state);
    const pending = states.some((state) => state === "asking" || state === "joining");
    const searching = this.#stopLookUp !== undefined && !this.#lookUpFailed && this.#relays.size === 0;
    return this.isPushed || states.includes("live") || !(pending || searching);
  }

  /** Sessions to fetch from. */
  get connections(): readonly Connection[] {
    return this.#all().map(({ connection }) => connection);
  }

  /** What the stream said by which this object came, for those by which it goes on. */
  flagsOf({ group, subgroup, object, priority }: MoqObject): SubgroupFlags {
    const header = this.#headers.get(headerKey(group, subgroup));
    return {
      endOfGroup: header?.endOfGroup ?? false,
      firstObject: header?.firstObject ?? object === 0,
      priority,
    };
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
    this.#options.merger.addSource(source);
    this.#options.properties(request.trackProperties);
    const subscription = request.accept(this.#sink(source, "subscription", () => this.#pushed.has(source)));
    this.#pushed.set(source, subscription);
    this.#settle();
    void subscription.ended.then((end) => {
      this.#pushed.delete(source);
      this.#leave(source);
      if (end.reason === "track-ended") this.#options.ended();
    });
  }

  /** Somebody wants the track: all that have it are asked at once, and none twice, since those that are asked already go on. */
  want(): void {
    this.#wanted = true;
    if (!this.isServed) for (const upstream of this.#publishers.values()) upstream.ask();
    this.#settle();
  }

  /** Nobody wants the track any more. What is pushed stays. */
  release(): void {
    this.#wanted = false;
    for (const [source, upstream] of this.#publishers) {
      upstream.release();
      this.#options.merger.removeSource(source);
    }
    this.#settle();
  }

  close(): void {
    this.#closed = true;
    this.#wanted = false;
    this.#cancelExpectation?.();
    this.#stopLookUp?.();
    this.#stopLookUp = undefined;
    for (const upstream of this.#all()) upstream.close();
    for (const subscription of this.#pushed.values()) subscription.cancel();
  }

  #all(): Upstream[] {
    return [...this.#publishers.values(), ...this.#relays.values()];
  }

  #upstream(
    among: Map<SourceId, Upstream>,
    source: SourceId,
    connection: Connection,
    recentGroups: number,
    refused?: () => void,
  ): Upstream {
    const { track, clock, cacheGroups, largest, merger, properties, caughtUp, ended } = this.#options;
    const upstream: Upstream = new Upstream({
      connection,
      track,
      clock,
      recentGroups: Math.min(recentGroups, cacheGroups),
      cacheGroups,
      largest,
      isFed: () => this.isPushed || this.#all().some((other) => other !== upstream && other.state === "live"),
      sink: (request) => {
        merger.addSource(source);
        return this.#sink(source, request, () => among.get(source) === upstream && isEstablished(upstream));
      },
      properties,
      caughtUp,
      changed: () => {
        if (upstream.state === "over" && among.get(source) === upstream) among.delete(source);
        this.#settle();
      },
      lost: (how) => {
        this.#leave(source);
        if (how.refused) refused?.();
        else if (how.ended) ended();
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
    else this.#options.merger.removeSource(source);
    this.#settle();
  }

  /** A source is gone. Its subgroups wait a moment for another to carry them on, so that none is split over two streams downstream. */
  #leave(source: SourceId): void {
    if (this.#wanted && !this.#closed) {
      this.#options.merger.addSource(EXPECTED);
      this.#cancelExpectation?.();
      this.#cancelExpectation = this.#options.clock.setTimer(RETURN_MS, () =>
        this.#options.merger.removeSource(EXPECTED),
      );
    }
    this.#options.merger.removeSource(source);
    this.#settle();
  }

  /** Looks elsewhere while nobody here serves, and only then; tells those who wait. */
  #settle(): void {
    const { lookUp, track } = this.#options;
    const needed = this.#wanted && !this.#closed && !this.isServedHere;
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
    this.#options.changed();
  }

  #sink(source: SourceId, request: "subscription" | "fetch", isCurrent: () => boolean): ObjectSink {
    const sink = this.#options.merger.sink(source, request);
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
