/** REQUEST_UPDATE in both directions (draft-18 §10.9). Updates of one request are answered in the order they were sent. */
import { publishDoneCodes, requestErrors, sessionErrors, streamResets } from "../wire/codes.ts";
import type {
  Parameters,
  RequestErrorMessage,
  RequestMessage,
  RequestOkMessage,
  RequestUpdateMessage,
} from "../wire/messages.ts";
import type { RequestState, SessionCore } from "./core.ts";
import { refusal, resolveFilter } from "./filters.ts";
import { MAX_WAITING_UPDATES } from "./limits.ts";
import { prefixTaken, releaseJoins } from "./peer-requests.ts";
import { refusalOfFilters } from "./range-filters.ts";
import { checkUpdate, checkUpdateOk } from "./scopes.ts";
import type { RefusalBody, StreamHandle } from "./types.ts";
import { overLimit, violation } from "./violations.ts";

/** The sender of a request may update it; so may the subscriber of a PUBLISH, once it has accepted. */
export function onUpdate(core: SessionCore, request: RequestState, message: RequestUpdateMessage): void {
  const { type } = request.message;
  const mayUpdate = request.ours
    ? type === "publish" && request.phase === "established"
    : type !== "track-status";
  if (!mayUpdate || request.phase === "draining") {
    throw violation("§10.9", `REQUEST_UPDATE may not come here on the stream of ${type}.`);
  }
  core.peerIds.use(message.requestId);
  checkUpdate(message.parameters, type, core.capabilities);
  if (request.updatesIn.length >= MAX_WAITING_UPDATES) {
    throw overLimit(
      "§10.9",
      `More than ${MAX_WAITING_UPDATES} updates of one request wait for an answer.`,
      sessionErrors[core.capabilities.updateLimit ? "too-many-request-updates" : "internal-error"],
    );
  }
  const { authorizationTokens } = message.parameters;
  const parameters: Parameters = authorizationTokens
    ? { ...message.parameters, authorizationTokens: core.tokens.resolve(authorizationTokens) }
    : message.parameters;
  request.updatesIn.push(parameters);
  // While the request itself waits for our answer, that answer has to come first; announceUpdates() follows it.
  if (request.phase !== "pending") announce(core, request, parameters);
}

export function announceUpdates(core: SessionCore, request: RequestState): void {
  for (const parameters of [...request.updatesIn]) announce(core, request, parameters);
}

function announce(core: SessionCore, request: RequestState, parameters: Parameters): void {
  const { trackNamespacePrefix } = parameters;
  if (!core.requests.has(request.stream)) return;
  const unfit = refusalOfFilters(parameters, true);
  if (unfit) {
    refuseUpdate(core, request.stream, unfit);
    return;
  }
  if (trackNamespacePrefix && prefixTaken(core, request.message.type, trackNamespacePrefix, request)) {
    refuseUpdate(
      core,
      request.stream,
      refusal(requestErrors["prefix-overlap"], "The new prefix overlaps that of another subscription."),
    );
    return;
  }
  core.act({ type: "updated", stream: request.stream, parameters });
}

/** Our REQUEST_OK to the oldest update of the peer; what it changes takes effect here. */
export function answerUpdate(core: SessionCore, stream: StreamHandle, parameters: Parameters): void {
  const request = core.requests.get(stream);
  const update = request?.updatesIn.shift();
  if (!request || !update) return;
  applyUpdate(request, update, parameters);
  core.act({
    type: "send",
    stream,
    message: { type: "request-ok", parameters, trackProperties: [] },
  });
  releaseJoins(core, stream);
}

function applyUpdate(request: RequestState, update: Parameters, answer: Parameters): void {
  if (update.trackNamespacePrefix) {
    request.prefix = update.trackNamespacePrefix;
    // §10.9.2: what we listed was relative to the old one.
    request.told.clear();
  }
  const { publisher } = request;
  if (!publisher) return;
  const resumed = !publisher.forward && update.forward === true;
  if (update.forward !== undefined) publisher.forward = update.forward;
  if (update.filter)
    publisher.range = resolveFilter(update.filter, answer.largestObject ?? publisher.joining);
  if (resumed) publisher.joining = answer.largestObject ?? publisher.joining;
}

/** Our REQUEST_ERROR, and what §10.9.1 has follow it: the request does not survive a failed update. */
export function refuseUpdate(core: SessionCore, stream: StreamHandle, refused: RefusalBody): void {
  const request = core.requests.get(stream);
  if (!request || request.updatesIn.length === 0) return;
  request.updatesIn.length = 0;
  core.act({ type: "send", stream, message: { type: "request-error", ...refused } });
  switch (request.message.type) {
    case "subscribe":
    case "publish":
      if (request.publisher) {
        core.act({
          type: "send",
          stream,
          message: {
            type: "publish-done",
            statusCode: publishDoneCodes["update-failed"],
            // Its streams are reset when the driver hears of the end, too late to count them (§10.11: 2^62 - 1).
            streamCount: 2n ** 62n - 1n,
            reason: refused.reason,
          },
        });
      }
      core.finish(request, { cause: "refused" });
      break;
    case "fetch":
      core.abort(request, streamResets["internal-error"], { cause: "refused" });
      break;
    default:
      core.finish(request, { cause: "refused" });
  }
  releaseJoins(core, stream);
}

/** We change a request: ours, or a PUBLISH of the peer that we have accepted. */
export function sendUpdate(core: SessionCore, stream: StreamHandle, parameters: Parameters): void {
  const request = core.requests.get(stream);
  if (!request) return;
  const { type } = request.message;
  if (type === "track-status" || (!request.ours && type !== "publish")) {
    throw new RangeError(`${type} cannot be updated from this side`);
  }
  const limit = core.peerSetup?.maxRequestUpdates ?? 0;
  if (limit !== 0 && request.updatesOut.length >= limit) request.updatesHeld.push(parameters);
  else sendNow(core, request, parameters);
}

function sendNow(core: SessionCore, request: RequestState, parameters: Parameters): void {
  request.updatesOut.push(parameters);
  core.act({
    type: "send",
    stream: request.stream,
    message: { type: "request-update", requestId: core.ownIds.take(), parameters },
  });
}

/** The peer's answer to the oldest update of ours. */
export function onUpdateAnswer(
  core: SessionCore,
  request: RequestState,
  message: RequestOkMessage | RequestErrorMessage,
): void {
  const update = request.updatesOut.shift();
  if (!update) {
    throw violation(sectionOfSecondAnswer(request.message.type), `${message.type} answers nothing.`);
  }
  if (message.type === "request-ok") {
    checkUpdateOk(message);
    if (update.trackNamespacePrefix) {
      // §10.9.2: what follows is relative to the new prefix, so the old suffixes mean nothing any more.
      for (const suffix of request.namespaces.values()) {
        core.act({ type: "namespace-removed", stream: request.stream, suffix });
      }
      request.namespaces.clear();
      request.prefix = update.trackNamespacePrefix;
    }
  } else {
    // §10.9.1: one error may stand for all updates that were coalesced with the failed one, and the request does not survive it.
    request.updatesOut.length = 0;
    request.updatesHeld.length = 0;
  }
  core.act({ type: "update-answered", stream: request.stream, message });
  const next = request.updatesHeld.shift();
  if (next) sendNow(core, request, next);
}

function sectionOfSecondAnswer(type: RequestMessage["type"]): string {
  return type === "subscribe" || type === "publish" ? "§5.1" : type === "fetch" ? "§5.2" : "§6";
}
