/** How requests end in both directions: by PUBLISH_DONE, or by UNSUBSCRIBE, FETCH_CANCEL and their like where newer drafts reset a stream. */
import { publishDoneCodes, requestErrors, streamResets } from "../../wire/codes.ts";
import { type Namespace, namespaceKey } from "../../wire/names.ts";
import type { DoneEnvelope, Withdrawal } from "../../wire/shared-messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import { refusal } from "../filters.ts";
import type { SharedCore } from "./core.ts";
import { undivert } from "./namespaces.ts";
import { type SharedRequest, sameNamespace } from "./requests.ts";

/** 2^62 - 1 in PUBLISH_DONE: not counted. */
const UNCOUNTED = 2n ** 62n - 1n;

export function onDone(core: SharedCore, { requestId, message }: DoneEnvelope): void {
  const request = core.requests.byWireId(requestId);
  if (!request) {
    core.mustHaveBeen(requestId, "PUBLISH_DONE");
    return;
  }
  request.withdrawn = true;
  core.tellOn(request.stream, message);
}

export function onWithdrawal(core: SharedCore, withdrawal: Withdrawal): void {
  const { what, namespace, requestId } = withdrawal;
  if (what === "publish-namespace-done" && namespace && undivert(core, namespace)) return;
  const request = withdrawnBy(core, withdrawal);
  if (!request) {
    if (requestId !== undefined) core.mustHaveBeen(requestId, what);
    if (what === "publish-namespace-cancel" && namespace) core.announcements.delete(namespaceKey(namespace));
    return;
  }
  request.withdrawn = true;
  const { stream } = request;
  if (what === "publish-namespace-done" || what === "unsubscribe-namespace") {
    core.tell({ type: "request-finished", stream });
  } else {
    core.tell({ type: "request-cancelled", stream, code: streamResets.cancelled });
  }
}

/** The request that a withdrawal means, if it is still open. */
function withdrawnBy(
  { requests }: SharedCore,
  { what, requestId, namespace }: Withdrawal,
): SharedRequest | undefined {
  if (requestId !== undefined) {
    const request = requests.byWireId(requestId);
    return request && withdraws(what, request) ? request : undefined;
  }
  if (!namespace) return undefined;
  return requests.find((candidate) => {
    const { message } = candidate;
    const of = "prefix" in message ? message.prefix : "namespace" in message ? message.namespace : undefined;
    return withdraws(what, candidate) && of !== undefined && sameNamespace(of, namespace);
  });
}

/** Whether the peer can end such a request by such a message. */
function withdraws(what: Withdrawal["what"], { ours, message }: SharedRequest): boolean {
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
}

/** Says that a request is over which was ended neither by its last message nor by the peer. */
export function withdraw(core: SharedCore, request: SharedRequest): void {
  const { wireId, message, ours, ownStream } = request;
  if (wireId === undefined || ownStream) return;
  if (!ours && !request.answered) {
    const failed = refusal(requestErrors["internal-error"], "");
    core.answer(wireId, message.type, { type: "request-error", ...failed });
    return;
  }
  switch (message.type) {
    case "subscribe":
    case "publish":
      // Whoever receives unsubscribes, whoever publishes is done.
      if (ours === (message.type === "subscribe")) sendWithdrawal(core, wireId, "unsubscribe");
      else sendFailed(core, wireId);
      return;
    case "fetch":
      // Of the peer's, the reset of its data stream tells.
      if (ours) sendWithdrawal(core, wireId, "fetch-cancel");
      return;
    case "publish-namespace":
      sendWithdrawal(
        core,
        wireId,
        ours ? "publish-namespace-done" : "publish-namespace-cancel",
        message.namespace,
      );
      return;
    case "subscribe-namespace":
    case "subscribe-tracks":
      if (ours) sendWithdrawal(core, wireId, "unsubscribe-namespace", message.prefix);
      return;
    case "track-status":
    // There is no way to withdraw it; its answer will be ignored.
  }
}

function sendWithdrawal(
  core: SharedCore,
  requestId: VarInt,
  what: Withdrawal["what"],
  namespace?: Namespace,
): void {
  core.send({
    type: "withdraw",
    what,
    requestId,
    ...(namespace && { namespace }),
    ...(what === "publish-namespace-cancel" && { errorCode: requestErrors.uninterested, reason: "" }),
  });
}

function sendFailed(core: SharedCore, requestId: VarInt): void {
  const statusCode = publishDoneCodes["internal-error"];
  core.send({
    type: "done",
    requestId,
    message: { type: "publish-done", statusCode, streamCount: UNCOUNTED, reason: "" },
  });
}
