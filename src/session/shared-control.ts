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
 */
import { CountersignError } from "../errors.ts";
import type { Capabilities } from "../wire/codec.ts";
import { publishDoneCodes, requestErrors, streamResets } from "../wire/codes.ts";
import type {
  ControlMessage,
  Parameters,
  PublishNamespaceMessage,
  RequestMessage,
  RequestUpdateMessage,
  SetupMessage,
} from "../wire/messages.ts";
import { type Namespace, namespaceKey } from "../wire/names.ts";
import type {
  Answer,
  AnswerEnvelope,
  SharedMessage,
  UpdateEnvelope,
  Withdrawal,
} from "../wire/shared-messages.ts";
import type { VarInt } from "../wire/varint.ts";
import type { SessionOptions } from "./core.ts";
import { refusal, resolveFilter, UNFILTERED } from "./filters.ts";
import { MAX_NAMESPACES_PER_REQUEST, MAX_WAITING_FOR_CREDIT } from "./limits.ts";
import { startsWith } from "./namespaces.ts";
import { fullUpdate, narrows } from "./narrowing.ts";
import { RequestCredit } from "./request-credit.ts";
import { sentBy } from "./request-ids.ts";
import { Session } from "./session.ts";
import {
  answerInScope,
  type SharedRequest,
  SharedRequests,
  sameNamespace,
  updateInScope,
} from "./shared-requests.ts";
import type {
  AliasRoute,
  PublisherView,
  Role,
  SessionAction,
  SessionInput,
  SessionMachine,
  StreamHandle,
} from "./types.ts";
import { overLimit, violation } from "./violations.ts";

/** What waits for the peer's leave to send another request. */
type Waiting =
  | { readonly kind: "request"; readonly request: SharedRequest }
  | { readonly kind: "update"; readonly request: SharedRequest; readonly message: RequestUpdateMessage }
  | { readonly kind: "announcement"; readonly announcement: Announcement };

/** A PUBLISH_NAMESPACE with which we answer a SUBSCRIBE_NAMESPACE of the peer. */
interface Announcement {
  readonly namespace: Namespace;
  /** Whom it answers. */
  readonly stream: StreamHandle;
  wireId: VarInt | undefined;
}

/** 2^62 - 1 in PUBLISH_DONE: not counted. */
const UNCOUNTED = 2n ** 62n - 1n;

export class SharedControlSession implements SessionMachine {
  readonly #machine: Session;
  readonly #role: Role;
  readonly #capabilities: Capabilities;
  readonly #credit: RequestCredit;
  readonly #requests = new SharedRequests();
  readonly #waiting: Waiting[] = [];
  /** What the machine has yet to be told, because it was found out while its actions were carried out. */
  readonly #toTell: SessionInput[] = [];
  #out: SessionAction[] = [];
  /** Handles of the peer's requests, which have no stream: below zero, where drivers have none. */
  #nextHandle: StreamHandle = -1;
  #peerSetup = false;
  /** A server's SETUP answers that of the client. */
  #heldSetup: SetupMessage | undefined;
  #blockedAt: VarInt | undefined;
  readonly #announcements = new Map<string, Announcement>();
  /** PUBLISH_NAMESPACE of the peer that answer a SUBSCRIBE_NAMESPACE of ours, by namespace. */
  readonly #diverted = new Map<string, { readonly stream: StreamHandle; readonly suffix: Namespace }>();

  constructor(options: SessionOptions) {
    this.#machine = new Session(options);
    this.#role = options.role;
    this.#capabilities = options.capabilities;
    this.#credit = new RequestCredit(options.role);
  }

  get closed(): boolean {
    return this.#machine.closed;
  }

  get openRequests(): number {
    return this.#machine.openRequests;
  }

  route(alias: VarInt): AliasRoute {
    return this.#machine.route(alias);
  }

  routeFetch(requestId: VarInt): AliasRoute {
    const request = this.#requests.byWireId(requestId);
    if (request?.ours) return this.#machine.routeFetch(request.message.requestId);
    if (request || !this.#credit.issued(requestId)) {
      throw violation("§11.4.4", `A stream answers FETCH ${requestId}, which was never sent.`);
    }
    return { kind: "discard" };
  }

  publisher(stream: StreamHandle): PublisherView | undefined {
    return this.#machine.publisher(stream);
  }

  requestId(stream: StreamHandle): VarInt | undefined {
    return this.#machine.requestId(stream);
  }

  handle(input: SessionInput): readonly SessionAction[] {
    try {
      this.#take(input);
    } catch (thrown) {
      // What the machine was yet to be told has no meaning in a session that ends.
      this.#toTell.length = 0;
      if (!(thrown instanceof CountersignError)) throw thrown;
      this.#tell({ type: "broken", error: thrown });
    }
    const out = this.#out;
    this.#out = [];
    return out;
  }

  // --- What happened ---

  #take(input: SessionInput): void {
    if (this.#machine.closed) {
      this.#tell(input);
      return;
    }
    switch (input.type) {
      case "control-message":
        this.#onMessage(input.message);
        break;
      case "request-opened":
        this.#onRequestStream(input.stream, input.message);
        break;
      case "request-message":
        this.#onStreamMessage(input.stream, input.message);
        break;
      default:
        this.#tell(input);
    }
    const limit = this.#machine.closed ? undefined : this.#credit.grant();
    if (limit !== undefined) this.#send({ type: "max-request-id", limit });
  }

  /** Hands something to the machine, carries out what it wants, and tells it what came of that. */
  #tell(input: SessionInput): void {
    this.#toTell.push(input);
    if (this.#toTell.length > 1) return;
    for (let next = this.#toTell[0]; next; next = this.#toTell[0]) {
      for (const action of this.#machine.handle(next)) this.#carryOut(action);
      this.#toTell.shift();
    }
  }

  #onMessage(message: SharedMessage | ControlMessage): void {
    if (!this.#peerSetup && message.type === "setup") {
      this.#peerSetup = true;
      this.#credit.begin(message.maxRequestId ?? 0);
      if (this.#heldSetup) this.#send(this.#heldSetup);
      this.#tell({ type: "control-message", message });
      this.#sendWaiting();
      return;
    }
    if (!this.#peerSetup) {
      // The machine knows what to say of a stream that does not begin with SETUP.
      this.#tell({ type: "control-message", message });
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
        this.#onRequest(message);
        return;
      case "answer":
        this.#onAnswer(message);
        return;
      case "update":
        this.#onUpdate(message);
        return;
      case "done":
        this.#onDone(message.requestId, message.message);
        return;
      case "withdraw":
        this.#onWithdrawal(message);
        return;
      case "max-request-id":
        this.#credit.raise(message.limit);
        this.#sendWaiting();
        return;
      case "requests-blocked":
        // Credit comes as soon as requests end: asking for it changes nothing.
        return;
      default:
        this.#tell({ type: "control-message", message });
    }
  }

  // --- Requests of the peer ---

  #onRequest(received: RequestMessage): void {
    this.#credit.use(received.requestId, true);
    if (received.type === "publish-namespace" && this.#divert(received)) return;
    const message = this.#inMachineIds(received);
    const stream = this.#nextHandle--;
    this.#requests.add({ stream, ours: false, message, ownStream: false, wireId: received.requestId });
    this.#tell({ type: "request-opened", stream, message });
  }

  /** A joining fetch may name a PUBLISH of ours, whose id the machine knows by another number. */
  #inMachineIds(message: RequestMessage): RequestMessage {
    if (message.type !== "fetch" || message.range.kind === "standalone") return message;
    const joined = this.#requests.byWireId(message.range.joiningRequestId);
    if (!joined?.ours) {
      return sentBy(this.#role, message.range.joiningRequestId)
        ? { ...message, range: { ...message.range, joiningRequestId: NO_REQUEST } }
        : message;
    }
    return { ...message, range: { ...message.range, joiningRequestId: joined.message.requestId } };
  }

  /** Draft-16: a SUBSCRIBE_NAMESPACE of the peer on its own stream. */
  #onRequestStream(stream: StreamHandle, message: ControlMessage): void {
    const mayOpen = message.type === "subscribe-namespace" || message.type === "subscribe-tracks";
    if (!mayOpen || !this.#capabilities.namespaceStreams) {
      throw violation("§3.3", `A bidirectional stream may not begin with ${message.type} in this draft.`);
    }
    this.#credit.use(message.requestId, true);
    this.#requests.add({ stream, ours: false, message, ownStream: true, wireId: message.requestId });
    this.#tell({ type: "request-opened", stream, message });
  }

  #onStreamMessage(stream: StreamHandle, message: ControlMessage): void {
    const request = this.#requests.at(stream);
    if (request?.ours && (message.type === "request-ok" || message.type === "request-error")) {
      if (request.answered) throw violation("§10.5", `A second answer came to ${request.message.type}.`);
      this.#answered(request, message);
      return;
    }
    this.#tell({ type: "request-message", stream, message });
  }

  /** True when it answers a SUBSCRIBE_NAMESPACE of ours and is dealt with. */
  #divert({ requestId, namespace }: PublishNamespaceMessage): boolean {
    if (this.#capabilities.namespaceStreams) return false;
    const asked = this.#requests.find(
      ({ ours, message, wireId }) =>
        ours &&
        wireId !== undefined &&
        message.type === "subscribe-namespace" &&
        startsWith(namespace, message.prefix),
    );
    if (asked?.message.type !== "subscribe-namespace") return false;
    const suffix = namespace.slice(asked.message.prefix.length).map((field) => field.slice());
    const full = this.#diverted.size >= MAX_NAMESPACES_PER_REQUEST;
    const answer: Answer = full
      ? {
          type: "request-error",
          ...refusal(requestErrors["excessive-load"], "Too many namespaces are announced."),
        }
      : { type: "request-ok", parameters: {}, trackProperties: [] };
    this.#send({ type: "answer", requestId, to: "publish-namespace", message: answer });
    // It was answered at once: nothing of it stays open but the note of it, which has a limit of its own.
    this.#credit.close();
    if (full) return true;
    this.#diverted.set(namespaceKey(namespace), { stream: asked.stream, suffix });
    if (asked.answered) this.#namespace(asked.stream, "namespace", suffix);
    else asked.early.push(suffix);
    return true;
  }

  #namespace(stream: StreamHandle, type: "namespace" | "namespace-done", suffix: Namespace): void {
    this.#tell({ type: "request-message", stream, message: { type, suffix } });
  }

  // --- Answers, updates and ends that the peer sends ---

  #onAnswer({ requestId, to, message }: AnswerEnvelope): void {
    const updated = this.#requests.takeUpdate(requestId);
    if (updated !== undefined) {
      if (message.type !== "request-ok" && message.type !== "request-error")
        throw wrongAnswer(message.type, "request-update");
      this.#tell({
        type: "request-message",
        stream: updated,
        message: answerInScope(message, "request-update"),
      });
      return;
    }
    const request = this.#requests.byWireId(requestId);
    if (!request?.ours) {
      // Of a request that is over, or of an announcement, which is as good as accepted.
      if (!request && this.#credit.issued(requestId)) return;
      throw violation("§10.1", `${message.type} answers request ${requestId}, which is not one of ours.`);
    }
    const { type } = request.message;
    if (to !== undefined && to !== type && !(to === "subscribe-namespace" && type === "subscribe-tracks")) {
      throw wrongAnswer(`The answer to ${to}`, type);
    }
    if (request.answered) throw violation("§10.5", `A second answer came to ${type}.`);
    this.#answered(request, message);
  }

  #answered(request: SharedRequest, answer: Answer): void {
    request.answered = true;
    const { stream, message } = request;
    if (answer.type === "subscribe-ok") {
      request.range = resolveFilter(message.parameters.filter ?? UNFILTERED, answer.parameters.largestObject);
    }
    this.#tell({ type: "request-message", stream, message: answerInScope(answer, message.type) });
    for (const suffix of request.early.splice(0)) this.#namespace(stream, "namespace", suffix);
  }

  #onUpdate({ existing, message }: UpdateEnvelope): void {
    this.#credit.use(message.requestId, false);
    const request = this.#requests.byWireId(existing);
    if (!request || (request.ours && request.message.type !== "publish")) {
      if (!this.#credit.used(existing) && !this.#credit.issued(existing)) {
        throw violation("§10.9", `An update names request ${existing}, which does not exist.`);
      }
      // It crossed the end of its request.
      if (this.#capabilities.updatesAnswered) {
        const over = refusal(requestErrors["does-not-exist"], "That request is over.");
        this.#answer(message.requestId, "request-update", { type: "request-error", ...over });
      }
      return;
    }
    const { stream } = request;
    if (!this.#capabilities.updatesAnswered) this.#checkNarrowing(stream, message.parameters);
    request.updatesIn.push(message.requestId);
    const parameters = updateInScope(message.parameters, request.message.type);
    this.#tell({ type: "request-message", stream, message: { ...message, parameters } });
  }

  #checkNarrowing(stream: StreamHandle, { filter }: Parameters): void {
    const view = this.#machine.publisher(stream);
    if (view && filter && !narrows(view, resolveFilter(filter, undefined))) {
      throw violation("§10.9", "An update widens its subscription, which this draft does not allow.");
    }
  }

  #onDone(requestId: VarInt, message: Extract<ControlMessage, { type: "publish-done" }>): void {
    const request = this.#requests.byWireId(requestId);
    if (!request) {
      this.#mustHaveBeen(requestId, "PUBLISH_DONE");
      return;
    }
    request.withdrawn = true;
    this.#tell({ type: "request-message", stream: request.stream, message });
  }

  #onWithdrawal(withdrawal: Withdrawal): void {
    const { what, namespace, requestId } = withdrawal;
    if (what === "publish-namespace-done" && namespace && this.#undivert(namespace)) return;
    const request = this.#withdrawnBy(withdrawal);
    if (!request) {
      if (requestId !== undefined) this.#mustHaveBeen(requestId, what);
      if (what === "publish-namespace-cancel" && namespace)
        this.#announcements.delete(namespaceKey(namespace));
      return;
    }
    request.withdrawn = true;
    const { stream } = request;
    if (what === "publish-namespace-done" || what === "unsubscribe-namespace") {
      this.#tell({ type: "request-finished", stream });
    } else {
      this.#tell({ type: "request-cancelled", stream, code: streamResets.cancelled });
    }
  }

  /** The request that a withdrawal means, if it is still open. */
  #withdrawnBy({ what, requestId, namespace }: Withdrawal): SharedRequest | undefined {
    const wanted = ({ ours, message }: SharedRequest): boolean => {
      switch (what) {
        case "unsubscribe":
          return message.type === (ours ? "publish" : "subscribe");
        case "fetch-cancel":
          return !ours && message.type === "fetch";
        case "publish-namespace-done":
        case "publish-namespace-cancel":
          return ours === (what === "publish-namespace-cancel") && message.type === "publish-namespace";
        case "unsubscribe-namespace":
          return !ours && message.type === "subscribe-namespace";
      }
    };
    const request = requestId === undefined ? undefined : this.#requests.byWireId(requestId);
    if (requestId !== undefined) return request && wanted(request) ? request : undefined;
    return this.#requests.find((candidate) => {
      const { message } = candidate;
      const of =
        "prefix" in message ? message.prefix : "namespace" in message ? message.namespace : undefined;
      return wanted(candidate) && of !== undefined && namespace !== undefined && sameNamespace(of, namespace);
    });
  }

  #undivert(namespace: Namespace): boolean {
    const key = namespaceKey(namespace);
    const diverted = this.#diverted.get(key);
    if (!diverted) return false;
    this.#diverted.delete(key);
    const asked = this.#requests.at(diverted.stream);
    if (asked?.answered) this.#namespace(asked.stream, "namespace-done", diverted.suffix);
    else if (asked) {
      const at = asked.early.findIndex((suffix) => sameNamespace(suffix, diverted.suffix));
      if (at >= 0) asked.early.splice(at, 1);
    }
    return true;
  }

  /** Messages cross each other: one about a request that is over changes nothing, one about a request that never was is a fault. */
  #mustHaveBeen(requestId: VarInt, what: string): void {
    if (this.#credit.issued(requestId) || this.#credit.used(requestId)) return;
    throw violation("§10.1", `${what} names request ${requestId}, which does not exist.`);
  }

  // --- What the machine wants ---

  #carryOut(action: SessionAction): void {
    switch (action.type) {
      case "send-control":
        this.#sendControl(action.message);
        return;
      case "open-request": {
        const { stream, message } = action;
        const ownStream = this.#capabilities.namespaceStreams && "prefix" in message;
        this.#wait({
          kind: "request",
          request: this.#requests.add({ stream, ours: true, message, ownStream }),
        });
        return;
      }
      case "send": {
        const request = this.#requests.at(action.stream);
        if (request) this.#sendOn(request, action.message);
        return;
      }
      case "finish":
      case "abort": {
        const request = this.#requests.at(action.stream);
        if (!request) return;
        if (action.type === "abort" && !request.withdrawn) this.#withdraw(request);
        if (request.ownStream && request.wireId !== undefined) this.#out.push(action);
        this.#forget(request);
        return;
      }
      case "ended": {
        const request = this.#requests.at(action.stream);
        if (request) this.#forget(request);
        this.#out.push(action);
        return;
      }
      case "closed":
        this.#requests.clear();
        this.#waiting.length = 0;
        this.#announcements.clear();
        this.#diverted.clear();
        this.#out.push(action);
        return;
      default:
        this.#out.push(action);
    }
  }

  #sendControl(message: ControlMessage | SharedMessage): void {
    if (message.type !== "setup") {
      this.#send(message);
      return;
    }
    const setup: SetupMessage = { ...message, maxRequestId: this.#credit.granted };
    if (this.#role === "server" && !this.#peerSetup) this.#heldSetup = setup;
    else this.#send(setup);
  }

  #send(message: SharedMessage | ControlMessage): void {
    this.#out.push({ type: "send-control", message });
  }

  #answer(requestId: VarInt, to: AnswerEnvelope["to"], message: Answer): void {
    this.#send({ type: "answer", requestId, to, message });
  }

  #sendOn(request: SharedRequest, message: ControlMessage): void {
    switch (message.type) {
      case "subscribe-ok":
      case "fetch-ok":
      case "request-ok":
      case "request-error":
        this.#sendAnswer(request, message);
        return;
      case "publish-done":
        if (request.wireId !== undefined) this.#send({ type: "done", requestId: request.wireId, message });
        return;
      case "request-update":
        this.#wait({ kind: "update", request, message });
        return;
      case "namespace":
      case "namespace-done":
        if (request.ownStream) this.#out.push({ type: "send", stream: request.stream, message });
        else if (message.type === "namespace") this.#announce(request, message.suffix);
        else this.#unannounce(request, message.suffix);
        return;
      default:
      // GOAWAY on a single request, PUBLISH_BLOCKED: these drafts have no words for it.
    }
  }

  #sendAnswer(request: SharedRequest, message: Answer): void {
    const { stream, wireId } = request;
    if (wireId === undefined) return;
    if (request.ours || request.answered) {
      const update = request.updatesIn.shift();
      if (update !== undefined && this.#capabilities.updatesAnswered)
        this.#answer(update, "request-update", message);
      return;
    }
    request.answered = true;
    if (request.ownStream && (message.type === "request-ok" || message.type === "request-error")) {
      this.#out.push({ type: "send", stream, message, requestId: wireId });
    } else this.#answer(wireId, request.message.type, message);
  }

  #announce(request: SharedRequest, suffix: Namespace): void {
    const { message, stream } = request;
    if (!("prefix" in message)) return;
    const namespace = [...message.prefix, ...suffix];
    const key = namespaceKey(namespace);
    const published = this.#requests.find(
      ({ ours, message: own }) =>
        ours && own.type === "publish-namespace" && sameNamespace(own.namespace, namespace),
    );
    // One that the application has announced itself was sent to this peer already (draft-14 §9.28).
    if (published || this.#announcements.has(key)) return;
    const announcement: Announcement = { namespace, stream, wireId: undefined };
    this.#announcements.set(key, announcement);
    this.#wait({ kind: "announcement", announcement });
  }

  #unannounce(request: SharedRequest, suffix: Namespace): void {
    if (!("prefix" in request.message)) return;
    const namespace = [...request.message.prefix, ...suffix];
    const key = namespaceKey(namespace);
    const announcement = this.#announcements.get(key);
    if (!announcement || announcement.stream !== request.stream) return;
    this.#announcements.delete(key);
    if (announcement.wireId === undefined) return;
    this.#send({
      type: "withdraw",
      what: "publish-namespace-done",
      requestId: announcement.wireId,
      namespace,
    });
  }

  /** Says that a request is over which was ended neither by its last message nor by the peer. */
  #withdraw(request: SharedRequest): void {
    const { wireId, message, ours, ownStream } = request;
    if (wireId === undefined || ownStream) return;
    if (!ours && !request.answered) {
      this.#answer(wireId, message.type, {
        type: "request-error",
        ...refusal(requestErrors["internal-error"], ""),
      });
      return;
    }
    const withdraw = (what: Withdrawal["what"], namespace?: Namespace) =>
      this.#send({
        type: "withdraw",
        what,
        requestId: wireId,
        ...(namespace && { namespace }),
        ...(what === "publish-namespace-cancel" && { errorCode: requestErrors.uninterested, reason: "" }),
      });
    const receives = ours === (message.type === "subscribe");
    switch (message.type) {
      case "subscribe":
      case "publish":
        if (receives) withdraw("unsubscribe");
        else {
          const statusCode = publishDoneCodes["internal-error"];
          this.#send({
            type: "done",
            requestId: wireId,
            message: { type: "publish-done", statusCode, streamCount: UNCOUNTED, reason: "" },
          });
        }
        return;
      case "fetch":
        // Of the peer's, the reset of its data stream tells.
        if (ours) withdraw("fetch-cancel");
        return;
      case "publish-namespace":
        withdraw(ours ? "publish-namespace-done" : "publish-namespace-cancel", message.namespace);
        return;
      case "subscribe-namespace":
      case "subscribe-tracks":
        if (ours) withdraw("unsubscribe-namespace", message.prefix);
        return;
      case "track-status":
      // There is no way to withdraw it; its answer will be ignored.
    }
  }

  #forget(request: SharedRequest): void {
    if (!this.#requests.remove(request)) return;
    if (!request.ours) this.#credit.close();
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const item = this.#waiting[i];
      if (item && item.kind !== "announcement" && item.request === request) this.#waiting.splice(i, 1);
    }
    for (const [key, { stream }] of this.#diverted) if (stream === request.stream) this.#diverted.delete(key);
    for (const [key, { stream }] of this.#announcements)
      if (stream === request.stream) this.#announcements.delete(key);
  }

  // --- Credit ---

  #wait(item: Waiting): void {
    if (this.#waiting.length >= MAX_WAITING_FOR_CREDIT) {
      throw overLimit("§10.1", "Too many requests wait for the peer to allow them.");
    }
    this.#waiting.push(item);
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#credit.available) {
      const item = this.#waiting.shift();
      if (item?.kind === "request") this.#sendRequest(item.request);
      else if (item?.kind === "update") this.#sendUpdate(item.request, item.message);
      else if (item) this.#sendAnnouncement(item.announcement);
    }
    if (this.#waiting.length === 0 || !this.#peerSetup || this.#blockedAt === this.#credit.limit) return;
    this.#blockedAt = this.#credit.limit;
    this.#send({ type: "requests-blocked", limit: this.#credit.limit });
  }

  #sendRequest(request: SharedRequest): void {
    const { stream, message } = request;
    const inWireIds = this.#inWireIds(message);
    if (!inWireIds) {
      const over = refusal(requestErrors["invalid-joining-request-id"], "The subscription to join is over.");
      this.#tell({ type: "request-message", stream, message: { type: "request-error", ...over } });
      return;
    }
    const requestId = this.#credit.take();
    this.#requests.named(request, requestId);
    const sent = { ...inWireIds, requestId };
    if (request.ownStream) this.#out.push({ type: "open-request", stream, message: sent });
    else this.#send(sent);
  }

  /** A joining fetch names the subscription of ours by the id it has on the wire; undefined when that is over. */
  #inWireIds(message: RequestMessage): RequestMessage | undefined {
    if (message.type !== "fetch" || message.range.kind === "standalone") return message;
    const { joiningRequestId } = message.range;
    // A PUBLISH of the peer has the same id here and there.
    if (!sentBy(this.#role, joiningRequestId)) return message;
    const joined = this.#requests.ownByMachineId(joiningRequestId);
    if (joined?.wireId === undefined) return undefined;
    return { ...message, range: { ...message.range, joiningRequestId: joined.wireId } };
  }

  #sendUpdate(request: SharedRequest, message: RequestUpdateMessage): void {
    const { stream, wireId } = request;
    const { type } = request.message;
    const updatable = this.#capabilities.updatesOfAll || type === "subscribe" || type === "publish";
    const wanted =
      !updatable || wireId === undefined || message.parameters.trackNamespacePrefix
        ? `This draft cannot update ${type} so.`
        : this.#capabilities.updatesAnswered
          ? message.parameters
          : fullUpdate(request, message.parameters);
    if (typeof wanted === "string" || wireId === undefined) {
      const cannot = refusal(requestErrors["not-supported"], String(wanted));
      this.#tell({ type: "request-message", stream, message: { type: "request-error", ...cannot } });
      return;
    }
    const requestId = this.#credit.take();
    this.#send({
      type: "update",
      existing: wireId,
      message: { type: "request-update", requestId, parameters: wanted },
    });
    if (this.#capabilities.updatesAnswered) {
      this.#requests.updating(requestId, stream);
      return;
    }
    request.parameters = wanted;
    request.range = resolveFilter(wanted.filter ?? UNFILTERED, undefined);
    // Draft-14 §9.10: it is expected to succeed, and nothing says that it did.
    this.#tell({
      type: "request-message",
      stream,
      message: { type: "request-ok", parameters: {}, trackProperties: [] },
    });
  }

  #sendAnnouncement(announcement: Announcement): void {
    const { namespace } = announcement;
    if (this.#announcements.get(namespaceKey(namespace)) !== announcement) return;
    announcement.wireId = this.#credit.take();
    this.#send({ type: "publish-namespace", requestId: announcement.wireId, namespace, parameters: {} });
  }
}

/** An id that no request has: joins of it are refused. */
const NO_REQUEST: VarInt = 2n ** 64n - 1n;

function wrongAnswer(message: string, request: string): CountersignError {
  return violation("§10.1", `${message} does not answer ${request}.`);
}
