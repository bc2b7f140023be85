import type { Clock } from "../clock.ts";
import { Backoff } from "./backoff.ts";
import { BAN_AFTER_LIES, BAN_FORGIVEN_AFTER_MS, BAN_MS, LIE_WINDOW_MS, MAX_BAN_MS } from "./limits.ts";
import type { RejectReason } from "./types.ts";

export interface LieLimits {
  readonly banAfterLies?: number;
  readonly lieWindowMs?: number;
  readonly banMs?: number;
  readonly maxBanMs?: number;
}

/** Bytes that contradict a signature prove a lie. An object that merely waits, comes late or is too much to keep proves nothing. */
export function isProvenLie(reason: RejectReason): boolean {
  return reason === "mismatch" || reason === "too-large" || reason === "unsigned";
}

/** What one source has been caught at, and what follows. */
export class LieRecord {
  readonly #clock: Clock;
  readonly #banAfter: number;
  readonly #windowMs: number;
  readonly #backoff: Backoff;
  /** Times of the latest lies, at most as many as it takes. */
  #lies: number[] = [];
  #lastBanEndMs: number | undefined;

  constructor(clock: Clock, limits: LieLimits, random: () => number) {
    this.#clock = clock;
    this.#banAfter = limits.banAfterLies ?? BAN_AFTER_LIES;
    this.#windowMs = limits.lieWindowMs ?? LIE_WINDOW_MS;
    this.#backoff = new Backoff(limits.banMs ?? BAN_MS, limits.maxBanMs ?? MAX_BAN_MS, random);
  }

  /** True while a lie is fresh: others are asked first. */
  get suspect(): boolean {
    return this.suspectForMs > 0;
  }

  get suspectForMs(): number {
    const last = this.#lies.at(-1);
    return last === undefined ? 0 : Math.max(0, last + this.#windowMs - this.#clock.now());
  }

  /** Notes a lie. Answers for how long the source is to be banned, if it is. */
  add(): number | undefined {
    const nowMs = this.#clock.now();
    this.#lies.push(nowMs);
    if (this.#lies.length < this.#banAfter) return undefined;
    const oldestMs = this.#lies[this.#lies.length - this.#banAfter]!;
    if (this.#lies.length > this.#banAfter) this.#lies.shift();
    if (nowMs - oldestMs > this.#windowMs) return undefined;
    if (this.#lastBanEndMs !== undefined && nowMs - this.#lastBanEndMs > BAN_FORGIVEN_AFTER_MS)
      this.#backoff.reset();
    const banMs = this.#backoff.next();
    this.#lies = [];
    this.#lastBanEndMs = nowMs + banMs;
    return banMs;
  }
}
