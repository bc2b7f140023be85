/** Object datagrams of drafts 14 to 16 (draft-16 §10.3.1, draft-14 §10.3.1). */
import { cursorOver, readBytes, readU8, remaining } from "../cursor.ts";
import type { Datagram, MoqObject, ObjectStatus } from "../objects.ts";
import { readQuicVarint, writeQuicSized, writeQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { finish, newWriter, unencodable, writeBytes, writeU8 } from "../writer.ts";
import { at, DATAGRAM, type DataDialect, objectStatus, STATUS } from "./data-types.ts";
import { DEFAULT_PRIORITY } from "./encode-streams.ts";
import { malformed, violation } from "./faults.ts";
import { NO_BYTES, propertiesFromWire, propertiesToWire } from "./key-values.ts";

const SECTION = "§10.3.1";

function isValid(type: VarInt, dialect: DataDialect): type is number {
  if (typeof type === "bigint" || type > 0x2f || (type & 0x10) !== 0) return false;
  if ((type & DATAGRAM.defaultPriority) !== 0 && !dialect.defaultPriority) return false;
  if ((type & DATAGRAM.status) === 0) return true;
  if ((type & DATAGRAM.zeroObjectId) !== 0 && !dialect.zeroIdStatus) return false;
  return (type & DATAGRAM.endOfGroup) === 0;
}

/** The payload is a view of `bytes`. An object that does not exist (drafts 14 and 15) is told as padding: there is nothing to deliver. */
export function decodeDatagram(bytes: Uint8Array, dialect: DataDialect): Datagram {
  const cursor = cursorOver(bytes, at(dialect, SECTION).section);
  const type = readQuicVarint(cursor, "the type of a datagram");
  if (!isValid(type, dialect))
    throw violation(cursor, `The peer sent a datagram of unknown type 0x${type.toString(16)}.`);
  const trackAlias = readQuicVarint(cursor, "the track alias");
  const group = readQuicVarint(cursor, "the group id");
  const object = (type & DATAGRAM.zeroObjectId) !== 0 ? 0 : readQuicVarint(cursor, "the object id");
  const priority = (type & DATAGRAM.defaultPriority) !== 0 ? undefined : readU8(cursor, "the priority");
  let properties = NO_BYTES;
  if ((type & DATAGRAM.extensions) !== 0) {
    const length = readQuicVarint(cursor, "the length of extension headers");
    if (length === 0)
      throw violation(cursor, "The peer sent a datagram that announces extension headers and has none.");
    const extensions = readBytes(cursor, length, "extension headers");
    properties = propertiesFromWire(extensions, dialect.pairTypes, { group, object }, cursor.section);
  }
  let status: ObjectStatus = "normal";
  let payload: Uint8Array = NO_BYTES;
  if ((type & DATAGRAM.status) !== 0) {
    const told = objectStatus(readQuicVarint(cursor, "the object status"), dialect);
    if (properties.length > 0 && told !== "normal" && (told === "missing" || !dialect.statusProperties)) {
      throw violation(
        cursor,
        "The peer sent extension headers on a datagram whose status does not allow them.",
      );
    }
    if (remaining(cursor) !== 0)
      throw malformed(cursor, "The peer sent a datagram with both status and payload.");
    if (told === "missing") return { type: "padding" };
    status = told;
  } else {
    payload = readBytes(cursor, remaining(cursor), "the payload");
  }
  const endOfGroup = (type & DATAGRAM.endOfGroup) !== 0;
  return {
    type: "object",
    trackAlias,
    endOfGroup,
    object: { group, object, subgroup: undefined, priority, status, properties, payload },
  };
}

/** The whole datagram, payload included. Throws "invalid-options" for what it cannot carry. */
export function encodeDatagram(
  trackAlias: VarInt,
  object: MoqObject,
  endOfGroup: boolean,
  dialect: DataDialect,
): Uint8Array<ArrayBuffer> {
  const { group, object: id, status, payload } = object;
  const withProperties = object.properties.length > 0;
  const bare = status !== "normal";
  if (bare && (payload.length > 0 || endOfGroup || (withProperties && !dialect.statusProperties))) {
    throw unencodable(
      "An object whose status is not Normal has no payload, no extension headers and no end-of-group bit.",
      at(dialect, SECTION).section,
    );
  }
  const hasStatus = payload.length === 0 && !endOfGroup;
  const priority = object.priority ?? (dialect.defaultPriority ? undefined : DEFAULT_PRIORITY);
  const zeroId = id === 0 && (!hasStatus || dialect.zeroIdStatus);
  const writer = newWriter(64 + object.properties.length + payload.length);
  writeQuicVarint(
    writer,
    (withProperties ? DATAGRAM.extensions : 0) |
      (endOfGroup ? DATAGRAM.endOfGroup : 0) |
      (zeroId ? DATAGRAM.zeroObjectId : 0) |
      (priority === undefined ? DATAGRAM.defaultPriority : 0) |
      (hasStatus ? DATAGRAM.status : 0),
  );
  writeQuicVarint(writer, trackAlias);
  writeQuicVarint(writer, group);
  if (!zeroId) writeQuicVarint(writer, id);
  if (priority !== undefined) writeU8(writer, priority);
  if (withProperties) writeQuicSized(writer, propertiesToWire(object.properties, dialect.pairTypes));
  if (hasStatus) writeQuicVarint(writer, STATUS[status]);
  else writeBytes(writer, payload);
  return finish(writer);
}
