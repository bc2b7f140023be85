/** The control stream: SETUP, which begins a session, and GOAWAY, which asks to end it (draft-18 §3.3, §10.3, §10.4). */
import { sessionErrors } from "../wire/codes.ts";
import type { ControlMessage, GoawayMessage, SetupMessage } from "../wire/messages.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import type { RequestState, SessionCore } from "./core.ts";
import { MAX_WAITING_UPDATES } from "./limits.ts";
import { sentBy } from "./request-ids.ts";
import type { SessionInput } from "./types.ts";
import { violation } from "./violations.ts";

/** Our SETUP: what the driver wants to say, and the limits that are the machine's own. */
export function ownSetup(core: SessionCore, wanted: Omit<SetupMessage, "type">): SetupMessage {
  const limits = core.capabilities.updateLimit ? { maxRequestUpdates: MAX_WAITING_UPDATES } : {};
  return { type: "setup", ...limits, ...wanted };
}

export function onControlMessage(core: SessionCore, message: ControlMessage | SharedMessage): void {
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

export function onGoaway(core: SessionCore, message: GoawayMessage, request?: RequestState): void {
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

export function sendGoaway(core: SessionCore, input: Extract<SessionInput, { type: "goaway" }>): void {
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
    const named = core.capabilities.goawayNamesRequest ? { requestId: core.goawaySentFrom } : {};
    core.act({ type: "send-control", message: { ...message, ...named } });
  }
  if (input.timeoutMs > 0) core.setTimer("goaway", input.timeoutMs, request?.stream);
}
