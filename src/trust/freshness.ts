/** Whether the signer was heard of lately: the guard against an indefinite freeze. */
import type { Clock } from "../clock.ts";

/** Hosts cannot wait longer than 2^31 - 1 ms at once, and a clock that was set meanwhile is noticed at the next look. */
const MAX_WAIT_MS = 60 * 60 * 1000;

/**
 * Silence is measured from when the newest manifest arrived, because the viewer's clock and the signer's may differ; its time of issue only
 * bounds how far the two may be apart. So a peer that delays everything by a constant is noticed when the delay passes the
 * allowed skew plus the freshness, and one that stops is noticed after the freshness.
 */
export class Freshness {
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #onStale: () => void;
  #deadlineMs = Number.NEGATIVE_INFINITY;
  /** When the timer looks, at the latest. There is one while the track is fresh: not one per manifest, of which there may be hundreds a second. */
  #looksAtMs = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, skewMs: number, onStale: () => void) {
    this.#clock = clock;
    this.#skewMs = skewMs;
    this.#onStale = onStale;
  }

  /** Until when a manifest that arrives now counts as fresh, in ms since 1970; may be past already. */
  deadline(issuedAtMs: number, freshForMs: number): number {
    return Math.min(this.#clock.now(), issuedAtMs + this.#skewMs) + freshForMs;
  }

  /** A newer manifest arrived. Returns whether it is fresh; when it is, onStale is called once that ends. */
  renew(issuedAtMs: number, freshForMs: number): boolean {
    this.#deadlineMs = this.deadline(issuedAtMs, freshForMs);
    const fresh = this.#deadlineMs > this.#clock.now();
    // A timer that looks earlier finds the new deadline by itself.
    if (!fresh || this.#deadlineMs < this.#looksAtMs) this.stop();
    if (fresh && this.#cancel === undefined) this.#arm();
    return fresh;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#looksAtMs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const now = this.#clock.now();
    const waitMs = Math.min(this.#deadlineMs - now, MAX_WAIT_MS);
    this.#looksAtMs = now + waitMs;
    this.#cancel = this.#clock.setTimer(waitMs, () => {
      this.stop();
      if (this.#deadlineMs <= this.#clock.now()) this.#onStale();
      else this.#arm();
    });
  }
}
