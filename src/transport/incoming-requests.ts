/** Requests of the peer as the application sees them: objects that can be accepted or rejected once. */
import { CountersignError } from "../errors.ts";
import { refusal } from "../session/filters.ts";
import type { RefusalBody, RequestEnd, SessionInput, StreamHandle } from "../session/types.ts";
import { requestErrors, streamResets } from "../wire/codes.ts";
import type {
  FetchMessage,
  Parameters,
  PublishMessage,
  PublishNamespaceMessage,
  RequestMessage,
  SubscribeMessage,
  SubscribeNamespaceMessage,
  SubscribeTracksMessage,
  TrackStatusMessage,
} from "../wire/messages.ts";
import { addVarInt } from "../wire/varint.ts";
import type { FetchWriter, IncomingPrefix, Rejection, RequestHandlers } from "./connection.ts";
import { fetchWriter, StreamWriter, sendOrder } from "./data-writers.ts";
import { deferred } from "./deferred.ts";
import type { Host, RequestObserver } from "./host.ts";
import { MAX_QUEUED_CONTROL_BYTES } from "./limits.ts";
import { hasDynamicGroups, inclusiveEnd, noDynamicGroups, ReceivedTrack } from "./own-requests.ts";
import { PublishedTrackState } from "./published-track.ts";
import { notServed } from "./serving.ts";
import { handled, streamErrorReason } from "./stream-errors.ts";

const DEFAULT_PRIORITY = 128;

/** Hands a request to its handler. The observer that `use` is given replaces the one returned here when the request is accepted. */
export function receiveRequest(
  host: Host,
  stream: StreamHandle,
  message: RequestMessage,
  handlers: RequestHandlers,
  use: (observer: RequestObserver) => void,
): void {
  const context: Context = {
    host,
    stream,
    handlers,
    use,
    reject: (rejection) => host.handle({ type: "refuse", stream, refusal: refusalOf(rejection) }),
  };
  // Until somebody answers, the end of the request is all there is to tell.
  const waiting = new WaitingRequest(host, stream);
  use(waiting);
  try {
    if (!dispatch(context, message, waiting)) {
      host.handle({ type: "refuse", stream, refusal: notServed(message) });
    }
  } catch (thrown) {
    context.reject({ errorCode: requestErrors["internal-error"], reason: "" });
    // The application's fault is the application's to see; the peer only learns that there was one.
    void Promise.reject(thrown);
  }
}

interface Context {
  readonly host: Host;
  readonly stream: StreamHandle;
  readonly handlers: RequestHandlers;
  readonly use: (observer: RequestObserver) => void;
  readonly reject: (rejection: Rejection) => void;
}

/** A request nobody has answered yet, and, for those without further life, also after that. */
class WaitingRequest implements RequestObserver {
  readonly #ended = deferred<void>();
  readonly #host: Host;
  readonly #stream: StreamHandle;

  constructor(host: Host, stream: StreamHandle) {
    this.#host = host;
    this.#stream = stream;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  onUpdated({ trackNamespacePrefix }: Parameters): void {
    const stream = this.#stream;
    if (trackNamespacePrefix) {
      // §10.2.14: whoever keeps the list of the old prefix would have to begin anew. The peer can, by asking again.
      const reason = "ask for that prefix with a request of its own";
      this.#host.handle({
        type: "refuse-update",
        stream,
        refusal: refusal(requestErrors["not-supported"], reason),
      });
    } else this.#host.handle({ type: "answer-update", stream, parameters: {} });
  }

  onEnded(_end: RequestEnd): void {
    this.#ended.resolve();
  }
}

function dispatch(context: Context, message: RequestMessage, waiting: WaitingRequest): boolean {
  switch (message.type) {
    case "subscribe":
      return subscribe(context, message);
    case "fetch":
      return fetch(context, message, waiting);
    case "publish":
      return publish(context, message);
    case "track-status":
      return trackStatus(context, message);
    case "publish-namespace":
      return publishNamespace(context, message, waiting);
    case "subscribe-namespace":
      return prefix(context, message, context.handlers.subscribeNamespace, waiting);
    case "subscribe-tracks":
      return prefix(context, message, context.handlers.subscribeTracks, waiting);
  }
}

function subscribe({ host, stream, handlers, use, reject }: Context, message: SubscribeMessage): boolean {
  if (!handlers.subscribe) return false;
  const { track, requestId, parameters } = message;
  handlers.subscribe({
    track,
    requestId,
    parameters,
    reject,
    accept({ largest, trackProperties = [], parameters: answer = {}, largestNow, extend }) {
      const { expiresMs } = answer;
      const published = new PublishedTrackState(host, stream, parameters, largest, {
        largestNow,
        trackProperties,
        expiresMs,
        extend,
      });
      use(published);
      const response = largest ? { ...answer, largestObject: largest } : answer;
      host.handle({
        type: "respond",
        stream,
        response: { type: "subscribe-ok", parameters: response, trackProperties },
      });
      return published;
    },
  });
  return true;
}

function fetch(
  { host, stream, handlers, reject }: Context,
  message: FetchMessage,
  waiting: WaitingRequest,
): boolean {
  const { range, parameters, requestId } = message;
  // Joining fetches were made standalone by the session.
  if (!handlers.fetch || range.kind !== "standalone") return false;
  const cancelled = waiting.ended;
  handlers.fetch({
    track: range.track,
    start: range.start,
    end: inclusiveEnd(range.end),
    parameters,
    cancelled,
    reject,
    async accept({ end, endOfTrack, trackProperties = [] }): Promise<FetchWriter> {
      const wireEnd = { group: end.group, object: end.object === undefined ? 0 : addVarInt(end.object, 1) };
      host.handle({
        type: "respond",
        stream,
        response: { type: "fetch-ok", endOfTrack, end: wireEnd, parameters: {}, trackProperties },
      });
      let over = false;
      let onOver = () => {
        over = true;
      };
      void cancelled.then(() => onOver());
      const served = (complete: boolean) => host.handle({ type: "fetch-served", stream, complete });
      let writable: WritableStream<Uint8Array>;
      try {
        writable = await host.port.createUnidirectionalStream({
          sendOrder: sendOrder(
            parameters.subscriberPriority ?? DEFAULT_PRIORITY,
            DEFAULT_PRIORITY,
            range.start.group,
            parameters.groupOrder ?? "ascending",
          ),
        });
      } catch (thrown) {
        served(false);
        throw new CountersignError("session-closed", "No stream can be opened for a fetch.", {
          cause: thrown,
        });
      }
      if (over) {
        handled(writable.abort(streamErrorReason(streamResets.cancelled)));
        throw new CountersignError("session-closed", "The fetch is over.");
      }
      const head = host.codec.encodeFetchHeader(requestId);
      let ended = false;
      const writer = new StreamWriter(writable, head, () => {
        ended = true;
      });
      // §5.2: a cancelled fetch resets its data stream.
      onOver = () => {
        if (!ended) writer.reset(streamResets.cancelled);
      };
      return fetchWriter(host.codec, writer, cancelled, served);
    },
  });
  return true;
}

function publish({ host, stream, handlers, use, reject }: Context, message: PublishMessage): boolean {
  if (!handlers.publish) return false;
  const { track, trackAlias, parameters, trackProperties, requestId } = message;
  const largest = parameters.largestObject;
  handlers.publish({
    track,
    trackAlias,
    largest,
    parameters,
    trackProperties,
    reject,
    accept(sink, answer = {}) {
      if (answer.newGroupRequest !== undefined && !hasDynamicGroups(trackProperties)) throw noDynamicGroups();
      const received = new ReceivedTrack(host, stream, track, sink);
      use(received);
      host.handle({
        type: "respond",
        stream,
        response: { type: "request-ok", parameters: answer, trackProperties: [] },
      });
      return received.subscription({ trackAlias, requestId, largest, trackProperties });
    },
  });
  return true;
}

function trackStatus({ host, stream, handlers, reject }: Context, message: TrackStatusMessage): boolean {
  if (!handlers.trackStatus) return false;
  handlers.trackStatus(message.track).then(
    (answer) => {
      if ("errorCode" in answer) reject(answer);
      else {
        host.handle({
          type: "respond",
          stream,
          response: {
            type: "request-ok",
            parameters: answer.largest ? { largestObject: answer.largest } : {},
            trackProperties: answer.trackProperties ?? [],
          },
        });
      }
    },
    () => reject({ errorCode: requestErrors["internal-error"], reason: "" }),
  );
  return true;
}

function ok(host: Host, stream: StreamHandle): void {
  host.handle({
    type: "respond",
    stream,
    response: { type: "request-ok", parameters: {}, trackProperties: [] },
  });
}

function publishNamespace(
  { host, stream, handlers, reject }: Context,
  message: PublishNamespaceMessage,
  waiting: WaitingRequest,
): boolean {
  if (!handlers.publishNamespace) return false;
  const { namespace, parameters } = message;
  const withdrawn = waiting.ended;
  handlers.publishNamespace({ namespace, parameters, withdrawn, reject, accept: () => ok(host, stream) });
  return true;
}

function prefix(
  { host, stream, reject }: Context,
  message: SubscribeNamespaceMessage | SubscribeTracksMessage,
  handler: ((request: IncomingPrefix) => void) | undefined,
  waiting: WaitingRequest,
): boolean {
  if (!handler) return false;
  const tell = (input: SessionInput) => {
    // §10.18: a subscriber that does not read its answers loses the request, not our memory.
    if (host.queuedBytes(stream) > MAX_QUEUED_CONTROL_BYTES) {
      host.handle({ type: "cancel", stream, code: streamResets["excessive-load"] });
    } else host.handle(input);
  };
  handler({
    prefix: message.prefix,
    parameters: message.parameters,
    cancelled: waiting.ended,
    reject,
    accept() {
      ok(host, stream);
      return {
        add: (suffix) => tell({ type: "announce", stream, suffix }),
        remove: (suffix) => tell({ type: "unannounce", stream, suffix }),
        blocked: (suffix, name) => tell({ type: "blocked", stream, suffix, name }),
      };
    },
  });
  return true;
}

/** A Rejection as REQUEST_ERROR has it: retryable after n ms is n + 1 on the wire, never again is 0. */
export function refusalOf(rejection: Rejection): RefusalBody {
  const { errorCode, reason, retryAfterMs, redirect } = rejection;
  const body = refusal(errorCode, reason, retryAfterMs === undefined ? 0 : retryAfterMs + 1);
  return redirect ? { ...body, redirect } : body;
}
