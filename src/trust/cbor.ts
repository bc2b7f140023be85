/**
 * Deterministic CBOR (RFC 8949 §4.2.1), the part of it that manifests are made of: integers, byte strings, text strings, arrays
 * and maps with integer or text keys. No floats, tags, booleans, null or indefinite lengths.
 *
 * There is exactly one encoding of a value, and any other is refused. Were it not so, one statement would have several
 * digests, and what a checker reads could differ from what another one reads in the same bytes. Libraries do not check the order of keys,
 * the depth or which types occur, so reading is done here, in one pass, and writing in cbor-writer.ts; in the tests cborg reads and writes against them.
 */
import { CountersignError } from "../errors.ts";
import { utf8Decode } from "../utf8.ts";
import { MAX_CBOR_DEPTH } from "./limits.ts";

export type CborKey = number | bigint | string;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
/** Integers are numbers while they are safe, bigints beyond: VarInt when not negative. */
export type CborValue = number | bigint | string | Uint8Array | readonly CborValue[] | CborMap;

/** Major types (RFC 8949 §3.1). */
export const UNSIGNED = 0;
export const NEGATIVE = 1;
export const BYTES = 2;
export const TEXT = 3;
export const ARRAY = 4;
export const MAP = 5;

/** The least argument that needs this many further bytes; less must use a shorter form (RFC 8949 §4.2.1). */
const LEAST_ARGUMENT: Readonly<Record<number, number>> = { 1: 24, 2: 0x100, 4: 0x1_0000, 8: 0x1_0000_0000 };

function refuse(what: string): never {
  throw new CountersignError("manifest-malformed", `The signed data is not deterministic CBOR: ${what}.`, {
    section: "RFC 8949 §4.2.1",
  });
}

/** Where reading is. One object per value that is read, not one per item. */
interface Reader {
  readonly bytes: Uint8Array;
  pos: number;
}

/** The argument of an initial byte (RFC 8949 §3), exact: a bigint where a number would not be. */
function readArgument(reader: Reader, info: number): number | bigint {
  if (info < 24) return info;
  if (info > 27) refuse("an indefinite or reserved length");
  const { bytes, pos } = reader;
  const width = 1 << (info - 24);
  if (pos + width > bytes.byteLength) refuse("it ends too early");
  reader.pos = pos + width;
  let argument: number | bigint = 0;
  for (let i = 0; i < width; i++) argument = argument * 256 + bytes[pos + i]!;
  if (argument < LEAST_ARGUMENT[width]!) refuse("an integer or length is longer than it needs to be");
  if (argument <= Number.MAX_SAFE_INTEGER) return argument;
  let exact = 0n;
  for (let i = 0; i < width; i++) exact = exact * 256n + BigInt(bytes[pos + i]!);
  return exact;
}

function readNegative(argument: number | bigint): number | bigint {
  const value = typeof argument === "number" ? -1 - argument : -1n - argument;
  return typeof value === "bigint" || Number.isSafeInteger(value) ? value : -1n - BigInt(argument);
}

function readItem(reader: Reader, depth: number): CborValue {
  if (depth > MAX_CBOR_DEPTH) refuse(`nested deeper than ${MAX_CBOR_DEPTH}`);
  const { bytes } = reader;
  const initial = bytes[reader.pos++];
  if (initial === undefined) refuse("it ends too early");
  const major = initial >> 5;
  const argument = readArgument(reader, initial & 0x1f);
  switch (major) {
    case UNSIGNED:
      return argument;
    case NEGATIVE:
      return readNegative(argument);
    case BYTES:
    case TEXT: {
      const end = reader.pos + Number(argument);
      if (end > bytes.byteLength) refuse("it ends too early");
      // Not subarray(): of a Buffer, as Node's encoders give, that is another Buffer, which compares as another type.
      const content = new Uint8Array(bytes.buffer, bytes.byteOffset + reader.pos, Number(argument));
      reader.pos = end;
      return major === BYTES ? content : (utf8Decode(content) ?? refuse("text that is not UTF-8"));
    }
    case ARRAY: {
      const items: CborValue[] = [];
      // Each element takes a byte or more, so a huge count runs into the end of the data at once.
      for (let i = 0; i < argument; i++) items.push(readItem(reader, depth + 1));
      return items;
    }
    case MAP:
      return readMap(reader, argument, depth);
    default:
      return refuse(`a value of major type ${major}`);
  }
}

function readMap(reader: Reader, count: number | bigint, depth: number): CborMap {
  const { bytes } = reader;
  const map = new Map<CborKey, CborValue>();
  let previousStart = 0;
  let previousEnd = 0;
  for (let i = 0; i < count; i++) {
    const keyStart = reader.pos;
    const key = readItem(reader, depth + 1);
    if (typeof key !== "number" && typeof key !== "bigint" && typeof key !== "string")
      refuse("a map key that is neither integer nor text");
    // Strictly ascending in bytewise order; that also rules out keys that occur twice.
    if (i > 0 && compareSlices(bytes, previousStart, previousEnd, keyStart, reader.pos) >= 0)
      refuse("map keys out of order or repeated");
    previousStart = keyStart;
    previousEnd = reader.pos;
    map.set(key, readItem(reader, depth + 1));
  }
  return map;
}

function compareSlices(
  bytes: Uint8Array,
  aStart: number,
  aEnd: number,
  bStart: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < length; i++) {
    const difference = bytes[aStart + i]! - bytes[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/**
 * The one value that `bytes` encode, byte strings as views of `bytes`. For any bytes it returns or throws CountersignError "manifest-malformed". The caller
 * bounds the size.
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const reader = { bytes, pos: 0 };
  const value = readItem(reader, 0);
  if (reader.pos !== bytes.byteLength) refuse("bytes follow the value");
  return value;
}

/** For readers of decoded values: true for a byte string, of `length` bytes when given. */
export function isBytes(value: CborValue | undefined, length?: number): value is Uint8Array {
  return value instanceof Uint8Array && (length === undefined || value.byteLength === length);
}

/** True for a non-negative integer below 2^64, of any size. */
export function isUnsigned(value: CborValue | undefined): value is number | bigint {
  return (typeof value === "number" || typeof value === "bigint") && value >= 0;
}

/** True for a non-negative integer that a number holds exactly. */
export function isCount(value: CborValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}

export function isArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

export function isMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map;
}
