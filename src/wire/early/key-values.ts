/**
 * Key-Value-Pairs of drafts 14 to 16: integers as in QUIC; types as deltas from draft-16 on, absolute and in any order before.
 *
 * All of Countersign knows properties in one form, that of drafts 17 and later (properties.ts): relays carry them between sessions of different
 * drafts, and the signer signs the immutable ones as bytes. So objects are translated at this border, both ways, Immutable Properties included.
 * Integers are written in their shortest form, as everybody writes them: then a list survives the way through an old draft and back byte for byte.
 */
import { CountersignError } from "../../errors.ts";
import { type Cursor, cursorOver, INCOMPLETE } from "../cursor.ts";
import type { KeyValue } from "../messages.ts";
import {
  encodeProperties,
  inspectObjectProperties,
  MAX_KEY_VALUE_BYTES,
  parseKeyValues,
  parseObjectProperties,
  propertyTypes,
} from "../properties.ts";
import { tryQuicVarint, writeQuicSized, writeQuicVarint } from "../quic-varint.ts";
import { addVarInt, compareVarInt, subVarInt, type VarInt } from "../varint.ts";
import { finish, newWriter, type Writer } from "../writer.ts";
import { malformed, malformedTrack, overLimit, violation } from "./faults.ts";

/** How a draft writes the types of pairs. */
export type PairTypes = "delta" | "absolute";

export const NO_BYTES: Uint8Array = new Uint8Array(0);

function isOdd(type: VarInt): boolean {
  return typeof type === "number" ? type % 2 === 1 : (type & 1n) === 1n;
}

/** Reads one pair at the cursor. `previous` is the type before. Throws what `unparsable` makes when bytes are missing. */
export function readPair(
  cursor: Cursor,
  previous: VarInt,
  types: PairTypes,
  unparsable: () => CountersignError,
): KeyValue {
  const field = tryQuicVarint(cursor);
  if (field === INCOMPLETE) throw unparsable();
  // Two values of 62 bits stay below 2^64, so the sum needs no check.
  const type = types === "delta" ? addVarInt(previous, field) : field;
  const value = tryQuicVarint(cursor);
  if (value === INCOMPLETE) throw unparsable();
  if (!isOdd(type)) return { type, value };
  if (value > MAX_KEY_VALUE_BYTES)
    throw overLimit(cursor, `The peer sent a Key-Value-Pair of ${value} bytes.`);
  if (value > cursor.end - cursor.pos) throw unparsable();
  const from = cursor.pos;
  cursor.pos += Number(value);
  return { type, value: cursor.bytes.subarray(from, cursor.pos) };
}

/** All pairs up to the cursor's end, in ascending order of type whatever the draft. */
function readAll(cursor: Cursor, types: PairTypes, unparsable: () => CountersignError): KeyValue[] {
  const pairs: KeyValue[] = [];
  let previous: VarInt = 0;
  while (cursor.pos < cursor.end) {
    const pair = readPair(cursor, previous, types, unparsable);
    previous = pair.type;
    pairs.push(pair);
  }
  return types === "delta" ? pairs : sorted(pairs);
}

/** Stable, so repeated types keep their order. */
export function sorted(pairs: readonly KeyValue[]): KeyValue[] {
  return [...pairs].sort((a, b) => compareVarInt(a.type, b.type));
}

/** The pair list at the end of a control message. */
export function readPairs(cursor: Cursor, types: PairTypes): KeyValue[] {
  return readAll(cursor, types, () =>
    malformed(
      cursor,
      "The peer sent a list of Key-Value-Pairs that cannot be parsed.",
      "key-value-formatting-error",
    ),
  );
}

export function writePair(
  writer: Writer,
  { type, value }: KeyValue,
  previous: VarInt,
  types: PairTypes,
): void {
  writeQuicVarint(writer, types === "delta" ? subVarInt(type, previous) : type);
  if (typeof value === "object") writeQuicSized(writer, value);
  else writeQuicVarint(writer, value);
}

/** `pairs` in ascending order of type. */
export function writePairs(writer: Writer, pairs: readonly KeyValue[], types: PairTypes): void {
  let previous: VarInt = 0;
  for (const pair of pairs) {
    writePair(writer, pair, previous, types);
    previous = pair.type;
  }
}

/** Pairs with their Immutable Properties, if any, put through `translate`. */
function withImmutable(pairs: readonly KeyValue[], translate: (bytes: Uint8Array) => Uint8Array): KeyValue[] {
  return pairs.map((pair) =>
    pair.type === propertyTypes.immutableProperties && typeof pair.value === "object"
      ? { type: pair.type, value: translate(pair.value) }
      : pair,
  );
}

/**
 * An object's extension headers as {@link MoqObject.properties}, checked. Throws "malformed-track" for what condemns the track,
 * with a protocol code for what ends the session.
 */
export function propertiesFromWire(
  bytes: Uint8Array,
  types: PairTypes,
  at: { readonly group: VarInt; readonly object: VarInt },
  section: string,
): Uint8Array {
  const unparsable = () =>
    malformedTrack({ section }, "An object carries extension headers that cannot be parsed.");
  const read = (list: Uint8Array) => readAll(cursorOver(list, section), types, unparsable);
  let properties: Uint8Array;
  try {
    properties = encodeProperties(withImmutable(read(bytes), (inner) => encodeProperties(read(inner))));
  } catch (thrown) {
    // Immutable ones that fit here and not in our own form.
    if (thrown instanceof CountersignError && thrown.code === "invalid-options") throw unparsable();
    throw thrown;
  }
  inspectObjectProperties(properties, at.group, at.object);
  return properties;
}

/** An object's properties as extension headers. Throws "invalid-options" for values above 2^62 - 1. */
export function propertiesToWire(properties: Uint8Array, types: PairTypes): Uint8Array {
  if (properties.length === 0) return NO_BYTES;
  const write = (pairs: readonly KeyValue[]) => {
    const writer = newWriter();
    writePairs(writer, pairs, types);
    return finish(writer);
  };
  return write(withImmutable(parseObjectProperties(properties), (inner) => write(parseKeyValues(inner))));
}

/** The extensions of a track (draft-16 §2.5): the rest of the message, in the common form of its values. */
export function readTrackExtensions(cursor: Cursor, types: PairTypes): KeyValue[] {
  const pairs = withImmutable(readPairs(cursor, types), (inner) => {
    const within = cursorOver(inner, cursor.section);
    const list = readPairs(within, types);
    if (list.some(({ type }) => type === propertyTypes.immutableProperties)) throw twice(cursor);
    return encodeProperties(list);
  });
  if (pairs.filter(({ type }) => type === propertyTypes.immutableProperties).length > 1) throw twice(cursor);
  for (const pair of pairs) checkTrackValue(cursor, pair);
  return pairs;
}

function twice(cursor: Cursor) {
  return malformed(
    cursor,
    "The peer sent Immutable Extensions twice for one track, or nested.",
    "key-value-formatting-error",
  );
}

export function writeTrackExtensions(writer: Writer, pairs: readonly KeyValue[], types: PairTypes): void {
  const immutable = (inner: Uint8Array) => {
    const list = newWriter();
    writePairs(list, parseKeyValues(inner), types);
    return finish(list);
  };
  writePairs(writer, withImmutable(pairs, immutable), types);
}

/** Draft-16 §11: values that it restricts. */
export function checkTrackValue(cursor: Cursor, { type, value }: KeyValue): void {
  if (typeof value === "object") return;
  const wrong =
    (type === propertyTypes.objectDeliveryTimeout && value === 0) ||
    (type === propertyTypes.defaultPublisherPriority && value > 255) ||
    (type === propertyTypes.defaultPublisherGroupOrder && value !== 1 && value !== 2) ||
    (type === propertyTypes.dynamicGroups && value > 1);
  if (wrong) throw violation(cursor, `The peer sent the value ${value} for the track's extension ${type}.`);
}
