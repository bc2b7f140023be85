/** Gathers the facts that make the player's state, and tells the page when the state changes. */
import type { Clock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import type { SourcePool, SourceStatus } from "../src/merge/source-pool.ts";
import type { WorkerEvent } from "../src/rpc/protocol.ts";
import { CatalogAgreement } from "../src/trust/catalog-agreement.ts";
import type { TrustState } from "../src/trust/types.ts";
import { type DerivedState, derivePlayerState, type PeerFacts } from "./player-state.ts";
import type { Playing } from "./playing.ts";

/** When no connected relay brings anything for this long, although the signer goes on, they withhold it. */
const WITHHELD_AFTER_MS = 4000;

/** A signer that named an object this recently goes on. */
const SIGNER_SPEAKS_MS = 1500;

export interface ClientStatusOptions {
  readonly clock: Clock;
  readonly manifests: SourcePool;
  readonly objects: SourcePool;
  readonly emit: (event: WorkerEvent) => void;
  readonly facts: () => {
    readonly playing: Playing | undefined;
    readonly playable: boolean;
    readonly atLiveEdge: boolean;
    /** Known when relays are asked who serves the broadcast. */
    readonly nobodyServes: CountersignError | undefined;
  };
}

/** From best to worst; a broadcast is as good as the worst of its tracks. */
const TRUST_ORDER: readonly TrustState[] = ["verified", "waiting", "stale", "untrusted", "equivocation"];

export class ClientStatus {
  readonly #options: ClientStatusOptions;
  readonly #startedMs: number;
  readonly #catalogAgreement = new CatalogAgreement();
  #told: DerivedState | undefined;
  #fatal: CountersignError | undefined;
  #catalogProblem: CountersignError | undefined;
  #liars: CountersignError | undefined;
  readonly #locked = new Map<string, CountersignError>();
  #lastDeliveryMs: number | undefined;
  #closed = false;

  constructor(options: ClientStatusOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
    for (const [kind, pool] of [
      ["manifests", options.manifests],
      ["objects", options.objects],
    ] as const) {
      pool.on("source", ({ source, state, error }) => {
        options.emit({ type: "source", url: source, kind, state, ...(error && { reason: error.toData() }) });
        this.update();
      });
    }
    options.objects.on("starved", ({ error }) => {
      this.#liars = error.code === "all-relays-lie" ? error : undefined;
      this.update();
    });
  }

  get trust(): TrustState {
    const states = this.#options.facts().playing?.pipelines.map((pipeline) => pipeline.trust.state) ?? [];
    return states.reduce<TrustState>(
      (worst, state) => (TRUST_ORDER.indexOf(state) > TRUST_ORDER.indexOf(worst) ? state : worst),
      states[0] ?? "waiting",
    );
  }

  /** Why there is no catalog, or that there is one now. */
  catalogProblem(error: CountersignError | undefined): void {
    this.#catalogProblem = error;
    this.update();
  }

  /** Media of this name cannot be decrypted, or can again. */
  locked(what: string, error: CountersignError | undefined): void {
    if (error) this.#locked.set(what, error);
    else this.#locked.delete(what);
    this.update();
  }

  /** Another presentation: what could not be decrypted of the last one is of no interest. */
  forgetLocks(): void {
    this.#locked.clear();
  }

  /** Verified media came: whoever was said to lie, somebody does not. */
  delivered(): void {
    const first = this.#lastDeliveryMs === undefined || this.#liars !== undefined;
    this.#lastDeliveryMs = this.#options.clock.now();
    this.#liars = undefined;
    if (first) this.update();
  }

  fail(error: CountersignError): void {
    this.#fatal ??= error;
    this.update();
  }

  /** Looks at everything again; tells the page if that changes the state. */
  update(): void {
    if (this.#closed) return;
    const derived = this.#derive();
    const told = this.#told;
    if (
      told?.state === derived.state &&
      told.error?.code === derived.error?.code &&
      told.error?.message === derived.error?.message
    )
      return;
    this.#told = derived;
    this.#options.emit({
      type: "state",
      state: derived.state,
      ...(derived.error && { error: derived.error.toData() }),
    });
  }

  close(): void {
    this.#closed = true;
  }

  #derive(): DerivedState {
    const { playing, playable, atLiveEdge } = this.#options.facts();
    const manifestPeers = this.#peers(this.#options.manifests.sources());
    return derivePlayerState({
      closed: false,
      fatal: this.#fatal,
      catalog: playing?.live === true,
      manifestPeers: {
        ...manifestPeers,
        error: (manifestPeers.open > 0 ? this.#catalogProblem : undefined) ?? manifestPeers.error,
      },
      relays: this.#peers(this.#options.objects.sources()),
      trust: this.trust,
      catalogHeldBack: this.#catalogHeldBack(playing),
      delivering: this.#lastDeliveryMs !== undefined,
      playable,
      storedOnly: playing?.live === false && playable,
      blocked: this.#blocked(playing),
      locked: [...this.#locked.values()][0],
      ended: false,
      atLiveEdge,
    });
  }

  /** To be asked regularly, since it is the time that decides. */
  #catalogHeldBack(playing: Playing | undefined): CountersignError | undefined {
    const named = playing?.pipelines.map(({ trust }) => trust.newest?.catalogDigest).find(Boolean);
    return this.#catalogAgreement.check(this.#options.clock.now(), playing?.catalogDigest, named);
  }

  #peers(sources: readonly SourceStatus[]): PeerFacts {
    const open = sources.filter(
      ({ state }) => state === "active" || state === "standby" || state === "suspect",
    ).length;
    const connecting = sources.filter(
      ({ state, error }) => state === "connecting" && error === undefined,
    ).length;
    const failed = sources.find(({ error }) => error !== undefined);
    return { open, connecting, error: open === 0 ? failed?.error : undefined };
  }

  #blocked(playing: Playing | undefined): CountersignError | undefined {
    if (this.#liars) return this.#liars;
    const { clock, objects } = this.#options;
    const relays = this.#peers(objects.sources());
    if (!playing?.live || relays.open === 0) return undefined;
    const nowMs = clock.now();
    const spoken = Math.max(
      ...playing.pipelines.map(({ lastTruthMs }) => lastTruthMs ?? Number.NEGATIVE_INFINITY),
    );
    // Only while the signer speaks can it be said that something is withheld.
    if (
      nowMs - spoken > SIGNER_SPEAKS_MS ||
      nowMs - (this.#lastDeliveryMs ?? this.#startedMs) < WITHHELD_AFTER_MS
    )
      return undefined;
    const rejected = playing.pipelines.some(({ counts }) => counts.rejected > 0);
    if (rejected) {
      return new CountersignError(
        "all-relays-lie",
        "The relays send only media that the signer did not sign, so nothing is played.",
        {
          hint: "Add a relay that serves the broadcast honestly; those that lie are banned and tried again later.",
        },
      );
    }
    return (
      this.#options.facts().nobodyServes ??
      new CountersignError(
        "no-object-relay",
        "The relays are connected and send nothing of what the signer signed.",
        {
          hint: "Check that a publisher feeds them this broadcast, or add another relay.",
        },
      )
    );
  }
}
