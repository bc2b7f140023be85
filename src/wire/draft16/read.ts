/** Reading the control messages of drafts 15 and 16 (draft-16 §9). */
import { requestErrors } from "../codes.ts";
import type { Cursor } from "../cursor.ts";
import { publishDoneFromWire } from "../early/codes.ts";
import { violation } from "../early/faults.ts";
import { readFetchRange } from "../early/fetch-range.ts";
import {
  readFlag,
  readLocation,
  readNamespace,
  readReason,
  readSessionUri,
  readTrack,
} from "../early/fields.ts";
import type { MessageReader } from "../early/framing.ts";
import { readTrackExtensions } from "../early/key-values.ts";
import { type ReadParameters, readParameters } from "../early/parameters.ts";
import { readSetup } from "../early/setup.ts";
import type {
  ControlMessage,
  KeyValue,
  RequestErrorMessage,
  SubscribeNamespaceMessage,
  SubscribeTracksMessage,
} from "../messages.ts";
import { readQuicVarint } from "../quic-varint.ts";
import type { AnswerEnvelope, SharedMessage, Withdrawal } from "../shared-messages.ts";
import type { VarInt } from "../varint.ts";
import type { MessageDialect, ParameterPlace } from "./dialect.ts";
import { ID, OPTION } from "./ids.ts";

/** A type's number, the clause (of §9) that defines it, and its reader. */
type Row<M> = readonly [type: number, section: number, read: (cursor: Cursor) => M];

function byType<M>(
  rows: readonly Row<M>[],
  { draft }: MessageDialect,
): ReadonlyMap<VarInt, MessageReader<M>> {
  return new Map(rows.map(([type, section, read]) => [type, { section: `${draft} §9.${section}`, read }]));
}

function id(cursor: Cursor): VarInt {
  return readQuicVarint(cursor, "the request id");
}

/** Readers of what `peer` says on the control stream. */
export function controlReaders(
  dialect: MessageDialect,
  peer: "client" | "server",
): ReadonlyMap<VarInt, MessageReader<SharedMessage>> {
  const setup: Row<SharedMessage> = [
    peer === "client" ? ID.clientSetup : ID.serverSetup,
    3,
    (cursor) => readSetup(cursor, dialect),
  ];
  const session: readonly Row<SharedMessage>[] = [
    setup,
    [ID.goaway, 4, (cursor) => ({ type: "goaway", newSessionUri: readSessionUri(cursor), timeoutMs: 0 })],
    [ID.maxRequestId, 5, (cursor) => ({ type: "max-request-id", limit: id(cursor) })],
    [ID.requestsBlocked, 6, (cursor) => ({ type: "requests-blocked", limit: id(cursor) })],
  ];
  return byType([...session, ...requests(dialect), ...answers(dialect), ...endings(dialect)], dialect);
}

function ofTrack(cursor: Cursor, read: ReadParameters, dialect: MessageDialect): readonly KeyValue[] {
  return dialect.trackExtensions ? readTrackExtensions(cursor, dialect.pairTypes) : read.trackProperties;
}

function requests(dialect: MessageDialect): readonly Row<SharedMessage>[] {
  const parameters = (cursor: Cursor, place: ParameterPlace) =>
    readParameters(cursor, dialect.places[place], dialect).parameters;
  const rows: Row<SharedMessage>[] = [
    [
      ID.subscribe,
      9,
      (cursor) => {
        const requestId = id(cursor);
        const track = readTrack(cursor);
        return { type: "subscribe", requestId, track, parameters: parameters(cursor, "subscribe") };
      },
    ],
    [
      ID.requestUpdate,
      11,
      (cursor) => {
        const requestId = id(cursor);
        const existing = id(cursor);
        const message = {
          type: "request-update",
          requestId,
          parameters: parameters(cursor, "request-update"),
        } as const;
        return { type: "update", existing, message };
      },
    ],
    [
      ID.publish,
      13,
      (cursor) => {
        const requestId = id(cursor);
        const track = readTrack(cursor);
        const trackAlias = readQuicVarint(cursor, "the track alias");
        const read = readParameters(cursor, dialect.places.publish, dialect);
        const trackProperties = ofTrack(cursor, read, dialect);
        return {
          type: "publish",
          requestId,
          track,
          trackAlias,
          parameters: read.parameters,
          trackProperties,
        };
      },
    ],
    [
      ID.fetch,
      16,
      (cursor) => {
        const requestId = id(cursor);
        const range = readFetchRange(cursor);
        return { type: "fetch", requestId, range, parameters: parameters(cursor, "fetch") };
      },
    ],
    [
      ID.trackStatus,
      19,
      (cursor) => {
        const requestId = id(cursor);
        const track = readTrack(cursor);
        return { type: "track-status", requestId, track, parameters: parameters(cursor, "track-status") };
      },
    ],
    [
      ID.publishNamespace,
      20,
      (cursor) => {
        const requestId = id(cursor);
        const namespace = readNamespace(cursor);
        return {
          type: "publish-namespace",
          requestId,
          namespace,
          parameters: parameters(cursor, "publish-namespace"),
        };
      },
    ],
  ];
  if (!dialect.namespaceStreams) {
    rows.push([ID.subscribeNamespace, 23, (cursor) => readSubscribeNamespace(cursor, dialect)]);
  }
  return rows;
}

function answers(dialect: MessageDialect): readonly Row<SharedMessage>[] {
  const answer = (
    requestId: VarInt,
    to: AnswerEnvelope["to"],
    message: AnswerEnvelope["message"],
  ): AnswerEnvelope => ({
    type: "answer",
    requestId,
    to,
    message,
  });
  const ok = (place: "request-ok" | "publish-ok") => (cursor: Cursor) => {
    const requestId = id(cursor);
    const { parameters } = readParameters(cursor, dialect.places[place], dialect);
    const to = place === "publish-ok" ? "publish" : undefined;
    return answer(requestId, to, { type: "request-ok", parameters, trackProperties: [] });
  };
  return [
    [ID.requestOk, 7, ok("request-ok")],
    [ID.publishOk, 14, ok("publish-ok")],
    [
      ID.requestError,
      8,
      (cursor) => {
        const requestId = id(cursor);
        return answer(requestId, undefined, readError(cursor, dialect));
      },
    ],
    [
      ID.subscribeOk,
      10,
      (cursor) => {
        const requestId = id(cursor);
        const trackAlias = readQuicVarint(cursor, "the track alias");
        const read = readParameters(cursor, dialect.places["subscribe-ok"], dialect);
        const trackProperties = ofTrack(cursor, read, dialect);
        const { parameters } = read;
        return answer(requestId, "subscribe", {
          type: "subscribe-ok",
          trackAlias,
          parameters,
          trackProperties,
        });
      },
    ],
    [
      ID.fetchOk,
      17,
      (cursor) => {
        const requestId = id(cursor);
        const endOfTrack = readFlag(cursor, "End Of Track");
        const end = readLocation(cursor, "the end location");
        const read = readParameters(cursor, dialect.places["fetch-ok"], dialect);
        const trackProperties = ofTrack(cursor, read, dialect);
        const { parameters } = read;
        return answer(requestId, "fetch", { type: "fetch-ok", endOfTrack, end, parameters, trackProperties });
      },
    ],
  ];
}

function endings(dialect: MessageDialect): readonly Row<SharedMessage>[] {
  const withdrawal =
    (what: Withdrawal["what"]) =>
    (cursor: Cursor): SharedMessage => {
      const named = what === "publish-namespace-done" || what === "publish-namespace-cancel";
      const whom =
        named && !dialect.withdrawById ? { namespace: readNamespace(cursor) } : { requestId: id(cursor) };
      if (what !== "publish-namespace-cancel") return { type: "withdraw", what, ...whom };
      const errorCode = readQuicVarint(cursor, "the error code");
      return { type: "withdraw", what, ...whom, errorCode, reason: readReason(cursor) };
    };
  const rows: Row<SharedMessage>[] = [
    [ID.unsubscribe, 12, withdrawal("unsubscribe")],
    [ID.fetchCancel, 18, withdrawal("fetch-cancel")],
    [ID.publishNamespaceDone, dialect.namespaceStreams ? 22 : 21, withdrawal("publish-namespace-done")],
    [ID.publishNamespaceCancel, dialect.namespaceStreams ? 24 : 22, withdrawal("publish-namespace-cancel")],
    [
      ID.publishDone,
      15,
      (cursor) => {
        const requestId = id(cursor);
        const statusCode = publishDoneFromWire(readQuicVarint(cursor, "the status code"), dialect);
        const streamCount = readQuicVarint(cursor, "the stream count");
        const reason = readReason(cursor);
        return {
          type: "done",
          requestId,
          message: { type: "publish-done", statusCode, streamCount, reason },
        };
      },
    ],
  ];
  if (!dialect.namespaceStreams)
    rows.push([ID.unsubscribeNamespace, 24, withdrawal("unsubscribe-namespace")]);
  return rows;
}

/** Readers of the stream of a SUBSCRIBE_NAMESPACE (draft-16 §9.25). Its answer repeats the request's id, which the stream tells already. */
export function requestReaders(dialect: MessageDialect): ReadonlyMap<VarInt, MessageReader<ControlMessage>> {
  return byType<ControlMessage>(
    [
      [
        ID.requestOk,
        7,
        (cursor) => {
          id(cursor);
          const { parameters } = readParameters(cursor, dialect.places["request-ok"], dialect);
          return { type: "request-ok", parameters, trackProperties: [] };
        },
      ],
      [
        ID.requestError,
        8,
        (cursor) => {
          id(cursor);
          return readError(cursor, dialect);
        },
      ],
      [ID.namespace, 21, (cursor) => ({ type: "namespace", suffix: readNamespace(cursor) })],
      [ID.namespaceDone, 23, (cursor) => ({ type: "namespace-done", suffix: readNamespace(cursor) })],
      [ID.subscribeNamespace, 25, (cursor) => readSubscribeNamespace(cursor, dialect)],
    ],
    dialect,
  );
}

function readSubscribeNamespace(
  cursor: Cursor,
  dialect: MessageDialect,
): SubscribeNamespaceMessage | SubscribeTracksMessage {
  const requestId = id(cursor);
  const prefix = readNamespace(cursor);
  let type: "subscribe-tracks" | "subscribe-namespace" = "subscribe-namespace";
  if (dialect.namespaceStreams) {
    const options = readQuicVarint(cursor, "the subscribe options");
    if (options > OPTION.both)
      throw violation(cursor, `The peer sent the unknown subscribe options ${options}.`);
    if (options === OPTION.tracks) type = "subscribe-tracks";
  }
  // In draft-15 a prefix has one field at least; moq-relay 0.17 sends every client one without, and is taken at its word.
  const { parameters } = readParameters(cursor, dialect.places["subscribe-namespace"], dialect);
  return { type, requestId, prefix, parameters };
}

function readError(cursor: Cursor, dialect: MessageDialect): RequestErrorMessage {
  const code = readQuicVarint(cursor, "the error code");
  // The number that newer drafts gave to redirects means nothing here, and no redirect follows.
  const errorCode = code === requestErrors.redirect ? requestErrors["internal-error"] : code;
  const retryInterval = dialect.retryInterval ? readQuicVarint(cursor, "the retry interval") : 0;
  return { type: "request-error", errorCode, retryInterval, reason: readReason(cursor) };
}
