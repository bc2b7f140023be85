/**
 * Properties: what relays may see of a track or object beside its payload (draft-18 §2.5, §12).
 *
 * On the wire they are Key-Value-Pairs (§1.4.3), sorted by type, each type a delta to the one before. An object carries them as raw
 * bytes through all of Countersign, because a relay must forward them unchanged and the signer signs some of them as they are; the
 * functions here look into those bytes without copying. The encoding is that of drafts 17 and later.
 */
import { CountersignError } from "../errors.ts";
import { sessionErrors } from "./codes.ts";
import { type Cursor, cursorOver, INCOMPLETE, tryVi64 } from "./cursor.ts";
import type { KeyValue } from "./messages.ts";
import { addVarInt, MAX_VARINT, subVarInt, type VarInt } from "./varint.ts";
import { finish, newWriter, unencodable, type Writer, writeSizedBytes, writeVi64 } from "./writer.ts";

/** Property types that MOQT itself defines (§12, §15.8). */
export const propertyTypes = {
  objectDeliveryTimeout: 0x02,
  maxCacheDuration: 0x04,
  subgroupDeliveryTimeout: 0x06,
  immutableProperties: 0x0b,
  defaultPublisherPriority: 0x0e,
  defaultPublisherGroupOrder: 0x22,
  dynamicGroups: 0x30,
  priorGroupIdGap: 0x3c,
  priorObjectIdGap: 0x3e,
} as const;

/** The longest value of one Key-Value-Pair, in bytes (§1.4.3). */
export const MAX_KEY_VALUE_BYTES = 0xffff;

/** §2.5.1: a track with a property of this range that we do not understand must not be processed; objects must not carry one. */
export function isMandatoryTrackProperty(type: VarInt): boolean {
  return type >= 0x4000 && type <= 0x7fff;
}

const KEY_VALUE_SECTION = "draft-ietf-moq-transport-18 §1.4.3";
const IMMUTABLE_SECTION = "draft-ietf-moq-transport-18 §12.7";

/**
 * Where a list of pairs stands decides what its faults mean: in a control message the session is at fault
 * (KEY_VALUE_FORMATTING_ERROR), in an object the track is malformed (§12.7).
 */
type ListKind = "message" | "object";

/** One step of a walk over a list: the pair's type and either its number or the place of its bytes in `cursor.bytes`. */
interface Walk extends Cursor {
  readonly kind: ListKind;
  type: VarInt;
  number: VarInt;
  valueStart: number;
  valueEnd: number;
}

function walkOver(bytes: Uint8Array, kind: ListKind): Walk {
  return { ...cursorOver(bytes, KEY_VALUE_SECTION), kind, type: 0, number: 0, valueStart: 0, valueEnd: 0 };
}

/** Moves to the next pair; false at the end of the list. */
function advance(walk: Walk): boolean {
  if (walk.pos >= walk.end) return false;
  const delta = tryVi64(walk);
  if (delta === INCOMPLETE) throw unparsable(walk.kind);
  const type = addVarInt(walk.type, delta);
  if (type > MAX_VARINT) {
    throw new CountersignError(
      "protocol-violation",
      "The peer sent a Key-Value-Pair whose type is above 2^64 - 1.",
      {
        protocolCode: sessionErrors["protocol-violation"],
        section: KEY_VALUE_SECTION,
      },
    );
  }
  walk.type = type;
  const value = tryVi64(walk);
  if (value === INCOMPLETE) throw unparsable(walk.kind);
  if (!isOdd(type)) {
    walk.number = value;
    return true;
  }
  if (value > MAX_KEY_VALUE_BYTES) {
    throw new CountersignError("limit-exceeded", `The peer sent a Key-Value-Pair of ${value} bytes.`, {
      protocolCode: sessionErrors["protocol-violation"],
      section: KEY_VALUE_SECTION,
    });
  }
  if (value > walk.end - walk.pos) throw unparsable(walk.kind);
  walk.valueStart = walk.pos;
  walk.pos += Number(value);
  walk.valueEnd = walk.pos;
  return true;
}

function isOdd(type: VarInt): boolean {
  return typeof type === "number" ? type % 2 === 1 : (type & 1n) === 1n;
}

function unparsable(kind: ListKind): CountersignError {
  const message = "The peer sent a list of Key-Value-Pairs that cannot be parsed.";
  if (kind === "object")
    return new CountersignError("malformed-track", message, { section: IMMUTABLE_SECTION });
  return new CountersignError("malformed-message", message, {
    protocolCode: sessionErrors["key-value-formatting-error"],
    section: KEY_VALUE_SECTION,
  });
}

/**
 * The pairs of a list in a control message, in order. Values are views of `bytes`.
 * Throws "malformed-message", "limit-exceeded" or "protocol-violation" (§1.4.3).
 */
export function parseKeyValues(bytes: Uint8Array): KeyValue[] {
  const walk = walkOver(bytes, "message");
  const pairs: KeyValue[] = [];
  while (advance(walk)) {
    const { type } = walk;
    pairs.push({ type, value: isOdd(type) ? bytes.subarray(walk.valueStart, walk.valueEnd) : walk.number });
  }
  return pairs;
}

/** Writes pairs, which must be in ascending order of type, odd types with bytes and even types with integers; else "invalid-options". */
export function writeKeyValues(writer: Writer, pairs: readonly KeyValue[]): void {
  let previous: VarInt = 0;
  for (const { type, value } of pairs) {
    if (type < previous)
      throw unencodable("Key-Value-Pairs must be in ascending order of type.", KEY_VALUE_SECTION);
    writeVi64(writer, subVarInt(type, previous));
    previous = type;
    if (typeof value === "object") {
      if (!isOdd(type))
        throw unencodable(`Type ${type} is even, so its value is an integer.`, KEY_VALUE_SECTION);
      if (value.length > MAX_KEY_VALUE_BYTES) {
        throw unencodable(`A Key-Value-Pair holds at most ${MAX_KEY_VALUE_BYTES} bytes.`, KEY_VALUE_SECTION);
      }
      writeSizedBytes(writer, value);
    } else {
      if (isOdd(type)) throw unencodable(`Type ${type} is odd, so its value is bytes.`, KEY_VALUE_SECTION);
      writeVi64(writer, value);
    }
  }
}

/** Pairs as the bytes of {@link MoqObject.properties}. Order and types as for {@link writeKeyValues}. */
export function encodeProperties(pairs: readonly KeyValue[]): Uint8Array<ArrayBuffer> {
  const writer = newWriter();
  writeKeyValues(writer, pairs);
  return finish(writer);
}

/** The pairs of an object's properties. Throws "malformed-track" when they cannot be parsed. */
export function parseObjectProperties(bytes: Uint8Array): KeyValue[] {
  const walk = walkOver(bytes, "object");
  const pairs: KeyValue[] = [];
  while (advance(walk)) {
    const { type } = walk;
    pairs.push({ type, value: isOdd(type) ? bytes.subarray(walk.valueStart, walk.valueEnd) : walk.number });
  }
  return pairs;
}

/**
 * The value of an object's Immutable Properties (§12.7), the part that a signature covers: a view of `properties`, exactly the
 * bytes as carried. Undefined when the object has none. Throws "malformed-track" when the list cannot be parsed.
 */
export function immutablePropertiesOf(properties: Uint8Array): Uint8Array | undefined {
  if (properties.length === 0) return undefined;
  const walk = walkOver(properties, "object");
  while (advance(walk)) {
    if (walk.type === propertyTypes.immutableProperties)
      return properties.subarray(walk.valueStart, walk.valueEnd);
    if (walk.type > propertyTypes.immutableProperties) return undefined;
  }
  return undefined;
}

/** How many groups before this object's, and objects before it in its group, will never exist (§12.8, §12.9). Undefined: not said. */
export interface PriorGaps {
  readonly groups: VarInt | undefined;
  readonly objects: VarInt | undefined;
}

/**
 * Checks an object's properties and reads its gaps, in the mutable list and in the immutable one (§12.7: processors must search both).
 *
 * Throws "malformed-track" for what makes the track malformed: pairs that cannot be parsed, Immutable Properties twice or nested, a gap
 * told twice or reaching below zero (§12.7-12.9), a Mandatory Track Property on an object (§2.5.1). Throws "protocol-violation" or
 * "limit-exceeded" for what ends the session (§1.4.3).
 */
export function inspectObjectProperties(properties: Uint8Array, group: VarInt, object: VarInt): PriorGaps {
  let groups: VarInt | undefined;
  let objects: VarInt | undefined;
  let immutable: Uint8Array | undefined;
  let walk = walkOver(properties, "object");
  for (;;) {
    if (!advance(walk)) {
      // The mutable list is done: go through the immutable one, then leave.
      if (immutable === undefined || walk.bytes === immutable) return { groups, objects };
      walk = walkOver(immutable, "object");
      continue;
    }
    const { type } = walk;
    if (type === propertyTypes.immutableProperties) {
      if (immutable !== undefined) throw malformed("Immutable Properties twice or nested", "§12.7");
      immutable = properties.subarray(walk.valueStart, walk.valueEnd);
    } else if (type === propertyTypes.priorGroupIdGap) {
      if (groups !== undefined) throw malformed("two Prior Group ID Gaps", "§12.8");
      groups = walk.number;
      if (groups > group) throw malformed("a Prior Group ID Gap larger than its group id", "§12.8");
    } else if (type === propertyTypes.priorObjectIdGap) {
      if (objects !== undefined) throw malformed("two Prior Object ID Gaps", "§12.9");
      objects = walk.number;
      if (objects > object) throw malformed("a Prior Object ID Gap larger than its object id", "§12.9");
    } else if (isMandatoryTrackProperty(type)) {
      throw malformed(`the Mandatory Track Property ${type}`, "§2.5.1");
    }
  }
}

function malformed(what: string, clause: string): CountersignError {
  return new CountersignError("malformed-track", `An object carries ${what}.`, {
    section: `draft-ietf-moq-transport-18 ${clause}`,
  });
}
