/** Requests of the peer: what is checked before the application sees them, and what our answers make of them. */
import { requestErrors } from "../wire/codes.ts";
import type { ControlMessage, FetchMessage, Parameters, RequestMessage } from "../wire/messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { type RequestState, type SessionCore, subscriptionTrack, trackOfRequest } from "./core.ts";
import { onCancelled } from "./endings.ts";
import { endsBefore, joiningRange, refusal, resolveFilter, UNFILTERED } from "./filters.ts";
import { EXCESSIVE_LOAD_RETRY_MS, MAX_PEER_REQUESTS, MAX_WAITING_JOINS } from "./limits.ts";
import { isRefusedNamespace, overlaps } from "./namespaces.ts";
import { hasMandatoryProperty } from "./properties.ts";
import { refusalOfFilters } from "./range-filters.ts";
import type { RefusalBody, ResponseBody, StreamHandle } from "./types.ts";
import { announceUpdates } from "./updates.ts";
import { violation } from "./violations.ts";

const REQUEST_TYPES: ReadonlySet<ControlMessage["type"]> = new Set([
  "subscribe",
  "publish",
  "fetch",
  "track-status",
  "publish-namespace",
  "subscribe-namespace",
  "subscribe-tracks",
]);

function isRequest(message: ControlMessage): message is RequestMessage {
  return REQUEST_TYPES.has(message.type);
}

/** The first message on a bidirectional stream of the peer. */
export function admit(core: SessionCore, stream: StreamHandle, first: ControlMessage): void {
  if (!isRequest(first)) {
    throw violation("§3.3", `A request stream may not begin with ${first.type}.`);
  }
  core.peerIds.use(first.requestId);
  const message = resolveTokens(core, first);
  if (message.type === "subscribe") endGivenUp(core, message);
  const refused = refusalBeforeApplication(core, message);
  const request = core.register(stream, message, false);
  if (refused) {
    core.refuse(request, refused);
    return;
  }
  if (message.type === "publish") {
    request.subscriber = {
      trackAlias: message.trackAlias,
      streamsStarted: 0,
      streamsEnded: 0,
      done: undefined,
      drained: false,
    };
    const key = trackOfRequest(message) ?? "";
    // Throws for an alias in use. Objects may precede our PUBLISH_OK; until then they wait like those of unknown aliases.
    core.peerAliases.bind(message.trackAlias, stream, key);
  }
  if (message.type === "fetch" && message.range.kind !== "standalone") {
    join(core, request, message, message.range.joiningRequestId);
    return;
  }
  surface(core, request, message);
}

function surface(core: SessionCore, request: RequestState, message: RequestMessage): void {
  request.surfaced = true;
  core.act({ type: "requested", stream: request.stream, message });
}

/** Registers and looks up tokens even for requests that are refused later: §10.2.2 asks for it. */
function resolveTokens(core: SessionCore, message: RequestMessage): RequestMessage {
  const { authorizationTokens } = message.parameters;
  if (!authorizationTokens) return message;
  const parameters: Parameters = {
    ...message.parameters,
    authorizationTokens: core.tokens.resolve(authorizationTokens),
  };
  return { ...message, parameters };
}

/**
 * Ends the peer's subscription to this track when the peer has ended its half of it. §3.3.2 lets a peer that did so cancel by STOP_SENDING alone, which
 * overtakes nothing and which some hosts tell of at the next write only (Node), if there ever is one: asking for the track again is then the first we hear of
 * it. moq-relay 0.17 does this whenever its last subscriber leaves and another comes.
 */
function endGivenUp(core: SessionCore, message: Extract<RequestMessage, { type: "subscribe" }>): void {
  const before = core.published.get(trackOfRequest(message) ?? "");
  if (before && !before.ours && before.peerFinished) onCancelled(core, before.stream, undefined);
}

function refusalBeforeApplication(core: SessionCore, message: RequestMessage): RefusalBody | undefined {
  if (core.goawaySentFrom !== undefined && message.requestId >= core.goawaySentFrom) {
    return refusal(requestErrors["going-away"], "This endpoint has sent GOAWAY.");
  }
  if (core.peerRequestCount >= MAX_PEER_REQUESTS) {
    return refusal(
      requestErrors["excessive-load"],
      `More than ${MAX_PEER_REQUESTS} requests are open.`,
      EXCESSIVE_LOAD_RETRY_MS + 1,
    );
  }
  const namespace = namespaceOfRequest(message);
  if (namespace && isRefusedNamespace(namespace)) {
    return refusal(requestErrors["does-not-exist"], "Nothing exists in this reserved namespace.");
  }
  const track = trackOfRequest(message);
  const { severalSubscriptions } = core.capabilities;
  if (
    message.type === "subscribe" &&
    track !== undefined &&
    core.published.has(track) &&
    !severalSubscriptions
  ) {
    return refusal(
      requestErrors["duplicate-subscription"],
      "This track is subscribed already in this session.",
    );
  }
  if (track !== undefined && message.type === "publish") {
    const ours = core.subscribed.get(track);
    // A SUBSCRIBE of ours that is still pending gives way when this PUBLISH is accepted (§5.1). Where both might stand (draft-19) it does not: ours is
    // the one we asked for, and the two may come under one alias.
    const givesWay = ours?.ours === true && ours.phase === "pending" && !severalSubscriptions;
    if (ours && !givesWay && ours.phase !== "draining") {
      return refusal(
        requestErrors[severalSubscriptions ? "uninterested" : "duplicate-subscription"],
        "This track is subscribed already in this session.",
      );
    }
    if (hasMandatoryProperty(message.trackProperties)) {
      return refusal(requestErrors["unsupported-extension"], "A mandatory track property is not known here.");
    }
  }
  if (message.type === "subscribe-namespace" || message.type === "subscribe-tracks") {
    if (prefixTaken(core, message.type, message.prefix)) {
      return refusal(requestErrors["prefix-overlap"], "The prefix overlaps that of another subscription.");
    }
  }
  if (message.type === "fetch" && message.range.kind === "standalone") {
    const { start, end } = message.range;
    if (endsBefore(end, start))
      return refusal(requestErrors["invalid-range"], "The range ends before it starts.");
  }
  return refusalOfFilters(message.parameters, false);
}

/** True when another open request of the peer of this type has a prefix that overlaps (§10.18, §10.19). */
export function prefixTaken(
  core: SessionCore,
  type: RequestMessage["type"],
  prefix: NonNullable<RequestState["prefix"]>,
  except?: RequestState,
): boolean {
  for (const other of core.requests.values()) {
    if (other.ours || other === except || other.message.type !== type || !other.prefix) continue;
    if (overlaps(other.prefix, prefix)) return true;
  }
  return false;
}

function namespaceOfRequest(message: RequestMessage) {
  switch (message.type) {
    case "publish-namespace":
      return message.namespace;
    case "subscribe-namespace":
    case "subscribe-tracks":
      return message.prefix;
    case "fetch":
      return message.range.kind === "standalone" ? message.range.track.namespace : undefined;
    default:
      return message.track.namespace;
  }
}

/** A joining fetch: waits for its subscription, then becomes a standalone one (§10.12.2). */
function join(core: SessionCore, request: RequestState, message: FetchMessage, joined: VarInt): void {
  const subscription = core.byId.get(joined);
  const isOurs = subscription?.ours === true;
  const publishing =
    subscription &&
    (isOurs ? subscription.message.type === "publish" : subscription.message.type === "subscribe") &&
    !(isOurs && subscription.phase === "pending");
  if (!subscription || !publishing) {
    core.refuse(
      request,
      refusal(
        requestErrors["invalid-joining-request-id"],
        "No subscription of this session has that Request ID.",
      ),
    );
    return;
  }
  if (subscription.phase === "pending" || subscription.updatesIn.length > 0) {
    const waiting = core.waitingJoins.get(subscription.stream) ?? [];
    if (waiting.length >= MAX_WAITING_JOINS) {
      core.refuse(
        request,
        refusal(
          requestErrors["excessive-load"],
          "Too many joining fetches wait for this subscription.",
          EXCESSIVE_LOAD_RETRY_MS + 1,
        ),
      );
      return;
    }
    core.waitingJoins.set(subscription.stream, [...waiting, request.stream]);
    return;
  }
  resolveJoin(core, request, message, subscription);
}

function resolveJoin(
  core: SessionCore,
  request: RequestState,
  message: FetchMessage,
  subscription: RequestState,
): void {
  const track = subscriptionTrack(subscription);
  const { publisher } = subscription;
  if (message.range.kind === "standalone" || !track || !publisher) return;
  const range = joiningRange(message.range, {
    track,
    forward: publisher.forward,
    joining: publisher.joining,
  });
  if ("errorCode" in range) core.refuse(request, range);
  else surface(core, request, { ...message, range });
}

/** Lets the joining fetches go on that waited for this subscription: it is established now, or over. */
export function releaseJoins(core: SessionCore, joined: StreamHandle): void {
  const waiting = core.waitingJoins.get(joined);
  const subscription = core.requests.get(joined);
  if (!waiting || (subscription && subscription.updatesIn.length > 0)) return;
  core.waitingJoins.delete(joined);
  for (const stream of waiting) {
    const request = core.requests.get(stream);
    if (request?.message.type !== "fetch") continue;
    if (subscription) resolveJoin(core, request, request.message, subscription);
    else {
      core.refuse(
        request,
        refusal(requestErrors["invalid-joining-request-id"], "The subscription to join was not established."),
      );
    }
  }
}

/** Our positive answer. Answers that do not fit the request are faults of the driver, not of the peer: they throw. */
export function respond(core: SessionCore, stream: StreamHandle, response: ResponseBody): void {
  const request = core.requests.get(stream);
  // Over already (cancelled by the peer while the application thought about it): nothing to answer.
  if (!request) return;
  const { message } = request;
  if (request.ours || request.phase !== "pending" || response.type !== answerTo[message.type]) {
    throw new RangeError(`${response.type} does not answer ${message.type} in this state`);
  }
  request.phase = "established";
  if (message.type === "subscribe" && response.type === "subscribe-ok") {
    const trackAlias = core.takeAlias();
    const largest = response.parameters.largestObject;
    request.publisher = {
      trackAlias,
      forward: message.parameters.forward ?? true,
      range: resolveFilter(message.parameters.filter ?? UNFILTERED, largest),
      joining: largest,
    };
    core.act({ type: "send", stream, message: { ...response, trackAlias } });
  } else if (response.type !== "subscribe-ok") {
    if (message.type === "publish") giveWayTo(core, request);
    core.act({ type: "send", stream, message: response });
  }
  if (message.type === "track-status") {
    core.finish(request, { cause: "finished" });
    return;
  }
  if (message.type === "publish") core.act({ type: "aliases-changed" });
  announceUpdates(core, request);
  releaseJoins(core, stream);
}

const answerTo: Readonly<Record<RequestMessage["type"], ResponseBody["type"]>> = {
  subscribe: "subscribe-ok",
  fetch: "fetch-ok",
  publish: "request-ok",
  "track-status": "request-ok",
  "publish-namespace": "request-ok",
  "subscribe-namespace": "request-ok",
  "subscribe-tracks": "request-ok",
};

/** §5.1: a SUBSCRIBE of ours that is still pending is terminated before we accept the peer's PUBLISH of the same track. */
function giveWayTo(core: SessionCore, publish: RequestState): void {
  const track = trackOfRequest(publish.message);
  if (track === undefined) return;
  const pending = core.subscribed.get(track);
  if (pending && pending !== publish) core.supersede(pending);
  core.subscribed.set(track, publish);
}
