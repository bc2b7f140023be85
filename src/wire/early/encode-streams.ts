/** Headers and object fields for sending on data streams of drafts 14 to 16. Payloads are the caller's to write, uncopied. */
import type { FetchGap, MoqObject, SubgroupHeader } from "../objects.ts";
import { MAX_QUIC_VARINT, writeQuicSized, writeQuicVarint } from "../quic-varint.ts";
import { addVarInt, subVarInt, type VarInt } from "../varint.ts";
import { finish, newWriter, unencodable, type Writer, writeU8 } from "../writer.ts";
import { at, type DataDialect, FETCH, FETCH_STREAM, STATUS, SUBGROUP } from "./data-types.ts";
import { propertiesToWire } from "./key-values.ts";

/** What an object has whose priority nobody set (draft-16 §11): draft-14 has no place to leave it out. */
export const DEFAULT_PRIORITY = 128;

/** Kept between calls: encoding is synchronous, and `finish` copies out. */
const scratch: Writer = newWriter(512);

function fresh(): Writer {
  scratch.length = 0;
  return scratch;
}

export function encodeSubgroupHeader(header: SubgroupHeader, dialect: DataDialect): Uint8Array<ArrayBuffer> {
  const { subgroup } = header;
  const priority = header.priority ?? (dialect.defaultPriority ? undefined : DEFAULT_PRIORITY);
  const idMode =
    subgroup === undefined ? SUBGROUP.idFirstObject : subgroup === 0 ? SUBGROUP.idZero : SUBGROUP.idPresent;
  const writer = fresh();
  writeQuicVarint(
    writer,
    SUBGROUP.base |
      idMode |
      (header.hasProperties ? SUBGROUP.extensions : 0) |
      (header.endOfGroup ? SUBGROUP.endOfGroup : 0) |
      (priority === undefined ? SUBGROUP.defaultPriority : 0),
  );
  writeQuicVarint(writer, header.trackAlias);
  writeQuicVarint(writer, header.group);
  if (idMode === SUBGROUP.idPresent) writeQuicVarint(writer, subgroup!);
  if (priority !== undefined) writeU8(writer, priority);
  return finish(writer);
}

export function encodeSubgroupObject(
  object: MoqObject,
  header: SubgroupHeader,
  previous: VarInt | undefined,
  dialect: DataDialect,
): Uint8Array<ArrayBuffer> {
  const { properties, payload, status } = object;
  const where = at(dialect, "§10.4.2").section;
  if (status !== "normal" && (payload.length > 0 || (properties.length > 0 && !dialect.statusProperties))) {
    throw unencodable("An object whose status is not Normal has no payload and no extension headers.", where);
  }
  if (object.group !== header.group) throw unencodable("An object goes on a stream of its own group.", where);
  if (previous !== undefined && object.object <= previous) {
    throw unencodable("Objects of a subgroup are sent in ascending order.", where);
  }
  if (properties.length > 0 && !header.hasProperties) {
    throw unencodable("The subgroup's header says that its objects have no extension headers.", where);
  }
  const extensions = propertiesToWire(properties, dialect.pairTypes);
  const writer = fresh();
  writeQuicVarint(
    writer,
    previous === undefined ? object.object : subVarInt(subVarInt(object.object, previous), 1),
  );
  if (header.hasProperties) writeQuicSized(writer, extensions);
  writeQuicVarint(writer, payload.length);
  if (payload.length === 0) writeQuicVarint(writer, STATUS[status]);
  return finish(writer);
}

export function encodeFetchHeader(requestId: VarInt): Uint8Array<ArrayBuffer> {
  const writer = fresh();
  writeQuicVarint(writer, FETCH_STREAM);
  writeQuicVarint(writer, requestId);
  return finish(writer);
}

/** Fields that the object before tells already are left out where the draft can; after a gap only the group is taken for told. */
export function encodeFetchObject(
  object: MoqObject,
  previous: MoqObject | FetchGap | undefined,
  dialect: DataDialect,
): Uint8Array<ArrayBuffer> {
  const where = at(dialect, "§10.4.4").section;
  if (object.status !== "normal") throw unencodable("A fetch carries no object status.", where);
  if (previous !== undefined && previous.group === object.group && object.object <= previous.object) {
    throw unencodable("Objects of a group are fetched in ascending order.", where);
  }
  const extensions = propertiesToWire(object.properties, dialect.pairTypes);
  const writer = fresh();
  if (dialect.fetchFlags) writeFlaggedFields(writer, object, previous, extensions, dialect);
  else {
    writeQuicVarint(writer, object.group);
    // A datagram object's subgroup id is its object id (draft-14 §10.4.4).
    writeQuicVarint(writer, object.subgroup ?? object.object);
    writeQuicVarint(writer, object.object);
    writeU8(writer, object.priority ?? DEFAULT_PRIORITY);
    writeQuicSized(writer, extensions);
  }
  writeQuicVarint(writer, object.payload.length);
  if (dialect.fetchStatus && object.payload.length === 0) writeQuicVarint(writer, STATUS.normal);
  return finish(writer);
}

function writeFlaggedFields(
  writer: Writer,
  object: MoqObject,
  previous: MoqObject | FetchGap | undefined,
  extensions: Uint8Array,
  dialect: DataDialect,
): void {
  const before = previous !== undefined && "payload" in previous ? previous : undefined;
  const priority = object.priority ?? DEFAULT_PRIORITY;
  const newGroup = previous?.group !== object.group;
  const newObject = before === undefined || object.object !== addVarInt(before.object, 1);
  const newPriority = before === undefined || priority !== (before.priority ?? DEFAULT_PRIORITY);
  // Draft-15 treats a datagram object as one whose subgroup id is its object id; draft-16 has a flag for it.
  const inSubgroup = (of: MoqObject | undefined) =>
    dialect.fetchGaps ? of?.subgroup : (of?.subgroup ?? of?.object);
  const subgroup = inSubgroup(object);
  const mode = subgroupMode(subgroup, inSubgroup(before));
  writeQuicVarint(
    writer,
    mode |
      (newObject ? FETCH.objectId : 0) |
      (newGroup ? FETCH.groupId : 0) |
      (newPriority ? FETCH.priority : 0) |
      (extensions.length > 0 ? FETCH.extensions : 0),
  );
  if (newGroup) writeQuicVarint(writer, object.group);
  if (mode === FETCH.subgroupPresent) writeQuicVarint(writer, subgroup!);
  if (newObject) writeQuicVarint(writer, object.object);
  if (newPriority) writeU8(writer, priority);
  if (extensions.length > 0) writeQuicSized(writer, extensions);
}

function subgroupMode(subgroup: VarInt | undefined, previous: VarInt | undefined): number {
  if (subgroup === undefined) return FETCH.datagram;
  if (subgroup === 0) return FETCH.subgroupZero;
  if (previous === undefined) return FETCH.subgroupPresent;
  if (subgroup === previous) return FETCH.subgroupPrior;
  return subgroup === addVarInt(previous, 1) ? FETCH.subgroupPriorPlusOne : FETCH.subgroupPresent;
}

/**
 * Draft-14 says of a single place that nothing is there, and needs no more, because ids that are left out mean the same; draft-15 has only the
 * latter. Neither can say that something is unknown: that throws, and the caller has to reset the stream.
 */
export function encodeFetchGap(gap: FetchGap, dialect: DataDialect): Uint8Array<ArrayBuffer> {
  if (!dialect.fetchGaps) {
    if (gap.kind === "non-existent") return new Uint8Array(0);
    throw unencodable(
      "This draft cannot say that objects of a fetch are unknown.",
      at(dialect, "§10.4.4").section,
    );
  }
  const writer = fresh();
  writeQuicVarint(
    writer,
    gap.kind === "non-existent" ? FETCH.endOfNonExistentRange : FETCH.endOfUnknownRange,
  );
  writeQuicVarint(writer, gap.group);
  // "To the end of the group" is told by the largest id there is.
  writeQuicVarint(writer, gap.object > MAX_QUIC_VARINT ? MAX_QUIC_VARINT : gap.object);
  return finish(writer);
}
