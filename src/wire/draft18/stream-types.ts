/** The first integers of streams and datagrams, and what their bits say (draft-18 §3.4, §11.3.1, §11.4.2). */
import type { UniStreamKind } from "../codec.ts";
import { cursorOver, INCOMPLETE, tryVi64 } from "../cursor.ts";
import type { ObjectStatus } from "../objects.ts";
import type { VarInt } from "../varint.ts";
import { clause, violation } from "./violation.ts";

/** §3.4. */
export const STREAM_TYPE = { fetch: 0x05, setup: 0x2f00, padding: 0x132b3e28 } as const;

/** Bits of a SUBGROUP_HEADER type (§11.4.2); bit 4 is always set. */
export const SUBGROUP = {
  base: 0x10,
  properties: 0x01,
  idMask: 0x06,
  idZero: 0x00,
  idFirstObject: 0x02,
  idPresent: 0x04,
  idReserved: 0x06,
  endOfGroup: 0x08,
  defaultPriority: 0x20,
  firstObject: 0x40,
} as const;

/** Bits of an OBJECT_DATAGRAM type (§11.3.1), and the type of padding (§11.5.2). */
export const DATAGRAM = {
  properties: 0x01,
  endOfGroup: 0x02,
  zeroObjectId: 0x04,
  defaultPriority: 0x08,
  status: 0x20,
  /** The bits that no object datagram has: it is 0b00X0XXXX. */
  reserved: ~0x2f,
  padding: 0x132b3e29,
} as const;

/** Serialization Flags of an object in a fetch (§11.4.4.1) and the two values that are not flags (§11.4.4.2). */
export const FETCH = {
  subgroupMask: 0x03,
  subgroupZero: 0x00,
  subgroupPrior: 0x01,
  subgroupPriorPlusOne: 0x02,
  subgroupPresent: 0x03,
  objectId: 0x04,
  groupId: 0x08,
  priority: 0x10,
  properties: 0x20,
  datagram: 0x40,
  /** Values from here on are not flags. */
  end: 0x80,
  endOfNonExistentRange: 0x8c,
  endOfUnknownRange: 0x10c,
} as const;

/** Object Status on the wire (§11.2.1.1). */
export const STATUS = { normal: 0x0, "end-of-group": 0x3, "end-of-track": 0x4 } as const;

export function objectStatus(value: VarInt): ObjectStatus {
  if (value === STATUS.normal) return "normal";
  if (value === STATUS["end-of-group"]) return "end-of-group";
  if (value === STATUS["end-of-track"]) return "end-of-track";
  throw violation("§11.2.1.1", `The peer sent the unknown object status ${value}.`);
}

/** True for a valid SUBGROUP_HEADER type. Throws on the reserved way of coding the subgroup id. */
export function isSubgroupType(type: VarInt): boolean {
  if (typeof type === "bigint" || type > 0x7f || (type & SUBGROUP.base) === 0) return false;
  if ((type & SUBGROUP.idMask) === SUBGROUP.idReserved) {
    throw violation("§11.4.2", `The peer sent the reserved subgroup header type 0x${type.toString(16)}.`);
  }
  return true;
}

export function uniStreamKind(type: VarInt): UniStreamKind {
  if (isSubgroupType(type)) return "subgroup";
  if (type === STREAM_TYPE.fetch) return "fetch";
  if (type === STREAM_TYPE.setup) return "control";
  if (type === STREAM_TYPE.padding) return "padding";
  throw violation("§3.4", `The peer opened a stream of unknown type 0x${type.toString(16)}.`);
}

export function peekUniStream(bytes: Uint8Array): UniStreamKind | undefined {
  const type = tryVi64(cursorOver(bytes, clause("§3.4")));
  return type === INCOMPLETE ? undefined : uniStreamKind(type);
}
