/**
 * Noticing that the machine slept.
 *
 * A laptop that is opened again has another network, or the same one without the sessions it had, and nobody tells the worker. But its timers stood still: a
 * timer that comes much later than it was set for is the sign.
 */
import type { Clock } from "../src/clock.ts";

const LOOK_EVERY_MS = 1_000;

/** Throttled background tabs run timers once a second at least, and a busy machine late by a second or two; a sleep is longer. */
export const SLEPT_MS = 4_000;

/** Calls `woke` after each sleep; returns what ends the watch. */
export function watchWakeUps(clock: Clock, woke: (sleptMs: number) => void): () => void {
  let cancel: () => void;
  const look = (): void => {
    const dueMs = clock.now() + LOOK_EVERY_MS;
    cancel = clock.setTimer(LOOK_EVERY_MS, () => {
      const lateMs = clock.now() - dueMs;
      look();
      if (lateMs >= SLEPT_MS) woke(lateMs);
    });
  };
  look();
  return () => cancel();
}
