import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { type FullTrackName, namespaceKey } from "../wire/names.ts";
import type { Pull, PullListener, PullOptions, RelayDirectory, RelayRecord } from "./relay-directory.ts";
import { partitionOf, Rendezvous } from "./rendezvous.ts";

/** A relay that failed is left alone this long; each failure in a row doubles it, up to the maximum. */
export const FAILED_RELAY_MS = 1_000;
export const MAX_FAILED_RELAY_MS = 30_000;

interface Failure {
  count: number;
  untilMs: number;
}

/** What a pull asks of its directory. */
export type PullSource = Pick<RelayDirectory, "locate" | "on" | "settled">;

/** One track's search. It stays with a relay as long as that serves: a better one that turns up is no reason to move. */
export class RelayPull implements Pull {
  readonly #source: PullSource;
  readonly #clock: Clock;
  readonly #track: FullTrackName;
  readonly #listener: PullListener;
  readonly #options: PullOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #stop: () => void;
  #relay: RelayRecord | undefined;
  #toldNobody = false;
  #cancelRetry: (() => void) | undefined;
  #released = false;

  constructor(
    source: PullSource,
    clock: Clock,
    track: FullTrackName,
    listener: PullListener,
    options: PullOptions,
  ) {
    this.#source = source;
    this.#clock = clock;
    this.#track = track;
    this.#listener = listener;
    this.#options = options;
    this.#stop = source.on("changed", () => this.#choose());
    // Not within the constructor: the caller has no pull yet that it could call failed() on.
    queueMicrotask(() => this.#choose());
  }

  get relay(): RelayRecord | undefined {
    return this.#relay;
  }

  failed(relay: RelayRecord): void {
    if (this.#released || relay.id !== this.#relay?.id) return;
    const count = (this.#failures.get(relay.id)?.count ?? 0) + 1;
    const pauseMs = Math.min(MAX_FAILED_RELAY_MS, FAILED_RELAY_MS * 2 ** (count - 1));
    this.#failures.set(relay.id, { count, untilMs: this.#clock.now() + pauseMs });
    this.#relay = undefined;
    this.#choose();
  }

  release(): void {
    this.#released = true;
    this.#stop();
    this.#cancelRetry?.();
    this.#relay = undefined;
  }

  #choose(): void {
    if (this.#released) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const { tier, lane = 0 } = this.#options;
    const known = this.#source.locate(this.#track.namespace, tier);
    if (this.#relay !== undefined && known.some(({ id }) => id === this.#relay?.id)) return;
    this.#relay = undefined;
    if (known.length === 0) {
      this.#nobody();
      return;
    }
    this.#toldNobody = false;
    const now = this.#clock.now();
    const usable = known.filter(({ id }) => (this.#failures.get(id)?.untilMs ?? now) <= now);
    const [best] = new Rendezvous(usable).ranked(partitionOf(this.#track.namespace, this.#track.name), lane);
    if (best === undefined) {
      // All failed lately: whichever is forgiven first is tried first.
      const next = Math.min(
        ...known.map(({ id }) => this.#failures.get(id)?.untilMs ?? Number.POSITIVE_INFINITY),
      );
      if (next < Number.POSITIVE_INFINITY)
        this.#cancelRetry = this.#clock.setTimer(next - now, () => this.#choose());
      return;
    }
    this.#relay = best;
    this.#listener.use(best);
  }

  #nobody(): void {
    // Before the directory has answered, an empty list says nothing.
    if (!this.#source.settled || this.#toldNobody) return;
    this.#toldNobody = true;
    this.#listener.nobody(
      new CountersignError("broadcast-unknown", `No relay serves ${namespaceKey(this.#track.namespace)}.`, {
        hint: "Check its name, and that its publisher is connected to a relay. It is looked for until somebody serves it.",
      }),
    );
  }
}
