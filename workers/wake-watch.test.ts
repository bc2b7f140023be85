import { expect, test } from "vitest";
import type { Clock } from "../src/clock.ts";
import { SLEPT_MS, watchWakeUps } from "./wake-watch.ts";

/** A machine whose timers stand still while it sleeps. */
class Machine implements Clock {
  #nowMs = 0;
  #timers = new Set<{ leftMs: number; run: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  setTimer(leftMs: number, run: () => void): () => void {
    const timer = { leftMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  run(ms: number): void {
    for (let i = 0; i < ms; i += 100) {
      this.#nowMs += 100;
      for (const timer of [...this.#timers]) {
        timer.leftMs -= 100;
        if (timer.leftMs <= 0 && this.#timers.delete(timer)) timer.run();
      }
    }
  }

  sleep(ms: number): void {
    this.#nowMs += ms;
  }
}

test("a machine that slept is noticed once it wakes, and only then", () => {
  const machine = new Machine();
  const slept: number[] = [];
  const stop = watchWakeUps(machine, (ms) => slept.push(ms));
  machine.run(10_000);
  machine.sleep(SLEPT_MS - 100);
  machine.run(2_000);
  expect(slept).toEqual([]);
  machine.sleep(3_600_000);
  machine.run(5_000);
  expect(slept).toEqual([3_600_000]);
  stop();
  expect(machine.pending).toBe(0);
});
