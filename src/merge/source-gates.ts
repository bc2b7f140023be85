import type { Clock } from "../clock.ts";
import { Gate } from "./gate.ts";
import { HOLD_ABOVE_BYTES, HOLD_ABOVE_OBJECTS, HOLD_MAX_MS } from "./limits.ts";
import type { ScoreCounters } from "./source-scores.ts";

/** Back-pressure of a merger, for each source by itself: what one of them piles up holds back no other. */
export class SourceGates {
  readonly #clock: Clock;
  /** Only of sources that once held too much. */
  readonly #gates = new Map<ScoreCounters, Gate>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ready(from: ScoreCounters): Promise<void> | undefined {
    let gate = this.#gates.get(from);
    if (gate === undefined) {
      if (!isAbove(from, 1)) return undefined;
      gate = new Gate({
        clock: this.#clock,
        isFull: () => isAbove(from, 1),
        hasRoom: () => !isAbove(from, 0.5),
        maxHoldMs: HOLD_MAX_MS,
      });
      this.#gates.set(from, gate);
    }
    return gate.ready();
  }

  /** A source holds less than before. */
  check(from: ScoreCounters): void {
    this.#gates.get(from)?.check();
  }

  release(): void {
    for (const gate of this.#gates.values()) gate.release();
    this.#gates.clear();
  }
}

/** Whether a source holds more than a share of what it may before it is held back. */
function isAbove(from: ScoreCounters, share: number): boolean {
  return (
    from.pendingBytes + from.judgingBytes > HOLD_ABOVE_BYTES * share ||
    from.pendingObjects + from.judgingObjects > HOLD_ABOVE_OBJECTS * share
  );
}
