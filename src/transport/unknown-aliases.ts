/**
 * Data streams whose track alias nobody has told us yet (draft-18 §11.4.2).
 *
 * A stream may overtake the SUBSCRIBE_OK that explains it. Such a stream waits: what one read brought is kept, and it is not read on, so
 * that flow control holds the rest at the peer. How many wait, with how many bytes and for how long, is limited (session/limits.ts).
 */
import type { Clock } from "../clock.ts";
import {
  MAX_UNKNOWN_ALIAS_BYTES,
  MAX_UNKNOWN_ALIAS_STREAMS,
  UNKNOWN_ALIAS_MAX_AGE_MS,
} from "../session/limits.ts";

interface Waiting {
  readonly bytes: number;
  /** True when the alias is known by now (or known to be dead). */
  readonly resolved: () => boolean;
  readonly settle: (resolved: boolean) => void;
}

export class UnknownAliases {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #bytes = 0;
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get streams(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves true when `resolved` says so after some change, false when the stream is to be abandoned. */
  wait(bytes: number, resolved: () => boolean): Promise<boolean> {
    // A read that was under way when the session ended may still bring a header.
    if (this.#over) return Promise.resolve(false);
    if (this.#waiting.size >= MAX_UNKNOWN_ALIAS_STREAMS || this.#bytes + bytes > MAX_UNKNOWN_ALIAS_BYTES) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.setTimer(UNKNOWN_ALIAS_MAX_AGE_MS, () => waiting.settle(false));
      const waiting: Waiting = {
        bytes,
        resolved,
        settle: (result) => {
          if (!this.#waiting.delete(waiting)) return;
          cancelTimer();
          this.#bytes -= bytes;
          resolve(result);
        },
      };
      this.#waiting.add(waiting);
      this.#bytes += bytes;
    });
  }

  /** Some alias became known or died. */
  changed(): void {
    for (const waiting of [...this.#waiting]) if (waiting.resolved()) waiting.settle(true);
  }

  /** The session is over: nothing waits any more, now or later. */
  clear(): void {
    this.#over = true;
    for (const waiting of [...this.#waiting]) waiting.settle(false);
  }
}
