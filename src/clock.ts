/** Time as a dependency, so that every state machine can be run by a test faster than real time. */
export interface Clock {
  /** Milliseconds since 1970, as Date.now() has them; may be fractional. */
  now(): number;
  /** Runs `fn` once after at least `delayMs`. Returns a function that cancels it (harmless afterwards). */
  setTimer(delayMs: number, fn: () => void): () => void;
}

interface TimerGlobals {
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

/** The wall clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, fn) {
    // setTimeout is in every host we run in but in none of the libs the pure rooms compile against.
    const host = globalThis as unknown as TimerGlobals;
    const id = host.setTimeout(fn, Math.max(0, delayMs));
    return () => host.clearTimeout(id);
  },
};
