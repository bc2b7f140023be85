/**
 * Writing draft-14's control messages (§9).
 *
 * Fields that newer drafts may leave out have to be there: they get the value that leaving them out means. Track properties beyond delivery timeout, cache
 * duration and group order have no place and are left out; so are retry intervals and redirects.
 */
import { publishDone14, publishDoneToWire, requestErrorToWire14 } from "../early/codes.ts";
import { writeFetchRange } from "../early/fetch-range.ts";
import {
  writeFilter,
  writeLocation,
  writeNamespace,
  writeReason,
  writeSessionUri,
  writeTrack,
} from "../early/fields.ts";
import { frame } from "../early/framing.ts";
import { writeParameters } from "../early/parameters.ts";
import { writeSetup } from "../early/setup.ts";
import type {
  RequestErrorMessage,
  RequestMessage,
  SubscribeMessage,
  SubscribeOkMessage,
  TrackStatusMessage,
} from "../messages.ts";
import { writeQuicVarint } from "../quic-varint.ts";
import type {
  AnswerEnvelope,
  Answered,
  SharedMessage,
  UpdateEnvelope,
  Withdrawal,
} from "../shared-messages.ts";
import { addVarInt, type VarInt } from "../varint.ts";
import { unencodable, type Writer, writeU8 } from "../writer.ts";
import { DEFAULT_SUBSCRIBER_PRIORITY, orderOf, UNFILTERED, writeGroupOrder, writeLargest } from "./fields.ts";
import { ERRORS, ID, PLAIN_OK, VERSION } from "./ids.ts";
import {
  DRAFT,
  dialect,
  ofFetchOk,
  ofPublish,
  ofPublisher,
  ofPublishOk,
  ofRequest,
  ofSubscriber,
} from "./parameters.ts";

const { pairTypes } = dialect;

/** A message of the control stream, as `role` sends it. Throws "invalid-options" for what this draft cannot say. */
export function encodeShared(message: SharedMessage, role: "client" | "server"): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "setup":
      return frame(role === "client" ? ID.clientSetup : ID.serverSetup, (to) => {
        if (role === "client") writeQuicVarint(to, 1);
        writeQuicVarint(to, VERSION);
        writeSetup(to, message, dialect);
      });
    case "goaway":
      return frame(ID.goaway, (to) => writeSessionUri(to, message.newSessionUri));
    case "max-request-id":
      return frame(ID.maxRequestId, (to) => writeQuicVarint(to, message.limit));
    case "requests-blocked":
      return frame(ID.requestsBlocked, (to) => writeQuicVarint(to, message.limit));
    case "answer":
      return encodeAnswer(message);
    case "update":
      return encodeUpdate(message);
    case "done":
      return frame(ID.publishDone, (to) => {
        const { statusCode, streamCount, reason } = message.message;
        writeQuicVarint(to, message.requestId);
        writeQuicVarint(to, publishDoneToWire(statusCode, { publishDone: publishDone14 }));
        writeQuicVarint(to, streamCount);
        writeReason(to, reason);
      });
    case "withdraw":
      return encodeWithdrawal(message);
    default:
      return encodeRequest(message);
  }
}

function encodeRequest(message: RequestMessage): Uint8Array<ArrayBuffer> {
  const { requestId, parameters } = message;
  switch (message.type) {
    case "subscribe":
    case "track-status":
      return encodeSubscribe(message);
    case "publish":
      return frame(ID.publish, (to) => {
        writeQuicVarint(to, requestId);
        writeTrack(to, message.track);
        writeQuicVarint(to, message.trackAlias);
        writeGroupOrder(to, orderOf(message.trackProperties));
        writeLargest(to, parameters.largestObject);
        writeU8(to, parameters.forward === false ? 0 : 1);
        writeParameters(to, parameters, ofPublish, pairTypes, message.trackProperties);
      });
    case "fetch":
      return frame(ID.fetch, (to) => {
        writeQuicVarint(to, requestId);
        writeU8(to, parameters.subscriberPriority ?? DEFAULT_SUBSCRIBER_PRIORITY);
        // Leaving it out means ascending in newer drafts, and here the publisher's own order.
        writeGroupOrder(to, parameters.groupOrder ?? "ascending");
        writeFetchRange(to, message.range);
        writeParameters(to, parameters, ofRequest, pairTypes);
      });
    case "publish-namespace":
      return frame(ID.publishNamespace, (to) => {
        writeQuicVarint(to, requestId);
        writeNamespace(to, message.namespace);
        writeParameters(to, parameters, ofRequest, pairTypes);
      });
    case "subscribe-namespace":
    case "subscribe-tracks":
      if (message.prefix.length === 0)
        throw unencodable("This draft has no empty namespace prefix.", `${DRAFT} §9.28`);
      return frame(ID.subscribeNamespace, (to) => {
        writeQuicVarint(to, requestId);
        writeNamespace(to, message.prefix);
        writeParameters(to, parameters, ofRequest, pairTypes);
      });
  }
}

function encodeSubscribe(message: SubscribeMessage | TrackStatusMessage): Uint8Array<ArrayBuffer> {
  const { parameters } = message;
  return frame(message.type === "subscribe" ? ID.subscribe : ID.trackStatus, (to) => {
    writeQuicVarint(to, message.requestId);
    writeTrack(to, message.track);
    writeU8(to, parameters.subscriberPriority ?? DEFAULT_SUBSCRIBER_PRIORITY);
    writeGroupOrder(to, parameters.groupOrder);
    writeU8(to, parameters.forward === false ? 0 : 1);
    writeFilter(to, parameters.filter ?? UNFILTERED);
    writeParameters(to, parameters, ofSubscriber, pairTypes);
  });
}

/** Every field has to be there, so the caller gives the whole state of the subscription, with an absolute filter. */
function encodeUpdate({ existing, message }: UpdateEnvelope): Uint8Array<ArrayBuffer> {
  const { parameters } = message;
  const filter = parameters.filter ?? UNFILTERED;
  if (filter.type !== "absolute-start" && filter.type !== "absolute-range") {
    throw unencodable("An update has an absolute range in this draft.", `${DRAFT} §9.10`);
  }
  return frame(ID.subscribeUpdate, (to) => {
    writeQuicVarint(to, message.requestId);
    writeQuicVarint(to, existing);
    writeLocation(to, filter.start);
    writeQuicVarint(to, filter.type === "absolute-range" ? addVarInt(filter.endGroup, 1) : 0);
    writeU8(to, parameters.subscriberPriority ?? DEFAULT_SUBSCRIBER_PRIORITY);
    writeU8(to, parameters.forward === false ? 0 : 1);
    writeParameters(to, parameters, ofSubscriber, pairTypes);
  });
}

function encodeAnswer({ requestId, to: answered, message }: AnswerEnvelope): Uint8Array<ArrayBuffer> {
  switch (message.type) {
    case "subscribe-ok":
      return frame(ID.subscribeOk, (to) => writeSubscribeOk(to, requestId, message.trackAlias, message));
    case "fetch-ok":
      return frame(ID.fetchOk, (to) => {
        writeQuicVarint(to, requestId);
        writeGroupOrder(to, message.parameters.groupOrder ?? "ascending");
        writeU8(to, message.endOfTrack ? 1 : 0);
        writeLocation(to, message.end);
        writeParameters(to, message.parameters, ofFetchOk, pairTypes, message.trackProperties);
      });
    case "request-ok":
      return encodeOk(requestId, answered, message);
    case "request-error":
      return encodeError(requestId, answered, message);
  }
}

function writeSubscribeOk(
  to: Writer,
  requestId: VarInt,
  trackAlias: VarInt,
  { parameters, trackProperties }: Pick<SubscribeOkMessage, "parameters" | "trackProperties">,
): void {
  writeQuicVarint(to, requestId);
  writeQuicVarint(to, trackAlias);
  writeQuicVarint(to, parameters.expiresMs ?? 0);
  writeGroupOrder(to, orderOf(trackProperties));
  writeLargest(to, parameters.largestObject);
  writeParameters(to, parameters, ofPublisher, pairTypes, trackProperties);
}

function encodeOk(
  requestId: VarInt,
  answered: Answered | undefined,
  message: Extract<AnswerEnvelope["message"], { type: "request-ok" }>,
): Uint8Array<ArrayBuffer> {
  const { parameters } = message;
  switch (answered) {
    case "track-status":
      // §9.21: the alias is 0 and means nothing.
      return frame(ID.trackStatusOk, (to) => writeSubscribeOk(to, requestId, 0, message));
    case "publish":
      return frame(ID.publishOk, (to) => {
        writeQuicVarint(to, requestId);
        writeU8(to, parameters.forward === false ? 0 : 1);
        writeU8(to, parameters.subscriberPriority ?? DEFAULT_SUBSCRIBER_PRIORITY);
        writeGroupOrder(to, parameters.groupOrder ?? "ascending");
        writeFilter(to, parameters.filter ?? UNFILTERED);
        writeParameters(to, parameters, ofPublishOk, pairTypes);
      });
    case "publish-namespace":
      return frame(PLAIN_OK["publish-namespace"], (to) => writeQuicVarint(to, requestId));
    case "subscribe-namespace":
    case "subscribe-tracks":
      return frame(PLAIN_OK["subscribe-namespace"], (to) => writeQuicVarint(to, requestId));
    default:
      throw unencodable(`Nothing of this draft answers ${answered} with an OK.`, `${DRAFT} §9`);
  }
}

function encodeError(
  requestId: VarInt,
  answered: Answered | undefined,
  message: RequestErrorMessage,
): Uint8Array<ArrayBuffer> {
  const kind = answered === "subscribe-tracks" ? "subscribe-namespace" : answered;
  const row = ERRORS.find(([request]) => request === kind);
  if (!row || !answered)
    throw unencodable(`Nothing of this draft answers ${answered} with an error.`, `${DRAFT} §9`);
  return frame(row[1], (to) => {
    writeQuicVarint(to, requestId);
    writeQuicVarint(to, requestErrorToWire14(message.errorCode, answered));
    writeReason(to, message.reason);
  });
}

function encodeWithdrawal(message: Withdrawal): Uint8Array<ArrayBuffer> {
  const { what, requestId = 0, namespace = [], errorCode = 0, reason = "" } = message;
  switch (what) {
    case "unsubscribe":
      return frame(ID.unsubscribe, (to) => writeQuicVarint(to, requestId));
    case "fetch-cancel":
      return frame(ID.fetchCancel, (to) => writeQuicVarint(to, requestId));
    case "publish-namespace-done":
      return frame(ID.publishNamespaceDone, (to) => writeNamespace(to, namespace));
    case "unsubscribe-namespace":
      return frame(ID.unsubscribeNamespace, (to) => writeNamespace(to, namespace));
    case "publish-namespace-cancel":
      return frame(ID.publishNamespaceCancel, (to) => {
        writeNamespace(to, namespace);
        writeQuicVarint(to, requestErrorToWire14(errorCode, "publish-namespace"));
        writeReason(to, reason);
      });
  }
}
