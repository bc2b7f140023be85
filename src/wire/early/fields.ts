/** Fields that several control messages of drafts 14 to 16 share: names, locations, reason phrases. */
import { utf8DecodeLossy, utf8Encode } from "../../utf8.ts";
import { type Cursor, readBytes, readU8 } from "../cursor.ts";
import type { SubscriptionFilter } from "../messages.ts";
import type { FullTrackName, Location, Namespace } from "../names.ts";
import { readQuicVarint, writeQuicSized, writeQuicVarint } from "../quic-varint.ts";
import { unencodable, type Writer } from "../writer.ts";
import { overLimit, violation } from "./faults.ts";

/** Track names: at most 32 fields and 4096 bytes (draft-16 §2.4.1, draft-14 §2.4.1). */
export const MAX_NAMESPACE_FIELDS = 32;
export const MAX_TRACK_NAME_BYTES = 4096;
/** Reason phrases (draft-16 §1.4.3). */
export const MAX_REASON_BYTES = 1024;
/** New Session URI of GOAWAY (draft-16 §9.4). */
export const MAX_SESSION_URI_BYTES = 8192;

function namespaceBytes(namespace: Namespace): number {
  let total = 0;
  for (const field of namespace) total += field.length;
  return total;
}

export function readNamespace(cursor: Cursor): Namespace {
  const count = readQuicVarint(cursor, "a track namespace");
  if (count > MAX_NAMESPACE_FIELDS)
    throw overLimit(cursor, `The peer sent a track namespace of ${count} fields.`);
  const fields: Uint8Array[] = [];
  let total = 0;
  for (let i = 0; i < Number(count); i++) {
    const length = readQuicVarint(cursor, "a namespace field");
    if (length === 0) throw violation(cursor, "The peer sent an empty track namespace field.");
    if (length > MAX_TRACK_NAME_BYTES - total) throw nameTooLong(cursor);
    total += Number(length);
    fields.push(readBytes(cursor, length, "a namespace field"));
  }
  return fields;
}

function nameTooLong(cursor: Cursor) {
  return overLimit(cursor, `The peer sent a name of more than ${MAX_TRACK_NAME_BYTES} bytes.`);
}

export function readTrack(cursor: Cursor): FullTrackName {
  const namespace = readNamespace(cursor);
  const length = readQuicVarint(cursor, "a track name");
  if (length > MAX_TRACK_NAME_BYTES - namespaceBytes(namespace)) throw nameTooLong(cursor);
  return { namespace, name: readBytes(cursor, length, "a track name") };
}

export function writeNamespace(writer: Writer, namespace: Namespace): void {
  if (namespace.length > MAX_NAMESPACE_FIELDS) {
    throw unencodable(`A track namespace has at most ${MAX_NAMESPACE_FIELDS} fields.`);
  }
  if (namespaceBytes(namespace) > MAX_TRACK_NAME_BYTES) throw nameUnencodable();
  writeQuicVarint(writer, namespace.length);
  for (const field of namespace) {
    if (field.length === 0) throw unencodable("A track namespace field has at least one byte.");
    writeQuicSized(writer, field);
  }
}

export function writeTrack(writer: Writer, track: FullTrackName): void {
  if (namespaceBytes(track.namespace) + track.name.length > MAX_TRACK_NAME_BYTES) throw nameUnencodable();
  writeNamespace(writer, track.namespace);
  writeQuicSized(writer, track.name);
}

function nameUnencodable() {
  return unencodable(`A full track name has at most ${MAX_TRACK_NAME_BYTES} bytes.`);
}

export function readLocation(cursor: Cursor, what: string): Location {
  const group = readQuicVarint(cursor, what);
  return { group, object: readQuicVarint(cursor, what) };
}

export function writeLocation(writer: Writer, location: Location): void {
  writeQuicVarint(writer, location.group);
  writeQuicVarint(writer, location.object);
}

/** Text of people: bytes that are not UTF-8 show as U+FFFD rather than end the session. */
export function readReason(cursor: Cursor): string {
  const length = readQuicVarint(cursor, "a reason phrase");
  if (length > MAX_REASON_BYTES) throw overLimit(cursor, `The peer sent a reason phrase of ${length} bytes.`);
  return utf8DecodeLossy(readBytes(cursor, length, "a reason phrase"));
}

/** Longer reasons are cut at a character's border. */
export function writeReason(writer: Writer, reason: string): void {
  const bytes = utf8Encode(reason);
  let end = Math.min(bytes.length, MAX_REASON_BYTES);
  while (end > 0 && end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  writeQuicSized(writer, bytes.subarray(0, end));
}

export function readSessionUri(cursor: Cursor): string {
  const length = readQuicVarint(cursor, "a new session URI");
  if (length > MAX_SESSION_URI_BYTES)
    throw overLimit(cursor, `The peer sent a new session URI of ${length} bytes.`);
  return utf8DecodeLossy(readBytes(cursor, length, "a new session URI"));
}

export function writeSessionUri(writer: Writer, uri: string): void {
  const bytes = utf8Encode(uri);
  if (bytes.length > MAX_SESSION_URI_BYTES) {
    throw unencodable(`A new session URI has at most ${MAX_SESSION_URI_BYTES} bytes.`);
  }
  writeQuicSized(writer, bytes);
}

/** A byte that is 0 or 1. */
export function readFlag(cursor: Cursor, what: string): boolean {
  const value = readU8(cursor, what);
  if (value > 1) throw violation(cursor, `The peer sent ${what} ${value}; it is 0 or 1.`);
  return value === 1;
}

const FILTERS = {
  "next-group-start": 1,
  "largest-object": 2,
  "absolute-start": 3,
  "absolute-range": 4,
} as const;

/** A Subscription Filter without its length. Its End Group is absolute in these drafts. */
export function readFilter(cursor: Cursor): SubscriptionFilter {
  const type = readQuicVarint(cursor, "a subscription filter");
  if (type === FILTERS["largest-object"]) return { type: "largest-object" };
  if (type === FILTERS["next-group-start"]) return { type: "next-group-start" };
  if (type !== FILTERS["absolute-start"] && type !== FILTERS["absolute-range"]) {
    throw violation(cursor, `The peer sent the unknown subscription filter ${type}.`);
  }
  const start = readLocation(cursor, "a subscription filter");
  if (type === FILTERS["absolute-start"]) return { type: "absolute-start", start };
  const endGroup = readQuicVarint(cursor, "a subscription filter");
  if (endGroup < start.group)
    throw violation(cursor, "The peer sent a subscription filter that ends before it starts.");
  return { type: "absolute-range", start, endGroup };
}

export function writeFilter(writer: Writer, filter: SubscriptionFilter): void {
  writeQuicVarint(writer, FILTERS[filter.type]);
  if (filter.type === "absolute-start" || filter.type === "absolute-range")
    writeLocation(writer, filter.start);
  if (filter.type === "absolute-range") {
    if (filter.endGroup < filter.start.group)
      throw unencodable("A subscription filter ends before it starts.");
    writeQuicVarint(writer, filter.endGroup);
  }
}
