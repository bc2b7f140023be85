/** The first integers of streams and datagrams in drafts 14 to 16, and how these drafts differ there. */
import type { UniStreamKind } from "../codec.ts";
import { cursorOver, INCOMPLETE } from "../cursor.ts";
import type { ObjectStatus } from "../objects.ts";
import { tryQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { violation } from "./faults.ts";
import type { PairTypes } from "./key-values.ts";

export interface DataDialect {
  readonly draft: string;
  /** How types of extension headers are written. */
  readonly pairTypes: PairTypes;
  /** Serialization Flags in a fetch (15 and later) or every field each time (14). */
  readonly fetchFlags: boolean;
  /** Among the flags are End of Range and that of a datagram object (16). */
  readonly fetchGaps: boolean;
  /** Empty objects of a fetch have a status (14 and 15). */
  readonly fetchStatus: boolean;
  /** Subgroups and datagrams may leave their priority out (15 and later). */
  readonly defaultPriority: boolean;
  /** Status 0x1, Object Does Not Exist (14 and 15). */
  readonly missingStatus: boolean;
  /** Objects whose status is not Normal may have extension headers, unless they do not exist (14). */
  readonly statusProperties: boolean;
  /** A datagram with a status may leave its object id out (15 and later). */
  readonly zeroIdStatus: boolean;
}

export const FETCH_STREAM = 0x05;

/** Bits of a SUBGROUP_HEADER type (draft-16 §10.4.2); bit 4 is always set. */
export const SUBGROUP = {
  base: 0x10,
  extensions: 0x01,
  idMask: 0x06,
  idZero: 0x00,
  idFirstObject: 0x02,
  idPresent: 0x04,
  endOfGroup: 0x08,
  defaultPriority: 0x20,
} as const;

/** Bits of an OBJECT_DATAGRAM type (draft-16 §10.3.1). */
export const DATAGRAM = {
  extensions: 0x01,
  endOfGroup: 0x02,
  zeroObjectId: 0x04,
  defaultPriority: 0x08,
  status: 0x20,
} as const;

/** Serialization Flags of an object in a fetch (draft-16 §10.4.4) and the values that are not flags. */
export const FETCH = {
  subgroupMask: 0x03,
  subgroupZero: 0x00,
  subgroupPrior: 0x01,
  subgroupPriorPlusOne: 0x02,
  subgroupPresent: 0x03,
  objectId: 0x04,
  groupId: 0x08,
  priority: 0x10,
  extensions: 0x20,
  datagram: 0x40,
  end: 0x80,
  endOfNonExistentRange: 0x8c,
  endOfUnknownRange: 0x10c,
} as const;

export const STATUS = { normal: 0x0, missing: 0x1, "end-of-group": 0x3, "end-of-track": 0x4 } as const;

/** "missing" is Object Does Not Exist, which newer drafts express in other ways. */
export function objectStatus(value: VarInt, dialect: DataDialect): ObjectStatus | "missing" {
  if (value === STATUS.normal) return "normal";
  if (value === STATUS["end-of-group"]) return "end-of-group";
  if (value === STATUS["end-of-track"]) return "end-of-track";
  if (value === STATUS.missing && dialect.missingStatus) return "missing";
  throw violation(at(dialect, "§10.2.1"), `The peer sent the unknown object status ${value}.`);
}

export function at(dialect: Pick<DataDialect, "draft">, section: string): { section: string } {
  return { section: `${dialect.draft} ${section}` };
}

export function isSubgroupType(type: VarInt, dialect: DataDialect): boolean {
  if (typeof type === "bigint" || (type & SUBGROUP.base) === 0) return false;
  if (type > (dialect.defaultPriority ? 0x3f : 0x1f)) return false;
  return (type & SUBGROUP.idMask) !== SUBGROUP.idMask;
}

export function uniStreamKind(type: VarInt, dialect: DataDialect): UniStreamKind {
  if (isSubgroupType(type, dialect)) return "subgroup";
  if (type === FETCH_STREAM) return "fetch";
  throw violation(at(dialect, "§10"), `The peer opened a stream of unknown type 0x${type.toString(16)}.`);
}

export function peekUniStream(bytes: Uint8Array, dialect: DataDialect): UniStreamKind | undefined {
  const type = tryQuicVarint(cursorOver(bytes, ""));
  return type === INCOMPLETE ? undefined : uniStreamKind(type, dialect);
}
