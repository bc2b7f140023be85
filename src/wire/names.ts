/** Track names and locations, the two ways MOQT points at things (draft-18 §1.4.2, §2.4.1). */
import { CountersignError } from "../errors.ts";
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

const RENDERED_FIELD = /^(?:[A-Za-z0-9_]|\.[0-9a-f]{2})*$/;

function unrendered(text: string): CountersignError {
  return new CountersignError(
    "invalid-options",
    `"${text}" is not a track name or namespace in its printable form.`,
    {
      hint: "Fields are joined by -, the name follows --; bytes other than a-z, A-Z, 0-9 and _ are written .xx in lower case.",
      section: "draft-ietf-moq-transport-18 §1.5.1",
    },
  );
}

function parseField(text: string, whole: string): Uint8Array {
  if (!RENDERED_FIELD.test(text)) throw unrendered(whole);
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ".") {
      bytes.push(text.charCodeAt(at));
      continue;
    }
    const byte = Number.parseInt(text.slice(at + 1, at + 3), 16);
    // §1.5.1: one name, one form. A byte that could stand for itself must.
    if (literal.has(byte)) throw unrendered(whole);
    bytes.push(byte);
    at += 2;
  }
  return Uint8Array.from(bytes);
}

/** The namespace of a {@link namespaceKey}; "" is the empty one. Throws "invalid-options" for any other text (draft-18 §1.5.1). */
export function parseNamespaceKey(text: string): Namespace {
  if (text === "") return [];
  return text.split("-").map((field) => {
    const bytes = parseField(field, text);
    if (bytes.length === 0) throw unrendered(text);
    return bytes;
  });
}

/** The full track name of a {@link trackKey}. Throws "invalid-options" for any other text (draft-18 §1.5.1). */
export function parseTrackKey(text: string): FullTrackName {
  const border = text.indexOf("--");
  if (border < 0) throw unrendered(text);
  return {
    namespace: parseNamespaceKey(text.slice(0, border)),
    name: parseField(text.slice(border + 2), text),
  };
}
