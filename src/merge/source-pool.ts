/**
 * The relays of a broadcast.
 *
 * A viewer names relays; the pool keeps as many of them at work as redundancy asks for, and the others standing by. Every working source is subscribed to
 * every track; a relay that joins, or comes back, fetches what is lacked up to where its subscription begins. What is signed for and does not come is
 * fetched from another relay; a relay that sends what contradicts a signature is banned for a while. Nothing here judges bytes: that is
 * trust's, through the merger.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import { compareLocations, trackKey } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { ConnectionProvider } from "./connection-provider.ts";
import type { Surrender } from "./group-buffer.ts";
import type { LieLimits } from "./lie-record.ts";
import { isProvenLie } from "./lie-record.ts";
import { MISSING_AFTER_MS } from "./limits.ts";
import { PoolSource } from "./pool-source.ts";
import type { TrackSequencer } from "./sequencer.ts";
import { canonicalAddress } from "./source-instance.ts";
import { SourceWatch } from "./source-watch.ts";
import type { TrackSpec } from "./track-feed.ts";
import type { TrackMerger } from "./track-merger.ts";
import type { RepairLimits, RepairSource } from "./track-repairs.ts";
import { TrackRepairs } from "./track-repairs.ts";
import type { SourceId, SourceState } from "./types.ts";

export interface SourcePoolOptions extends LieLimits, RepairLimits {
  readonly clock: Clock;
  readonly provider: ConnectionProvider;
  readonly sources: readonly SourceId[];
  /** How many sources send at once; the others stand by with FORWARD 0. Default: all. */
  readonly redundancy?: number;
  /** For back-off jitter; default Math.random. */
  readonly random?: () => number;
}

export interface SourceStatus {
  readonly source: SourceId;
  readonly state: SourceState;
  readonly error: CountersignError | undefined;
}

export interface SourcePoolEvents {
  source: SourceStatus;
  /** A source accepted the subscription to a track, for the first time or again. */
  subscribed: { readonly source: SourceId; readonly track: string };
  /** A request about one track was refused or broke off; it is tried again. */
  problem: { readonly source: SourceId; readonly track: string; readonly error: CountersignError };
  /** A publisher said that the track is over there. */
  trackEnded: { readonly source: SourceId; readonly track: string };
  /** No source is left that could serve: all are banned ("all-relays-lie"), or none is connected ("no-object-relay"). Once until one serves again. */
  starved: { readonly error: CountersignError };
  /** One serves again. */
  recovered: { readonly source: SourceId };
}

/** A source that requests beside the tracks can be made of. */
export interface ConnectedSource extends RepairSource {
  /** It does not send: what is asked of it costs bytes that nobody pays for otherwise. */
  readonly standsBy: boolean;
}

/** How a merged track is read. */
export interface MergedTrackOptions {
  readonly priority?: number;
}

export class SourcePool {
  readonly #options: SourcePoolOptions;
  readonly #random: () => number;
  readonly #events = new Emitter<SourcePoolEvents>();
  readonly #sources = new Map<SourceId, PoolSource>();
  readonly #tracks = new Set<TrackSpec>();
  readonly #watch: SourceWatch<PoolSource>;
  #redundancy: number;
  /** Connected and chosen to send. */
  #sending: ReadonlySet<PoolSource> = new Set();
  #rebalancing = false;
  #starved: CountersignError["code"] | undefined;
  #closed = false;

  constructor(options: SourcePoolOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#redundancy = options.redundancy ?? Number.POSITIVE_INFINITY;
    this.#watch = new SourceWatch({
      clock: options.clock,
      sending: () => this.#sending,
      hasStandby: () =>
        this.#connected().some((source) => !source.forward && !source.hasLied && !source.isBehind),
      verdict: (source, lag) => source.keepsUp(lag),
    });
    // All connect in parallel; the first that answers is the first that serves.
    for (const source of options.sources) this.addSource(source);
  }

  on<K extends keyof SourcePoolEvents>(type: K, listener: (event: SourcePoolEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  sources(): readonly SourceStatus[] {
    return [...this.#sources.values()].map(statusOf);
  }

  /** Whom requests beside the tracks (a group from yesterday) can be made of: the trustworthy before suspects, and those that send before those that stand by, which shall cost nothing. */
  connected(): readonly ConnectedSource[] {
    const rank = (source: PoolSource): number =>
      (source.state === "suspect" ? 2 : 0) + (this.#sending.has(source) ? 0 : 1);
    return this.#connected()
      .sort((a, b) => rank(a) - rank(b))
      .map((source) => ({
        source: source.source,
        connection: source.connection!,
        standsBy: !this.#sending.has(source),
      }));
  }

  /** A relay that turned up late joins in. The same address twice, however it is written, is one source: the first. */
  addSource(source: SourceId): void {
    const address = canonicalAddress(source);
    const isKnown = [...this.#sources.keys()].some((known) => canonicalAddress(known) === address);
    if (this.#closed || isKnown) return;
    const { provider, clock } = this.#options;
    const added = new PoolSource({
      source,
      provider,
      clock,
      random: this.#random,
      limits: this.#options,
      tracks: () => this.#tracks,
      changed: (changed) => this.#changed(changed),
      subscribed: (from, track) =>
        this.#events.emit("subscribed", { source: from.source, track: trackKey(track.name) }),
      problem: (from, track, error) =>
        this.#events.emit("problem", { source: from.source, track: trackKey(track.name), error }),
      trackEnded: (from, track) =>
        this.#events.emit("trackEnded", { source: from.source, track: trackKey(track.name) }),
    });
    this.#sources.set(source, added);
    added.start();
    this.#rebalance();
  }

  removeSource(source: SourceId): void {
    const removed = this.#sources.get(source);
    if (removed === undefined) return;
    this.#sources.delete(source);
    removed.close();
    this.#rebalance();
  }

  setRedundancy(redundancy: number): void {
    this.#redundancy = redundancy;
    this.#rebalance();
  }

  /** A source is known to have lied outside any merger (a catalog, say). */
  reportLie(source: SourceId): void {
    this.#sources.get(source)?.lied();
  }

  /** Reads a track from every source into `target`. Returns the function that ends it. */
  addTrack(track: TrackSpec): () => void {
    this.#tracks.add(track);
    for (const source of this.#sources.values()) source.addTrack(track);
    return () => {
      this.#tracks.delete(track);
      for (const source of this.#sources.values()) source.removeTrack(track);
    };
  }

  /**
   * Reads a track through a merger, and repairs what its sequencer finds missing. The caller joins merger and sequencer (`delivered` to `deliver`, trust's
   * `truth` to `truth`) and closes both. Returns the function that ends it.
   */
  addMergedTrack<T extends MoqObject>(
    name: FullTrackName,
    merger: TrackMerger<T>,
    sequencer: TrackSequencer<T> | undefined,
    options: MergedTrackOptions = {},
  ): () => void {
    const track: TrackSpec = {
      name,
      target: merger,
      needed: () => sequencer?.needed,
      ...(options.priority !== undefined && { priority: options.priority }),
    };
    const refused = new RefusedPlaces();
    const stops: (() => void)[] = [
      merger.on("rejected", ({ source, group, object, reason }) => {
        if (!isProvenLie(reason)) return;
        refused.add(group, object);
        this.#sources.get(source)?.lied();
      }),
    ];
    if (sequencer !== undefined) {
      stops.push(this.#repair(track, merger, sequencer, refused));
      stops.push(
        this.#watch.add({
          signedUpTo: () => sequencer.signedUpTo,
          allowanceMs: () => sequencer.allowanceMs,
          feed: (source) => {
            const feed = source.feed(track);
            return (
              feed && {
                live: feed.live,
                sinceMs: feed.sinceMs,
                furthest: merger.furthest(source.source),
                lagMs: merger.lagMs(source.source),
              }
            );
          },
        }),
      );
    }
    stops.push(this.addTrack(track));
    return () => {
      for (const stop of stops) stop();
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
    this.#tracks.clear();
    this.#events.clear();
  }

  #repair<T extends MoqObject>(
    track: TrackSpec,
    merger: TrackMerger<T>,
    sequencer: TrackSequencer<T>,
    refused: RefusedPlaces,
  ): () => void {
    const explain = (group: VarInt, object: VarInt): Surrender => {
      if (refused.has(group, object)) return { cause: "rejected" };
      return { cause: this.#connected().length === 0 ? "unavailable" : "withheld" };
    };
    const repairs = new TrackRepairs(
      {
        clock: this.#options.clock,
        track: track.name,
        candidates: (location) => this.#candidates(track, merger, location),
        sink: (source) => merger.sink(source, "fetch"),
        isLacked: (group, object) => {
          const { needed } = sequencer;
          return (
            merger.ledger.status(group, object) === "new" &&
            (needed === undefined || !isBefore({ group, object }, needed))
          );
        },
        isJudging: (group, object) => merger.isJudging(group, object),
        withheld: (source, count) => merger.withheld(source, count),
        exhausted: (group, objects) => {
          const hopeless = objects.filter((object) => !this.#canStillCome(track, { group, object }));
          if (hopeless.length > 0) sequencer.giveUp(group, hopeless, explain(group, hopeless[0]!));
        },
      },
      this.#options,
    );
    sequencer.explainWith(explain);
    const stop = sequencer.on("missing", (missing) => {
      for (const source of this.#sources.values()) {
        // It sent something later on the same track, so it passed these over.
        const furthest = source.feed(track)?.furthest;
        const passed = missing.objects.filter(
          (object) => furthest !== undefined && isBefore({ group: missing.group, object }, furthest),
        );
        if (passed.length > 0) merger.withheld(source.source, passed.length);
      }
      repairs.request(missing);
    });
    // What the source's own join fetches is under way by then; what is still lacked is worth a repair.
    const cancels = new Set<() => void>();
    const stopResuming = this.#events.on("subscribed", ({ track: key }) => {
      if (key !== trackKey(track.name)) return;
      const cancel = this.#options.clock.setTimer(MISSING_AFTER_MS, () => {
        cancels.delete(cancel);
        repairs.resume();
      });
      cancels.add(cancel);
    });
    return () => {
      stop();
      stopResuming();
      for (const cancel of cancels) cancel();
      repairs.close();
    };
  }

  /** Whom to ask for an object: the trustworthy before suspects, those that did not pass it over before those that did, the quick before the slow. */
  #candidates<T extends MoqObject>(track: TrackSpec, merger: TrackMerger<T>, location: Location) {
    const rank = (source: PoolSource): number => {
      const furthest = source.feed(track)?.furthest;
      const passedOver = furthest !== undefined && isBefore(location, furthest);
      return (source.state === "suspect" ? 2 : 0) + (passedOver ? 1 : 0);
    };
    return this.#connected()
      .sort((a, b) => rank(a) - rank(b) || merger.lagMs(a.source) - merger.lagMs(b.source))
      .map((source) => ({ source: source.source, connection: source.connection! }));
  }

  /** A live source that has not come to this place yet may still send it. */
  #canStillCome(track: TrackSpec, location: Location): boolean {
    return this.#connected().some((source) => {
      const feed = source.feed(track);
      if (feed === undefined || !feed.live) return false;
      return feed.furthest === undefined || isBefore(feed.furthest, location);
    });
  }

  #connected(): PoolSource[] {
    return [...this.#sources.values()].filter((source) => source.connection !== undefined);
  }

  #changed(source: PoolSource): void {
    if (this.#closed) return;
    this.#rebalance();
    this.#events.emit("source", statusOf(source));
    this.#checkStarvation();
  }

  /**
   * Chooses who sends. Those that do keep on, unless they were caught lying or fell behind; then in the order in which the app named them. Of two addresses of one relay
   * only one sends: the second copy would come by the same hands.
   */
  #rebalance(): void {
    // Changing a source reports back here.
    if (this.#rebalancing) return;
    this.#rebalancing = true;
    const preference = (source: PoolSource): number =>
      (source.hasLied ? 4 : 0) + (source.isBehind ? 2 : 0) + (this.#sending.has(source) ? 0 : 1);
    const connected = this.#connected().sort((a, b) => preference(a) - preference(b));
    const chosen = new Set<PoolSource>();
    const instances = new Set<string>();
    for (const source of connected) {
      const { instance } = source;
      if (chosen.size >= this.#redundancy || (instance !== undefined && instances.has(instance))) continue;
      chosen.add(source);
      if (instance !== undefined) instances.add(instance);
    }
    this.#sending = chosen;
    for (const source of this.#sources.values()) {
      // One that is not connected may begin at once when it is; by then it is known whether it is one too many.
      source.setForward(source.connection === undefined || chosen.has(source));
    }
    this.#rebalancing = false;
  }

  #checkStarvation(): void {
    const sources = [...this.#sources.values()];
    const serving = sources.find((source) => source.connection !== undefined);
    if (serving !== undefined) {
      if (this.#starved !== undefined) this.#events.emit("recovered", { source: serving.source });
      this.#starved = undefined;
      return;
    }
    if (sources.length === 0) return;
    const error = starvation(sources);
    if (error === undefined || error.code === this.#starved) return;
    this.#starved = error.code;
    this.#events.emit("starved", { error });
  }
}

/** Places whose copies were refused lately: why they do not come. A place pushed out is merely explained less well. */
class RefusedPlaces {
  static readonly #MAX = 1024;
  readonly #places = new Set<string>();

  add(group: VarInt, object: VarInt): void {
    this.#places.add(`${group}/${object}`);
    if (this.#places.size > RefusedPlaces.#MAX) this.#places.delete(this.#places.values().next().value!);
  }

  has(group: VarInt, object: VarInt): boolean {
    return this.#places.has(`${group}/${object}`);
  }
}

function starvation(sources: readonly PoolSource[]): CountersignError | undefined {
  if (sources.every((source) => source.state === "banned")) {
    return new CountersignError("all-relays-lie", "Every relay sends objects that the signer did not sign.", {
      hint: "Check that relays and manifest peers carry the same broadcast, and that the pinned root key is its signer's.",
    });
  }
  // At the start nobody is connected yet: that is no failure until somebody failed.
  const cause = sources.find((source) => source.error !== undefined)?.error;
  if (cause === undefined || sources.some((source) => source.error === undefined)) return undefined;
  return new CountersignError("no-object-relay", "None of the relays can be reached.", {
    hint: "They are tried again and again. Check their addresses and that they run.",
    cause,
  });
}

function statusOf(source: PoolSource): SourceStatus {
  return { source: source.source, state: source.state, error: source.error };
}

function isBefore(a: Location, b: Location): boolean {
  return compareLocations(a, b) < 0;
}
