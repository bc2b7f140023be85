/** REQUEST_UPDATE in both directions (draft-16 §9.11). Here each names its request, and in draft-14 (§9.10) it only narrows and has no answer. */
import { requestErrors } from "../../wire/codes.ts";
import type { Parameters, RequestUpdateMessage } from "../../wire/messages.ts";
import type { UpdateEnvelope } from "../../wire/shared-messages.ts";
import { refusal, resolveFilter, UNFILTERED } from "../filters.ts";
import type { StreamHandle } from "../types.ts";
import { violation } from "../violations.ts";
import type { SharedCore } from "./core.ts";
import { fullUpdate, narrows } from "./narrowing.ts";
import { type SharedRequest, updateInScope } from "./requests.ts";
import { wait } from "./waiting.ts";

export function onUpdate(core: SharedCore, { existing, message }: UpdateEnvelope): void {
  core.credit.use(message.requestId, false);
  const request = core.requests.byWireId(existing);
  if (!request || (request.ours && request.message.type !== "publish")) {
    if (!core.credit.used(existing) && !core.credit.issued(existing)) {
      throw violation("§10.9", `An update names request ${existing}, which does not exist.`);
    }
    // It crossed the end of its request.
    if (core.capabilities.updatesAnswered) {
      const over = refusal(requestErrors["does-not-exist"], "That request is over.");
      core.answer(message.requestId, "request-update", { type: "request-error", ...over });
    }
    return;
  }
  const { stream } = request;
  if (!core.capabilities.updatesAnswered) checkNarrowing(core, stream, message.parameters);
  request.updatesIn.push(message.requestId);
  const parameters = updateInScope(message.parameters, request.message.type);
  core.tellOn(stream, { ...message, parameters });
}

function checkNarrowing(core: SharedCore, stream: StreamHandle, { filter }: Parameters): void {
  const view = core.machine.publisher(stream);
  if (view && filter && !narrows(view, resolveFilter(filter, undefined))) {
    throw violation("§10.9", "An update widens its subscription, which this draft does not allow.");
  }
}

/** The machine updates a request of ours, or a PUBLISH of the peer. */
export function updateRequest(
  core: SharedCore,
  request: SharedRequest,
  { parameters }: RequestUpdateMessage,
): void {
  wait(core, { request, send: () => sendUpdate(core, request, parameters) });
}

function sendUpdate(core: SharedCore, request: SharedRequest, asked: Parameters): void {
  const { stream, wireId } = request;
  const parameters = updateOnWire(core, request, asked);
  if (typeof parameters === "string" || wireId === undefined) {
    core.tellOn(stream, {
      type: "request-error",
      ...refusal(requestErrors["not-supported"], String(parameters)),
    });
    return;
  }
  const requestId = core.credit.take();
  core.send({ type: "update", existing: wireId, message: { type: "request-update", requestId, parameters } });
  if (core.capabilities.updatesAnswered) {
    core.requests.updating(requestId, stream);
    return;
  }
  request.parameters = parameters;
  request.range = resolveFilter(parameters.filter ?? UNFILTERED, undefined);
  // Draft-14 §9.10: it is expected to succeed, and nothing says that it did.
  core.tellOn(stream, { type: "request-ok", parameters: {}, trackProperties: [] });
}

/** What the update says on the wire, or, as text, why this draft has no way to ask for it. */
function updateOnWire(
  { capabilities }: SharedCore,
  request: SharedRequest,
  asked: Parameters,
): Parameters | string {
  const { type } = request.message;
  const updatable = capabilities.updatesOfAll || type === "subscribe" || type === "publish";
  if (!updatable || request.wireId === undefined || asked.trackNamespacePrefix) {
    return `This draft cannot update ${type} so.`;
  }
  return capabilities.updatesAnswered ? asked : fullUpdate(request, asked);
}
