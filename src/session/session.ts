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
import { sessionErrors } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { onControlMessage, onGoaway, ownSetup, sendGoaway } from "./control.ts";
import { CANCELLED, SessionCore, type SessionOptions } from "./core.ts";
import { onCancelled, onData, onDone, onFinished, onTimer, sendDone } from "./endings.ts";
import { tellOfPrefix } from "./listings.ts";
import { onAnswer, onNamespace, open } from "./own-requests.ts";
import { admit, releaseJoins, respond } from "./peer-requests.ts";
import type {
  AliasRoute,
  PublisherView,
  SessionAction,
  SessionInput,
  SessionMachine,
  StreamHandle,
} from "./types.ts";
import { answerUpdate, onUpdate, refuseUpdate, sendUpdate } from "./updates.ts";
import { violation } from "./violations.ts";

export type { SessionOptions } from "./core.ts";

export class Session implements SessionMachine {
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

  requestId(stream: StreamHandle): VarInt | undefined {
    return this.#core.requests.get(stream)?.message.requestId;
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
      core.act({ type: "send-control", message: ownSetup(core, input.setup) });
      core.setTimer("setup", core.options.setupTimeoutMs);
      return;
    case "control-message":
      onControlMessage(core, input.message);
      break;
    case "control-ended":
      throw violation("§3.3", "The peer's control stream ended.");
    case "request-opened":
      admit(core, input.stream, input.message);
      break;
    case "request-message":
      onRequestMessage(core, input.stream, input.message);
      break;
    case "request-finished":
      onFinished(core, input.stream);
      break;
    case "request-cancelled":
      onCancelled(core, input.stream, input.code);
      break;
    case "data-started":
    case "data-ended":
      onData(core, input);
      break;
    case "broken":
      throw input.error;
    case "timer":
      onTimer(core, input.timer, input.stream);
      break;
    case "transport-closed":
      core.close({
        code: sessionErrors["no-error"],
        reason: "",
        byUs: false,
        tellPeer: false,
        ...(input.error && { error: input.error }),
      });
      break;
    case "open":
      open(core, input.stream, input.request);
      break;
    case "respond":
      respond(core, input.stream, input.response);
      break;
    case "refuse": {
      const request = core.requests.get(input.stream);
      if (request && !request.ours && request.phase === "pending") core.refuse(request, input.refusal);
      return;
    }
    case "update":
      sendUpdate(core, input.stream, input.parameters);
      break;
    case "answer-update":
      answerUpdate(core, input.stream, input.parameters);
      break;
    case "refuse-update":
      refuseUpdate(core, input.stream, input.refusal);
      break;
    case "announce":
    case "unannounce":
    case "blocked":
      tellOfPrefix(core, input);
      break;
    case "done":
      sendDone(core, input);
      break;
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
      sendGoaway(core, input);
      break;
    case "close":
      core.close({ code: input.code, reason: input.reason, byUs: true, tellPeer: true });
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

function onRequestMessage(core: SessionCore, stream: StreamHandle, message: ControlMessage): void {
  const request = core.requests.get(stream);
  // What was under way when we cancelled.
  if (!request) return;
  if (request.phase === "draining") {
    throw violation("§10.11", `${message.type} came after PUBLISH_DONE.`);
  }
  switch (message.type) {
    case "goaway":
      onGoaway(core, message, request);
      break;
    case "request-update":
      onUpdate(core, request, message);
      break;
    case "subscribe-ok":
    case "fetch-ok":
    case "request-ok":
    case "request-error":
      onAnswer(core, request, message);
      break;
    case "publish-done":
      onDone(core, request, message);
      break;
    case "namespace":
    case "namespace-done":
      onNamespace(core, request, message);
      break;
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
