/** Object and padding datagrams (draft-18 §11.3, §11.5.2). */
import { cursorOver, readBytes, readU8, readVi64, remaining } from "../cursor.ts";
import type { Datagram, MoqObject, ObjectStatus } from "../objects.ts";
import { inspectObjectProperties } from "../properties.ts";
import type { VarInt } from "../varint.ts";
import {
  finish,
  newWriter,
  unencodable,
  writeBytes,
  writeSizedBytes,
  writeU8,
  writeVi64,
} from "../writer.ts";
import { DATAGRAM, objectStatus, STATUS } from "./stream-types.ts";
import { clause, malformedMessage, violation } from "./violation.ts";

const SECTION = "§11.3.1";
const NOTHING = new Uint8Array(0);

/**
 * Properties and payload are views of `bytes`. Throws "protocol-violation" or "malformed-message" for what ends the session,
 * "malformed-track" for properties that condemn only the track.
 */
export function decodeDatagram(bytes: Uint8Array): Datagram {
  const cursor = cursorOver(bytes, clause(SECTION));
  const type = readVi64(cursor, "the type of a datagram");
  if (type === DATAGRAM.padding) return { type: "padding" };
  if (typeof type === "bigint" || type > 0x2f || (type & DATAGRAM.reserved) !== 0) {
    throw violation(SECTION, `The peer sent a datagram of unknown type 0x${type.toString(16)}.`);
  }
  const hasStatus = (type & DATAGRAM.status) !== 0;
  const endOfGroup = (type & DATAGRAM.endOfGroup) !== 0;
  if (hasStatus && endOfGroup) {
    throw violation(SECTION, `The peer sent a datagram of the invalid type 0x${type.toString(16)}.`);
  }
  const trackAlias = readVi64(cursor, "the track alias");
  const group = readVi64(cursor, "the group id");
  const object = (type & DATAGRAM.zeroObjectId) !== 0 ? 0 : readVi64(cursor, "the object id");
  const priority = (type & DATAGRAM.defaultPriority) !== 0 ? undefined : readU8(cursor, "the priority");
  let properties: Uint8Array = NOTHING;
  if ((type & DATAGRAM.properties) !== 0) {
    const length = readVi64(cursor, "the properties length");
    if (length === 0)
      throw violation(SECTION, "The peer sent a datagram that announces properties and has none.");
    properties = readBytes(cursor, length, "the properties");
    inspectObjectProperties(properties, group, object);
  }
  let status: ObjectStatus = "normal";
  let payload: Uint8Array = NOTHING;
  if (hasStatus) {
    status = objectStatus(readVi64(cursor, "the object status"));
    if (status !== "normal" && properties.length > 0) {
      throw violation(SECTION, "The peer sent properties on a datagram whose status is not Normal.");
    }
    if (remaining(cursor) !== 0)
      throw malformedMessage(SECTION, "The peer sent a datagram with both status and payload.");
  } else {
    payload = readBytes(cursor, remaining(cursor), "the payload");
  }
  const decoded: MoqObject = { group, object, subgroup: undefined, priority, status, properties, payload };
  return { type: "object", trackAlias, endOfGroup, object: decoded };
}

/** The whole datagram, payload included: it goes out in one write. Throws "invalid-options" for what it cannot carry. */
export function encodeDatagram(
  trackAlias: VarInt,
  object: MoqObject,
  endOfGroup: boolean,
): Uint8Array<ArrayBuffer> {
  const { group, object: id, priority, status, properties, payload } = object;
  if (status !== "normal" && (properties.length > 0 || payload.length > 0 || endOfGroup)) {
    throw unencodable(
      "An object whose status is not Normal has no properties, no payload and no end-of-group bit.",
      clause(SECTION),
    );
  }
  // §11.2.1.1: an empty object says explicitly that it is Normal, unless it must say that it ends the group.
  const hasStatus = payload.length === 0 && !endOfGroup;
  const writer = newWriter(64 + properties.length + payload.length);
  writeVi64(
    writer,
    (properties.length > 0 ? DATAGRAM.properties : 0) |
      (endOfGroup ? DATAGRAM.endOfGroup : 0) |
      (id === 0 ? DATAGRAM.zeroObjectId : 0) |
      (priority === undefined ? DATAGRAM.defaultPriority : 0) |
      (hasStatus ? DATAGRAM.status : 0),
  );
  writeVi64(writer, trackAlias);
  writeVi64(writer, group);
  if (id !== 0) writeVi64(writer, id);
  if (priority !== undefined) writeU8(writer, priority);
  if (properties.length > 0) writeSizedBytes(writer, properties);
  if (hasStatus) writeVi64(writer, STATUS[status]);
  else writeBytes(writer, payload);
  return finish(writer);
}
