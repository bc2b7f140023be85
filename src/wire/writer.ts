/**
 * Writing bytes: a growing buffer and free functions over it.
 *
 * Encoders take a writer, fill it and copy the result out with {@link finish}; the writer itself may be kept and used again.
 */
import { CountersignError } from "../errors.ts";
import type { VarInt } from "./varint.ts";

export interface Writer {
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes written. */
  length: number;
}

const TWO_32 = 0x1_0000_0000;

export function newWriter(capacity = 256): Writer {
  return { bytes: new Uint8Array(capacity), length: 0 };
}

/** What was written, in a buffer of exactly its size; the writer is empty again. */
export function finish(writer: Writer): Uint8Array<ArrayBuffer> {
  const result = writer.bytes.slice(0, writer.length);
  writer.length = 0;
  return result;
}

/** Makes room and returns where it begins. It may replace `writer.bytes`: read that only afterwards. */
function reserve(writer: Writer, count: number): number {
  const at = writer.length;
  const needed = at + count;
  if (needed > writer.bytes.length) {
    const grown = new Uint8Array(Math.max(needed, writer.bytes.length * 2));
    grown.set(writer.bytes.subarray(0, at));
    writer.bytes = grown;
  }
  writer.length = needed;
  return at;
}

/** Something that we, not the peer, got wrong: a value that has no encoding. */
export function unencodable(message: string, section?: string): CountersignError {
  return new CountersignError("invalid-options", message, section === undefined ? {} : { section });
}

export function writeU8(writer: Writer, value: number): void {
  if (!(value >= 0 && value <= 0xff && Number.isInteger(value))) {
    throw unencodable(`${value} is not an integer from 0 to 255.`);
  }
  const at = reserve(writer, 1);
  writer.bytes[at] = value;
}

export function writeU16(writer: Writer, value: number): void {
  const at = reserve(writer, 2);
  writer.bytes[at] = value >>> 8;
  writer.bytes[at + 1] = value;
}

export function writeBytes(writer: Writer, bytes: Uint8Array): void {
  const at = reserve(writer, bytes.length);
  writer.bytes.set(bytes, at);
}

/** A value in the fewest bytes of a vi64 (draft-18 §1.4.1). Throws "invalid-options" when it is none of 0..2^64-1. */
export function writeVi64(writer: Writer, value: VarInt): void {
  if (typeof value === "number") {
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
      const at = reserve(writer, 1);
      writer.bytes[at] = value;
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0)
      throw unencodable(`${value} is not an integer from 0 to 2^64 - 1.`);
    writeWords(writer, Math.floor(value / TWO_32), value >>> 0);
    return;
  }
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn)
    throw unencodable(`${value} is not an integer from 0 to 2^64 - 1.`);
  writeWords(writer, Number(value >> 32n), Number(value & 0xffff_ffffn));
}

function writeWords(writer: Writer, high: number, low: number): void {
  const length = vi64Length(high, low);
  const at = reserve(writer, length);
  const { bytes } = writer;
  for (let i = length - 1, rest = low; i >= Math.max(0, length - 4); i--, rest >>>= 8) bytes[at + i] = rest;
  for (let i = length - 5, rest = high; i >= Math.max(0, length - 8); i--, rest >>>= 8) bytes[at + i] = rest;
  // `length - 1` leading ones and, below nine bytes, a zero; the value leaves these bits free.
  if (length === 9) bytes[at] = 0xff;
  else bytes[at] = bytes[at]! | (0xff & ~(0xff >>> (length - 1)));
}

function vi64Length(high: number, low: number): number {
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  return Math.min(9, Math.max(1, Math.ceil(bits / 7)));
}

/** A vi64 length and the bytes. */
export function writeSizedBytes(writer: Writer, bytes: Uint8Array): void {
  writeVi64(writer, bytes.length);
  writeBytes(writer, bytes);
}
