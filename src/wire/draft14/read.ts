/** Reading draft-14's control messages (§9). */
import { CountersignError } from "../../errors.ts";
import { sessionErrors } from "../codes.ts";
import { type Cursor, readU8, remaining } from "../cursor.ts";
import { publishDone14, publishDoneFromWire, requestErrorFromWire14 } from "../early/codes.ts";
import { malformed, violation } from "../early/faults.ts";
import { readFetchRange } from "../early/fetch-range.ts";
import {
  readFilter,
  readFlag,
  readLocation,
  readNamespace,
  readReason,
  readSessionUri,
  readTrack,
} from "../early/fields.ts";
import type { MessageReader } from "../early/framing.ts";
import { sorted } from "../early/key-values.ts";
import { readParameters } from "../early/parameters.ts";
import { readSetup } from "../early/setup.ts";
import type { KeyValue, Parameters, SubscriptionFilter } from "../messages.ts";
import { readQuicVarint } from "../quic-varint.ts";
import type { AnswerEnvelope, SharedMessage, Withdrawal } from "../shared-messages.ts";
import { subVarInt, type VarInt } from "../varint.ts";
import { orderProperty, readGroupOrder, readLargest } from "./fields.ts";
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

/** A type's number, the clause (of §9) that defines it, and its reader. */
type Row = readonly [type: number, section: number, read: (cursor: Cursor) => SharedMessage];

/** Readers of what `peer` says on the control stream. */
export function readers(peer: "client" | "server"): ReadonlyMap<VarInt, MessageReader<SharedMessage>> {
  const setup: Row =
    peer === "client" ? [ID.clientSetup, 3, readClientSetup] : [ID.serverSetup, 3, readServerSetup];
  return new Map(
    [setup, ...session, ...requests, ...answers, ...endings].map(([type, section, read]) => [
      type,
      { section: `${DRAFT} §9.${section}`, read },
    ]),
  );
}

function id(cursor: Cursor): VarInt {
  return readQuicVarint(cursor, "the request id");
}

function versionName(version: VarInt): string {
  const draft = typeof version === "number" && version >= 0xff00_0000 ? version - 0xff00_0000 : undefined;
  return draft !== undefined && draft < 0x1_0000 ? `draft-${draft}` : `0x${version.toString(16)}`;
}

function noCommonVersion(cursor: Cursor, message: string): CountersignError {
  return new CountersignError("version-unsupported", message, {
    protocolCode: sessionErrors["version-negotiation-failed"],
    section: cursor.section,
    hint: "Configure a version that both ends speak; moqt-14 is the only one here that is agreed on within SETUP.",
  });
}

function readClientSetup(cursor: Cursor): SharedMessage {
  const count = readQuicVarint(cursor, "the number of versions");
  if (count > remaining(cursor)) {
    throw malformed(cursor, `The peer announced ${count} versions in a message too short for them.`);
  }
  const offered: VarInt[] = [];
  for (let i = 0; i < Number(count); i++) offered.push(readQuicVarint(cursor, "a version"));
  if (!offered.includes(VERSION)) {
    const names = offered.slice(0, 16).map(versionName).join(", ");
    throw noCommonVersion(
      cursor,
      `The peer offers ${names || "no version"}; ${versionName(VERSION)} is spoken here.`,
    );
  }
  return readSetup(cursor, dialect);
}

function readServerSetup(cursor: Cursor): SharedMessage {
  const version = readQuicVarint(cursor, "the selected version");
  if (version !== VERSION) {
    throw noCommonVersion(
      cursor,
      `The peer chose ${versionName(version)}; only ${versionName(VERSION)} was offered.`,
    );
  }
  return readSetup(cursor, dialect);
}

const session: readonly Row[] = [
  [ID.goaway, 4, (cursor) => ({ type: "goaway", newSessionUri: readSessionUri(cursor), timeoutMs: 0 })],
  [ID.maxRequestId, 5, (cursor) => ({ type: "max-request-id", limit: id(cursor) })],
  [ID.requestsBlocked, 6, (cursor) => ({ type: "requests-blocked", limit: id(cursor) })],
];

/** SUBSCRIBE and TRACK_STATUS. */
function readSubscribe(cursor: Cursor, type: "subscribe" | "track-status"): SharedMessage {
  const requestId = id(cursor);
  const track = readTrack(cursor);
  const subscriberPriority = readU8(cursor, "the subscriber priority");
  const groupOrder = readGroupOrder(cursor, "allowed");
  const forward = readFlag(cursor, "Forward");
  const filter = readFilter(cursor);
  const { parameters } = readParameters(cursor, ofSubscriber, dialect);
  // TRACK_STATUS asks about the track alone: newer drafts have nothing of a subscription in it.
  if (type === "track-status") return { type, requestId, track, parameters: tokensOf(parameters) };
  const fields = { subscriberPriority, forward, filter, ...(groupOrder && { groupOrder }) };
  return { type, requestId, track, parameters: { ...parameters, ...fields } };
}

function tokensOf({ authorizationTokens }: Parameters): Parameters {
  return authorizationTokens ? { authorizationTokens } : {};
}

const requests: readonly Row[] = [
  [ID.subscribe, 7, (cursor) => readSubscribe(cursor, "subscribe")],
  [ID.trackStatus, 20, (cursor) => readSubscribe(cursor, "track-status")],
  [
    ID.subscribeUpdate,
    10,
    (cursor) => {
      const requestId = id(cursor);
      const existing = id(cursor);
      const start = readLocation(cursor, "the start location");
      const end = readQuicVarint(cursor, "the end group");
      const subscriberPriority = readU8(cursor, "the subscriber priority");
      const forward = readFlag(cursor, "Forward");
      const { parameters } = readParameters(cursor, ofSubscriber, dialect);
      // Here, and only here, the end is a group plus 1, and 0 is open.
      if (end !== 0 && end <= start.group)
        throw violation(cursor, "The peer sent an update that ends before it starts.");
      const filter: SubscriptionFilter =
        end === 0
          ? { type: "absolute-start", start }
          : { type: "absolute-range", start, endGroup: subVarInt(end, 1) };
      const changed = { ...parameters, filter, subscriberPriority, forward };
      return {
        type: "update",
        existing,
        message: { type: "request-update", requestId, parameters: changed },
      };
    },
  ],
  [
    ID.publish,
    13,
    (cursor) => {
      const requestId = id(cursor);
      const track = readTrack(cursor);
      const trackAlias = readQuicVarint(cursor, "the track alias");
      const order = readGroupOrder(cursor, "refused");
      const largestObject = readLargest(cursor);
      const forward = readFlag(cursor, "Forward");
      const read = readParameters(cursor, ofPublish, dialect);
      const parameters = { ...read.parameters, forward, ...(largestObject && { largestObject }) };
      const trackProperties = sorted([...read.trackProperties, ...orderProperty(order)]);
      return { type: "publish", requestId, track, trackAlias, parameters, trackProperties };
    },
  ],
  [
    ID.fetch,
    16,
    (cursor) => {
      const requestId = id(cursor);
      const subscriberPriority = readU8(cursor, "the subscriber priority");
      const groupOrder = readGroupOrder(cursor, "allowed");
      const range = readFetchRange(cursor);
      const { parameters } = readParameters(cursor, ofRequest, dialect);
      const fields = { subscriberPriority, ...(groupOrder && { groupOrder }) };
      return { type: "fetch", requestId, range, parameters: { ...parameters, ...fields } };
    },
  ],
  [
    ID.publishNamespace,
    23,
    (cursor) => {
      const requestId = id(cursor);
      const namespace = readNamespace(cursor);
      const { parameters } = readParameters(cursor, ofRequest, dialect);
      return { type: "publish-namespace", requestId, namespace, parameters };
    },
  ],
  [
    ID.subscribeNamespace,
    28,
    (cursor) => {
      const requestId = id(cursor);
      const prefix = readNamespace(cursor);
      // A prefix has one field at least here; moq-relay 0.17 sends every client one without, and is taken at its word.
      const { parameters } = readParameters(cursor, ofRequest, dialect);
      return { type: "subscribe-namespace", requestId, prefix, parameters };
    },
  ],
];

function answer(
  requestId: VarInt,
  to: AnswerEnvelope["to"],
  message: AnswerEnvelope["message"],
): AnswerEnvelope {
  return { type: "answer", requestId, to, message };
}

/** SUBSCRIBE_OK and TRACK_STATUS_OK. */
function readSubscribeOk(cursor: Cursor) {
  const requestId = id(cursor);
  const trackAlias = readQuicVarint(cursor, "the track alias");
  const expiresMs = readQuicVarint(cursor, "Expires");
  const order = readGroupOrder(cursor, "refused");
  const largestObject = readLargest(cursor);
  const read = readParameters(cursor, ofPublisher, dialect);
  const parameters: Parameters = {
    ...(expiresMs !== 0 && { expiresMs }),
    ...(largestObject && { largestObject }),
  };
  const trackProperties: readonly KeyValue[] = sorted([...read.trackProperties, ...orderProperty(order)]);
  return { requestId, trackAlias, parameters, trackProperties };
}

const answers: readonly Row[] = [
  [
    ID.subscribeOk,
    8,
    (cursor) => {
      const { requestId, trackAlias, parameters, trackProperties } = readSubscribeOk(cursor);
      return answer(requestId, "subscribe", {
        type: "subscribe-ok",
        trackAlias,
        parameters,
        trackProperties,
      });
    },
  ],
  [
    ID.trackStatusOk,
    21,
    (cursor) => {
      const { requestId, parameters, trackProperties } = readSubscribeOk(cursor);
      return answer(requestId, "track-status", { type: "request-ok", parameters, trackProperties });
    },
  ],
  [
    ID.publishOk,
    14,
    (cursor) => {
      const requestId = id(cursor);
      const forward = readFlag(cursor, "Forward");
      const subscriberPriority = readU8(cursor, "the subscriber priority");
      const groupOrder = readGroupOrder(cursor, "refused");
      const filter = readFilter(cursor);
      const read = readParameters(cursor, ofPublishOk, dialect);
      const parameters = {
        ...read.parameters,
        forward,
        subscriberPriority,
        filter,
        ...(groupOrder && { groupOrder }),
      };
      return answer(requestId, "publish", { type: "request-ok", parameters, trackProperties: [] });
    },
  ],
  [
    ID.fetchOk,
    17,
    (cursor) => {
      const requestId = id(cursor);
      // The order was ours to choose, and the publisher had to keep to it.
      readGroupOrder(cursor, "refused");
      const endOfTrack = readFlag(cursor, "End Of Track");
      const end = readLocation(cursor, "the end location");
      const { parameters, trackProperties } = readParameters(cursor, ofFetchOk, dialect);
      return answer(requestId, "fetch", { type: "fetch-ok", endOfTrack, end, parameters, trackProperties });
    },
  ],
  [PLAIN_OK["publish-namespace"], 24, (cursor) => plainOk(cursor, "publish-namespace")],
  [PLAIN_OK["subscribe-namespace"], 29, (cursor) => plainOk(cursor, "subscribe-namespace")],
  ...ERRORS.map(
    ([answered, type, section]): Row => [
      type,
      section,
      (cursor) => {
        const requestId = id(cursor);
        const errorCode = requestErrorFromWire14(readQuicVarint(cursor, "the error code"), answered);
        const message = {
          type: "request-error",
          errorCode,
          retryInterval: 0,
          reason: readReason(cursor),
        } as const;
        return answer(requestId, answered, message);
      },
    ],
  ),
];

function plainOk(cursor: Cursor, to: keyof typeof PLAIN_OK): SharedMessage {
  return answer(id(cursor), to, { type: "request-ok", parameters: {}, trackProperties: [] });
}

function byNamespace(what: Withdrawal["what"]) {
  return (cursor: Cursor): SharedMessage => ({ type: "withdraw", what, namespace: readNamespace(cursor) });
}

function byId(what: Withdrawal["what"]) {
  return (cursor: Cursor): SharedMessage => ({ type: "withdraw", what, requestId: id(cursor) });
}

const endings: readonly Row[] = [
  [ID.unsubscribe, 11, byId("unsubscribe")],
  [ID.fetchCancel, 19, byId("fetch-cancel")],
  [ID.publishNamespaceDone, 26, byNamespace("publish-namespace-done")],
  [ID.unsubscribeNamespace, 31, byNamespace("unsubscribe-namespace")],
  [
    ID.publishNamespaceCancel,
    27,
    (cursor) => {
      const namespace = readNamespace(cursor);
      const errorCode = requestErrorFromWire14(readQuicVarint(cursor, "the error code"), "publish-namespace");
      const reason = readReason(cursor);
      return { type: "withdraw", what: "publish-namespace-cancel", namespace, errorCode, reason };
    },
  ],
  [
    ID.publishDone,
    12,
    (cursor) => {
      const requestId = id(cursor);
      const code = readQuicVarint(cursor, "the status code");
      const statusCode = publishDoneFromWire(code, { publishDone: publishDone14 });
      const streamCount = readQuicVarint(cursor, "the stream count");
      const reason = readReason(cursor);
      return { type: "done", requestId, message: { type: "publish-done", statusCode, streamCount, reason } };
    },
  ],
];
