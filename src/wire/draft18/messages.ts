/**
 * The control messages of draft-18 (§10), each as the bytes behind its type and length.
 *
 * A reader is given exactly the bytes that the length promised and must use them all; what is left over, or missing, is a
 * PROTOCOL_VIOLATION (§10).
 */
import { utf8DecodeLossy, utf8Encode } from "../../utf8.ts";
import { requestErrors } from "../codes.ts";
import { type Cursor, cursorOver, readBytes, readU8, readVi64, remaining } from "../cursor.ts";
import type { ControlMessage, FetchRange, RequestErrorMessage } from "../messages.ts";
import { compareLocations } from "../names.ts";
import type { VarInt } from "../varint.ts";
import { unencodable, type Writer, writeSizedBytes, writeU8, writeVi64 } from "../writer.ts";
import type { Dialect } from "./dialect.ts";
import {
  MAX_TRACK_NAME_BYTES,
  namespaceBytes,
  readLocation,
  readNamespace,
  readReason,
  readText,
  readTrack,
  readTrackName,
  writeLocation,
  writeNamespace,
  writeReason,
  writeText,
  writeTrack,
} from "./fields.ts";
import { readParameters, writeParameters } from "./parameters.ts";
import { decodeSetup, writeSetup } from "./setup.ts";
import { readTrackProperties, writeTrackProperties } from "./track-properties.ts";
import { clause, malformedMessage, overLimit, violation } from "./violation.ts";

/** §10.4: the longest New Session URI, in bytes. */
export const MAX_SESSION_URI_BYTES = 8192;

type MessageType = ControlMessage["type"];

/** §10, table of message types. */
const ids: Readonly<Record<MessageType, number>> = {
  "request-update": 0x02,
  subscribe: 0x03,
  "subscribe-ok": 0x04,
  "request-error": 0x05,
  "publish-namespace": 0x06,
  "request-ok": 0x07,
  namespace: 0x08,
  "publish-done": 0x0b,
  "track-status": 0x0d,
  "namespace-done": 0x0e,
  "publish-blocked": 0x0f,
  goaway: 0x10,
  fetch: 0x16,
  "fetch-ok": 0x18,
  publish: 0x1d,
  "subscribe-namespace": 0x50,
  "subscribe-tracks": 0x51,
  setup: 0x2f00,
};

const types: ReadonlyMap<VarInt, MessageType> = new Map(
  (Object.keys(ids) as MessageType[]).map((type) => [ids[type], type] as const),
);

const sections: Readonly<Record<MessageType, string>> = {
  setup: "§10.3",
  goaway: "§10.4",
  "request-ok": "§10.5",
  "request-error": "§10.6",
  subscribe: "§10.7",
  "subscribe-ok": "§10.8",
  "request-update": "§10.9",
  publish: "§10.10",
  "publish-done": "§10.11",
  fetch: "§10.12",
  "fetch-ok": "§10.13",
  "track-status": "§10.14",
  "publish-namespace": "§10.15",
  namespace: "§10.16",
  "namespace-done": "§10.17",
  "subscribe-namespace": "§10.18",
  "subscribe-tracks": "§10.19",
  "publish-blocked": "§10.20",
};

/** The wire's number of a message type. */
export function messageId(type: MessageType): number {
  return ids[type];
}

/** The message type of a number on the wire, as far as it may appear on that kind of stream; otherwise a PROTOCOL_VIOLATION. */
export function messageTypeOf(id: VarInt, stream: "control" | "request", dialect: Dialect): MessageType {
  const type = types.get(id) ?? dialect.aliases.get(id);
  if (type === undefined)
    throw violation("§10", `The peer sent a message of unknown type 0x${id.toString(16)}.`);
  const onControl = type === "setup" || type === "goaway";
  const onRequest = type !== "setup";
  if (stream === "control" ? !onControl : !onRequest) {
    throw violation("§10", `The peer sent ${type} on a ${stream} stream.`);
  }
  return type;
}

/** `payload` is the message without type and length; views of it end up in the result. */
export function decodePayload(
  type: MessageType,
  payload: Uint8Array,
  stream: "control" | "request",
  dialect: Dialect,
): ControlMessage {
  const cursor = cursorOver(payload, clause(sections[type]));
  const message = readMessage(type, cursor, stream, dialect);
  if (remaining(cursor) !== 0) {
    throw malformedMessage(
      "§10",
      `The peer's ${type} is longer than its fields by ${remaining(cursor)} bytes.`,
    );
  }
  return message;
}

function readMessage(
  type: MessageType,
  cursor: Cursor,
  stream: "control" | "request",
  dialect: Dialect,
): ControlMessage {
  switch (type) {
    case "setup": {
      const setup = decodeSetup(cursor.bytes, dialect.setupNumbers);
      cursor.pos = cursor.end;
      return setup;
    }
    case "goaway": {
      const uriLength = readVi64(cursor, "a new session URI");
      if (uriLength > MAX_SESSION_URI_BYTES) {
        throw overLimit("§10.4", `The peer sent a new session URI of ${uriLength} bytes.`);
      }
      const newSessionUri = utf8DecodeLossy(readBytes(cursor, uriLength, "a new session URI"));
      const timeoutMs = readVi64(cursor, "the timeout");
      if (stream === "request" || !dialect.goawayNamesRequest) return { type, newSessionUri, timeoutMs };
      return { type, newSessionUri, timeoutMs, requestId: readVi64(cursor, "the request id") };
    }
    case "request-ok": {
      const parameters = readParameters(cursor, type, dialect.parameters);
      return { type, parameters, trackProperties: readTrackProperties(cursor) };
    }
    case "request-error":
      return readRequestError(cursor);
    case "subscribe":
    case "track-status": {
      const requestId = readVi64(cursor, "the request id");
      const track = readTrack(cursor);
      return { type, requestId, track, parameters: readParameters(cursor, type, dialect.parameters) };
    }
    case "subscribe-ok": {
      const trackAlias = readVi64(cursor, "the track alias");
      const parameters = readParameters(cursor, type, dialect.parameters);
      return { type, trackAlias, parameters, trackProperties: readTrackProperties(cursor) };
    }
    case "request-update": {
      const requestId = readVi64(cursor, "the request id");
      return { type, requestId, parameters: readParameters(cursor, type, dialect.parameters) };
    }
    case "publish": {
      const requestId = readVi64(cursor, "the request id");
      const track = readTrack(cursor);
      const trackAlias = readVi64(cursor, "the track alias");
      const parameters = readParameters(cursor, type, dialect.parameters);
      return { type, requestId, track, trackAlias, parameters, trackProperties: readTrackProperties(cursor) };
    }
    case "publish-done": {
      const statusCode = readVi64(cursor, "the status code");
      const streamCount = readVi64(cursor, "the stream count");
      return { type, statusCode, streamCount, reason: readReason(cursor) };
    }
    case "fetch": {
      const requestId = readVi64(cursor, "the request id");
      const range = readFetchRange(cursor);
      return { type, requestId, range, parameters: readParameters(cursor, type, dialect.parameters) };
    }
    case "fetch-ok": {
      const endOfTrack = readU8(cursor, "End Of Track");
      if (endOfTrack > 1)
        throw violation("§10.13", `The peer sent End Of Track ${endOfTrack}; it is 0 or 1.`);
      const end = readLocation(cursor, "the end location");
      const parameters = readParameters(cursor, type, dialect.parameters);
      const trackProperties = readTrackProperties(cursor);
      return { type, endOfTrack: endOfTrack === 1, end, parameters, trackProperties };
    }
    case "publish-namespace": {
      const requestId = readVi64(cursor, "the request id");
      const namespace = readNamespace(cursor);
      return { type, requestId, namespace, parameters: readParameters(cursor, type, dialect.parameters) };
    }
    case "subscribe-namespace":
    case "subscribe-tracks": {
      const requestId = readVi64(cursor, "the request id");
      const prefix = readNamespace(cursor);
      return { type, requestId, prefix, parameters: readParameters(cursor, type, dialect.parameters) };
    }
    case "namespace":
    case "namespace-done":
      return { type, suffix: readNamespace(cursor) };
    case "publish-blocked": {
      const suffix = readNamespace(cursor);
      return { type, suffix, name: readTrackName(cursor, suffix) };
    }
  }
}

function readRequestError(cursor: Cursor): RequestErrorMessage {
  const errorCode = readVi64(cursor, "the error code");
  const retryInterval = readVi64(cursor, "the retry interval");
  const error = { type: "request-error", errorCode, retryInterval, reason: readReason(cursor) } as const;
  if (errorCode !== requestErrors.redirect) return error;
  const connectUri = readText(cursor, "a redirect's URI");
  const track = readTrack(cursor);
  return { ...error, redirect: { connectUri, ...track } };
}

const FETCH_TYPES = { standalone: 1, "relative-joining": 2, "absolute-joining": 3 } as const;

function readFetchRange(cursor: Cursor): FetchRange {
  const fetchType = readVi64(cursor, "the fetch type");
  if (fetchType === FETCH_TYPES.standalone) {
    const track = readTrack(cursor);
    const start = readLocation(cursor, "the start location");
    const end = readLocation(cursor, "the end location");
    return { kind: "standalone", track, start, end };
  }
  if (fetchType !== FETCH_TYPES["relative-joining"] && fetchType !== FETCH_TYPES["absolute-joining"]) {
    throw violation("§10.12", `The peer sent a FETCH of unknown type ${fetchType}.`);
  }
  const kind = fetchType === FETCH_TYPES["relative-joining"] ? "relative-joining" : "absolute-joining";
  const joiningRequestId = readVi64(cursor, "the joining request id");
  return { kind, joiningRequestId, joiningStart: readVi64(cursor, "the joining start") };
}

/** Everything of a message behind its length. Throws "invalid-options" for values this draft cannot carry. */
export function writePayload(writer: Writer, message: ControlMessage, dialect: Dialect): void {
  switch (message.type) {
    case "setup":
      writeSetup(writer, message, dialect.setupNumbers);
      return;
    case "goaway":
      if (utf8Encode(message.newSessionUri).length > MAX_SESSION_URI_BYTES) {
        throw unencodable(`A new session URI has at most ${MAX_SESSION_URI_BYTES} bytes.`, clause("§10.4"));
      }
      writeText(writer, message.newSessionUri);
      writeVi64(writer, message.timeoutMs);
      if (message.requestId !== undefined && dialect.goawayNamesRequest) writeVi64(writer, message.requestId);
      return;
    case "request-ok":
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      writeTrackProperties(writer, message.trackProperties);
      return;
    case "request-error":
      writeRequestError(writer, message);
      return;
    case "subscribe":
    case "track-status":
      writeVi64(writer, message.requestId);
      writeTrack(writer, message.track);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      return;
    case "subscribe-ok":
      writeVi64(writer, message.trackAlias);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      writeTrackProperties(writer, message.trackProperties);
      return;
    case "request-update":
      writeVi64(writer, message.requestId);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      return;
    case "publish":
      writeVi64(writer, message.requestId);
      writeTrack(writer, message.track);
      writeVi64(writer, message.trackAlias);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      writeTrackProperties(writer, message.trackProperties);
      return;
    case "publish-done":
      writeVi64(writer, message.statusCode);
      writeVi64(writer, message.streamCount);
      writeReason(writer, message.reason);
      return;
    case "fetch":
      writeVi64(writer, message.requestId);
      writeFetchRange(writer, message.range);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      return;
    case "fetch-ok":
      writeU8(writer, message.endOfTrack ? 1 : 0);
      writeLocation(writer, message.end);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      writeTrackProperties(writer, message.trackProperties);
      return;
    case "publish-namespace":
      writeVi64(writer, message.requestId);
      writeNamespace(writer, message.namespace);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      return;
    case "subscribe-namespace":
    case "subscribe-tracks":
      writeVi64(writer, message.requestId);
      writeNamespace(writer, message.prefix);
      writeParameters(writer, message.parameters, message.type, dialect.parameters);
      return;
    case "namespace":
    case "namespace-done":
      writeNamespace(writer, message.suffix);
      return;
    case "publish-blocked":
      if (namespaceBytes(message.suffix) + message.name.length > MAX_TRACK_NAME_BYTES) {
        throw unencodable(`A full track name has at most ${MAX_TRACK_NAME_BYTES} bytes.`, clause("§2.4.1"));
      }
      writeNamespace(writer, message.suffix);
      writeSizedBytes(writer, message.name);
      return;
  }
}

function writeRequestError(writer: Writer, message: RequestErrorMessage): void {
  const { redirect } = message;
  if ((redirect !== undefined) !== (message.errorCode === requestErrors.redirect)) {
    throw unencodable(
      "A REQUEST_ERROR carries a redirect if and only if its code is REDIRECT.",
      clause("§10.6"),
    );
  }
  writeVi64(writer, message.errorCode);
  writeVi64(writer, message.retryInterval);
  writeReason(writer, message.reason);
  if (redirect === undefined) return;
  writeText(writer, redirect.connectUri);
  writeTrack(writer, redirect);
}

function writeFetchRange(writer: Writer, range: FetchRange): void {
  writeVi64(writer, FETCH_TYPES[range.kind]);
  if (range.kind === "standalone") {
    // §10.12.3: the last object, one before `end`, is not before the start. An end object of 0 asks for the whole end group.
    const wholeGroup = range.end.object === 0 && range.end.group === range.start.group;
    if (!wholeGroup && compareLocations(range.end, range.start) <= 0) {
      throw unencodable("A FETCH ends before it starts.", clause("§10.12.3"));
    }
    writeTrack(writer, range.track);
    writeLocation(writer, range.start);
    writeLocation(writer, range.end);
    return;
  }
  writeVi64(writer, range.joiningRequestId);
  writeVi64(writer, range.joiningStart);
}
