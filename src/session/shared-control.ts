/**
 * A session of drafts 14 to 16, in which all requests share one control stream.
 *
 * The machine in session.ts knows requests that have a stream each; a request there is answered, updated and ended on its stream. This class stands
 * between it and the older wire and translates: messages that name their request by an id become messages on that request's stream, and the resets that
 * end requests become UNSUBSCRIBE, FETCH_CANCEL and their like. So every rule about what requests mean is written once, and what is here is what only old
 * drafts have: one stream, MAX_REQUEST_ID, withdrawals by message, PUBLISH_NAMESPACE as the answer to SUBSCRIBE_NAMESPACE, updates without answers.
 *
 * It is as pure as the machine: inputs in, actions out. What the newer drafts have and these do not is dropped here, or refused with an error of its own:
 * GOAWAY and its timeout on single requests, PUBLISH_BLOCKED, updates that an old draft cannot express.
 *
 * This file says what goes where; the rules are in shared/, a file for each subject.
 */
import { CountersignError } from "../errors.ts";
import type { ControlMessage, SetupMessage } from "../wire/messages.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import type { VarInt } from "../wire/varint.ts";
import type { SessionOptions } from "./core.ts";
import { onAnswer, onStreamMessage, sendAnswer } from "./shared/answers.ts";
import { SharedCore } from "./shared/core.ts";
import { onDone, onWithdrawal, withdraw } from "./shared/endings.ts";
import { announce, unannounce } from "./shared/namespaces.ts";
import { forget, onRequest, onRequestStream, openRequest } from "./shared/opening.ts";
import type { SharedRequest } from "./shared/requests.ts";
import { onUpdate, updateRequest } from "./shared/updates.ts";
import { sendWaiting } from "./shared/waiting.ts";
import type {
  AliasRoute,
  PublisherView,
  SessionAction,
  SessionInput,
  SessionMachine,
  StreamHandle,
} from "./types.ts";
import { violation } from "./violations.ts";

export class SharedControlSession implements SessionMachine {
  readonly #core: SharedCore;

  constructor(options: SessionOptions) {
    this.#core = new SharedCore(options, carryOut);
  }

  get closed(): boolean {
    return this.#core.machine.closed;
  }

  get openRequests(): number {
    return this.#core.machine.openRequests;
  }

  route(alias: VarInt): AliasRoute {
    return this.#core.machine.route(alias);
  }

  routeFetch(requestId: VarInt): AliasRoute {
    const { requests, machine, credit } = this.#core;
    const request = requests.byWireId(requestId);
    if (request?.ours) return machine.routeFetch(request.message.requestId);
    if (request || !credit.issued(requestId)) {
      throw violation("§11.4.4", `A stream answers FETCH ${requestId}, which was never sent.`);
    }
    return { kind: "discard" };
  }

  publisher(stream: StreamHandle): PublisherView | undefined {
    return this.#core.machine.publisher(stream);
  }

  requestId(stream: StreamHandle): VarInt | undefined {
    return this.#core.machine.requestId(stream);
  }

  handle(input: SessionInput): readonly SessionAction[] {
    const core = this.#core;
    try {
      take(core, input);
    } catch (thrown) {
      core.dropUntold();
      if (!(thrown instanceof CountersignError)) throw thrown;
      core.tell({ type: "broken", error: thrown });
    }
    return core.out.splice(0);
  }
}

function take(core: SharedCore, input: SessionInput): void {
  if (core.machine.closed) {
    core.tell(input);
    return;
  }
  switch (input.type) {
    case "control-message":
      onControlMessage(core, input.message);
      break;
    case "request-opened":
      onRequestStream(core, input.stream, input.message);
      break;
    case "request-message":
      onStreamMessage(core, input.stream, input.message);
      break;
    default:
      core.tell(input);
  }
  const limit = core.machine.closed ? undefined : core.credit.grant();
  if (limit !== undefined) core.send({ type: "max-request-id", limit });
}

// --- What the peer says ---

function onControlMessage(core: SharedCore, message: SharedMessage | ControlMessage): void {
  if (!core.peerSetup) {
    if (message.type === "setup") onSetup(core, message);
    // The machine knows what to say of a stream that does not begin with SETUP.
    else core.tell({ type: "control-message", message });
    return;
  }
  switch (message.type) {
    case "subscribe":
    case "publish":
    case "fetch":
    case "track-status":
    case "publish-namespace":
    case "subscribe-namespace":
    case "subscribe-tracks":
      onRequest(core, message);
      return;
    case "answer":
      onAnswer(core, message);
      return;
    case "update":
      onUpdate(core, message);
      return;
    case "done":
      onDone(core, message);
      return;
    case "withdraw":
      onWithdrawal(core, message);
      return;
    case "max-request-id":
      core.credit.raise(message.limit);
      sendWaiting(core);
      return;
    case "requests-blocked":
      // Credit comes as soon as requests end: asking for it changes nothing.
      return;
    default:
      core.tell({ type: "control-message", message });
  }
}

function onSetup(core: SharedCore, message: SetupMessage): void {
  core.peerSetup = true;
  core.credit.begin(message.maxRequestId ?? 0);
  if (core.heldSetup) core.send(core.heldSetup);
  core.tell({ type: "control-message", message });
  sendWaiting(core);
}

// --- What the machine wants ---

function carryOut(core: SharedCore, action: SessionAction): void {
  switch (action.type) {
    case "send-control":
      sendControl(core, action.message);
      return;
    case "open-request":
      openRequest(core, action.stream, action.message);
      return;
    case "send": {
      const request = core.requests.at(action.stream);
      if (request) sendOn(core, request, action.message);
      return;
    }
    case "finish":
    case "abort": {
      const request = core.requests.at(action.stream);
      if (!request) return;
      if (action.type === "abort" && !request.withdrawn) withdraw(core, request);
      if (request.ownStream && request.wireId !== undefined) core.act(action);
      forget(core, request);
      return;
    }
    case "ended": {
      const request = core.requests.at(action.stream);
      if (request) forget(core, request);
      core.act(action);
      return;
    }
    case "closed":
      core.requests.clear();
      core.waiting.length = 0;
      core.announcements.clear();
      core.diverted.clear();
      core.act(action);
      return;
    default:
      core.act(action);
  }
}

function sendControl(core: SharedCore, message: ControlMessage | SharedMessage): void {
  if (message.type !== "setup") {
    core.send(message);
    return;
  }
  const setup: SetupMessage = { ...message, maxRequestId: core.credit.granted };
  if (core.role === "server" && !core.peerSetup) core.heldSetup = setup;
  else core.send(setup);
}

function sendOn(core: SharedCore, request: SharedRequest, message: ControlMessage): void {
  switch (message.type) {
    case "subscribe-ok":
    case "fetch-ok":
    case "request-ok":
    case "request-error":
      sendAnswer(core, request, message);
      return;
    case "publish-done":
      if (request.wireId !== undefined) core.send({ type: "done", requestId: request.wireId, message });
      return;
    case "request-update":
      updateRequest(core, request, message);
      return;
    case "namespace":
    case "namespace-done":
      if (request.ownStream) core.act({ type: "send", stream: request.stream, message });
      else if (message.type === "namespace") announce(core, request, message.suffix);
      else unannounce(core, request, message.suffix);
      return;
    default:
    // GOAWAY on a single request, PUBLISH_BLOCKED: these drafts have no words for it.
  }
}
