/**
 * QUIC's variable-length integers (RFC 9000 §16), which MOQT used up to draft-16: two bits of length, up to 62 bits of value.
 *
 * The same two families as in cursor.ts: `try*` for streams whose rest may still come, `read*` for messages of known length.
 */
import { type Cursor, INCOMPLETE, readBytes, truncated } from "./cursor.ts";
import type { VarInt } from "./varint.ts";
import { unencodable, type Writer, writeBytes, writeU8 } from "./writer.ts";

/** 2^62 - 1. */
export const MAX_QUIC_VARINT = 2n ** 62n - 1n;

const TWO_32 = 0x1_0000_0000;

/** Returns INCOMPLETE, without moving, when bytes are missing. Any length is valid for any value that fits. */
export function tryQuicVarint(cursor: Cursor): VarInt {
  const { bytes, pos, end } = cursor;
  if (pos >= end) return INCOMPLETE;
  const first = bytes[pos]!;
  if (first < 0x40) {
    cursor.pos = pos + 1;
    return first;
  }
  if (first < 0x80) {
    if (pos + 2 > end) return INCOMPLETE;
    cursor.pos = pos + 2;
    return ((first & 0x3f) << 8) | bytes[pos + 1]!;
  }
  const word = (at: number) =>
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  if (first < 0xc0) {
    if (pos + 4 > end) return INCOMPLETE;
    cursor.pos = pos + 4;
    return word(pos) & 0x3fff_ffff;
  }
  if (pos + 8 > end) return INCOMPLETE;
  cursor.pos = pos + 8;
  const high = word(pos) & 0x3fff_ffff;
  const low = word(pos + 4);
  return high < 0x20_0000 ? high * TWO_32 + low : (BigInt(high) << 32n) | BigInt(low);
}

/** `what` names the field in the error. */
export function readQuicVarint(cursor: Cursor, what: string): VarInt {
  const value = tryQuicVarint(cursor);
  if (value === INCOMPLETE) throw truncated(cursor, what);
  return value;
}

/** A length and a view of that many bytes. */
export function readQuicSized(cursor: Cursor, what: string): Uint8Array {
  return readBytes(cursor, readQuicVarint(cursor, `the length of ${what}`), what);
}

/** In the fewest bytes. Throws "invalid-options" when it is none of 0..2^62-1. */
export function writeQuicVarint(writer: Writer, value: VarInt): void {
  if (
    typeof value === "number"
      ? !Number.isSafeInteger(value) || value < 0
      : value < 0n || value > MAX_QUIC_VARINT
  ) {
    throw unencodable(
      `${value} is not an integer from 0 to 2^62 - 1, which is all this draft can carry.`,
      "RFC 9000 §16",
    );
  }
  if (value < 0x40) {
    writeU8(writer, Number(value));
  } else if (value < 0x4000) {
    writeBigEndian(writer, Number(value) + 0x4000, 2);
  } else if (value < 0x4000_0000) {
    writeBigEndian(writer, Number(value) + 0x8000_0000, 4);
  } else {
    const big = BigInt(value);
    writeBigEndian(writer, Number(big >> 32n) + 0xc000_0000, 4);
    writeBigEndian(writer, Number(big & 0xffff_ffffn), 4);
  }
}

function writeBigEndian(writer: Writer, value: number, length: number): void {
  for (let shift = (length - 1) * 8; shift >= 0; shift -= 8) writeU8(writer, (value >>> shift) & 0xff);
}

/** A length and the bytes. */
export function writeQuicSized(writer: Writer, bytes: Uint8Array): void {
  writeQuicVarint(writer, bytes.length);
  writeBytes(writer, bytes);
}
