/**
 * What drafts up to 16 say on their one control stream, as values.
 *
 * From draft-17 on every request has a stream of its own, and its messages need not say whom they concern. Before, they all shared one stream and named
 * their request by its id. Requests themselves are the same values in both worlds (messages.ts); these are the envelopes of everything that
 * follows a request, and the few messages that the newer drafts do without. session/shared-control.ts turns one world into the other.
 */
import type {
  FetchOkMessage,
  GoawayMessage,
  PublishDoneMessage,
  RequestErrorMessage,
  RequestMessage,
  RequestOkMessage,
  RequestUpdateMessage,
  SetupMessage,
  SubscribeOkMessage,
} from "./messages.ts";
import type { Namespace } from "./names.ts";
import type { VarInt } from "./varint.ts";

export type Answer = SubscribeOkMessage | FetchOkMessage | RequestOkMessage | RequestErrorMessage;

/** What an answer answers. Draft-14 has a message of its own for each; later drafts say it for SUBSCRIBE, FETCH and PUBLISH only. */
export type Answered = RequestMessage["type"] | "request-update";

export interface AnswerEnvelope {
  readonly type: "answer";
  readonly requestId: VarInt;
  /** On encode always given. On decode undefined where the message does not tell. */
  readonly to: Answered | undefined;
  readonly message: Answer;
}

export interface UpdateEnvelope {
  readonly type: "update";
  readonly existing: VarInt;
  readonly message: RequestUpdateMessage;
}

export interface DoneEnvelope {
  readonly type: "done";
  readonly requestId: VarInt;
  readonly message: PublishDoneMessage;
}

/** The end of a request that a newer draft expresses by resetting its stream. */
export interface Withdrawal {
  readonly type: "withdraw";
  readonly what:
    | "unsubscribe"
    | "fetch-cancel"
    | "publish-namespace-done"
    | "publish-namespace-cancel"
    | "unsubscribe-namespace";
  /** On encode always given; on decode where the draft names the request by its id. */
  readonly requestId?: VarInt;
  /** Likewise where the draft names it by its namespace or prefix. */
  readonly namespace?: Namespace;
  /** Only of "publish-namespace-cancel". */
  readonly errorCode?: VarInt;
  readonly reason?: string;
}

/** The peer may use request ids below `limit` from now on. */
export interface MaxRequestIdMessage {
  readonly type: "max-request-id";
  readonly limit: VarInt;
}

export interface RequestsBlockedMessage {
  readonly type: "requests-blocked";
  readonly limit: VarInt;
}

export type SharedMessage =
  | SetupMessage
  | GoawayMessage
  | RequestMessage
  | AnswerEnvelope
  | UpdateEnvelope
  | DoneEnvelope
  | Withdrawal
  | MaxRequestIdMessage
  | RequestsBlockedMessage;
