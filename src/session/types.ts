/** What goes into the session machine and what comes out of it. */
import type { CountersignError } from "../errors.ts";
import type {
  ControlMessage,
  FetchOkMessage,
  Parameters,
  PublishDoneMessage,
  PublishMessage,
  RequestErrorMessage,
  RequestMessage,
  RequestOkMessage,
  SetupMessage,
  SubscribeOkMessage,
} from "../wire/messages.ts";
import type { Location, Namespace } from "../wire/names.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import type { VarInt } from "../wire/varint.ts";

export type Role = "client" | "server";

/** Names one request's stream between the machine and its driver. Never on the wire, never reused. */
export type StreamHandle = number;

type Omitting<M, K extends string> = M extends unknown ? Omit<M, K> : never;

/** A request of ours before the machine gave it an id (and PUBLISH its alias). */
export type RequestBody =
  | Omitting<Exclude<RequestMessage, PublishMessage>, "requestId">
  | Omitting<PublishMessage, "requestId" | "trackAlias">;

/** A positive answer of ours; the machine gives SUBSCRIBE_OK its alias. */
export type ResponseBody = Omit<SubscribeOkMessage, "trackAlias"> | FetchOkMessage | RequestOkMessage;

/** A refusal of ours, or of the peer's. */
export type RefusalBody = Omit<RequestErrorMessage, "type">;

export type SessionInput =
  // What the transport reports.
  | { readonly type: "control-message"; readonly message: ControlMessage | SharedMessage }
  /** The peer's control stream ended in any way. */
  | { readonly type: "control-ended" }
  /** The first message on a stream that the peer opened. */
  | { readonly type: "request-opened"; readonly stream: StreamHandle; readonly message: ControlMessage }
  /** Any later message on a request stream, whoever opened it. Ignored when that request is over. */
  | { readonly type: "request-message"; readonly stream: StreamHandle; readonly message: ControlMessage }
  /** FIN of the peer's half. */
  | { readonly type: "request-finished"; readonly stream: StreamHandle }
  /** The peer reset its half or stopped ours. */
  | { readonly type: "request-cancelled"; readonly stream: StreamHandle; readonly code?: number }
  /** A data stream of a subscription or fetch that we receive began or ended, however it ended. */
  | { readonly type: "data-started"; readonly stream: StreamHandle }
  | { readonly type: "data-ended"; readonly stream: StreamHandle; readonly error?: CountersignError }
  /** Bytes that no decoder accepts. */
  | { readonly type: "broken"; readonly error: CountersignError }
  | { readonly type: "timer"; readonly timer: TimerName; readonly stream?: StreamHandle }
  | { readonly type: "transport-closed"; readonly error?: CountersignError }
  // What our side wants.
  | { readonly type: "start"; readonly setup: Omit<SetupMessage, "type"> }
  | { readonly type: "open"; readonly stream: StreamHandle; readonly request: RequestBody }
  | { readonly type: "respond"; readonly stream: StreamHandle; readonly response: ResponseBody }
  | { readonly type: "refuse"; readonly stream: StreamHandle; readonly refusal: RefusalBody }
  | { readonly type: "update"; readonly stream: StreamHandle; readonly parameters: Parameters }
  | { readonly type: "answer-update"; readonly stream: StreamHandle; readonly parameters: Parameters }
  | { readonly type: "refuse-update"; readonly stream: StreamHandle; readonly refusal: RefusalBody }
  | { readonly type: "announce"; readonly stream: StreamHandle; readonly suffix: Namespace }
  | { readonly type: "unannounce"; readonly stream: StreamHandle; readonly suffix: Namespace }
  | {
      readonly type: "blocked";
      readonly stream: StreamHandle;
      readonly suffix: Namespace;
      readonly name: Uint8Array;
    }
  | { readonly type: "done"; readonly stream: StreamHandle; readonly done: Omit<PublishDoneMessage, "type"> }
  /** The FETCH's data stream was ended by us: FIN, or reset when not `complete`. */
  | { readonly type: "fetch-served"; readonly stream: StreamHandle; readonly complete: boolean }
  /** Withdraws our request or gives up on the peer's. */
  | {
      readonly type: "cancel";
      readonly stream: StreamHandle;
      readonly code: number;
      readonly error?: CountersignError;
    }
  | {
      readonly type: "goaway";
      readonly newUri: string;
      readonly timeoutMs: number;
      readonly stream?: StreamHandle;
    }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** setup: no SETUP came. request: no first response, or no stream for an accepted fetch. drain: late streams after PUBLISH_DONE. goaway: the peer did not leave. */
export type TimerName = "setup" | "request" | "drain" | "goaway";

/** How a subscription, fetch, announcement... came to its end. */
export interface RequestEnd {
  readonly cause:
    | "refused"
    | "done"
    | "finished"
    | "cancelled-by-us"
    | "cancelled-by-peer"
    | "timeout"
    | "session-closed"
    | "failed";
  /** Absent for "done", "finished" and "cancelled-by-us". */
  readonly error?: CountersignError;
  /** For "refused". */
  readonly refusal?: RequestErrorMessage;
  /** For "done": what PUBLISH_DONE said. */
  readonly done?: PublishDoneMessage;
}

export type SessionAction =
  // For the transport.
  | { readonly type: "send-control"; readonly message: ControlMessage | SharedMessage }
  /** Open a bidirectional stream and write the request. */
  | { readonly type: "open-request"; readonly stream: StreamHandle; readonly message: RequestMessage }
  | {
      readonly type: "send";
      readonly stream: StreamHandle;
      readonly message: ControlMessage;
      /** The request's id on the wire, where the draft repeats it there. */
      readonly requestId?: VarInt;
    }
  /** FIN our half, after what was sent. The peer's half is read on and dropped. */
  | { readonly type: "finish"; readonly stream: StreamHandle }
  /** Reset our half and stop the peer's. */
  | { readonly type: "abort"; readonly stream: StreamHandle; readonly code: number }
  | {
      readonly type: "set-timer";
      readonly timer: TimerName;
      readonly stream?: StreamHandle;
      readonly delayMs: number;
    }
  | { readonly type: "clear-timer"; readonly timer: TimerName; readonly stream?: StreamHandle }
  // For the application, by way of the driver.
  | { readonly type: "open"; readonly setup: SetupMessage }
  /** The first, positive response to our request. */
  | {
      readonly type: "accepted";
      readonly stream: StreamHandle;
      readonly message: SubscribeOkMessage | FetchOkMessage | RequestOkMessage;
    }
  /** The oldest update of ours without an answer got one. */
  | {
      readonly type: "update-answered";
      readonly stream: StreamHandle;
      readonly message: RequestOkMessage | RequestErrorMessage;
    }
  /** A request of the peer that passed all checks, tokens resolved, joining fetches made standalone: answer with respond or refuse. */
  | { readonly type: "requested"; readonly stream: StreamHandle; readonly message: RequestMessage }
  /** The peer changes its request: answer with answer-update or refuse-update, in order. */
  | { readonly type: "updated"; readonly stream: StreamHandle; readonly parameters: Parameters }
  | { readonly type: "namespace-added"; readonly stream: StreamHandle; readonly suffix: Namespace }
  | { readonly type: "namespace-removed"; readonly stream: StreamHandle; readonly suffix: Namespace }
  | {
      readonly type: "publish-blocked";
      readonly stream: StreamHandle;
      readonly suffix: Namespace;
      readonly name: Uint8Array;
    }
  | {
      readonly type: "goaway";
      readonly stream?: StreamHandle;
      readonly newUri: string;
      readonly timeoutMs: VarInt;
    }
  /** The alias of a track became known (or died): streams that wait for it can be routed. */
  | { readonly type: "aliases-changed" }
  /** The request is over; exactly once for each handle that was opened or requested. Open data streams of it are to be dropped. */
  | { readonly type: "ended"; readonly stream: StreamHandle; readonly end: RequestEnd }
  /** The session is over. What follows is at most the "ended" of requests that are opened too late. `code` is to be given to the transport when `tellPeer`. */
  | {
      readonly type: "closed";
      readonly code: number;
      readonly reason: string;
      readonly byUs: boolean;
      readonly tellPeer: boolean;
      readonly error?: CountersignError;
    };

/** Where data of an alias goes. */
export type AliasRoute =
  | { readonly kind: "subscription"; readonly stream: StreamHandle }
  /** Wait, within the limits. */
  | { readonly kind: "unknown" }
  /** Of a subscription that is over: stop the stream. */
  | { readonly kind: "discard" };

/** What a peer sees of our side of its subscription (or of our PUBLISH). */
export interface PublisherView {
  readonly trackAlias: VarInt;
  readonly forward: boolean;
  /** First location that passes the filter. */
  readonly start: Location;
  /** Last group that passes, inclusive. */
  readonly endGroup: VarInt | undefined;
}

/** What a driver runs: {@link Session}, or one of its kind for drafts with a shared control stream. */
export interface SessionMachine {
  /** True from the first "closed" action on. */
  readonly closed: boolean;
  /** How many requests are open in both directions. */
  readonly openRequests: number;
  /** Takes one input, returns what to do, in order. */
  handle(input: SessionInput): readonly SessionAction[];
  /** Where the objects of a track alias of the peer go. */
  route(alias: VarInt): AliasRoute;
  /** Where a fetch stream goes. Throws for an id that never was a fetch of ours: to be fed back as "broken". */
  routeFetch(requestId: VarInt): AliasRoute;
  /** What the peer has asked of a subscription that we publish on; undefined when that is over. */
  publisher(stream: StreamHandle): PublisherView | undefined;
  /** The id by which later requests refer to this one (joining fetches); undefined when it is over. */
  requestId(stream: StreamHandle): VarInt | undefined;
}
