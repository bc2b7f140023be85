/**
 * The worker's half of a player: peers, trust, store and presentation of one broadcast, behind the interface that the page calls.
 *
 * 1. Both kinds of peer are dialed at once; the catalog and its manifests are read from the manifest peers.
 * 2. The first catalog that the signer signed starts playback: a pipeline per track, stored groups in front.
 * 3. Where no catalog comes and an earlier session kept one, what is stored is played until the network is back.
 */

import { CATALOG_TRACK_NAME } from "../src/catalog/types.ts";
import type { Clock } from "../src/clock.ts";
import { CountersignError, toCountersignError } from "../src/errors.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import type { RecordingPart, RecordingPlan } from "../src/recording/assemble.ts";
import { openReplayStore } from "../src/replay/open-replay-store.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type {
  DiscoverOptions,
  OpenOptions,
  PageApi,
  PlayheadReport,
  ResourceRequest,
  ResourceResponse,
  SeekAnswer,
  SeekRequest,
  TimeRange,
  WorkerApi,
  WorkerEvent,
  WorkerStats,
} from "../src/rpc/protocol.ts";
import type { Dial } from "../src/transport/port.ts";
import type { VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import { encodeEvidence } from "../src/trust/evidence.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { type Namespace, namespaceKey, namespaceOf, trackOf } from "../src/wire/names.ts";
import type { VarInt } from "../src/wire/varint.ts";
import { AppSource } from "./app-source.ts";
import { BackgroundFill } from "./background-fill.ts";
import { CatalogFloor } from "./catalog-floor.ts";
import { CatalogReader } from "./catalog-reader.ts";
import { ClientPeers } from "./client-peers.ts";
import { collectStats } from "./client-stats.ts";
import { ClientStatus } from "./client-status.ts";
import { EdgeNews } from "./edge-news.ts";
import { HeldRequests } from "./held-requests.ts";
import { keepKeys } from "./kept-keys.ts";
import { KeptPosition } from "./kept-position.ts";
import { keepRanges, keptRanges } from "./kept-ranges.ts";
import { Playing } from "./playing.ts";
import { NOTHING_REACHABLE, type Reachable } from "./reach.ts";
import { type CatalogProof, proofOf, recordingPart, recordingPlan } from "./recorder.ts";
import { RelayDiscovery } from "./relay-discovery.ts";
import { Rewind } from "./rewind.ts";
import { keepCatalog, readCatalog } from "./stored-broadcast.ts";
import { TimeRanges } from "./time-ranges.ts";
import { type Decryption, decryptionOf, NO_DECRYPTION } from "./track-decryption.ts";
import { holeEvent, noteVerified, rejectedEvent } from "./track-news.ts";
import type { TrackListener } from "./track-pipeline.ts";
import { TrustRanges } from "./trust-ranges.ts";

/** How long the network may take to bring a catalog before a stored broadcast is played instead. */
const OFFLINE_AFTER_MS = 1500;

/** How long the stored groups may take to be put in front before playback begins without them. */
const STORED_LIST_MS = 400;

/** Figures are sent, and time-dependent states looked at, this often. */
const STATUS_INTERVAL_MS = 500;

/** Stored media that must be left to play for a viewer to begin where they were; whoever was nearly at the end of it sees it from the beginning. */
const LEAST_LEFT_MS = 10_000;

/** Backfill stays this far inside the age at which groups go: several sweeps of the store. */
const EXPIRY_MARGIN_MS = 180_000;

/** What the client is made of; tests give their own. */
export interface ClientEnvironment {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly openStore?: typeof openReplayStore;
  /** Calls back whenever the machine says that it has a network again. */
  readonly onOnline?: (listener: () => void) => void;
}

export class BroadcastClient implements WorkerApi {
  readonly #environment: ClientEnvironment;
  readonly #clock: Clock;
  readonly #held = new HeldRequests();
  readonly #rewind = new Rewind();
  readonly #verified = new TimeRanges();
  readonly #trustRanges = new TrustRanges();
  #events: MessagePort | undefined;
  #options: OpenOptions | undefined;
  #decryption: Decryption = NO_DECRYPTION;
  #namespace: Namespace = [];
  #keyRing: KeyRing | undefined;
  #store: ReplayStore | undefined;
  #peers: ClientPeers | undefined;
  #discovery: RelayDiscovery | undefined;
  #catalog: CatalogReader | undefined;
  #catalogDigest: string | undefined;
  #floor: CatalogFloor | undefined;
  #playing: Playing | undefined;
  /** The page was told to read the presentation. */
  #announced: Playing | undefined;
  #status: ClientStatus | undefined;
  #reachable: Reachable = NOTHING_REACHABLE;
  #keptRanges: readonly TimeRange[] = [];
  readonly #edge: EdgeNews;
  #playhead: PlayheadReport | undefined;
  #position: KeptPosition | undefined;
  #app: AppSource | undefined;
  #fill: BackgroundFill | undefined;
  #cancelTimer: (() => void) | undefined;
  /** The store is open, or will not be; never rejects. */
  #opening: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(environment: ClientEnvironment) {
    this.#environment = environment;
    this.#clock = environment.clock;
    this.#edge = new EdgeNews(this.#clock, (step) => this.#emit({ type: "edge", ...step }));
  }

  /** Rejects with `invalid-options` or `crypto-unavailable`. Everything later is told by events. */
  async open(options: OpenOptions, events: MessagePort, page?: PageApi): Promise<void> {
    if (this.#options || this.#closed) throw new CountersignError("internal", "A client is opened once.");
    this.#options = options;
    this.#events = events;
    this.#decryption = decryptionOf(options, page);
    this.#namespace = namespaceOf(...options.broadcast);
    this.#position = new KeptPosition(this.#namespace, this.#clock);
    this.#keyRing = await KeyRing.create(options.roots);
    this.#floor = new CatalogFloor(this.#namespace, this.#keyRing);
    const peers = new ClientPeers({
      ...this.#environment,
      options,
      page,
      emit: (event) => this.#emit(event),
      edgeMs: () => this.#playing?.edgeMs,
      verified: () => this.#verified.all,
    });
    const { manifests, objects } = peers;
    this.#peers = peers;
    if (options.replay.sourceUrl !== undefined) this.#app = new AppSource(options.replay.sourceUrl);
    // Dialing does not wait for the store, nor the other way round.
    if (options.replay.enabled) this.#opening = this.#openStore(options);
    this.#status = new ClientStatus({
      clock: this.#clock,
      manifests,
      objects,
      emit: (event) => this.#emit(event),
      facts: () => ({
        playing: this.#playing,
        playable: this.#announced !== undefined,
        atLiveEdge: this.#playhead?.atLiveEdge ?? true,
        nobodyServes: this.#discovery?.nobody,
      }),
    });
    if (options.discover) this.#discovery = this.#discover(options, options.discover, peers);
    this.#readCatalog(manifests, this.#keyRing);
    this.#tick();
    await this.#opening;
    if (this.#closed || !this.#store) return;
    this.#clock.setTimer(OFFLINE_AFTER_MS, () => void this.#playStored());
    manifests.on("starved", () => void this.#playStored());
  }

  resource(request: ResourceRequest): Promise<ResourceResponse> {
    if (this.#rewind.owns(request.path)) return this.#rewind.resource(request);
    return this.#announced?.presentation.resource(request) ?? this.#held.hold(request);
  }

  cancel(id: number): void {
    this.#rewind.cancel(id);
    if (this.#announced) this.#announced.presentation.cancel(id);
    else this.#held.cancel(id);
  }

  playhead(report: PlayheadReport): void {
    this.#playhead = report;
    this.#rewind.playhead(report.positionMs);
    this.#status?.update();
    this.#position?.keep(this.#store, report.positionMs);
    this.#playing?.hold(report.positionMs);
  }

  async stats(): Promise<WorkerStats> {
    await this.#refreshReachable();
    return this.#collect();
  }

  async seek(request: SeekRequest): Promise<SeekAnswer> {
    const playing = this.#current();
    // What the live list still has, and has for some time yet, needs no list of its own.
    const liveFromMs = playing.live ? playing.startMs : undefined;
    if (liveFromMs !== undefined && request.targetMs >= liveFromMs + playing.times.groupMs)
      return { kind: "live" };
    const answer = await this.#seekPast(playing, request);
    return answer ?? (playing.live ? { kind: "live" } : { kind: "nothing" });
  }

  leaveExcerpt(): void {
    this.#rewind.leave();
  }

  async recordingPlan(range: TimeRange): Promise<RecordingPlan> {
    const playing = this.#current();
    return await recordingPlan(playing, this.#namespace, playing.proof, range);
  }

  async recordingPart(track: string, group: VarInt): Promise<RecordingPart> {
    return await recordingPart(this.#current(), track, group);
  }

  async keep(ranges: readonly TimeRange[]): Promise<readonly TimeRange[]> {
    this.#keptRanges = await keepRanges(this.#store, this.#current(), ranges);
    return this.#keptRanges;
  }

  #current(): Playing {
    if (this.#playing) return this.#playing;
    throw new CountersignError("range-unavailable", "There is nothing to play yet.");
  }

  async evidence(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const judges = [this.#catalog?.trust, ...(this.#playing?.pipelines.map(({ trust }) => trust) ?? [])];
    const bundle = judges.map((trust) => trust?.exportEvidence()).find((found) => found !== undefined);
    return bundle && encodeEvidence(bundle);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#edge.close();
    this.#status?.close();
    this.#fill?.close();
    this.#playing?.close();
    this.#catalog?.close();
    this.#discovery?.close();
    this.#peers?.close();
    this.#held.close();
    this.#rewind.close();
    await this.#store?.close();
    this.#events?.close();
  }

  #discover({ objects: named }: OpenOptions, { hosts }: DiscoverOptions, peers: ClientPeers): RelayDiscovery {
    return new RelayDiscovery({
      clock: this.#clock,
      namespace: this.#namespace,
      pool: peers.objects,
      named,
      hosts,
      learn: (peer) => peers.learn(peer),
      viewer: crypto.randomUUID(),
      changed: () => this.#status?.update(),
    });
  }

  // ---- catalog ----

  #readCatalog(manifests: SourcePool, keyRing: KeyRing): void {
    manifests.on("problem", ({ track: key, error }) => {
      if (error.code === "track-unknown" && key.startsWith(namespaceKey(this.#namespace)))
        this.#status?.catalogProblem(this.#unknown(error));
    });
    this.#catalog = new CatalogReader({
      namespace: this.#namespace,
      keyRing,
      clock: this.#clock,
      manifests,
      onCatalog: (catalog) => void this.#onCatalog(catalog),
      onRefused: (error) => this.#status?.catalogProblem(error),
      onEquivocation: (error) => this.#status?.fail(error),
    });
  }

  #unknown(cause: CountersignError): CountersignError {
    return new CountersignError(
      "broadcast-unknown",
      `No manifest peer knows the broadcast "${this.#options?.broadcast.join("/")}" yet.`,
      {
        hint: "Check its name, and that its signer publishes to one of the manifest peers. It is asked for again and again.",
        cause,
      },
    );
  }

  async #onCatalog(catalog: VerifiedCatalog): Promise<void> {
    // Pipelines are given the store when they are made: one that began without would keep nothing for as long as it lives.
    await this.#opening;
    const older = await this.#floor?.refuses(this.#store, catalog);
    // Nor is it known before what earlier sessions learnt about keys.
    if (this.#closed || this.#catalog?.current !== catalog) return;
    if (older) {
      this.#status?.catalogProblem(older);
      return;
    }
    if (this.#store) keepCatalog(this.#store, this.#namespace, catalog);
    // The same catalog is signed anew every few seconds.
    const digest = `${String(catalog.streamId)}/${String(catalog.digest)}`;
    if (digest === this.#catalogDigest) {
      // What was wrong with it is wrong with it still.
      if (this.#playing?.live) this.#status?.catalogProblem(undefined);
      return;
    }
    this.#status?.catalogProblem(undefined);
    this.#catalogDigest = digest;
    if (this.#peers) this.#play(proofOf(catalog), catalog.streamId, this.#peers);
  }

  // ---- playing ----

  #play(
    proof: CatalogProof,
    streamId: Uint8Array,
    pools: { manifests: SourcePool; objects: SourcePool } | undefined,
  ): Playing | undefined {
    if (this.#closed || !this.#keyRing) return undefined;
    let playing: Playing;
    try {
      playing = new Playing(
        {
          catalog: proof.payload,
          proof,
          streamId,
          namespace: this.#namespace,
          keyRing: this.#keyRing,
          clock: this.#clock,
          store: this.#store,
          startWithMs: this.#options?.targetLatencyMs ?? 0,
          listener: this.#listener(),
          decryption: this.#decryption,
          onCorrupt: (error) => this.#warn(error),
          onWarning: (error) => this.#warn(error),
          ...(this.#peers && { peers: this.#peers }),
          ...(this.#app && { app: this.#app }),
        },
        pools,
      );
    } catch (thrown) {
      // Signed, but not to be played: the signer's fault. A later catalog may be better.
      this.#status?.catalogProblem(toCountersignError(thrown, "catalog-malformed"));
      return undefined;
    }
    this.#playing?.close();
    this.#fill?.close();
    this.#fill = undefined;
    this.#playing = playing;
    this.#status?.forgetLocks();
    for (const { trust } of playing.pipelines)
      trust.on("successor", (successor) => this.#catalog?.follow(successor.streamId));
    this.#announced = undefined;
    this.#status?.update();
    return playing;
  }

  async #playStored(): Promise<void> {
    if (this.#closed || this.#playing || !this.#store || !this.#keyRing) return;
    try {
      const track = trackOf(this.#namespace, CATALOG_TRACK_NAME);
      const stored = await readCatalog(this.#store, this.#namespace, track, this.#keyRing);
      if (!stored || this.#playing) return;
      const playing = this.#play(stored.proof, stored.streamId, undefined);
      if (!playing) return;
      const answer = await this.#openStored(playing).catch((thrown: unknown) => {
        this.#drop(playing);
        throw thrown;
      });
      if (answer?.kind === "excerpt") await this.#announce(playing, answer);
      else this.#drop(playing);
    } catch (thrown) {
      this.#warn(toCountersignError(thrown, "storage-failed"));
    }
  }

  async #openStored(playing: Playing): Promise<SeekAnswer | undefined> {
    await playing.timesRestored;
    const { stored } = await playing.reach.now();
    const targetMs = await this.#startOf(playing, stored[0]?.startMs ?? 0, stored.at(-1)?.endMs ?? 0);
    return this.#seekPast(playing, { targetMs, onlyAfter: true });
  }

  /** Nothing of it can be played after all. */
  #drop(playing: Playing): void {
    playing.close();
    if (this.#playing === playing) this.#playing = undefined;
  }

  /** The first media are there: stored ones go in front, then the page may read. */
  async #begin(playing: Playing): Promise<void> {
    const prepended = playing
      .prependStored()
      .catch((thrown: unknown) => this.#warn(toCountersignError(thrown, "storage-failed")));
    await Promise.race([
      prepended,
      new Promise<void>((resolve) => this.#clock.setTimer(STORED_LIST_MS, resolve)),
    ]);
    if (this.#playing === playing && !this.#closed) await this.#announce(playing);
  }

  #seekPast(playing: Playing, request: SeekRequest): Promise<SeekAnswer | undefined> {
    const options = {
      tracks: playing.readables,
      timeline: playing.timeline,
      epochMs: playing.times.epochMs,
      clock: this.#clock,
      newest: () => this.#playing?.newestWhole,
      emit: (event: WorkerEvent) => this.#emit(event),
      onProblem: (error: CountersignError) => this.#warn(error),
    };
    return this.#rewind.seek(options, request);
  }

  /** `stored`: the stretch to read, where nothing is live. */
  async #announce(playing: Playing, stored?: Extract<SeekAnswer, { kind: "excerpt" }>): Promise<void> {
    const startMs =
      stored?.startMs ?? (await this.#startOf(playing, playing.startMs ?? 0, playing.edgeMs ?? 0));
    if (this.#playing !== playing || this.#closed) return;
    this.#announced = playing;
    this.#emit({
      type: "ready",
      tracks: playing.descriptions,
      epochMs: playing.times.epochMs,
      startMs,
      live: playing.live,
      ...(stored && { path: stored.path }),
    });
    this.#edge.move(() => playing.edgeMs);
    this.#held.release(playing.presentation);
    this.#status?.update();
    this.#startFill(playing);
    await this.#refreshReachable();
    if (stored) this.#edge.move(() => this.#reachable.stored.at(-1)?.endMs);
  }

  #startFill(playing: Playing): void {
    const { replay, targetLatencyMs = 0 } = this.#options ?? {};
    if (replay?.backfillMs === undefined || !playing.live || !this.#store) return;
    this.#fill = new BackgroundFill({
      playing,
      store: this.#store,
      clock: this.#clock,
      // What is too old to be kept would be fetched for nothing, again and again.
      windowMs: Math.min(replay.backfillMs, replay.maxAgeMs - EXPIRY_MARGIN_MS),
      targetLatencyMs,
      playhead: () => this.#playhead,
    });
  }

  /** Where the viewer begins: the live edge; or where they were, when that can be played and they asked for it or nothing is live. */
  async #startOf(playing: Playing, startMs: number, edgeMs: number): Promise<number> {
    if (playing.live && this.#options?.resume !== "position") return edgeMs;
    const kept = await this.#position?.read(this.#store);
    const leastLeftMs = playing.live ? 0 : LEAST_LEFT_MS;
    if (kept !== undefined && kept >= startMs && kept < edgeMs - leastLeftMs) return kept;
    return playing.live ? edgeMs : startMs;
  }

  #listener(): TrackListener {
    let begun = false;
    return {
      appended: (pipeline) => {
        const playing = this.#playing;
        if (!playing?.pipelines.includes(pipeline)) return;
        if (pipeline === playing.pipelines[0]) noteVerified(this.#verified, pipeline);
        if (!begun && playing.hasBegun) {
          begun = true;
          void this.#begin(playing);
        } else if (this.#announced === playing) this.#edge.move(() => playing.edgeMs);
      },
      delivered: () => this.#status?.delivered(),
      rejected: (...lie) => {
        this.#emit(rejectedEvent(...lie));
        const [pipeline, , group] = lie;
        if (this.#playing) this.#trustRanges.rejected(lie, this.#playing.spanOf(pipeline, group));
      },
      hole: (pipeline, hole) => {
        if (this.#playing)
          this.#emit(holeEvent(pipeline, hole, this.#playing.spanOf(pipeline, hole.group, hole.lastGroup)));
      },
      locked: (what, error) => this.#status?.locked(what, error),
      trust: () => this.#status?.update(),
      problem: (error) => this.#warn(error),
    };
  }

  // ---- store ----

  async #openStore(options: OpenOptions): Promise<void> {
    const { maxAgeMs, maxBytes, store } = options.replay;
    const opened = await (this.#environment.openStore ?? openReplayStore)({
      clock: this.#clock,
      maxAgeMs,
      ...(store !== undefined && { payloads: store }),
      ...(maxBytes !== undefined && { maxBytes }),
    });
    if (this.#closed) {
      await opened.store.close();
      return;
    }
    this.#store = opened.store;
    opened.store.on("warning", (warning) => this.#warn(warning));
    opened.store.on("corrupt", ({ error }) => this.#warn(error));
    if (opened.warning) this.#warn(opened.warning);
    if (!this.#keyRing) return;
    await keepKeys(opened.store, this.#namespace, this.#keyRing).catch((thrown: unknown) =>
      this.#warn(toCountersignError(thrown, "storage-failed")),
    );
  }

  async #refreshReachable(): Promise<void> {
    try {
      const playing = this.#playing;
      this.#reachable = (await playing?.reach.now()) ?? this.#reachable;
      if (playing && this.#store) this.#keptRanges = await keptRanges(this.#store, playing);
    } catch {
      // The figures keep what was known; the store tells of its own troubles.
    }
  }

  // ---- telling ----

  #tick(): void {
    this.#cancelTimer = this.#clock.setTimer(STATUS_INTERVAL_MS, () => {
      this.#status?.update();
      void this.stats().then((stats) => {
        if (!this.#closed) this.#emit({ type: "stats", stats });
      });
      this.#tick();
    });
  }

  async #collect(): Promise<WorkerStats> {
    return collectStats({
      manifests: this.#peers?.manifests.sources() ?? [],
      objects: this.#peers?.objects.sources() ?? [],
      isFound: (source) => this.#discovery?.isFound(source) ?? false,
      pipelines: this.#playing?.pipelines ?? [],
      catalogIntake: this.#catalog?.intake,
      trust: this.#status?.trust ?? "waiting",
      epochMs: this.#playing?.times.epochMs,
      edge: this.#edge.step,
      reachable: this.#reachable,
      verified: this.#verified.all,
      trustRanges: this.#trustRanges.collect(this.#verified.all, this.#playing, this.#clock.now()),
      kept: this.#keptRanges,
      backfill: this.#fill?.stats,
      storage: await this.#store?.estimate().catch(() => undefined),
    });
  }

  #warn(error: CountersignError): void {
    this.#emit({ type: "warning", error: error.toData() });
  }

  #emit(event: WorkerEvent): void {
    this.#events?.postMessage(event);
  }
}
