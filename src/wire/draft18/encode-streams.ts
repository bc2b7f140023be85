/** Headers and object fields for sending on data streams (draft-18 §11.4). Payloads are the caller's to write, uncopied. */
import type { FetchGap, MoqObject, SubgroupHeader } from "../objects.ts";
import { addVarInt, subVarInt, type VarInt } from "../varint.ts";
import {
  finish,
  newWriter,
  unencodable,
  type Writer,
  writeSizedBytes,
  writeU8,
  writeVi64,
} from "../writer.ts";
import { FETCH, STATUS, STREAM_TYPE, SUBGROUP } from "./stream-types.ts";
import { clause } from "./violation.ts";

/** §12.4: what an object has whose priority nobody set. A fetch has no subscription to inherit from. */
const DEFAULT_PRIORITY = 128;

/** Kept between calls: encoding is synchronous, and `finish` copies out. */
const scratch: Writer = newWriter(512);

function fresh(): Writer {
  scratch.length = 0;
  return scratch;
}

export function encodeSubgroupHeader(header: SubgroupHeader): Uint8Array<ArrayBuffer> {
  const { subgroup, priority } = header;
  const idMode =
    subgroup === undefined ? SUBGROUP.idFirstObject : subgroup === 0 ? SUBGROUP.idZero : SUBGROUP.idPresent;
  const writer = fresh();
  writeVi64(
    writer,
    SUBGROUP.base |
      idMode |
      (header.hasProperties ? SUBGROUP.properties : 0) |
      (header.endOfGroup ? SUBGROUP.endOfGroup : 0) |
      (priority === undefined ? SUBGROUP.defaultPriority : 0) |
      (header.firstObject ? SUBGROUP.firstObject : 0),
  );
  writeVi64(writer, header.trackAlias);
  writeVi64(writer, header.group);
  if (idMode === SUBGROUP.idPresent) writeVi64(writer, subgroup!);
  if (priority !== undefined) writeU8(writer, priority);
  return finish(writer);
}

export function encodeSubgroupObject(
  object: MoqObject,
  header: SubgroupHeader,
  previous: VarInt | undefined,
): Uint8Array<ArrayBuffer> {
  const { properties, payload, status } = object;
  checkStatus(object);
  if (object.group !== header.group)
    throw unencodable("An object goes on a stream of its own group.", clause("§11.4.2"));
  if (previous !== undefined && object.object <= previous) {
    throw unencodable("Objects of a subgroup are sent in ascending order.", clause("§2.2"));
  }
  if (properties.length > 0 && !header.hasProperties) {
    throw unencodable("The subgroup's header says that its objects have no properties.", clause("§11.4.2"));
  }
  const writer = fresh();
  writeVi64(
    writer,
    previous === undefined ? object.object : subVarInt(subVarInt(object.object, previous), 1),
  );
  if (header.hasProperties) writeSizedBytes(writer, properties);
  writeVi64(writer, payload.length);
  if (payload.length === 0) writeVi64(writer, STATUS[status]);
  return finish(writer);
}

export function encodeFetchHeader(requestId: VarInt): Uint8Array<ArrayBuffer> {
  const writer = fresh();
  writeVi64(writer, STREAM_TYPE.fetch);
  writeVi64(writer, requestId);
  return finish(writer);
}

/**
 * Fields that the object before tells already are left out. After a gap only its location counts as "before": subgroup and priority
 * would be those of an object that the caller no longer has at hand, so they are written out. Groups that descend from one object to the
 * next are encoded as the Descending group order has it.
 */
export function encodeFetchObject(
  object: MoqObject,
  previous: MoqObject | FetchGap | undefined,
): Uint8Array<ArrayBuffer> {
  if (object.status !== "normal") throw unencodable("A fetch carries no object status.", clause("§11.2.1.1"));
  const before = previous !== undefined && "payload" in previous ? previous : undefined;
  const priority = object.priority ?? DEFAULT_PRIORITY;
  const newGroup = previous === undefined || previous.group !== object.group;
  // An id above 2^64 - 1 has no encoding, so `addVarInt` may pass it: nothing equals it.
  const newObject = previous === undefined || object.object !== addVarInt(previous.object, 1);
  if (!newGroup && object.object <= previous.object) {
    throw unencodable("Objects of a group are fetched in ascending order.", clause("§10.12.3"));
  }
  const subgroupMode = fetchSubgroupMode(object.subgroup, before?.subgroup);
  const hasPriority = before === undefined || priority !== (before.priority ?? DEFAULT_PRIORITY);
  const writer = fresh();
  writeVi64(
    writer,
    subgroupMode |
      (newObject ? FETCH.objectId : 0) |
      (newGroup ? FETCH.groupId : 0) |
      (hasPriority ? FETCH.priority : 0) |
      (object.properties.length > 0 ? FETCH.properties : 0),
  );
  if (newGroup)
    writeVi64(writer, previous === undefined ? object.group : groupDelta(object.group, previous.group));
  if (subgroupMode === FETCH.subgroupPresent) writeVi64(writer, object.subgroup!);
  if (newObject) writeVi64(writer, newGroup ? object.object : subVarInt(object.object, previous.object));
  if (hasPriority) writeU8(writer, priority);
  if (object.properties.length > 0) writeSizedBytes(writer, object.properties);
  writeVi64(writer, object.payload.length);
  return finish(writer);
}

function groupDelta(group: VarInt, previous: VarInt): VarInt {
  return subVarInt(group > previous ? subVarInt(group, previous) : subVarInt(previous, group), 1);
}

function fetchSubgroupMode(subgroup: VarInt | undefined, previous: VarInt | undefined): number {
  if (subgroup === undefined) return FETCH.datagram;
  if (subgroup === 0) return FETCH.subgroupZero;
  if (previous === undefined) return FETCH.subgroupPresent;
  if (subgroup === previous) return FETCH.subgroupPrior;
  return subgroup === addVarInt(previous, 1) ? FETCH.subgroupPriorPlusOne : FETCH.subgroupPresent;
}

/** §11.4.4.2, ids absolute: see the decoder. */
export function encodeFetchGap(gap: FetchGap): Uint8Array<ArrayBuffer> {
  const writer = fresh();
  writeVi64(writer, gap.kind === "non-existent" ? FETCH.endOfNonExistentRange : FETCH.endOfUnknownRange);
  writeVi64(writer, gap.group);
  writeVi64(writer, gap.object);
  return finish(writer);
}

function checkStatus({ status, properties, payload }: MoqObject): void {
  if (status !== "normal" && (properties.length > 0 || payload.length > 0)) {
    throw unencodable(
      "An object whose status is not Normal has no properties and no payload.",
      clause("§11.2.1.1"),
    );
  }
}
