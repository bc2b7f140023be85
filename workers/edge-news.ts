/** Tells the page where the live edge is: at once when it moves, and no oftener than the page can make use of. */
import type { Clock } from "../src/clock.ts";

export interface EdgeStep {
  /** Media time up to which everything can be played. */
  readonly edgeMs: number;
  /** By the worker's clock, when it got there (ms since 1970). */
  readonly atMs: number;
}

/**
 * Least time between two messages. Live, 40 ms objects of two tracks move the edge 25 to 50 times a second, and each step is told as it happens; only who catches up, with
 * thousands of objects a second, is kept from sending a message for each (measured: they were the second largest cost of the worker). Longer would lump live steps
 * together, and the page, which keeps its distance by the size of the steps, would stay further behind.
 */
const EDGE_INTERVAL_MS = 20;

export class EdgeNews {
  readonly #clock: Clock;
  readonly #tell: (step: EdgeStep) => void;
  #step: EdgeStep | undefined;
  /** Where the edge is to be read, when it may have moved since the last step. */
  #moved: { readonly edge: () => number | undefined; readonly atMs: number } | undefined;
  #told: number | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, tell: (step: EdgeStep) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** The newest step, told or about to be. */
  get step(): EdgeStep | undefined {
    this.#look();
    return this.#step;
  }

  /** The edge may have moved; `edge` reads it, when it is time to. */
  move(edge: () => number | undefined): void {
    const atMs = this.#clock.now();
    this.#moved = { edge, atMs };
    if (this.#cancelTimer !== undefined) return;
    const waitMs = this.#toldAtMs + EDGE_INTERVAL_MS - atMs;
    if (waitMs <= 0) this.#send();
    else this.#cancelTimer = this.#clock.setTimer(waitMs, () => this.#send());
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #send(): void {
    this.#cancelTimer = undefined;
    const before = this.#told;
    this.#look();
    if (this.#step === undefined || this.#step.edgeMs === before) return;
    this.#told = this.#step.edgeMs;
    this.#toldAtMs = this.#clock.now();
    this.#tell(this.#step);
  }

  #look(): void {
    const moved = this.#moved;
    this.#moved = undefined;
    const edgeMs = moved?.edge();
    if (moved === undefined || edgeMs === undefined || edgeMs === this.#step?.edgeMs) return;
    this.#step = { edgeMs, atMs: moved.atMs };
  }
}
