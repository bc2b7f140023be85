/** Track names and locations, the two ways MOQT points at things (draft-18 §1.4.2, §2.4.1). */
import { utf8Encode } from "../utf8.ts";
import type { VarInt } from "./varint.ts";

/** A tuple of 0 to 32 fields (a full track namespace has at least 1), each at least 1 byte. */
export type Namespace = readonly Uint8Array[];

export interface FullTrackName {
  readonly namespace: Namespace;
  readonly name: Uint8Array;
}

/** One object's place in its track: the identity under which it is signed, merged and stored. */
export interface Location {
  readonly group: VarInt;
  readonly object: VarInt;
}

/** Negative, zero or positive as `a` is before, at or after `b` in the order of draft-18 §1.4.2. */
export function compareLocations(a: Location, b: Location): number {
  if (a.group !== b.group) return a.group < b.group ? -1 : 1;
  return a.object < b.object ? -1 : a.object > b.object ? 1 : 0;
}

/** A namespace from strings, UTF-8 encoded: `namespaceOf("example.com", "live")`. */
export function namespaceOf(...fields: string[]): Namespace {
  return fields.map((field) => utf8Encode(field));
}

/** A full track name from a namespace and a UTF-8 name. */
export function trackOf(namespace: Namespace, name: string): FullTrackName {
  return { namespace, name: utf8Encode(name) };
}

const literal = new Set(
  [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"].map((c) => c.charCodeAt(0)),
);

function renderField(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += literal.has(byte) ? String.fromCharCode(byte) : `.${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

/** The draft's printable form of a namespace (draft-18 §1.5), also the canonical map key: `example.2ecom-live`. */
export function namespaceKey(namespace: Namespace): string {
  return namespace.map(renderField).join("-");
}

/** The draft's printable form of a full track name (draft-18 §1.5), also the canonical map key: `example.2ecom-live--video`. */
export function trackKey(track: FullTrackName): string {
  return `${namespaceKey(track.namespace)}--${renderField(track.name)}`;
}
