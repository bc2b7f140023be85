/**
 * Who is responsible for what, without asking anybody.
 *
 * Tracks fall into 256 fixed partitions. For each partition every member has a score that anybody can compute from the member's name alone, and the member with
 * the highest score owns it ("highest random weight", Thaler and Ravishankar 1998). Whoever knows the same members comes to the same answer, so there is no
 * coordinator; and since scores do not depend on the other members, one that leaves gives up its own partitions and moves nobody else's.
 *
 * A lane is a second number beside the partition: the viewers of one hot track, spread over lanes, come to different owners.
 */
import { CountersignError } from "../errors.ts";
import { utf8Encode } from "../utf8.ts";
import { type Namespace, trackKey } from "../wire/names.ts";

/** Fixed for good: nodes that disagreed on it would disagree on every owner. Small enough for a table, large enough for a few dozen members. */
export const PARTITIONS = 256;

/**
 * Lanes of the viewers of one track. 64 per relay keep the busiest of 1,000 relays within 1.5 times its fair share, where 16 leave it at 1.9 (docs/scale.md); a
 * lane costs nothing but its number.
 */
export const DEFAULT_LANES = 65_536;

export interface Member {
  /** Unique among the members; for a relay its address. */
  readonly id: string;
  /** Capacity relative to the others; default 1. A member of weight 2 owns twice as much, one of weight 0 nothing. */
  readonly weight?: number;
}

/** The partition of a track, 0 to 255: FNV-1a over its printable form (draft-18 §1.5), which is unique per name, folded to 8 bits. */
export function partitionOf(namespace: Namespace, name: Uint8Array): number {
  const hash = fnv1a(utf8Encode(trackKey({ namespace, name })), FNV_OFFSET);
  // The fold that the authors of FNV recommend: all 32 bits have a say.
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (PARTITIONS - 1);
}

/** The lane of a viewer (or of anything else with a name of its own), 0 to lanes - 1. */
export function laneOf(viewer: string, lanes = DEFAULT_LANES): number {
  return avalanche(fnv1a(utf8Encode(viewer), FNV_OFFSET)) % lanes;
}

/** The owner's id; undefined when nobody can own anything. For many questions about the same members see {@link Rendezvous}. */
export function ownerOf(members: readonly Member[], partition: number, lane = 0): string | undefined {
  return new Rendezvous(members).owner(partition, lane)?.id;
}

interface Candidate {
  readonly member: Member;
  readonly high: number;
  readonly low: number;
  readonly weight: number;
}

/** A set of members, ready to be asked. Immutable: another set is another object. */
export class Rendezvous<M extends Member = Member> {
  readonly #candidates: readonly (Candidate & { readonly member: M })[];
  readonly #even: boolean;

  /** Throws "invalid-options" for an id that occurs twice and for a weight that is no number of 0 or more. */
  constructor(members: Iterable<M>) {
    const seen = new Set<string>();
    const candidates: (Candidate & { readonly member: M })[] = [];
    for (const member of members) {
      const weight = member.weight ?? 1;
      if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
        throw new CountersignError("invalid-options", `The member ${member.id} has a weight of ${weight}.`, {
          hint: "A weight is a capacity relative to the others: 0, 1, 2.5, ...",
        });
      }
      if (seen.has(member.id)) {
        throw new CountersignError("invalid-options", `Two members are called ${member.id}.`, {
          hint: "Give every member an id of its own, such as its address.",
        });
      }
      seen.add(member.id);
      if (weight === 0) continue;
      const id = utf8Encode(member.id);
      // Two independent hashes of the name: with one of 32 bits, two members of a large set would be twins.
      candidates.push({ member, weight, high: fnv1a(id, FNV_OFFSET), low: fnv1a(id, SECOND_OFFSET) });
    }
    this.#candidates = candidates;
    this.#even = candidates.every(({ weight }) => weight === candidates[0]?.weight);
  }

  /** Whoever owns the partition in this lane; undefined when there is no member of a weight above 0. */
  owner(partition: number, lane = 0): M | undefined {
    const key = keyOf(partition, lane);
    let best: (Candidate & { readonly member: M }) | undefined;
    let bestCost = 0;
    for (const candidate of this.#candidates) {
      const cost = this.#cost(candidate, key);
      if (
        best === undefined ||
        cost < bestCost ||
        (cost === bestCost && candidate.member.id < best.member.id)
      ) {
        best = candidate;
        bestCost = cost;
      }
    }
    return best?.member;
  }

  /** The owner, then who would own it without the owner, and so on: where to go next when one cannot be reached. */
  ranked(partition: number, lane = 0): readonly M[] {
    const key = keyOf(partition, lane);
    return this.#candidates
      .map(({ member, ...rest }) => ({ member, cost: this.#cost({ member, ...rest }, key) }))
      .sort((a, b) => a.cost - b.cost || (a.member.id < b.member.id ? -1 : 1))
      .map(({ member }) => member);
  }

  /** Less is better. An exponential variable of rate `weight`: its least one falls to each member in proportion to the weights. */
  #cost({ high, low, weight }: Candidate, key: number): number {
    const uniform = (avalanche(high ^ key) * 2 ** 20 + (avalanche(low ^ key) >>> 12) + 0.5) / 2 ** 52;
    // Among equals the order of the uniform variables is the order of the costs.
    return this.#even ? 1 - uniform : -ln(uniform) / weight;
  }
}

/** FNV-1a, 32 bits (draft-eastlake-fnv). */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Any other start gives another hash; this is 2^32 divided by the golden ratio. */
const SECOND_OFFSET = 0x9e3779b9;

function fnv1a(bytes: Uint8Array, offset: number): number {
  let hash = offset;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}

function keyOf(partition: number, lane: number): number {
  return avalanche(partition ^ avalanche(lane + SECOND_OFFSET));
}

/** Every bit of the input moves half of the output's (the finalizer of MurmurHash3): FNV alone leaves similar names with similar scores. */
function avalanche(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * The natural logarithm of a value in (0, 1], from operations whose results IEEE 754 fixes to the last bit. Math.log may differ between engines
 * (ECMA-262 §21.3.2 leaves it to them), and nodes that differ in a bit could differ in an owner.
 */
function ln(value: number): number {
  let mantissa = value;
  let exponent = 0;
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)); |ratio| is below 0.172, so the terms fall by a factor of 33.
  const ratio = (mantissa - 1) / (mantissa + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let term = 21; term >= 1; term -= 2) sum = sum * square + 1 / term;
  return 2 * ratio * sum + exponent * Math.LN2;
}
