/**
 * Requests in both directions: how each gets its id on the wire and its handle in the machine, until it is over.
 *
 * The machine numbers our requests when they are asked for, the wire when they are sent; so a joining fetch, which names another request, is
 * translated. Requests of the peer have the same id here and there.
 */
import { requestErrors } from "../../wire/codes.ts";
import type { ControlMessage, RequestMessage } from "../../wire/messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import { refusal } from "../filters.ts";
import { sentBy } from "../request-ids.ts";
import type { StreamHandle } from "../types.ts";
import { violation } from "../violations.ts";
import type { SharedCore } from "./core.ts";
import { divert, dropNamespacesOf } from "./namespaces.ts";
import type { SharedRequest } from "./requests.ts";
import { stopWaiting, wait } from "./waiting.ts";

/** An id that no request has: joins of it are refused. */
const NO_REQUEST: VarInt = 2n ** 64n - 1n;

/** A request of the peer on the control stream. */
export function onRequest(core: SharedCore, received: RequestMessage): void {
  core.credit.use(received.requestId, true);
  if (received.type === "publish-namespace" && divert(core, received)) return;
  const message = inMachineIds(core, received);
  const stream = core.takeHandle();
  core.requests.add({ stream, ours: false, message, ownStream: false, wireId: received.requestId });
  core.tell({ type: "request-opened", stream, message });
}

/** A joining fetch may name a PUBLISH of ours, whose id the machine knows by another number. */
function inMachineIds(core: SharedCore, message: RequestMessage): RequestMessage {
  if (message.type !== "fetch" || message.range.kind === "standalone") return message;
  const joined = core.requests.byWireId(message.range.joiningRequestId);
  if (!joined?.ours) {
    return sentBy(core.role, message.range.joiningRequestId)
      ? { ...message, range: { ...message.range, joiningRequestId: NO_REQUEST } }
      : message;
  }
  return { ...message, range: { ...message.range, joiningRequestId: joined.message.requestId } };
}

/** Draft-16: a SUBSCRIBE_NAMESPACE of the peer on its own stream. */
export function onRequestStream(core: SharedCore, stream: StreamHandle, message: ControlMessage): void {
  const mayOpen = message.type === "subscribe-namespace" || message.type === "subscribe-tracks";
  if (!mayOpen || !core.capabilities.namespaceStreams) {
    throw violation("§3.3", `A bidirectional stream may not begin with ${message.type} in this draft.`);
  }
  core.credit.use(message.requestId, true);
  core.requests.add({ stream, ours: false, message, ownStream: true, wireId: message.requestId });
  core.tell({ type: "request-opened", stream, message });
}

/** The machine opens a request of ours. */
export function openRequest(core: SharedCore, stream: StreamHandle, message: RequestMessage): void {
  const ownStream = core.capabilities.namespaceStreams && "prefix" in message;
  const request = core.requests.add({ stream, ours: true, message, ownStream });
  wait(core, { request, send: () => sendRequest(core, request) });
}

function sendRequest(core: SharedCore, request: SharedRequest): void {
  const { stream, message } = request;
  const inIds = inWireIds(core, message);
  if (!inIds) {
    const over = refusal(requestErrors["invalid-joining-request-id"], "The subscription to join is over.");
    core.tellOn(stream, { type: "request-error", ...over });
    return;
  }
  const requestId = core.credit.take();
  core.requests.named(request, requestId);
  const sent = { ...inIds, requestId };
  if (request.ownStream) core.act({ type: "open-request", stream, message: sent });
  else core.send(sent);
}

/** A joining fetch names the subscription of ours by the id it has on the wire; undefined when that is over. */
function inWireIds(core: SharedCore, message: RequestMessage): RequestMessage | undefined {
  if (message.type !== "fetch" || message.range.kind === "standalone") return message;
  const { joiningRequestId } = message.range;
  // A PUBLISH of the peer has the same id here and there.
  if (!sentBy(core.role, joiningRequestId)) return message;
  const joined = core.requests.ownByMachineId(joiningRequestId);
  if (joined?.wireId === undefined) return undefined;
  return { ...message, range: { ...message.range, joiningRequestId: joined.wireId } };
}

/** It is over: nothing of it waits, counts, or is known any more. */
export function forget(core: SharedCore, request: SharedRequest): void {
  if (!core.requests.remove(request)) return;
  if (!request.ours) core.credit.close();
  stopWaiting(core, request);
  dropNamespacesOf(core, request.stream);
}
