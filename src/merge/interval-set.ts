import type { VarInt } from "../wire/varint.ts";
import { addVarInt } from "../wire/varint.ts";

/** The id after `id`. Ids up to 2^64 - 1 have one that still compares right, although no object carries it. */
export function nextId(id: VarInt): VarInt {
  return typeof id === "number" && id < Number.MAX_SAFE_INTEGER ? id + 1 : addVarInt(id, 1);
}

/**
 * A set of ids kept as sorted stretches. Ids that come in order, which is nearly always, cost one comparison and one store; memory follows the number of
 * gaps, not of ids. At most `maxIntervals` stretches: past it the lowest is forgotten, and `forgottenBelow` says up to where.
 */
export class IntervalSet {
  readonly #maxIntervals: number;
  readonly #starts: VarInt[] = [];
  /** The first id after each stretch. */
  readonly #ends: VarInt[] = [];
  #forgottenBelow: VarInt = 0;

  constructor(maxIntervals: number) {
    this.#maxIntervals = maxIntervals;
  }

  get forgottenBelow(): VarInt {
    return this.#forgottenBelow;
  }

  get intervalCount(): number {
    return this.#starts.length;
  }

  has(id: VarInt): boolean {
    const at = this.#indexOf(id);
    return at >= 0 && id < this.#ends[at]!;
  }

  /** False when it was there, or when it lies where the set has forgotten. */
  add(id: VarInt): boolean {
    const starts = this.#starts;
    const ends = this.#ends;
    const last = starts.length - 1;
    if (last >= 0 && ends[last] === id) {
      ends[last] = nextId(id);
      return true;
    }
    if (id < this.#forgottenBelow) return false;
    const at = this.#indexOf(id);
    if (at >= 0 && id < ends[at]!) return false;

    const after = nextId(id);
    const joinsLeft = at >= 0 && ends[at] === id;
    const joinsRight = at < last && starts[at + 1] === after;
    if (joinsLeft && joinsRight) {
      ends[at] = ends[at + 1]!;
      starts.splice(at + 1, 1);
      ends.splice(at + 1, 1);
    } else if (joinsLeft) {
      ends[at] = after;
    } else if (joinsRight) {
      starts[at + 1] = id;
    } else {
      starts.splice(at + 1, 0, id);
      ends.splice(at + 1, 0, after);
      if (starts.length > this.#maxIntervals) {
        starts.shift();
        this.#forgottenBelow = ends.shift()!;
      }
    }
    return true;
  }

  equals(other: IntervalSet): boolean {
    if (this.#forgottenBelow !== other.#forgottenBelow || this.#starts.length !== other.#starts.length)
      return false;
    for (let i = 0; i < this.#starts.length; i++) {
      if (this.#starts[i] !== other.#starts[i] || this.#ends[i] !== other.#ends[i]) return false;
    }
    return true;
  }

  /** The last stretch that begins at or before `id`, or -1. */
  #indexOf(id: VarInt): number {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= id) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
