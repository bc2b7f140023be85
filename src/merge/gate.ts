import type { Clock } from "../clock.ts";

export interface GateOptions {
  readonly clock: Clock;
  /** Too much is held: readers wait. */
  readonly isFull: () => boolean;
  /** Enough has gone for readers to go on. */
  readonly hasRoom: () => boolean;
  /** Readers are never held for longer than this at a stretch. */
  readonly maxHoldMs: number;
}

/**
 * Back-pressure with an end: readers are held while too much waits, so that a fast sender is paced instead of having its objects dropped. What does not move within
 * `maxHoldMs` is stuck for another reason (no manifest comes), and holding on would starve the session's other streams of its flow-control window: then readers go on,
 * the caps of what is held do their work, and the gate is open until there was room again.
 */
export class Gate {
  readonly #options: GateOptions;
  #overrun = false;
  #held: Promise<void> | undefined;
  #open: () => void = () => undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** As {@link ObjectSink.ready}: undefined when a reader may go on at once. */
  ready(): Promise<void> | undefined {
    if (this.#held !== undefined) return this.#held;
    const { isFull, hasRoom, clock, maxHoldMs } = this.#options;
    if (this.#overrun) {
      if (!hasRoom()) return undefined;
      this.#overrun = false;
    }
    if (!isFull()) return undefined;
    this.#held = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.#cancelTimer = clock.setTimer(maxHoldMs, () => {
      this.#overrun = true;
      this.release();
    });
    return this.#held;
  }

  /** Something has gone: lets readers on when that was enough. */
  check(): void {
    if (this.#held !== undefined && this.#options.hasRoom()) this.release();
  }

  /** Lets all readers on. */
  release(): void {
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#open();
  }
}
