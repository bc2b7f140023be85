/**
 * Deterministic CBOR (RFC 8949 §4.2.1), the part of it that manifests are made of: integers, byte strings, text strings, arrays
 * and maps with integer or text keys. No floats, tags, booleans, null or indefinite lengths.
 *
 * There is exactly one encoding of a value, and any other is refused. Were it not so, one statement would have several
 * digests, and what a checker reads could differ from what another one reads in the same bytes. cborg's strict options do not check
 * the order of keys, the depth or which types occur, so a scan over the bytes goes before it.
 */
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { CountersignError, toCountersignError } from "../errors.ts";
import { utf8Decode } from "../utf8.ts";
import { MAX_CBOR_DEPTH } from "./limits.ts";

export type CborKey = number | bigint | string;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
/** Integers are numbers while they are safe, bigints beyond: VarInt when not negative. */
export type CborValue = number | bigint | string | Uint8Array | readonly CborValue[] | CborMap;

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
} as const;

/** Major types (RFC 8949 §3.1). */
const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;

/** The least argument that needs this many further bytes; less must use a shorter form (RFC 8949 §4.2.1). */
const LEAST_ARGUMENT: Readonly<Record<number, number>> = { 1: 24, 2: 0x100, 4: 0x1_0000, 8: 0x1_0000_0000 };

function refuse(what: string): never {
  throw new CountersignError("manifest-malformed", `The signed data is not deterministic CBOR: ${what}.`, {
    section: "RFC 8949 §4.2.1",
  });
}

/** Walks over one data item and returns where it ends. `argument` of 2^53 and more is imprecise but only ever compared as too long. */
function scan(bytes: Uint8Array, start: number, depth: number): number {
  if (depth > MAX_CBOR_DEPTH) refuse(`nested deeper than ${MAX_CBOR_DEPTH}`);
  const initial = bytes[start];
  if (initial === undefined) refuse("it ends too early");
  const major = initial >> 5;
  const info = initial & 0x1f;
  let pos = start + 1;
  let argument = info;
  if (info >= 24) {
    if (info > 27) refuse("an indefinite or reserved length");
    const width = 1 << (info - 24);
    if (pos + width > bytes.byteLength) refuse("it ends too early");
    argument = 0;
    for (let i = 0; i < width; i++) argument = argument * 256 + bytes[pos + i]!;
    if (argument < LEAST_ARGUMENT[width]!) refuse("an integer or length is longer than it needs to be");
    pos += width;
  }
  switch (major) {
    case UNSIGNED:
    case NEGATIVE:
      return pos;
    case BYTES:
    case TEXT: {
      const end = pos + argument;
      if (end > bytes.byteLength) refuse("it ends too early");
      if (major === TEXT && utf8Decode(bytes.subarray(pos, end)) === undefined)
        refuse("text that is not UTF-8");
      return end;
    }
    case ARRAY:
      // Each element takes a byte or more, so a huge count runs into the end of the data at once.
      for (let i = 0; i < argument; i++) pos = scan(bytes, pos, depth + 1);
      return pos;
    case MAP:
      return scanMap(bytes, pos, argument, depth);
    default:
      return refuse(`a value of major type ${major}`);
  }
}

function scanMap(bytes: Uint8Array, start: number, count: number, depth: number): number {
  let pos = start;
  let previousStart = 0;
  let previousEnd = 0;
  for (let i = 0; i < count; i++) {
    const keyMajor = (bytes[pos] ?? 0) >> 5;
    if (keyMajor !== UNSIGNED && keyMajor !== NEGATIVE && keyMajor !== TEXT)
      refuse("a map key that is neither integer nor text");
    const keyEnd = scan(bytes, pos, depth + 1);
    // Strictly ascending in bytewise order; that also rules out keys that occur twice.
    if (i > 0 && compareSlices(bytes, previousStart, previousEnd, pos, keyEnd) >= 0)
      refuse("map keys out of order or repeated");
    previousStart = pos;
    previousEnd = keyEnd;
    pos = scan(bytes, keyEnd, depth + 1);
  }
  return pos;
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
 * The one value that `bytes` encode, byte strings as views or copies of `bytes`. For any bytes it returns or throws CountersignError
 * "manifest-malformed". The caller bounds the size.
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  if (scan(bytes, 0, 0) !== bytes.byteLength) refuse("bytes follow the value");
  try {
    return decode(bytes, STRICT) as CborValue;
  } catch (thrown) {
    throw toCountersignError(thrown, "manifest-malformed");
  }
}

/** The one encoding of `value`. Numbers must be safe integers: callers validate what they sign. */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  return encode(value, rfc8949EncodeOptions) as Uint8Array<ArrayBuffer>;
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
