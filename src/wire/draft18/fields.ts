/** Fields that several control messages share: names, locations, reason phrases (draft-18 §1.4, §2.4.1). */
import { utf8DecodeLossy, utf8Encode } from "../../utf8.ts";
import { type Cursor, readBytes, readSizedBytes, readVi64, remaining } from "../cursor.ts";
import type { FullTrackName, Location, Namespace } from "../names.ts";
import { unencodable, type Writer, writeSizedBytes, writeVi64 } from "../writer.ts";
import { clause, overLimit, violation } from "./violation.ts";

/** §2.4.1. */
export const MAX_NAMESPACE_FIELDS = 32;
/** §2.4.1: bytes of all namespace fields and the name together. */
export const MAX_TRACK_NAME_BYTES = 4096;
/** §1.4.4. */
export const MAX_REASON_BYTES = 1024;

const NAMES = "§2.4.1";

export function namespaceBytes(namespace: Namespace): number {
  let total = 0;
  for (const field of namespace) total += field.length;
  return total;
}

export function readNamespace(cursor: Cursor): Namespace {
  const count = readVi64(cursor, "a track namespace");
  if (count > MAX_NAMESPACE_FIELDS)
    throw overLimit(NAMES, `The peer sent a track namespace of ${count} fields.`);
  const fields: Uint8Array[] = [];
  let total = 0;
  for (let i = 0; i < Number(count); i++) {
    const length = readVi64(cursor, "a namespace field");
    if (length === 0) throw violation(NAMES, "The peer sent an empty track namespace field.");
    // Before the bytes are looked for, so that a promise too big is named for what it is.
    if (length > MAX_TRACK_NAME_BYTES - total) throw nameTooLong();
    total += Number(length);
    fields.push(readBytes(cursor, length, "a namespace field"));
  }
  return fields;
}

/** A track name that follows `namespace`: together at most 4096 bytes. */
export function readTrackName(cursor: Cursor, namespace: Namespace): Uint8Array {
  const length = readVi64(cursor, "a track name");
  if (length > MAX_TRACK_NAME_BYTES - namespaceBytes(namespace)) throw nameTooLong();
  return readBytes(cursor, length, "a track name");
}

function nameTooLong() {
  return overLimit(NAMES, `The peer sent a name of more than ${MAX_TRACK_NAME_BYTES} bytes.`);
}

export function readTrack(cursor: Cursor): FullTrackName {
  const namespace = readNamespace(cursor);
  return { namespace, name: readTrackName(cursor, namespace) };
}

export function writeNamespace(writer: Writer, namespace: Namespace): void {
  if (namespace.length > MAX_NAMESPACE_FIELDS) {
    throw unencodable(`A track namespace has at most ${MAX_NAMESPACE_FIELDS} fields.`, clause(NAMES));
  }
  if (namespaceBytes(namespace) > MAX_TRACK_NAME_BYTES) throw nameUnencodable();
  writeVi64(writer, namespace.length);
  for (const field of namespace) {
    if (field.length === 0)
      throw unencodable("A track namespace field has at least one byte.", clause(NAMES));
    writeSizedBytes(writer, field);
  }
}

export function writeTrack(writer: Writer, track: FullTrackName): void {
  if (namespaceBytes(track.namespace) + track.name.length > MAX_TRACK_NAME_BYTES) throw nameUnencodable();
  writeNamespace(writer, track.namespace);
  writeSizedBytes(writer, track.name);
}

function nameUnencodable() {
  return unencodable(`A full track name has at most ${MAX_TRACK_NAME_BYTES} bytes.`, clause(NAMES));
}

export function readLocation(cursor: Cursor, what: string): Location {
  const group = readVi64(cursor, what);
  return { group, object: readVi64(cursor, what) };
}

export function writeLocation(writer: Writer, location: Location): void {
  writeVi64(writer, location.group);
  writeVi64(writer, location.object);
}

/** Text of people: bytes that are not UTF-8 show as U+FFFD rather than end the session. */
export function readReason(cursor: Cursor): string {
  const length = readVi64(cursor, "a reason phrase");
  if (length > MAX_REASON_BYTES)
    throw overLimit("§1.4.4", `The peer sent a reason phrase of ${length} bytes.`);
  return utf8DecodeLossy(readBytes(cursor, length, "a reason phrase"));
}

/** Longer reasons are cut, at a character's border: they inform people, and losing their end beats losing the message. */
export function writeReason(writer: Writer, reason: string): void {
  let bytes = utf8Encode(reason);
  if (bytes.length > MAX_REASON_BYTES) {
    let end = MAX_REASON_BYTES;
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    bytes = bytes.slice(0, end);
  }
  writeSizedBytes(writer, bytes);
}

/** A sized string that is no more than shown or passed on. */
export function readText(cursor: Cursor, what: string): string {
  return utf8DecodeLossy(readSizedBytes(cursor, what));
}

export function writeText(writer: Writer, text: string): void {
  writeSizedBytes(writer, utf8Encode(text));
}

/** The rest of the message. */
export function readRest(cursor: Cursor): Uint8Array {
  return readBytes(cursor, remaining(cursor), "the message");
}
