/** Requests of ours: how they begin, and what the peer may say on their streams. */
import { CountersignError, type RetryDetail } from "../errors.ts";
import { requestErrorName, requestErrors, streamResets } from "../wire/codes.ts";
import type {
  ControlMessage,
  FetchOkMessage,
  Parameters,
  RequestErrorMessage,
  RequestMessage,
  RequestOkMessage,
  SubscribeOkMessage,
} from "../wire/messages.ts";
import { type Location, namespaceKey } from "../wire/names.ts";
import { addVarInt } from "../wire/varint.ts";
import { type RequestState, type SessionCore, trackOfRequest } from "./core.ts";
import { endsBefore, resolveFilter, UNFILTERED } from "./filters.ts";
import { MAX_NAMESPACES_PER_REQUEST } from "./limits.ts";
import { isBlocked } from "./listings.ts";
import { isRefusedNamespace } from "./namespaces.ts";
import { hasMandatoryProperty } from "./properties.ts";
import { filtersNotTaken } from "./range-filters.ts";
import { checkRequestOk } from "./scopes.ts";
import type { RequestBody, StreamHandle } from "./types.ts";
import { onUpdateAnswer } from "./updates.ts";
import { overLimit, sessionClosed, violation } from "./violations.ts";

/** Begins a request. It may fail without a byte sent: then its "ended" is the only action. */
export function open(core: SessionCore, stream: StreamHandle, body: RequestBody): void {
  const failure = whyNot(core, body);
  if (failure) {
    core.act({ type: "ended", stream, end: { cause: "failed", error: failure } });
    return;
  }
  const requestId = core.ownIds.take();
  const message = (
    body.type === "publish" ? { ...body, requestId, trackAlias: core.takeAlias() } : { ...body, requestId }
  ) as RequestMessage;
  const request = core.register(stream, message, true);
  if (message.type === "publish") {
    request.publisher = {
      trackAlias: message.trackAlias,
      forward: message.parameters.forward ?? true,
      range: resolveFilter(UNFILTERED, undefined),
      joining: message.parameters.largestObject,
    };
  }
  core.act({ type: "open-request", stream, message });
  core.setTimer("request", core.options.requestTimeoutMs + patience(message.parameters), stream);
}

/** A relay that was asked to wait for a publisher (§10.2.6) answers that much later. */
function patience(parameters: Parameters): number {
  return Number(parameters.rendezvousTimeoutMs ?? 0);
}

function whyNot(core: SessionCore, body: RequestBody): CountersignError | undefined {
  if (core.phase === "closed") return sessionClosed(undefined);
  if (core.goawayReceived) {
    // §10.4: no new requests after a GOAWAY.
    return new CountersignError(
      "session-going-away",
      "The peer asked us to leave and takes no new requests.",
      {
        hint: "Open a session to the address its GOAWAY named and ask there.",
      },
    );
  }
  const published =
    body.type === "publish" ? body.track.namespace : body.type === "publish-namespace" ? body.namespace : [];
  if (isRefusedNamespace(published)) {
    return new CountersignError(
      "invalid-options",
      "Nothing may be published in the namespaces . and .session.",
      {
        section: "draft-ietf-moq-transport-18 §3.2",
        hint: "Begin the namespace with a name of your own, such as your domain.",
      },
    );
  }
  if (body.type === "publish" && isBlocked(core, body.track)) {
    return new CountersignError("invalid-options", "The peer was told that this track cannot be published.", {
      section: "draft-ietf-moq-transport-18 §6.1",
      hint: "The peer can subscribe to it.",
    });
  }
  if (body.type === "subscribe" || body.type === "publish") {
    const table = core.roleTable({ ours: true, message: body as RequestMessage });
    const holder = table.get(trackOfRequest(body as RequestMessage) ?? "");
    // Drafts that allow more have no way to tell apart what comes for two subscriptions of one alias, so two of one role are never asked for.
    if (holder && holder.phase !== "draining") {
      return new CountersignError(
        "request-rejected",
        "This session has a subscription to that track already.",
        {
          protocolCode: requestErrors["duplicate-subscription"],
          section: "draft-ietf-moq-transport-18 §5.1",
          hint: "Update or cancel the subscription that exists.",
        },
      );
    }
  }
  return filtersNotTaken(body.parameters, core.peerSetup);
}

/** REQUEST_OK, REQUEST_ERROR, SUBSCRIBE_OK or FETCH_OK: the first answers the request, later ones its updates. */
export function onAnswer(
  core: SessionCore,
  request: RequestState,
  message: SubscribeOkMessage | FetchOkMessage | RequestOkMessage | RequestErrorMessage,
): void {
  const isFirst = request.ours && request.phase === "pending";
  if (!isFirst) {
    if (message.type !== "request-ok" && message.type !== "request-error") {
      throw violation("§5.1", `${message.type} may not come here on the stream of ${request.message.type}.`);
    }
    onUpdateAnswer(core, request, message);
    return;
  }
  if (message.type === "request-error") {
    refused(core, request, message);
    return;
  }
  if (message.type !== answerTo[request.message.type]) {
    throw violation(sectionOf(request.message), `${message.type} does not answer ${request.message.type}.`);
  }
  core.clearTimer("request", request.stream);
  switch (message.type) {
    case "subscribe-ok":
      subscribed(core, request, message);
      break;
    case "fetch-ok":
      fetching(core, request, message);
      break;
    case "request-ok":
      accepted(core, request, message);
      break;
  }
}

const answerTo: Readonly<Record<RequestMessage["type"], ControlMessage["type"]>> = {
  subscribe: "subscribe-ok",
  fetch: "fetch-ok",
  publish: "request-ok",
  "track-status": "request-ok",
  "publish-namespace": "request-ok",
  "subscribe-namespace": "request-ok",
  "subscribe-tracks": "request-ok",
};

function sectionOf(message: RequestMessage): string {
  switch (message.type) {
    case "subscribe-namespace":
      return "§10.18";
    case "subscribe-tracks":
      return "§10.19";
    case "publish-namespace":
      return "§6.2";
    case "fetch":
      return "§5.2";
    default:
      return "§5.1";
  }
}

function refused(core: SessionCore, request: RequestState, message: RequestErrorMessage): void {
  checkRedirect(core, request.message, message);
  const name = requestErrorName(message.errorCode);
  const error = new CountersignError(
    name === "unauthorized"
      ? "unauthorized"
      : name === "going-away"
        ? "session-going-away"
        : "request-rejected",
    `The peer refused ${request.message.type}: ${name}${message.reason ? ` (${message.reason})` : ""}.`,
    {
      protocolCode: Number(message.errorCode),
      section: "draft-ietf-moq-transport-18 §10.6.2",
      ...retryDetail(message),
    },
  );
  core.finish(request, { cause: "refused", error, refusal: message });
}

/** What a REQUEST_ERROR says about asking again: an interval of n on the wire means after n - 1 ms, 0 never (§10.6). */
export function retryDetail({ retryInterval, redirect }: RequestErrorMessage): RetryDetail {
  return {
    ...(retryInterval > 0 && { retryAfterMs: Number(retryInterval) - 1 }),
    // Copied: the error may outlive the chunk it came in by far.
    ...(redirect && {
      redirect: {
        connectUri: redirect.connectUri,
        namespace: redirect.namespace.map((field) => field.slice()),
        name: redirect.name.slice(),
      },
    }),
  };
}

function checkRedirect(core: SessionCore, request: RequestMessage, { redirect }: RequestErrorMessage): void {
  if (!redirect) return;
  if (core.role === "server" && redirect.connectUri !== "") {
    throw violation("§10.6.1", "A client may not redirect a server to another address.");
  }
  const hasTrack = !("prefix" in request) && request.type !== "publish-namespace";
  if (!hasTrack && redirect.name.byteLength > 0) {
    throw violation("§10.6.1", `A redirect of ${request.type} may not name a track.`);
  }
}

function subscribed(core: SessionCore, request: RequestState, message: SubscribeOkMessage): void {
  core.peerAliases.bind(message.trackAlias, request.stream, trackOfRequest(request.message) ?? "");
  request.phase = "established";
  request.subscriber = {
    trackAlias: message.trackAlias,
    streamsStarted: 0,
    streamsEnded: 0,
    done: undefined,
    drained: false,
  };
  if (hasMandatoryProperty(message.trackProperties)) {
    core.abort(request, streamResets.cancelled, { cause: "failed", error: unknownExtension() });
    return;
  }
  core.act({ type: "accepted", stream: request.stream, message });
  core.act({ type: "aliases-changed" });
}

function unknownExtension(): CountersignError {
  return new CountersignError("request-rejected", "The track needs an extension that is not known here.", {
    protocolCode: requestErrors["unsupported-extension"],
    section: "draft-ietf-moq-transport-18 §2.5.1",
  });
}

function fetching(core: SessionCore, request: RequestState, message: FetchOkMessage): void {
  const start = fetchStart(request);
  if (start && endsBefore(message.end, start)) {
    throw violation("§10.13", "FETCH_OK ends before the range that was asked for begins.");
  }
  request.phase = "established";
  request.fetchOk = message;
  if (hasMandatoryProperty(message.trackProperties)) {
    core.abort(request, streamResets.cancelled, { cause: "failed", error: unknownExtension() });
    return;
  }
  core.act({ type: "accepted", stream: request.stream, message });
  if (!request.fetchDataStarted) core.setTimer("request", core.options.requestTimeoutMs, request.stream);
  finishFetch(core, request);
}

/** Where our fetch starts, when we can know it: for relative joins only the publisher does. */
function fetchStart(request: RequestState): Location | undefined {
  if (request.message.type !== "fetch") return undefined;
  const { range } = request.message;
  if (range.kind === "standalone") return range.start;
  return range.kind === "absolute-joining" ? { group: range.joiningStart, object: 0 } : undefined;
}

/** A fetch is over when it was accepted and its stream has ended, in either order. */
export function finishFetch(core: SessionCore, request: RequestState): void {
  if (request.fetchOk && request.fetchDataEnded) core.finish(request, { cause: "finished" });
}

function accepted(core: SessionCore, request: RequestState, message: RequestOkMessage): void {
  checkRequestOk(message, request.message.type, core.capabilities);
  request.phase = "established";
  const { publisher } = request;
  if (publisher && request.message.type === "publish") {
    const { forward, filter, rangeFilters } = message.parameters;
    // A PUBLISH_OK cannot be refused, and our SETUP said that we take none.
    if (rangeFilters) throw violation("§5.1.3", "PUBLISH_OK has range filters, which were not offered.");
    // §10.2.12: omitted from PUBLISH_OK means 1.
    publisher.forward = forward ?? true;
    if (filter) publisher.range = resolveFilter(filter, publisher.joining);
  }
  core.act({ type: "accepted", stream: request.stream, message });
  if (request.message.type === "track-status") core.finish(request, { cause: "finished" });
}

/** NAMESPACE and NAMESPACE_DONE on a SUBSCRIBE_NAMESPACE of ours. */
export function onNamespace(
  core: SessionCore,
  request: RequestState,
  message: Extract<ControlMessage, { type: "namespace" | "namespace-done" }>,
): void {
  if (!request.ours || request.message.type !== "subscribe-namespace") {
    throw violation("§10.16", `${message.type} may not come on the stream of ${request.message.type}.`);
  }
  if (request.phase === "pending") {
    throw violation("§10.18", `${message.type} came before REQUEST_OK.`);
  }
  const key = namespaceKey(message.suffix);
  if (message.type === "namespace-done") {
    if (!request.namespaces.delete(key)) {
      // A changed prefix makes suffixes that were sent before the change meaningless, not wrong.
      if (request.updatesOut.some((update) => update.trackNamespacePrefix)) return;
      throw violation("§10.18", "NAMESPACE_DONE came before its NAMESPACE.");
    }
    core.act({ type: "namespace-removed", stream: request.stream, suffix: message.suffix });
    return;
  }
  if (request.namespaces.has(key)) return;
  if (request.namespaces.size >= MAX_NAMESPACES_PER_REQUEST) {
    core.abort(request, streamResets["excessive-load"], {
      cause: "failed",
      error: overLimit("§10.18", `The peer listed more than ${MAX_NAMESPACES_PER_REQUEST} namespaces.`),
    });
    return;
  }
  // Copied: a view would keep the whole chunk it was read from for as long as the namespace is announced.
  const suffix = message.suffix.map((field) => field.slice());
  request.namespaces.set(key, suffix);
  core.act({ type: "namespace-added", stream: request.stream, suffix });
}

/** The range of FETCH as it stands on the wire: last object + 1, or object 0 for a whole group. */
export function wireEnd(end: {
  readonly group: Location["group"];
  readonly object?: Location["object"];
}): Location {
  return { group: end.group, object: end.object === undefined ? 0 : addVarInt(end.object, 1) };
}
