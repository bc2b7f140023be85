/** Writing deterministic CBOR (RFC 8949 §4.2.1): the counterpart of what cbor.ts reads. */
import { utf8Encode } from "../utf8.ts";
import { finish, newWriter, unencodable, type Writer, writeBytes, writeU8 } from "../wire/writer.ts";
import {
  ARRAY,
  BYTES,
  type CborKey,
  type CborMap,
  type CborValue,
  MAP,
  NEGATIVE,
  TEXT,
  UNSIGNED,
} from "./cbor.ts";

const SECTION = "RFC 8949 §4.2.1";

/** The one encoding of `value`. Throws CountersignError "invalid-options" for a number that is no safe integer, or an integer beyond 64 bits. */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  const writer = newWriter();
  writeItem(writer, value);
  return finish(writer);
}

function writeItem(writer: Writer, value: CborValue): void {
  if (typeof value === "number" || typeof value === "bigint") writeInteger(writer, value);
  else if (typeof value === "string") writeSized(writer, TEXT, utf8Encode(value));
  else if (value instanceof Uint8Array) writeSized(writer, BYTES, value);
  else if (isList(value)) {
    writeHead(writer, ARRAY, value.length);
    for (const item of value) writeItem(writer, item);
  } else writeMap(writer, value);
}

/** ReadonlyMap has no runtime type, and Array.isArray() does not narrow readonly arrays. */
function isList(value: readonly CborValue[] | CborMap): value is readonly CborValue[] {
  return Array.isArray(value);
}

function writeInteger(writer: Writer, value: number | bigint): void {
  if (typeof value === "number" && !Number.isSafeInteger(value))
    throw unencodable(`${value} is not a safe integer.`, SECTION);
  if (value >= 0) writeHead(writer, UNSIGNED, value);
  else writeHead(writer, NEGATIVE, typeof value === "number" ? -1 - value : -1n - value);
}

function writeSized(writer: Writer, major: number, bytes: Uint8Array): void {
  writeHead(writer, major, bytes.byteLength);
  writeBytes(writer, bytes);
}

/** Keys in the order of their encodings, byte by byte. */
function writeMap(writer: Writer, map: CborMap): void {
  const entries = [...map].map(([key, value]): [Uint8Array, CborValue] => [
    encodeCbor(key satisfies CborKey),
    value,
  ]);
  entries.sort(([a], [b]) => {
    for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return a.length - b.length;
  });
  writeHead(writer, MAP, entries.length);
  for (const [key, value] of entries) {
    writeBytes(writer, key);
    writeItem(writer, value);
  }
}

/** Major type and argument, in as few bytes as possible (RFC 8949 §3). */
function writeHead(writer: Writer, major: number, argument: number | bigint): void {
  if (argument > 0xffff_ffff_ffff_ffffn) throw unencodable(`${argument} does not fit 64 bits.`, SECTION);
  const top = major << 5;
  if (argument < 24) {
    writeU8(writer, top | Number(argument));
    return;
  }
  const width = argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : argument < 0x1_0000_0000 ? 4 : 8;
  writeU8(writer, top | (24 + Math.log2(width)));
  let rest = BigInt(argument);
  const bytes = new Uint8Array(width);
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  writeBytes(writer, bytes);
}
