/** The Connection that the rest of Countersign sees, over a driver whose SETUP exchange is done. */
import { CountersignError } from "../errors.ts";
import { isRefusedNamespace } from "../session/namespaces.ts";
import { wireEnd } from "../session/own-requests.ts";
import type { RequestBody, StreamHandle } from "../session/types.ts";
import { sessionErrors, streamResets } from "../wire/codes.ts";
import type { AuthToken, Parameters, SetupMessage } from "../wire/messages.ts";
import type { Namespace } from "../wire/names.ts";
import { authorized, keepExtended, type TokenNeed, type TokenProvider, withTokens } from "./authorization.ts";
import type {
  Connection,
  FetchOptions,
  FetchResult,
  JoiningFetchOptions,
  ObjectSink,
  SubscribeOptions,
  Subscription,
} from "./connection.ts";
import type { Driver } from "./driver.ts";
import type { RequestObserver } from "./host.ts";
import {
  OwnAnnouncement,
  OwnFetch,
  OwnPrefix,
  OwnQuestion,
  OwnSubscription,
  onAbort,
} from "./own-requests.ts";
import type { Serving } from "./serving.ts";
import { ignore } from "./stream-errors.ts";

export function connectionOver(
  driver: Driver,
  url: string,
  setup: SetupMessage,
  serving: Serving,
  provider?: TokenProvider,
): Connection {
  function asking<T>(
    purpose: TokenNeed["purpose"],
    of: { readonly namespace: Namespace; readonly name?: Uint8Array },
    ask: (tokens: readonly AuthToken[]) => Promise<T>,
  ): Promise<T> {
    return authorized(provider, { url, purpose, ...of }, ask);
  }

  /** Opens a request; its observer hears of everything that follows, at the latest of its end. */
  function open<T extends RequestObserver>(
    make: (stream: StreamHandle) => T,
    request: RequestBody,
  ): { stream: StreamHandle; observer: T } {
    const prepared = driver.prepare(make);
    driver.handle({ type: "open", stream: prepared.stream, request });
    return prepared;
  }

  function cancel(stream: StreamHandle): void {
    driver.handle({ type: "cancel", stream, code: streamResets.cancelled });
  }

  function fetch(
    request: Extract<RequestBody, { type: "fetch" }>,
    sink: ObjectSink,
    signal: AbortSignal | undefined,
  ): Promise<FetchResult> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const order = request.parameters.groupOrder ?? "ascending";
    const { stream, observer } = open(() => new OwnFetch(sink, order), request);
    const release = onAbort(signal, (reason) => {
      observer.fail(reason);
      cancel(stream);
    });
    observer.result.then(release, release);
    return observer.result;
  }

  function subscribe(
    options: SubscribeOptions,
    sink: ObjectSink,
    tokens: readonly AuthToken[],
  ): Promise<Subscription> {
    const { track, signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { stream, observer } = open(
      (handle) =>
        new OwnSubscription(driver, handle, track, sink, () => driver.session.requestId(handle) ?? 0),
      { type: "subscribe", track, parameters: withTokens(subscribeParameters(options), tokens) },
    );
    const release = onAbort(signal, (reason) => {
      observer.fail(reason);
      cancel(stream);
    });
    observer.accepted.then((subscription) => {
      void subscription.ended.then(release);
      if (!provider) return;
      const need = { url, purpose: "subscribe", ...track } as const;
      keepExtended(
        subscription,
        provider,
        need,
        (tell) => {
          observer.onExpires = tell;
        },
        driver.clock,
      );
    }, release);
    return observer.accepted;
  }

  return {
    url,
    version: driver.codec.version,
    peerImplementation: setup.implementation,
    closed: driver.closed,
    get onGoaway() {
      return driver.onGoaway;
    },
    set onGoaway(listener) {
      driver.onGoaway = listener;
    },

    subscribe(options, sink) {
      return asking("subscribe", options.track, (tokens) => subscribe(options, sink, tokens));
    },

    fetch(options, sink) {
      const { track, start, signal } = options;
      const range = { kind: "standalone", track, start, end: wireEnd(options.end) } as const;
      return asking("fetch", track, (tokens) => {
        const parameters = withTokens(fetchParameters(options), tokens);
        return fetch({ type: "fetch", range, parameters }, sink, signal);
      });
    },

    joiningFetch(options, sink) {
      const { start, subscription, signal } = options;
      const joiningRequestId = subscription.requestId;
      const range =
        "relative" in start
          ? ({ kind: "relative-joining", joiningRequestId, joiningStart: start.relative } as const)
          : ({ kind: "absolute-joining", joiningRequestId, joiningStart: start.absolute } as const);
      return asking("fetch", subscription.track, (tokens) => {
        const parameters = withTokens(fetchParameters(options), tokens);
        return fetch({ type: "fetch", range, parameters }, sink, signal);
      });
    },

    trackStatus(track) {
      const question = async (tokens: readonly AuthToken[]) => {
        const request = { type: "track-status", track, parameters: withTokens({}, tokens) } as const;
        const { parameters } = await open(() => new OwnQuestion(), request).observer.answer;
        return { largest: parameters.largestObject };
      };
      // Nobody is authorized for tracks of the session itself, and liveness asks for one every other second.
      return isRefusedNamespace(track.namespace) ? question([]) : asking("track-status", track, question);
    },

    publishNamespace(namespace) {
      return asking("publish-namespace", { namespace }, (tokens) => {
        const request = { type: "publish-namespace", namespace, parameters: withTokens({}, tokens) } as const;
        return open((handle) => new OwnAnnouncement(driver, handle), request).observer.accepted;
      });
    },

    subscribeNamespace(prefix, listener) {
      return asking("subscribe-namespace", { namespace: prefix }, (tokens) => {
        const request = { type: "subscribe-namespace", prefix, parameters: withTokens({}, tokens) } as const;
        return open((handle) => new OwnPrefix(driver, handle, prefix, listener), request).observer.accepted;
      });
    },

    subscribeTracks(prefix, { forward, blocked } = {}) {
      const listener = { added: ignore, removed: ignore };
      return asking("subscribe-tracks", { namespace: prefix }, (tokens) => {
        const parameters = withTokens(forward === undefined ? {} : { forward }, tokens);
        const request = { type: "subscribe-tracks", prefix, parameters } as const;
        return open((handle) => new OwnPrefix(driver, handle, prefix, listener, blocked), request).observer
          .accepted;
      });
    },

    async publish(track, { largest, parameters = {}, trackProperties = [] }) {
      const offered = largest ? { ...parameters, largestObject: largest } : parameters;
      const { expiresMs } = parameters;
      return asking("publish", track, (tokens) => {
        const request = {
          type: "publish",
          track,
          parameters: withTokens(offered, tokens),
          trackProperties,
        } as const;
        const make = (handle: StreamHandle) =>
          serving.publish(driver, handle, largest, { trackProperties, expiresMs });
        return open(make, request).observer.accepted;
      });
    },

    goaway(newUri, timeoutMs) {
      if (driver.role === "client" && newUri !== "") {
        throw new CountersignError(
          "invalid-options",
          "A client cannot send a server to another address (§10.4).",
        );
      }
      driver.handle({ type: "goaway", newUri, timeoutMs });
    },

    close(code = sessionErrors["no-error"], reason = "") {
      driver.handle({ type: "close", code, reason });
    },
  };
}

function subscribeParameters(options: SubscribeOptions): Parameters {
  const { filter, forward, priority, groupOrder, parameters } = options;
  return {
    ...parameters,
    ...(filter && { filter }),
    ...(forward !== undefined && { forward }),
    ...(priority !== undefined && { subscriberPriority: priority }),
    ...(groupOrder && { groupOrder }),
  };
}

function fetchParameters(
  options: Pick<FetchOptions, "priority" | "groupOrder" | "parameters"> | JoiningFetchOptions,
): Parameters {
  const { priority } = options;
  const { groupOrder, parameters } = options as Partial<FetchOptions>;
  return {
    ...parameters,
    ...(priority !== undefined && { subscriberPriority: priority }),
    ...(groupOrder && { groupOrder }),
  };
}
