/** Writing the control messages of drafts 15 and 16 (draft-16 §9). What a draft has no place for is left out or throws "invalid-options". */
import { publishDoneToWire, requestErrorToWire } from "../early/codes.ts";
import { writeFetchRange } from "../early/fetch-range.ts";
import { writeLocation, writeNamespace, writeReason, writeSessionUri, writeTrack } from "../early/fields.ts";
import { frame } from "../early/framing.ts";
import { writeTrackExtensions } from "../early/key-values.ts";
import { writeParameters } from "../early/parameters.ts";
import { writeSetup } from "../early/setup.ts";
import type { ControlMessage, KeyValue, Parameters } from "../messages.ts";
import { writeQuicVarint } from "../quic-varint.ts";
import type { AnswerEnvelope, SharedMessage, Withdrawal } from "../shared-messages.ts";
import type { VarInt } from "../varint.ts";
import { unencodable, type Writer, writeU8 } from "../writer.ts";
import type { MessageDialect, ParameterPlace } from "./dialect.ts";
import { ID, OPTION } from "./ids.ts";

function write(writer: Writer, place: ParameterPlace, parameters: Parameters, dialect: MessageDialect): void {
  writeParameters(writer, parameters, dialect.places[place], dialect.pairTypes);
}

/** Parameters and what is said of the track, wherever the draft has that. */
function writeWithTrack(
  writer: Writer,
  place: ParameterPlace,
  parameters: Parameters,
  track: readonly KeyValue[],
  dialect: MessageDialect,
): void {
  writeParameters(writer, parameters, dialect.places[place], dialect.pairTypes, track);
  if (dialect.trackExtensions) writeTrackExtensions(writer, track, dialect.pairTypes);
}

/** A message of the control stream, as `role` sends it. */
export function encodeShared(
  message: SharedMessage,
  dialect: MessageDialect,
  role: "client" | "server",
): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "setup":
      return frame(role === "client" ? ID.clientSetup : ID.serverSetup, (to) =>
        writeSetup(to, message, dialect),
      );
    case "goaway":
      return frame(ID.goaway, (to) => writeSessionUri(to, message.newSessionUri));
    case "max-request-id":
      return frame(ID.maxRequestId, (to) => writeQuicVarint(to, message.limit));
    case "requests-blocked":
      return frame(ID.requestsBlocked, (to) => writeQuicVarint(to, message.limit));
    case "answer":
      return encodeAnswer(message, dialect);
    case "update":
      return frame(ID.requestUpdate, (to) => {
        writeQuicVarint(to, message.message.requestId);
        writeQuicVarint(to, message.existing);
        write(to, "request-update", message.message.parameters, dialect);
      });
    case "done":
      return frame(ID.publishDone, (to) => {
        const { statusCode, streamCount, reason } = message.message;
        writeQuicVarint(to, message.requestId);
        writeQuicVarint(to, publishDoneToWire(statusCode, dialect));
        writeQuicVarint(to, streamCount);
        writeReason(to, reason);
      });
    case "withdraw":
      if (message.what === "unsubscribe-namespace" && dialect.namespaceStreams) throw onItsOwnStream(dialect);
      return encodeWithdrawal(message, dialect);
    case "subscribe-namespace":
    case "subscribe-tracks":
      if (dialect.namespaceStreams) throw onItsOwnStream(dialect);
      return encodeRequest(message, dialect);
    default:
      return encodeRequest(message, dialect);
  }
}

function onItsOwnStream({ draft }: MessageDialect): Error {
  return unencodable("SUBSCRIBE_NAMESPACE has a stream of its own in this draft.", `${draft} §9.25`);
}

function encodeRequest(
  message: Exclude<Extract<SharedMessage, { requestId: VarInt; parameters: Parameters }>, AnswerEnvelope>,
  dialect: MessageDialect,
): Uint8Array<ArrayBuffer> {
  const { requestId, parameters } = message;
  switch (message.type) {
    case "subscribe":
    case "track-status":
      return frame(message.type === "subscribe" ? ID.subscribe : ID.trackStatus, (to) => {
        writeQuicVarint(to, requestId);
        writeTrack(to, message.track);
        write(to, message.type, parameters, dialect);
      });
    case "publish":
      return frame(ID.publish, (to) => {
        writeQuicVarint(to, requestId);
        writeTrack(to, message.track);
        writeQuicVarint(to, message.trackAlias);
        writeWithTrack(to, "publish", parameters, message.trackProperties, dialect);
      });
    case "fetch":
      return frame(ID.fetch, (to) => {
        writeQuicVarint(to, requestId);
        writeFetchRange(to, message.range);
        write(to, "fetch", parameters, dialect);
      });
    case "publish-namespace":
      return frame(ID.publishNamespace, (to) => {
        writeQuicVarint(to, requestId);
        writeNamespace(to, message.namespace);
        write(to, "publish-namespace", parameters, dialect);
      });
    case "subscribe-namespace":
    case "subscribe-tracks":
      if (!dialect.namespaceStreams && message.prefix.length === 0) {
        throw unencodable("This draft has no empty namespace prefix.", `${dialect.draft} §9.23`);
      }
      return frame(ID.subscribeNamespace, (to) => {
        writeQuicVarint(to, requestId);
        writeNamespace(to, message.prefix);
        if (dialect.namespaceStreams) {
          writeQuicVarint(to, message.type === "subscribe-tracks" ? OPTION.tracks : OPTION.namespaces);
        }
        write(to, "subscribe-namespace", parameters, dialect);
      });
  }
}

function encodeAnswer(
  { requestId, to: answered, message }: AnswerEnvelope,
  dialect: MessageDialect,
): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "subscribe-ok":
      return frame(ID.subscribeOk, (to) => {
        writeQuicVarint(to, requestId);
        writeQuicVarint(to, message.trackAlias);
        writeWithTrack(to, "subscribe-ok", message.parameters, message.trackProperties, dialect);
      });
    case "fetch-ok":
      return frame(ID.fetchOk, (to) => {
        writeQuicVarint(to, requestId);
        writeU8(to, message.endOfTrack ? 1 : 0);
        writeLocation(to, message.end);
        writeWithTrack(to, "fetch-ok", message.parameters, message.trackProperties, dialect);
      });
    case "request-ok":
      return frame(answered === "publish" ? ID.publishOk : ID.requestOk, (to) => {
        writeQuicVarint(to, requestId);
        write(to, answered === "publish" ? "publish-ok" : "request-ok", message.parameters, dialect);
      });
    case "request-error":
      return frame(ID.requestError, (to) => {
        writeQuicVarint(to, requestId);
        writeQuicVarint(to, requestErrorToWire(message.errorCode));
        if (dialect.retryInterval) writeQuicVarint(to, message.retryInterval);
        writeReason(to, message.reason);
      });
  }
}

const WITHDRAWALS: Readonly<Record<Withdrawal["what"], number>> = {
  unsubscribe: ID.unsubscribe,
  "fetch-cancel": ID.fetchCancel,
  "publish-namespace-done": ID.publishNamespaceDone,
  "publish-namespace-cancel": ID.publishNamespaceCancel,
  "unsubscribe-namespace": ID.unsubscribeNamespace,
};

function encodeWithdrawal(message: Withdrawal, dialect: MessageDialect): Uint8Array<ArrayBuffer> {
  const { what, requestId = 0, namespace = [] } = message;
  const named = what === "publish-namespace-done" || what === "publish-namespace-cancel";
  return frame(WITHDRAWALS[what], (to) => {
    if (named && !dialect.withdrawById) writeNamespace(to, namespace);
    else writeQuicVarint(to, requestId);
    if (what !== "publish-namespace-cancel") return;
    writeQuicVarint(to, requestErrorToWire(message.errorCode ?? 0));
    writeReason(to, message.reason ?? "");
  });
}

/** A message on the stream of a SUBSCRIBE_NAMESPACE. `requestId` is that of the request, which its answer repeats. */
export function encodeOnRequestStream(
  message: ControlMessage,
  requestId: VarInt,
  dialect: MessageDialect,
): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "request-ok":
    case "request-error":
      return encodeAnswer({ type: "answer", requestId, to: "subscribe-namespace", message }, dialect);
    case "subscribe-namespace":
    case "subscribe-tracks":
      return encodeRequest(message, dialect);
    case "namespace":
    case "namespace-done":
      return frame(message.type === "namespace" ? ID.namespace : ID.namespaceDone, (to) =>
        writeNamespace(to, message.suffix),
      );
    default:
      throw unencodable(`${message.type} has no place on a request stream of this draft.`);
  }
}
