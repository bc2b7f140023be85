/**
 * Runs of bytes of a known length, out of chunks of any size.
 *
 * A run that lies within one chunk is a view of it. One that spans chunks is gathered in a buffer of its own, which grows with what has arrived,
 * never with what was promised, and ends up exactly as long as the run.
 */
import type { Cursor } from "../cursor.ts";

/** First buffer for a run that spans chunks. A peer that promises more has to send this much before we hold more. */
const FIRST_BUFFER_BYTES = 64 * 1024;

const NOTHING: Uint8Array = new Uint8Array(0);

export class Gatherer {
  #wanted = 0;
  #buffer = NOTHING;
  #filled = 0;

  /** The next `length` bytes, at least one, are a run. */
  expect(length: number): void {
    this.#wanted = length;
  }

  /** The run, or undefined when some of it is yet to arrive. */
  take(cursor: Cursor): Uint8Array | undefined {
    const from = cursor.pos;
    const available = cursor.end - from;
    if (this.#filled === 0 && available >= this.#wanted) {
      cursor.pos = from + this.#wanted;
      return cursor.bytes.subarray(from, cursor.pos);
    }
    const step = Math.min(available, this.#wanted - this.#filled);
    const filled = this.#filled + step;
    if (filled > this.#buffer.length) this.#grow(filled);
    this.#buffer.set(cursor.bytes.subarray(from, from + step), this.#filled);
    this.#filled = filled;
    cursor.pos = from + step;
    if (filled < this.#wanted) return undefined;
    const whole = this.#buffer;
    this.drop();
    return whole;
  }

  /** Passes over the run without keeping it; true when it is over. */
  skip(cursor: Cursor): boolean {
    const step = Math.min(this.#wanted, cursor.end - cursor.pos);
    cursor.pos += step;
    this.#wanted -= step;
    return this.#wanted === 0;
  }

  /** Forgets what was gathered. */
  drop(): void {
    this.#buffer = NOTHING;
    this.#filled = 0;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(
      Math.min(this.#wanted, Math.max(needed, this.#buffer.length * 2, FIRST_BUFFER_BYTES)),
    );
    grown.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = grown;
  }
}
