/**
 * Variable-length integers.
 *
 * MOQT carries every number as one of these. Drafts 17 and later use vi64 (draft-18 §1.4.1: the number of leading 1 bits
 * gives the length, 1 to 9 bytes, all 64-bit values); earlier drafts use QUIC's (RFC 9000 §16: two bits of length, up to 62 bits).
 *
 * Values are `number` while they fit one exactly and `bigint` above: almost every id fits, so hot paths stay on numbers, and
 * nothing is lost when a peer uses all 64 bits.
 */

/** A non-negative integer below 2^64: a number when it is at most Number.MAX_SAFE_INTEGER, else a bigint. Canonical, so `===` compares. */
export type VarInt = number | bigint;

/** 2^64 - 1, the largest value. */
export const MAX_VARINT: VarInt = 0xffff_ffff_ffff_ffffn;

/** The canonical form of a bigint in 0..2^64-1. */
export function canonical(value: bigint): VarInt {
  return value <= 9007199254740991n ? Number(value) : value;
}

/** a + b, canonical. The caller has bounds to check: the result may exceed 2^64 - 1. */
export function addVarInt(a: VarInt, b: VarInt): VarInt {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (sum <= Number.MAX_SAFE_INTEGER) return sum;
  }
  return canonical(BigInt(a) + BigInt(b));
}

/** a - b, canonical. Throws RangeError when b > a: callers compare first. */
export function subVarInt(a: VarInt, b: VarInt): VarInt {
  if (typeof a === "number" && typeof b === "number") {
    if (b > a) throw new RangeError("negative VarInt");
    return a - b;
  }
  const difference = BigInt(a) - BigInt(b);
  if (difference < 0n) throw new RangeError("negative VarInt");
  return canonical(difference);
}

/** Order of two values for sorting: negative, zero or positive. */
export function compareVarInt(a: VarInt, b: VarInt): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
