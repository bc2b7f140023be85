/**
 * Which parameters REQUEST_OK and REQUEST_UPDATE may carry for which request (draft-18 §10.2.1).
 *
 * Every other message says by its own type which parameters it may have, and the codec checks that; these two mean different things on
 * different streams, which only the session knows.
 */
import type { Capabilities } from "../wire/codec.ts";
import type { Parameters, RequestMessage, RequestOkMessage } from "../wire/messages.ts";
import { violation } from "./violations.ts";

type ParameterName = keyof Parameters;
type Scope = ReadonlySet<ParameterName>;

const none: Scope = new Set();
const ofSubscriber: readonly ParameterName[] = [
  "objectDeliveryTimeoutMs",
  "subgroupDeliveryTimeoutMs",
  "forward",
  "subscriberPriority",
  "filter",
  "newGroupRequest",
  // No codec reads it where a draft does not have it.
  "rangeFilters",
];

const okScopes: Readonly<Record<RequestMessage["type"], Scope>> = {
  publish: new Set<ParameterName>([...ofSubscriber, "expiresMs", "groupOrder"]),
  "track-status": new Set<ParameterName>(["expiresMs", "largestObject"]),
  // Answered by messages of their own: never reached.
  subscribe: none,
  fetch: none,
  "publish-namespace": none,
  "subscribe-namespace": none,
  "subscribe-tracks": none,
};

const OF_NAMESPACES: ReadonlySet<RequestMessage["type"]> = new Set([
  "publish-namespace",
  "subscribe-namespace",
  "subscribe-tracks",
]);
const expiring: Scope = new Set<ParameterName>(["expiresMs"]);

const updateOkScope: Scope = new Set<ParameterName>(["expiresMs", "largestObject"]);

const tokens: readonly ParameterName[] = ["authorizationTokens"];
const updateScopes: Readonly<Record<RequestMessage["type"], Scope>> = {
  subscribe: new Set([...tokens, ...ofSubscriber]),
  publish: new Set([...tokens, ...ofSubscriber]),
  fetch: new Set<ParameterName>([...tokens, "subscriberPriority", "rangeFilters"]),
  "track-status": none,
  "publish-namespace": new Set(tokens),
  "subscribe-namespace": new Set<ParameterName>([...tokens, "trackNamespacePrefix"]),
  "subscribe-tracks": new Set<ParameterName>([...tokens, "trackNamespacePrefix", "forward"]),
};
/** Where SUBSCRIBE_TRACKS takes what SUBSCRIBE takes (draft-19 §10.19.1), so do its updates. */
const updateOfTracks: Scope = new Set<ParameterName>([...tokens, ...ofSubscriber, "trackNamespacePrefix"]);

function check(parameters: Parameters, scope: Scope, where: string): void {
  for (const name of Object.keys(parameters) as ParameterName[]) {
    if (parameters[name] !== undefined && !scope.has(name)) {
      throw violation("§10.2.1", `Parameter ${name} may not appear in ${where}.`);
    }
  }
}

/** The REQUEST_OK that answers a request of this type. */
export function checkRequestOk(
  message: RequestOkMessage,
  request: RequestMessage["type"],
  { announcementsExpire }: Capabilities,
): void {
  const scope = announcementsExpire && OF_NAMESPACES.has(request) ? expiring : okScopes[request];
  check(message.parameters, scope, `the REQUEST_OK of ${request}`);
  if (request !== "track-status" && message.trackProperties.length > 0) {
    throw violation("§10.5", `Track Properties may not appear in the REQUEST_OK of ${request}.`);
  }
}

/** The REQUEST_OK that answers a REQUEST_UPDATE. */
export function checkUpdateOk(message: RequestOkMessage): void {
  check(message.parameters, updateOkScope, "the REQUEST_OK of request-update");
  if (message.trackProperties.length > 0) {
    throw violation("§10.5", "Track Properties may not appear in the REQUEST_OK of request-update.");
  }
}

export function checkUpdate(
  parameters: Parameters,
  request: RequestMessage["type"],
  { tracksTakeDefaults }: Capabilities,
): void {
  const scope = tracksTakeDefaults && request === "subscribe-tracks" ? updateOfTracks : updateScopes[request];
  check(parameters, scope, `the REQUEST_UPDATE of ${request}`);
}
