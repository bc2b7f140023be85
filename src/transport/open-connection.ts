/** The Connection that the rest of Countersign sees, over a driver whose SETUP exchange is done. */
import { CountersignError } from "../errors.ts";
import { wireEnd } from "../session/own-requests.ts";
import type { RequestBody, StreamHandle } from "../session/types.ts";
import { sessionErrors, streamResets } from "../wire/codes.ts";
import type { Parameters, SetupMessage } from "../wire/messages.ts";
import type {
  Connection,
  FetchOptions,
  FetchResult,
  JoiningFetchOptions,
  ObjectSink,
  SubscribeOptions,
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
import { PublishedTrackState } from "./published-track.ts";
import { ignore } from "./stream-errors.ts";

export function connectionOver(driver: Driver, url: string, setup: SetupMessage): Connection {
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
      const { track, signal } = options;
      if (signal?.aborted) return Promise.reject(signal.reason);
      const { stream, observer } = open(
        (handle) =>
          new OwnSubscription(driver, handle, track, sink, () => driver.requestIds.get(handle) ?? 0),
        { type: "subscribe", track, parameters: subscribeParameters(options) },
      );
      const release = onAbort(signal, (reason) => {
        observer.fail(reason);
        cancel(stream);
      });
      observer.accepted.then((subscription) => subscription.ended.then(release), release);
      return observer.accepted;
    },

    fetch(options, sink) {
      const { track, start, signal } = options;
      const range = { kind: "standalone", track, start, end: wireEnd(options.end) } as const;
      return fetch({ type: "fetch", range, parameters: fetchParameters(options) }, sink, signal);
    },

    joiningFetch(options, sink) {
      const { start, subscription, signal } = options;
      const joiningRequestId = subscription.requestId;
      const range =
        "relative" in start
          ? ({ kind: "relative-joining", joiningRequestId, joiningStart: start.relative } as const)
          : ({ kind: "absolute-joining", joiningRequestId, joiningStart: start.absolute } as const);
      return fetch({ type: "fetch", range, parameters: fetchParameters(options) }, sink, signal);
    },

    async trackStatus(track) {
      const { observer } = open(() => new OwnQuestion(), { type: "track-status", track, parameters: {} });
      const { parameters } = await observer.answer;
      return { largest: parameters.largestObject };
    },

    publishNamespace(namespace) {
      const request = { type: "publish-namespace", namespace, parameters: {} } as const;
      return open((handle) => new OwnAnnouncement(driver, handle), request).observer.accepted;
    },

    subscribeNamespace(prefix, listener) {
      const request = { type: "subscribe-namespace", prefix, parameters: {} } as const;
      return open((handle) => new OwnPrefix(driver, handle, prefix, listener), request).observer.accepted;
    },

    subscribeTracks(prefix, { forward, blocked } = {}) {
      const parameters: Parameters = forward === undefined ? {} : { forward };
      const listener = { added: ignore, removed: ignore };
      return open((handle) => new OwnPrefix(driver, handle, prefix, listener, blocked), {
        type: "subscribe-tracks",
        prefix,
        parameters,
      }).observer.accepted;
    },

    publish(track, { largest, parameters = {}, trackProperties = [] }) {
      const request: RequestBody = {
        type: "publish",
        track,
        parameters: largest ? { ...parameters, largestObject: largest } : parameters,
        trackProperties,
      };
      const { observer } = open(
        (handle) =>
          new PublishedTrackState(driver, handle, {}, largest, {
            trackProperties,
            expiresMs: parameters.expiresMs,
          }),
        request,
      );
      return observer.accepted;
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
