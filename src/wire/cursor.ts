/**
 * Reading bytes: a cursor and free functions over it.
 *
 * A cursor is one mutable record per message or stream, not one object per field: at 100,000 objects a second the difference is the
 * garbage collector. There are two families. `try*` functions are for streams, where the rest may still come: they return
 * {@link INCOMPLETE} and leave the cursor where it was. `read*` functions are for messages of known length, where running out of
 * bytes is the peer's fault: they throw.
 */
import { CountersignError } from "../errors.ts";
import { sessionErrors } from "./codes.ts";
import type { VarInt } from "./varint.ts";

export interface Cursor {
  bytes: Uint8Array;
  /** Index of the next byte. */
  pos: number;
  /** Index behind the last byte that may be read. */
  end: number;
  /** The clause that defines what is being read, e.g. `draft-ietf-moq-transport-18 §10.7`: errors name it. */
  section: string;
}

/** What `try*` functions return when the value is not all there; no value is negative. */
export const INCOMPLETE = -1;

const TWO_32 = 0x1_0000_0000;

export function cursorOver(bytes: Uint8Array, section: string): Cursor {
  return { bytes, pos: 0, end: bytes.length, section };
}

/**
 * A vi64 (draft-18 §1.4.1): the leading 1 bits of the first byte count the bytes that follow it. Any length is valid for any value
 * that fits. Returns INCOMPLETE, without moving, when bytes are missing.
 */
export function tryVi64(cursor: Cursor): VarInt {
  const { bytes, pos, end } = cursor;
  if (pos >= end) return INCOMPLETE;
  const first = bytes[pos]!;
  if (first < 0x80) {
    cursor.pos = pos + 1;
    return first;
  }
  if (first < 0xc0) {
    if (pos + 2 > end) return INCOMPLETE;
    cursor.pos = pos + 2;
    return ((first & 0x3f) << 8) | bytes[pos + 1]!;
  }
  if (first < 0xe0) {
    if (pos + 3 > end) return INCOMPLETE;
    cursor.pos = pos + 3;
    return ((first & 0x1f) << 16) | (bytes[pos + 1]! << 8) | bytes[pos + 2]!;
  }
  return tryLongVi64(cursor, first);
}

/** Encodings of 4 to 9 bytes. Apart, so that the common lengths stay small enough to be inlined. */
function tryLongVi64(cursor: Cursor, first: number): VarInt {
  const { bytes, pos, end } = cursor;
  // 0xe0..0xef: 4, 0xf0..0xf7: 5, ..., 0xfe: 8, 0xff: 9 bytes.
  const length = Math.clz32(~(first << 24)) + 1;
  if (pos + length > end) return INCOMPLETE;
  let high = length === 9 ? 0 : first & (0xff >> length);
  let at = pos + 1;
  // The last four bytes make the low word, everything before them (at most 32 bits) the high word.
  const lowStart = pos + length - 4;
  if (length === 4) {
    cursor.pos = pos + 4;
    return (high << 24) | (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  }
  while (at < lowStart) high = high * 256 + bytes[at++]!;
  const low = word(bytes, at);
  cursor.pos = pos + length;
  if (high < 0x20_0000) return high * TWO_32 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Bytes that may still be read. */
export function remaining(cursor: Cursor): number {
  return cursor.end - cursor.pos;
}

export function truncated(cursor: Cursor, what: string): CountersignError {
  return new CountersignError("malformed-message", `The peer's message ends in the middle of ${what}.`, {
    protocolCode: sessionErrors["protocol-violation"],
    section: cursor.section,
  });
}

/** A vi64; `what` names the field in the error. */
export function readVi64(cursor: Cursor, what: string): VarInt {
  const value = tryVi64(cursor);
  if (value === INCOMPLETE) throw truncated(cursor, what);
  return value;
}

export function readU8(cursor: Cursor, what: string): number {
  if (cursor.pos >= cursor.end) throw truncated(cursor, what);
  return cursor.bytes[cursor.pos++]!;
}

/** A view of the next `length` bytes. */
export function readBytes(cursor: Cursor, length: VarInt, what: string): Uint8Array {
  if (length > cursor.end - cursor.pos) throw truncated(cursor, what);
  const from = cursor.pos;
  cursor.pos = from + Number(length);
  return cursor.bytes.subarray(from, cursor.pos);
}

/** A vi64 length and a view of that many bytes. */
export function readSizedBytes(cursor: Cursor, what: string): Uint8Array {
  return readBytes(cursor, readVi64(cursor, `the length of ${what}`), what);
}
