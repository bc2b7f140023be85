/** Random choices that a seed repeats: what a fuzz target makes its inputs of. */
import { canonical, type VarInt } from "../../wire/varint.ts";
import { seededRandom } from "../random.ts";

export class Chance {
  readonly #random: () => number;
  /** How many bits the integers of a draft have: 62 in QUIC's, of drafts up to 16. */
  integerBits: 62 | 64 = 64;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** True with this probability. */
  maybe(probability = 0.5): boolean {
    return this.#random() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined && items.length === 0) throw new RangeError("nothing to pick from");
    return item as T;
  }

  /** Up to `maxLength` bytes, short ones often. */
  bytes(maxLength: number): Uint8Array<ArrayBuffer> {
    const length = this.maybe(0.7) ? this.below(Math.min(maxLength, 8) + 1) : this.below(maxLength + 1);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  /** All values of `integerBits`; small ones and the borders of encodings often. */
  varInt(): VarInt {
    const kind = this.below(4);
    if (kind < 2) return this.below(kind === 0 ? 8 : 300);
    const bits = this.integerBits;
    const border = 1n << BigInt(this.below(bits));
    if (kind === 2) return canonical(BigInt.asUintN(bits, border + BigInt(this.below(3) - 1)));
    const low = BigInt(this.below(2 ** 32));
    return canonical(BigInt.asUintN(bits, (BigInt(this.below(2 ** 32)) << 32n) | low));
  }

  /** Up to `maxItems` items. */
  list<T>(maxItems: number, make: () => T): T[] {
    return Array.from({ length: this.below(maxItems + 1) }, make);
  }

  /** The bytes cut into pieces of 1 to `max` bytes, each in a buffer of its own. */
  cut(bytes: Uint8Array, max: number): Uint8Array<ArrayBuffer>[] {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + this.below(max);
      pieces.push(bytes.slice(at, at + size));
      at += size;
    }
    return pieces;
  }
}

/** The seed of one execution: that of the run, the target's name and the execution's number, mixed by FNV-1a. */
export function seedOf(seed: number, target: string, execution: number): number {
  let hash = 0x811c9dc5;
  for (const char of `${seed}/${target}/${execution}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  }
  return hash >>> 0;
}
