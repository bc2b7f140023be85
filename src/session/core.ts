/** The session's state and the few operations that all rules share. No rule of the protocol is decided here. */
import { CountersignError } from "../errors.ts";
import type { Capabilities } from "../wire/codec.ts";
import { requestErrors, streamResets } from "../wire/codes.ts";
import type {
  FetchOkMessage,
  Parameters,
  PublishDoneMessage,
  RequestMessage,
  SetupMessage,
} from "../wire/messages.ts";
import { type FullTrackName, type Location, type Namespace, trackKey } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import { PeerAliases } from "./aliases.ts";
import type { FilterRange } from "./filters.ts";
import { AUTH_TOKEN_CACHE_BYTES } from "./limits.ts";
import { OwnRequestIds, PeerRequestIds } from "./request-ids.ts";
import { TokenCache } from "./tokens.ts";
import type { RefusalBody, RequestEnd, Role, SessionAction, StreamHandle, TimerName } from "./types.ts";
import { sessionClosed } from "./violations.ts";

export interface SessionOptions {
  readonly role: Role;
  /** What the draft spoken has and has not. */
  readonly capabilities: Capabilities;
  /** How long a request of ours may wait for its first response before it fails with "request-timeout". */
  readonly requestTimeoutMs: number;
  /** How long the peer's SETUP may take. */
  readonly setupTimeoutMs: number;
}

/** A subscription on which we publish: a SUBSCRIBE of the peer or a PUBLISH of ours. */
export interface PublisherState {
  readonly trackAlias: VarInt;
  forward: boolean;
  range: FilterRange;
  /** The Joining Location (§5.1). */
  joining: Location | undefined;
}

/** A subscription on which we receive: a SUBSCRIBE of ours or a PUBLISH of the peer. */
export interface SubscriberState {
  readonly trackAlias: VarInt;
  streamsStarted: number;
  streamsEnded: number;
  done: PublishDoneMessage | undefined;
  /** The drain timer has run out: over as soon as no stream is open. */
  drained: boolean;
}

export interface RequestState {
  readonly stream: StreamHandle;
  readonly ours: boolean;
  /** As it was sent or received; with the tokens of the peer resolved. */
  readonly message: RequestMessage;
  phase: "pending" | "established" | "draining";
  /** The driver knows it, so it must hear of its end. */
  surfaced: boolean;
  /** Updates we sent that have no answer yet, oldest first; likewise those of the peer. */
  readonly updatesOut: Parameters[];
  /** Updates of ours that wait until the peer takes another one. */
  readonly updatesHeld: Parameters[];
  readonly updatesIn: Parameters[];
  goawayReceived: boolean;
  goawaySent: boolean;
  /** The peer has ended its half of the stream: it can say nothing more about this request. */
  peerFinished: boolean;
  publisher?: PublisherState;
  subscriber?: SubscriberState;
  /** SUBSCRIBE_NAMESPACE of ours: what the peer has told, by key. */
  readonly namespaces: Map<string, Namespace>;
  /** SUBSCRIBE_NAMESPACE of the peer: the suffixes we have listed. SUBSCRIBE_TRACKS: the tracks we have called blocked. By key, as many as our application names. */
  readonly told: Set<string>;
  /** SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS: the prefix in force. */
  prefix: Namespace | undefined;
  /** FETCH of ours: both have to come before it is over. */
  fetchOk?: FetchOkMessage;
  fetchDataStarted: boolean;
  fetchDataEnded: boolean;
}

export class SessionCore {
  readonly options: SessionOptions;
  readonly role: Role;
  readonly capabilities: Capabilities;
  readonly out: SessionAction[] = [];
  phase: "new" | "waiting" | "open" | "closed" = "new";
  peerSetup: SetupMessage | undefined;

  readonly requests = new Map<StreamHandle, RequestState>();
  readonly byId = new Map<VarInt, RequestState>();
  /** Tracks on which we are the subscriber, and those on which we are the publisher: at most one of each (§5.1). */
  readonly subscribed = new Map<string, RequestState>();
  readonly published = new Map<string, RequestState>();
  /** Joining fetches of the peer, by the subscription whose answer they wait for. */
  readonly waitingJoins = new Map<StreamHandle, readonly StreamHandle[]>();
  peerRequestCount = 0;

  readonly ownIds: OwnRequestIds;
  readonly peerIds: PeerRequestIds;
  readonly peerAliases = new PeerAliases();
  readonly tokens = new TokenCache(AUTH_TOKEN_CACHE_BYTES);
  #nextAlias = 0;

  goawayReceived = false;
  /** The first request id of the peer that our GOAWAY refuses. */
  goawaySentFrom: VarInt | undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    this.role = options.role;
    this.capabilities = options.capabilities;
    this.ownIds = new OwnRequestIds(options.role);
    this.peerIds = new PeerRequestIds(options.role === "client" ? "server" : "client");
  }

  act(action: SessionAction): void {
    this.out.push(action);
  }

  /** Never reused within the session, so no alias of ours can ever be a duplicate (§11.1). */
  takeAlias(): VarInt {
    return this.#nextAlias++;
  }

  setTimer(timer: TimerName, delayMs: number, stream?: StreamHandle): void {
    this.act({ type: "set-timer", timer, delayMs, ...(stream !== undefined && { stream }) });
  }

  clearTimer(timer: TimerName, stream?: StreamHandle): void {
    this.act({ type: "clear-timer", timer, ...(stream !== undefined && { stream }) });
  }

  register(stream: StreamHandle, message: RequestMessage, ours: boolean): RequestState {
    const request: RequestState = {
      stream,
      ours,
      message,
      phase: "pending",
      surfaced: ours,
      updatesOut: [],
      updatesHeld: [],
      updatesIn: [],
      goawayReceived: false,
      goawaySent: false,
      peerFinished: false,
      namespaces: new Map(),
      told: new Set(),
      prefix: "prefix" in message ? message.prefix : undefined,
      fetchDataStarted: false,
      fetchDataEnded: false,
    };
    this.requests.set(stream, request);
    this.byId.set(message.requestId, request);
    if (!ours) this.peerRequestCount++;
    const track = trackOfRequest(message);
    if (track) {
      const table = this.roleTable(request);
      if (!table.has(track)) table.set(track, request);
    }
    return request;
  }

  /** The table in which a SUBSCRIBE or PUBLISH claims its track: `subscribed` when we receive its objects. */
  roleTable(request: Pick<RequestState, "ours" | "message">): Map<string, RequestState> {
    const subscriber = request.ours === (request.message.type === "subscribe");
    return subscriber ? this.subscribed : this.published;
  }

  /** FINs our half after a last message and ends the request. */
  finish(request: RequestState, end: RequestEnd): void {
    if (!this.requests.has(request.stream)) return;
    this.act({ type: "finish", stream: request.stream });
    this.end(request, end);
  }

  /** Resets and stops the request's stream and ends the request. */
  abort(request: RequestState, code: number, end: RequestEnd): void {
    if (!this.requests.has(request.stream)) return;
    this.act({ type: "abort", stream: request.stream, code });
    this.end(request, end);
  }

  /** Ends our pending SUBSCRIBE in favour of a PUBLISH of the same track (§5.1). */
  supersede(pending: RequestState): void {
    const error = new CountersignError(
      "request-rejected",
      "The peer published this track before it answered.",
      {
        protocolCode: requestErrors["duplicate-subscription"],
        section: "draft-ietf-moq-transport-18 §5.1",
      },
    );
    this.abort(pending, CANCELLED, { cause: "failed", error });
  }

  refuse(request: RequestState, refusal: RefusalBody): void {
    this.act({ type: "send", stream: request.stream, message: { type: "request-error", ...refusal } });
    this.finish(request, { cause: "refused" });
  }

  /** Forgets the request; tells the driver when it knows of it. */
  end(request: RequestState, end: RequestEnd): void {
    if (!this.requests.delete(request.stream)) return;
    this.byId.delete(request.message.requestId);
    if (!request.ours) this.peerRequestCount--;
    const track = trackOfRequest(request.message);
    if (track) {
      const table = this.roleTable(request);
      if (table.get(track) === request) table.delete(track);
    }
    if (awaitsPeer(request)) this.clearTimer("request", request.stream);
    if (request.phase === "draining") this.clearTimer("drain", request.stream);
    if (request.subscriber) {
      this.peerAliases.retire(request.subscriber.trackAlias, request.stream);
      this.act({ type: "aliases-changed" });
    }
    for (const suffix of request.namespaces.values()) {
      // §10.18: the end of the stream counts as NAMESPACE_DONE for each that is active.
      this.act({ type: "namespace-removed", stream: request.stream, suffix });
    }
    if (request.surfaced) this.act({ type: "ended", stream: request.stream, end });
  }

  /** Ends the session and everything in it. */
  close(closing: {
    readonly code: number;
    readonly reason: string;
    readonly byUs: boolean;
    readonly tellPeer: boolean;
    readonly error?: CountersignError;
  }): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    const error = sessionClosed(closing.error);
    for (const request of [...this.requests.values()]) {
      this.end(request, { cause: "session-closed", error });
    }
    this.act({ type: "closed", ...closing });
  }
}

/**
 * True while the "request" timer runs: for the first answer to a request of ours, and for the stream of a fetch that was accepted. That one may
 * have been reset before its header was read, and then nobody would ever tell whose it was.
 */
export function awaitsPeer(request: RequestState): boolean {
  if (!request.ours) return false;
  if (request.phase === "pending") return true;
  return request.message.type === "fetch" && !request.fetchDataStarted;
}

/** The key of the track that a SUBSCRIBE or PUBLISH claims; other requests claim none. */
export function trackOfRequest(message: RequestMessage): string | undefined {
  return message.type === "subscribe" || message.type === "publish" ? trackKey(message.track) : undefined;
}

/** The full name of the track of a subscription, whoever began it. */
export function subscriptionTrack(request: RequestState): FullTrackName | undefined {
  const { message } = request;
  return message.type === "subscribe" || message.type === "publish" ? message.track : undefined;
}

/** With what a stream is reset when its request was withdrawn without a better reason. */
export const CANCELLED = streamResets.cancelled;
