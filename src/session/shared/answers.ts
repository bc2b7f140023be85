/** Answers in both directions. On the wire each names its request by an id; to the machine it comes, and by it is sent, on the request's stream. */
import type { CountersignError } from "../../errors.ts";
import type { ControlMessage } from "../../wire/messages.ts";
import type { Answer, AnswerEnvelope } from "../../wire/shared-messages.ts";
import { resolveFilter, UNFILTERED } from "../filters.ts";
import type { StreamHandle } from "../types.ts";
import { violation } from "../violations.ts";
import type { SharedCore } from "./core.ts";
import { tellNamespace } from "./namespaces.ts";
import { answerInScope, type SharedRequest } from "./requests.ts";

export function onAnswer(core: SharedCore, { requestId, to, message }: AnswerEnvelope): void {
  const updated = core.requests.takeUpdate(requestId);
  if (updated !== undefined) {
    if (message.type !== "request-ok" && message.type !== "request-error")
      throw wrongAnswer(message.type, "request-update");
    core.tellOn(updated, answerInScope(message, "request-update"));
    return;
  }
  const request = core.requests.byWireId(requestId);
  if (!request?.ours) {
    // Of a request that is over, or of an announcement, which is as good as accepted.
    if (!request && core.credit.issued(requestId)) return;
    throw violation("§10.1", `${message.type} answers request ${requestId}, which is not one of ours.`);
  }
  const { type } = request.message;
  if (to !== undefined && to !== type && !(to === "subscribe-namespace" && type === "subscribe-tracks")) {
    throw wrongAnswer(`The answer to ${to}`, type);
  }
  answered(core, request, message);
}

/** Draft-16: what comes on the stream of a SUBSCRIBE_NAMESPACE. */
export function onStreamMessage(core: SharedCore, stream: StreamHandle, message: ControlMessage): void {
  const request = core.requests.at(stream);
  if (request?.ours && (message.type === "request-ok" || message.type === "request-error")) {
    answered(core, request, message);
    return;
  }
  core.tellOn(stream, message);
}

function answered(core: SharedCore, request: SharedRequest, answer: Answer): void {
  const { stream, message } = request;
  if (request.answered) throw violation("§10.5", `A second answer came to ${message.type}.`);
  request.answered = true;
  if (answer.type === "subscribe-ok") {
    request.range = resolveFilter(message.parameters.filter ?? UNFILTERED, answer.parameters.largestObject);
  }
  core.tellOn(stream, answerInScope(answer, message.type));
  for (const suffix of request.early.splice(0)) tellNamespace(core, stream, "namespace", suffix);
}

/** The machine answers a request of the peer, or the oldest of its updates that has no answer. */
export function sendAnswer(core: SharedCore, request: SharedRequest, message: Answer): void {
  const { stream, wireId } = request;
  if (wireId === undefined) return;
  if (request.ours || request.answered) {
    const update = request.updatesIn.shift();
    if (update !== undefined && core.capabilities.updatesAnswered)
      core.answer(update, "request-update", message);
    return;
  }
  request.answered = true;
  if (request.ownStream && (message.type === "request-ok" || message.type === "request-error")) {
    core.act({ type: "send", stream, message, requestId: wireId });
  } else core.answer(wireId, request.message.type, message);
}

function wrongAnswer(message: string, request: string): CountersignError {
  return violation("§10.1", `${message} does not answer ${request}.`);
}
