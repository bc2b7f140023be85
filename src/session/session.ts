/**
 * An MOQT session as a state machine (draft-ietf-moq-transport-18).
 *
 * New to MoQ? Two endpoints share one connection. Each opens a control stream that begins with SETUP; after that, everything one
 * wants of the other is a *request* (SUBSCRIBE, FETCH, PUBLISH_NAMESPACE, ...) on a bidirectional stream of its own, and objects travel on
 * unidirectional streams that name their track by a short alias. This file decides what all of that means: which message may come where,
 * who may use which id, when a request is over, and with which code a session ends when the peer breaks a rule.
 *
 * It is pure. Inputs say what happened (a message came, a timer ran out, our side wants to subscribe); the returned actions say what to do
 * (send this, reset that, tell the application). It has no streams, no timers and no clock, so a test can play any peer against it.
 * `transport/` runs it on real streams. Objects never pass through: only their streams' beginnings and ends do.
 *
 * Two promises: every request that was opened or handed out gets exactly one "ended", and after "closed" nothing comes any more.
 */
import { CountersignError } from "../errors.ts";
import { sessionErrors, streamResets } from "../wire/codes.ts";
import type { ControlMessage, GoawayMessage, SetupMessage } from "../wire/messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { CANCELLED, type RequestState, SessionCore, type SessionOptions } from "./core.ts";
import { DRAIN_MS, MAX_DRAIN_MS } from "./limits.ts";
import { finishFetch, onAnswer, onNamespace, open } from "./own-requests.ts";
import { admit, releaseJoins, respond } from "./peer-requests.ts";
import { sentBy } from "./request-ids.ts";
import type {
  AliasRoute,
  PublisherView,
  SessionAction,
  SessionInput,
  StreamHandle,
  TimerName,
} from "./types.ts";
import { answerUpdate, onUpdate, refuseUpdate, sendUpdate } from "./updates.ts";
import { violation } from "./violations.ts";

export type { SessionOptions } from "./core.ts";

/** 2^62 - 1 in PUBLISH_DONE: the publisher did not count its streams (§10.11). */
const UNCOUNTED = 2n ** 62n - 1n;

export class Session {
  readonly #core: SessionCore;

  constructor(options: SessionOptions) {
    this.#core = new SessionCore(options);
  }

  /** True from the first "closed" action on. */
  get closed(): boolean {
    return this.#core.phase === "closed";
  }

  /**
   * Takes one input, returns what to do, in order. Never throws for anything a peer can cause; throws RangeError when the driver answers a
   * request with a message that cannot answer it.
   */
  handle(input: SessionInput): readonly SessionAction[] {
    const core = this.#core;
    if (core.phase === "closed") return this.#afterClose(input);
    try {
      dispatch(core, input);
      for (const joined of core.waitingJoins.keys())
        if (!core.requests.has(joined)) releaseJoins(core, joined);
    } catch (thrown) {
      if (!(thrown instanceof CountersignError)) throw thrown;
      closeFor(core, thrown);
    }
    return core.out.splice(0);
  }

  /** Where the objects of a track alias of the peer go. */
  route(alias: VarInt): AliasRoute {
    const route = this.#core.peerAliases.route(alias);
    // §10.10: objects may come before we have accepted the PUBLISH. They wait, as if the alias were unknown.
    if (route.kind === "subscription" && this.#core.requests.get(route.stream)?.phase === "pending") {
      return { kind: "unknown" };
    }
    return route;
  }

  /** Where a fetch stream goes. An id that never was a fetch of ours is a violation, which the caller feeds back as "broken". */
  routeFetch(requestId: VarInt): AliasRoute {
    const request = this.#core.byId.get(requestId);
    if (request?.ours && request.message.type === "fetch")
      return { kind: "subscription", stream: request.stream };
    if (request || !this.#core.ownIds.issued(this.#core.role, requestId)) {
      throw violation("§11.4.4", `A stream answers FETCH ${requestId}, which was never sent.`);
    }
    return { kind: "discard" };
  }

  /** What the peer has asked of a subscription that we publish on; undefined when that is over. */
  publisher(stream: StreamHandle): PublisherView | undefined {
    const publisher = this.#core.requests.get(stream)?.publisher;
    if (!publisher) return undefined;
    const { trackAlias, forward, range } = publisher;
    return { trackAlias, forward, start: range.start, endGroup: range.endGroup };
  }

  /** How many requests are open in both directions. */
  get openRequests(): number {
    return this.#core.requests.size;
  }

  #afterClose(input: SessionInput): readonly SessionAction[] {
    if (input.type !== "open") return [];
    open(this.#core, input.stream, input.request);
    return this.#core.out.splice(0);
  }
}

function dispatch(core: SessionCore, input: SessionInput): void {
  switch (input.type) {
    case "start":
      core.phase = "waiting";
      core.act({ type: "send-control", message: { type: "setup", ...input.setup } });
      core.setTimer("setup", core.options.setupTimeoutMs);
      return;
    case "control-message":
      return onControlMessage(core, input.message);
    case "control-ended":
      throw violation("§3.3", "The peer's control stream ended.");
    case "request-opened":
      return admit(core, input.stream, input.message);
    case "request-message":
      return onRequestMessage(core, input.stream, input.message);
    case "request-finished":
      return onFinished(core, input.stream);
    case "request-cancelled":
      return onCancelled(core, input.stream, input.code);
    case "data-started":
    case "data-ended":
      return onData(core, input);
    case "broken":
      throw input.error;
    case "timer":
      return onTimer(core, input.timer, input.stream);
    case "transport-closed":
      return core.close({
        code: sessionErrors["no-error"],
        reason: "",
        byUs: false,
        tellPeer: false,
        ...(input.error && { error: input.error }),
      });
    case "open":
      return open(core, input.stream, input.request);
    case "respond":
      return respond(core, input.stream, input.response);
    case "refuse": {
      const request = core.requests.get(input.stream);
      if (request && !request.ours && request.phase === "pending") core.refuse(request, input.refusal);
      return;
    }
    case "update":
      return sendUpdate(core, input.stream, input.parameters);
    case "answer-update":
      return answerUpdate(core, input.stream, input.parameters);
    case "refuse-update":
      return refuseUpdate(core, input.stream, input.refusal);
    case "announce":
    case "unannounce":
    case "blocked":
      return announce(core, input);
    case "done":
      return sendDone(core, input);
    case "fetch-served": {
      const request = core.requests.get(input.stream);
      if (!request) return;
      if (input.complete) core.finish(request, { cause: "finished" });
      else core.abort(request, CANCELLED, { cause: "cancelled-by-us" });
      return;
    }
    case "cancel": {
      const request = core.requests.get(input.stream);
      if (!request) return;
      const { error } = input;
      core.abort(request, input.code, error ? { cause: "failed", error } : { cause: "cancelled-by-us" });
      return;
    }
    case "goaway":
      return sendGoaway(core, input);
    case "close":
      return core.close({ code: input.code, reason: input.reason, byUs: true, tellPeer: true });
  }
}

function closeFor(core: SessionCore, error: CountersignError): void {
  core.close({
    code: error.protocolCode ?? sessionErrors["internal-error"],
    // The section tells the peer's developers more than our wording does.
    reason: error.section ?? "",
    byUs: true,
    tellPeer: true,
    error,
  });
}

function onControlMessage(core: SessionCore, message: ControlMessage): void {
  if (!core.peerSetup) {
    if (message.type !== "setup") throw violation("§3.3", `The control stream begins with ${message.type}.`);
    onSetup(core, message);
  } else if (message.type === "goaway") {
    onGoaway(core, message);
  } else {
    throw violation("§10", `${message.type} may not come on the control stream.`);
  }
}

function onSetup(core: SessionCore, message: SetupMessage): void {
  // Both are for native QUIC; every session of ours is WebTransport.
  if (message.authority !== undefined) {
    throw violation(
      "§10.3.1.1",
      "AUTHORITY may not be used over WebTransport.",
      sessionErrors["invalid-authority"],
    );
  }
  if (message.path !== undefined) {
    throw violation("§10.3.1.2", "PATH may not be used over WebTransport.", sessionErrors["invalid-path"]);
  }
  const authorizationTokens =
    message.authorizationTokens &&
    core.tokens.resolveSetup(message.authorizationTokens, core.role === "server");
  core.peerSetup = { ...message, ...(authorizationTokens && { authorizationTokens }) };
  core.phase = "open";
  core.clearTimer("setup");
  core.act({ type: "open", setup: core.peerSetup });
}

function onGoaway(core: SessionCore, message: GoawayMessage, request?: RequestState): void {
  if (request ? request.goawayReceived : core.goawayReceived) {
    throw violation("§10.4", "A second GOAWAY came on the same stream.");
  }
  if (core.role === "server" && message.newSessionUri !== "") {
    throw violation("§10.4", "A client may not name a new session in GOAWAY.");
  }
  if (request) {
    request.goawayReceived = true;
  } else {
    if (message.requestId !== undefined && !sentBy(core.role, message.requestId)) {
      throw violation(
        "§10.4",
        `GOAWAY names Request ID ${message.requestId}, which is not one of ours.`,
        sessionErrors["invalid-request-id"],
      );
    }
    core.goawayReceived = true;
  }
  core.act({
    type: "goaway",
    newUri: message.newSessionUri,
    timeoutMs: message.timeoutMs,
    ...(request && { stream: request.stream }),
  });
}

function onRequestMessage(core: SessionCore, stream: StreamHandle, message: ControlMessage): void {
  const request = core.requests.get(stream);
  // What was under way when we cancelled.
  if (!request) return;
  if (request.phase === "draining") {
    throw violation("§10.11", `${message.type} came after PUBLISH_DONE.`);
  }
  switch (message.type) {
    case "goaway":
      return onGoaway(core, message, request);
    case "request-update":
      return onUpdate(core, request, message);
    case "subscribe-ok":
    case "fetch-ok":
    case "request-ok":
    case "request-error":
      return onAnswer(core, request, message);
    case "publish-done":
      return onDone(core, request, message);
    case "namespace":
    case "namespace-done":
      return onNamespace(core, request, message);
    case "publish-blocked":
      if (!request.ours || request.message.type !== "subscribe-tracks" || request.phase === "pending") {
        throw violation("§10.20", "PUBLISH_BLOCKED may only follow the REQUEST_OK of SUBSCRIBE_TRACKS.");
      }
      core.act({ type: "publish-blocked", stream, suffix: message.suffix, name: message.name });
      return;
    default:
      throw violation("§10", `${message.type} may not come later on a request stream.`);
  }
}

function onDone(
  core: SessionCore,
  request: RequestState,
  message: Extract<ControlMessage, { type: "publish-done" }>,
): void {
  const { subscriber } = request;
  if (!subscriber) {
    throw violation("§10.11", `PUBLISH_DONE may not come on the stream of ${request.message.type} here.`);
  }
  subscriber.done = message;
  // A PUBLISH that we had not answered yet: the publisher has thought better of it.
  if (request.phase === "pending") {
    endDone(core, request);
    return;
  }
  request.phase = "draining";
  core.peerAliases.drain(subscriber.trackAlias, request.stream);
  if (allStreamsEnded(request)) {
    endDone(core, request);
    return;
  }
  const { objectDeliveryTimeoutMs = 0, subgroupDeliveryTimeoutMs = 0 } = request.message.parameters;
  const wanted = Math.max(DRAIN_MS, Number(objectDeliveryTimeoutMs), Number(subgroupDeliveryTimeoutMs));
  core.setTimer("drain", Math.min(wanted, MAX_DRAIN_MS), request.stream);
}

/**
 * More streams than counted are let pass: §10.11 leaves it to us, relays that others wrote have been seen to count loosely, and what
 * comes later is dropped anyway.
 */
function allStreamsEnded({ subscriber }: RequestState): boolean {
  if (!subscriber?.done) return false;
  if (subscriber.streamsEnded < subscriber.streamsStarted) return false;
  if (subscriber.drained) return true;
  const count = subscriber.done.streamCount;
  return count !== UNCOUNTED && subscriber.streamsEnded >= count;
}

function endDone(core: SessionCore, request: RequestState): void {
  const done = request.subscriber?.done;
  core.finish(request, done ? { cause: "done", done } : { cause: "finished" });
}

function onData(
  core: SessionCore,
  input: Extract<SessionInput, { type: "data-started" | "data-ended" }>,
): void {
  const request = core.requests.get(input.stream);
  if (!request) return;
  const { subscriber } = request;
  if (subscriber) {
    if (input.type === "data-started") subscriber.streamsStarted++;
    else subscriber.streamsEnded++;
    if (input.type === "data-ended" && request.phase === "draining" && allStreamsEnded(request))
      endDone(core, request);
  } else if (request.message.type === "fetch" && input.type === "data-ended") {
    if (input.error) {
      core.abort(request, CANCELLED, { cause: "failed", error: input.error });
      return;
    }
    request.fetchDataEnded = true;
    finishFetch(core, request);
  }
}

/** FIN of the peer's half. */
function onFinished(core: SessionCore, stream: StreamHandle): void {
  const request = core.requests.get(stream);
  if (!request) return;
  const { type } = request.message;
  if (!request.ours) {
    switch (type) {
      case "publish-namespace":
      case "subscribe-namespace":
      case "subscribe-tracks":
        // §6.1: closing the stream withdraws it; the same is done for announcements.
        core.finish(request, { cause: "cancelled-by-peer" });
        return;
      case "publish":
        if (request.phase !== "draining") core.finish(request, { cause: "finished" });
        return;
      default:
        // SUBSCRIBE, FETCH, TRACK_STATUS: the peer will not update it; our answer is still wanted.
        return;
    }
  }
  if (request.phase === "pending") {
    const error = new CountersignError(
      "stream-truncated",
      `The peer ended the stream of ${type} without an answer.`,
      {
        section: "draft-ietf-moq-transport-18 §3.3.2",
      },
    );
    core.finish(request, { cause: "failed", error });
    return;
  }
  // A fetch goes on until its objects came; a subscription after PUBLISH_DONE until its streams have ended.
  if (type === "fetch" || request.phase === "draining") return;
  core.finish(request, { cause: "finished" });
}

function onCancelled(core: SessionCore, stream: StreamHandle, code: number | undefined): void {
  const request = core.requests.get(stream);
  if (!request) return;
  // §10.11: PUBLISH_DONE was the last word; what follows on its stream changes nothing.
  if (request.phase === "draining") return;
  const error = new CountersignError("stream-reset", `The peer cancelled ${request.message.type}.`, {
    section: "draft-ietf-moq-transport-18 §3.3.2",
    ...(code !== undefined && { protocolCode: code }),
  });
  core.abort(request, CANCELLED, { cause: "cancelled-by-peer", error });
}

function onTimer(core: SessionCore, timer: TimerName, stream: StreamHandle | undefined): void {
  const request = stream === undefined ? undefined : core.requests.get(stream);
  switch (timer) {
    case "setup":
      if (core.phase !== "waiting") return;
      throw new CountersignError("connect-timeout", "The peer opened a session but sent no SETUP.", {
        protocolCode: sessionErrors["control-message-timeout"],
        section: "draft-ietf-moq-transport-18 §3.3",
        hint: "The address answers WebTransport, but perhaps not MOQT of this version.",
      });
    case "goaway":
      if (request) {
        core.abort(request, streamResets["going-away"], { cause: "cancelled-by-us" });
        return;
      }
      if (core.requests.size > 0) {
        core.close({ code: sessionErrors["goaway-timeout"], reason: "", byUs: true, tellPeer: true });
      } else core.close({ code: sessionErrors["no-error"], reason: "", byUs: true, tellPeer: true });
      return;
    case "request": {
      if (request?.phase !== "pending" || !request.ours) return;
      const error = new CountersignError(
        "request-timeout",
        `The peer did not answer ${request.message.type} in time.`,
        {
          hint: "The relay may be overloaded, or waiting for a publisher that is not there.",
        },
      );
      core.abort(request, CANCELLED, { cause: "timeout", error });
      return;
    }
    case "drain":
      if (!request?.subscriber) return;
      request.subscriber.drained = true;
      if (allStreamsEnded(request)) endDone(core, request);
  }
}

function announce(
  core: SessionCore,
  input: Extract<SessionInput, { type: "announce" | "unannounce" | "blocked" }>,
): void {
  const request = core.requests.get(input.stream);
  if (!request || request.ours || request.phase !== "established") return;
  const { suffix } = input;
  const message: ControlMessage =
    input.type === "blocked"
      ? { type: "publish-blocked", suffix, name: input.name }
      : { type: input.type === "announce" ? "namespace" : "namespace-done", suffix };
  core.act({ type: "send", stream: input.stream, message });
}

function sendDone(core: SessionCore, input: Extract<SessionInput, { type: "done" }>): void {
  const request = core.requests.get(input.stream);
  if (!request?.publisher) return;
  core.act({ type: "send", stream: input.stream, message: { type: "publish-done", ...input.done } });
  core.finish(request, { cause: "finished" });
}

function sendGoaway(core: SessionCore, input: Extract<SessionInput, { type: "goaway" }>): void {
  const request = input.stream === undefined ? undefined : core.requests.get(input.stream);
  if (input.stream !== undefined && !request) return;
  if (request ? request.goawaySent : core.goawaySentFrom !== undefined) return;
  if (core.role === "client" && input.newUri !== "") {
    throw new RangeError("a client cannot name a new session in GOAWAY (§10.4)");
  }
  const message: GoawayMessage = { type: "goaway", newSessionUri: input.newUri, timeoutMs: input.timeoutMs };
  if (request) {
    request.goawaySent = true;
    core.act({ type: "send", stream: request.stream, message });
  } else {
    core.goawaySentFrom = core.peerIds.end;
    core.act({ type: "send-control", message: { ...message, requestId: core.goawaySentFrom } });
  }
  if (input.timeoutMs > 0) core.setTimer("goaway", input.timeoutMs, request?.stream);
}
