/**
 * One verified catalog being played: a pipeline per track, and the presentation that the page reads.
 *
 * Live, the windows are fed by the relays, with what is stored put in front; with nobody to reach, they hold what is stored and nothing else.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { parseCatalog } from "../src/catalog/parse.ts";
import type { Clock } from "../src/clock.ts";
import type { CountersignError } from "../src/errors.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import { Presentation } from "../src/playback/presentation.ts";
import { TrackWindow, WINDOW_SEGMENTS } from "../src/playback/track-window.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { LayeredTimeline } from "../src/replay/listed-timeline.ts";
import { fixedTimeline, type GroupTimeline, LearntTimeline } from "../src/replay/media-range.ts";
import type { GroupSource, ReplayStore } from "../src/replay/types.ts";
import type { TimeRange, TrackDescription } from "../src/rpc/protocol.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import type { TrackOpener } from "../src/trust/secure-objects/track-opener.ts";
import type { Verified } from "../src/trust/types.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { addVarInt, compareVarInt, subVarInt, type VarInt } from "../src/wire/varint.ts";
import { DeepBroadcast } from "./deep-broadcast.ts";
import { learnTimes } from "./learn-times.ts";
import { type BroadcastTimes, choosePlayableTracks, timelineTrackOf, timesOf } from "./playable-tracks.ts";
import { Reach } from "./reach.ts";
import type { ReadableTrack } from "./readable-tracks.ts";
import type { CatalogProof } from "./recorder.ts";
import { StoredTrack } from "./stored-broadcast.ts";
import { TimelineReader } from "./timeline-reader.ts";
import { type Decryption, openAll, openerOf } from "./track-decryption.ts";
import { type TrackListener, TrackPipeline } from "./track-pipeline.ts";

/** Groups around the picture that eviction spares: a step back, and what hls.js buffers ahead. */
const HELD_BEHIND = 10;
const HELD_AHEAD = 60;

export interface PlayingOptions {
  readonly catalog: Uint8Array;
  /** What proves it, for whoever gets a recording. */
  readonly proof: CatalogProof;
  readonly streamId: Uint8Array;
  readonly namespace: Namespace;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly store: ReplayStore | undefined;
  /** Media that must be there before the page begins, so that it does not begin with a stall. */
  readonly startWithMs: number;
  readonly listener: TrackListener;
  readonly decryption: Decryption;
  readonly onCorrupt: (error: CountersignError) => void;
  /** Worth telling; playback goes on. */
  readonly onWarning: (error: CountersignError) => void;
  /** Whom older media can be fetched from, once they are connected; also while what is stored is played. */
  readonly peers?: Pools;
  /** The app's own source of older media. */
  readonly app?: GroupSource;
}

interface Pools {
  readonly manifests: SourcePool;
  readonly objects: SourcePool;
}

interface PlayingTrack {
  readonly playable: PlayableTrack;
  readonly opener: TrackOpener | undefined;
  readonly stored: StoredTrack | undefined;
  readonly window: TrackWindow;
  /** Undefined when only stored media is played. */
  readonly pipeline: TrackPipeline | undefined;
}

export class Playing {
  readonly streamId: Uint8Array;
  /** SHA-256 of the catalog: what the signer's manifests call it. */
  readonly catalogDigest: Uint8Array;
  readonly times: BroadcastTimes;
  /** When groups play, and which group plays when. */
  readonly timeline: GroupTimeline;
  readonly live: boolean;
  readonly presentation: Presentation;
  /** Media from before the live window, wherever they are. */
  readonly deep: DeepBroadcast;
  readonly reach: Reach;
  readonly #tracks: readonly PlayingTrack[];
  readonly #options: PlayingOptions;
  readonly #stopLearning: (() => void) | undefined;
  /** Undefined: groups are regular, or nobody lists their times. */
  readonly #published: TimelineReader | undefined;
  #heldGroup: VarInt | undefined;

  /** Throws what parseCatalog() and choosePlayableTracks() throw. `pools` undefined: play what is stored. */
  constructor(options: PlayingOptions, pools: Pools | undefined) {
    const catalog = parseCatalog(options.catalog);
    this.#options = options;
    this.streamId = options.streamId;
    this.catalogDigest = sha256(options.catalog);
    this.times = timesOf(catalog);
    this.live = pools !== undefined;
    this.#tracks = choosePlayableTracks(catalog, options.namespace).map((playable) => this.#track(playable));
    const [leading] = this.#tracks;
    if (this.times.regular || !leading) this.timeline = fixedTimeline(this.times.groupMs);
    else {
      const learnt = new LearntTimeline();
      const timeline = new LayeredTimeline(learnt);
      this.timeline = timeline;
      const name = timelineTrackOf(catalog, leading.playable.name, options.namespace);
      if (name !== undefined)
        this.#published = new TimelineReader({
          ...options,
          ...{ name, timeline, onUnusable: options.onWarning },
        });
      this.#stopLearning = learnTimes(learnt, leading.window, (group, time) =>
        this.#published?.seen(group, time),
      );
    }
    this.presentation = new Presentation({
      epochMs: this.times.epochMs,
      windows: this.#tracks.map(({ window }) => window),
      startWithMs: options.startWithMs,
      loadStored: async (name, group, signal) => {
        const track = this.readables.find(({ playable }) => playable.name === name);
        return (await track?.group(group, { signal }))?.objects;
      },
    });
    const { namespace, streamId, keyRing, clock, store, app, peers, onCorrupt } = options;
    this.deep = new DeepBroadcast({
      namespace,
      streamId,
      tracks: this.#tracks.map(({ playable }) => playable.name),
      keyRing,
      clock,
      store,
      app,
      pools: peers,
      newest: (name) =>
        this.#tracks.find(({ playable }) => playable.name === name)?.pipeline?.trust.latestGroup,
      playedAtMs: (group) => {
        const time = this.times.isClocked ? this.timeline.timeOf(group) : undefined;
        return time && this.times.epochMs + time.endMs;
      },
      onCorrupt,
    });
    this.reach = new Reach({
      tracks: this.readables,
      timeline: this.timeline,
      clock,
      live: () => {
        const { startMs, edgeMs } = this;
        return this.live && startMs !== undefined && edgeMs !== undefined ? [{ startMs, endMs: edgeMs }] : [];
      },
    });
    if (pools) {
      for (const pipeline of this.pipelines) pipeline.attach(pools.manifests, pools.objects);
      this.#published?.attach(pools.manifests);
    }
  }

  /** What an earlier session knew of this broadcast's times is known; never rejects. */
  get timesRestored(): Promise<void> {
    return this.#published?.restored ?? Promise.resolve();
  }

  get proof(): CatalogProof {
    return this.#options.proof;
  }

  /** What is stored is not what is played. */
  get isEncrypted(): boolean {
    return this.#tracks.some(({ opener }) => opener !== undefined);
  }

  get pipelines(): readonly TrackPipeline[] {
    return this.#tracks.flatMap(({ pipeline }) => (pipeline ? [pipeline] : []));
  }

  /** The tracks as deep as they can be read, the leading one first. */
  get readables(): readonly ReadableTrack[] {
    return this.#tracks.flatMap(({ playable }) => {
      const deep = this.deep.track(playable.name);
      if (!deep) return [];
      const readable: ReadableTrack = {
        playable,
        stored: async (signal) => (await this.#options.store?.ranges(deep.key, signal)) ?? [],
        ranges: (signal) => deep.ranges(signal),
        group: async (id, how) => {
          const found = await deep.group(id, how);
          return found && { ...found, objects: await this.#opened(playable.name, found.objects, how.signal) };
        },
      };
      return [readable];
    });
  }

  get descriptions(): readonly TrackDescription[] {
    return this.#tracks.map(({ playable }) => ({
      name: playable.name,
      role: playable.role,
      codec: playable.codec,
      mimeType: playable.mimeType,
      ...(playable.width !== undefined && { width: playable.width }),
      ...(playable.height !== undefined && { height: playable.height }),
      ...(playable.bitrate !== undefined && { bitrate: playable.bitrate }),
      ...(playable.lang !== undefined && { lang: playable.lang }),
    }));
  }

  /** Media time up to which every track that has begun can be played; undefined before any. */
  get edgeMs(): number | undefined {
    return this.#bound(({ endTicks }) => endTicks, Math.min);
  }

  /** Where the oldest listed media begin. */
  get startMs(): number | undefined {
    return this.#bound(({ startTicks }) => startTicks, Math.max);
  }

  /** Every track has something to play. */
  get hasBegun(): boolean {
    return this.#tracks.every(({ window }) => window.endTicks !== undefined);
  }

  /** The newest group that every live window has whole; undefined when nothing is live. */
  get newestWhole(): VarInt | undefined {
    if (!this.live) return undefined;
    const newest: VarInt[] = [];
    for (const { window } of this.#tracks) {
      const group = window.segments.findLast(({ open, kind }) => kind === "media" && !open)?.group;
      if (group === undefined) return undefined;
      newest.push(group);
    }
    return newest.sort(compareVarInt)[0];
  }

  /**
   * Puts stored groups in front of the live windows: as many as they list, none at or above what they have. To be called before the page begins to read. Rejects when the
   * store cannot be read.
   */
  async prependStored(): Promise<void> {
    if (!this.times.regular || !this.live) return;
    await Promise.all(
      this.#tracks.map(async ({ playable, stored, window }) => {
        const below = window.segments[0]?.group;
        const segments =
          (await stored?.segments(playable, this.times.groupMs, WINDOW_SEGMENTS - 1, below)) ?? [];
        // Live media may have gone on meanwhile, but only at the other end.
        window.prepend(segments);
      }),
    );
  }

  /** When these groups play. Where nobody knows yet, they are taken to be next, and as long as groups get. */
  spanOf(
    pipeline: Pick<TrackPipeline, "window" | "playable">,
    first: VarInt,
    last: VarInt = first,
  ): TimeRange {
    const { endTicks = 0 } = pipeline.window;
    const startMs = this.timeline.timeOf(first)?.startMs ?? (endTicks / pipeline.playable.timescale) * 1000;
    const groups = Number(subVarInt(last, first)) + 1;
    return { startMs, endMs: this.timeline.timeOf(last)?.endMs ?? startMs + groups * this.times.groupMs };
  }

  /** The viewer is here: what is around that is not evicted under them. */
  hold(positionMs: number | undefined): void {
    const group = positionMs === undefined ? undefined : this.timeline.groupAt(positionMs);
    if (group === undefined || group === this.#heldGroup) return;
    this.#heldGroup = group;
    const first = group > HELD_BEHIND ? subVarInt(group, HELD_BEHIND) : 0;
    const range = { first, last: addVarInt(group, HELD_AHEAD) };
    for (const { key } of this.deep.tracks) this.#options.store?.hold(key, [range]);
  }

  close(): void {
    this.#stopLearning?.();
    this.#published?.close();
    this.presentation.close();
    for (const { pipeline } of this.#tracks) pipeline?.close();
  }

  /** Stored as it was carried; opened on the way out. */
  async #opened(
    name: string,
    objects: readonly Verified<MoqObject>[],
    signal: AbortSignal,
  ): Promise<readonly Verified<MoqObject>[]> {
    const { clock, listener } = this.#options;
    const opener = this.#tracks.find(({ playable }) => playable.name === name)?.opener;
    if (!opener) return objects;
    const onTrouble = (error: CountersignError | undefined): void =>
      listener.locked(`${name}, stored`, error);
    return openAll(opener, objects, { clock, signal, onTrouble });
  }

  #track(playable: PlayableTrack): PlayingTrack {
    const { namespace, streamId, keyRing, clock, store, listener, decryption } = this.#options;
    const opener = openerOf(playable, namespace, decryption, clock);
    const stored = store && new StoredTrack({ store, track: trackOf(namespace, playable.name), streamId });
    if (!this.live)
      return { playable, opener, stored, window: new TrackWindow(playable), pipeline: undefined };
    const pipeline = new TrackPipeline({
      ...{ playable, namespace, streamId, keyRing, clock, store, listener, opener },
    });
    return { playable, opener, stored, window: pipeline.window, pipeline };
  }

  #bound(
    of: (window: TrackWindow) => number | undefined,
    choose: (...values: number[]) => number,
  ): number | undefined {
    const values = this.#tracks.flatMap(({ window, playable }) => {
      const ticks = of(window);
      return ticks === undefined ? [] : [(ticks / playable.timescale) * 1000];
    });
    return values.length === 0 ? undefined : choose(...values);
  }
}
