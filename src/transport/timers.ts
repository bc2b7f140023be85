/** Timers by name: setting one again replaces it, and the end of a session clears them all. */
import type { Clock } from "../clock.ts";

export class Timers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(name: string, delayMs: number, fn: () => void): void {
    this.#cancels.get(name)?.();
    const cancel = this.#clock.setTimer(delayMs, () => {
      this.#cancels.delete(name);
      fn();
    });
    this.#cancels.set(name, cancel);
  }

  clear(name: string): void {
    this.#cancels.get(name)?.();
    this.#cancels.delete(name);
  }

  clearAll(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
