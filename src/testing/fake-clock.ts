/** A clock that stands still until a test moves it. */
import type { Clock } from "../clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** `startMs` is what now() says first; ms since 1970 like any Clock. */
  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fn };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many timers wait: zero after everything was cleaned up. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer; undefined when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#nowMs;
  }

  /** Moves time on and runs what falls due, in order of time; each sees now() at its own moment. Timers set meanwhile count too. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let timer = this.#next(); timer && timer.at <= end; timer = this.#next()) {
      this.#timers.delete(timer);
      this.#nowMs = timer.at;
      timer.fn();
    }
    this.#nowMs = end;
  }

  /** As advance(), but lets promises settle before and after each timer, so that chains of waits run through. */
  async run(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    await settle();
    for (let timer = this.#next(); timer && timer.at <= end; timer = this.#next()) {
      this.#timers.delete(timer);
      this.#nowMs = timer.at;
      timer.fn();
      await settle();
    }
    this.#nowMs = end;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Resolves after everything that is ready to run has run: all microtasks, and one turn of the event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}
