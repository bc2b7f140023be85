/** The backfill of what is being played: which groups are wanted, whether live can spare the link, and where fetched groups go. */
import type { Clock } from "../src/clock.ts";
import { Backfill, type BackfillTrack } from "../src/replay/backfill.ts";
import { FETCH_LATER } from "../src/replay/fetch-source.ts";
import { addInPlace, subtract } from "../src/replay/group-ranges.ts";
import type { GroupRange, ReplayStore, StoreEstimate } from "../src/replay/types.ts";
import type { BackfillStats, PlayheadReport } from "../src/rpc/protocol.ts";
import { subVarInt } from "../src/wire/varint.ts";
import type { DeepTrack } from "./deep-source.ts";
import type { Playing } from "./playing.ts";

/** Groups at the edge that live itself is about to store. */
const LIVE_GROUPS = 3;

/** After a sign that live lacks something, how long it is left alone. */
const CALM_AFTER_MS = 2_000;

/** At the live edge less than this share of the target latency buffered is too little; behind it less than REWOUND_BUFFER_MS. */
const LEAST_BUFFERED = 0.3;
const REWOUND_BUFFER_MS = 2_000;

/** Live may be this many groups behind what its signer has named before it counts as suffering. */
const MAX_LAG_GROUPS = 2;

/** Share of the store's budget that backfill uses; the rest is for what live brings meanwhile. */
const SHARE_OF_BUDGET = 0.9;

export interface BackgroundFillOptions {
  readonly playing: Playing;
  readonly store: ReplayStore;
  readonly clock: Clock;
  /** How far back. */
  readonly windowMs: number;
  readonly targetLatencyMs: number;
  readonly playhead: () => PlayheadReport | undefined;
}

export class BackgroundFill {
  readonly #options: BackgroundFillOptions;
  readonly #backfill: Backfill;
  readonly #stop: () => void;
  #estimate: StoreEstimate | undefined;
  #sufferedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BackgroundFillOptions) {
    const { store, clock, playing } = options;
    this.#options = options;
    this.#stop = store.on("estimate", (estimate) => {
      this.#estimate = estimate;
    });
    this.#backfill = new Backfill({
      clock,
      tracks: playing.deep.tracks.map((track) => fillable(track, store)),
      window: () => this.#window(),
      mayRun: () => this.#mayRun(),
      hasRoom: () => {
        const { bytes = 0, budgetBytes = Number.POSITIVE_INFINITY } = this.#estimate ?? {};
        return bytes < SHARE_OF_BUDGET * budgetBytes;
      },
      onProgress: () => undefined,
    });
    void store.estimate().then(
      (estimate) => {
        this.#estimate ??= estimate;
      },
      () => undefined,
    );
  }

  get stats(): BackfillStats {
    const { state, wanted, stored, missing, fetched, fetchedBytes, error } = this.#backfill.progress;
    return {
      state,
      wantedGroups: wanted,
      storedGroups: stored,
      missingGroups: missing,
      fetchedGroups: fetched,
      fetchedBytes,
      ...(error && { error: error.toData() }),
    };
  }

  close(): void {
    this.#stop();
    this.#backfill.close();
  }

  #window(): GroupRange | undefined {
    const { playing, windowMs } = this.#options;
    const newest = playing.pipelines[0]?.trust.latestGroup;
    if (newest === undefined || newest < LIVE_GROUPS) return undefined;
    const endMs = playing.timeline.timeOf(newest)?.startMs ?? playing.edgeMs ?? 0;
    // Where groups are irregular and nobody lists their times, those hours are as many as were learnt.
    const [oldest] = playing.timeline.groupsIn({ startMs: Math.max(0, endMs - windowMs), endMs });
    const last = subVarInt(newest, LIVE_GROUPS);
    return oldest === undefined || last < oldest.first ? undefined : { first: oldest.first, last };
  }

  #mayRun(): boolean {
    const now = this.#options.clock.now();
    if (this.#suffers()) this.#sufferedAtMs = now;
    return now - this.#sufferedAtMs >= CALM_AFTER_MS;
  }

  #suffers(): boolean {
    const { playing, targetLatencyMs, playhead } = this.#options;
    const newest = playing.pipelines[0]?.trust.latestGroup;
    if (newest !== undefined && newest > MAX_LAG_GROUPS) {
      const due = playing.timeline.timeOf(subVarInt(newest, MAX_LAG_GROUPS));
      if (due !== undefined && (playing.edgeMs ?? 0) < due.startMs) return true;
    }
    const { positionMs, bufferedEndMs, paused, atLiveEdge } = playhead() ?? {};
    if (paused !== false || positionMs === undefined || bufferedEndMs === undefined) return false;
    return bufferedEndMs - positionMs < (atLiveEdge ? LEAST_BUFFERED * targetLatencyMs : REWOUND_BUFFER_MS);
  }
}

/** One track as backfill sees it. */
function fillable(track: DeepTrack, store: ReplayStore): BackfillTrack {
  // Whole nowhere: asking once a session is enough.
  const broken: GroupRange[] = [];
  return {
    whole: (range, signal) => store.wholeRanges(track.key, range, signal),
    fetchable: async (signal) => subtract(await track.elsewhere(signal), broken),
    fetch: async (group, signal) => {
      const found = await track.group(group, { signal, priority: FETCH_LATER });
      // One at a time: the queue of the store is for live, and must not fill up with the past.
      await store.flush();
      if (found !== undefined && !found.complete) addInPlace(broken, group);
      return found?.objects.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    },
  };
}
