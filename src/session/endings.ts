/** How requests end: by their last message, by the end of their streams, by a reset, by a timer (draft-18 §3.3.2, §5.1.1, §10.11). */
import { CountersignError } from "../errors.ts";
import { sessionErrors, streamResets } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import { awaitsPeer, CANCELLED, type RequestState, type SessionCore } from "./core.ts";
import { DRAIN_MS, MAX_DRAIN_MS } from "./limits.ts";
import { finishFetch } from "./own-requests.ts";
import type { SessionInput, StreamHandle, TimerName } from "./types.ts";
import { violation } from "./violations.ts";

/** 2^62 - 1 in PUBLISH_DONE: the publisher did not count its streams (§10.11). */
const UNCOUNTED = 2n ** 62n - 1n;

export function onDone(
  core: SessionCore,
  request: RequestState,
  message: Extract<ControlMessage, { type: "publish-done" }>,
): void {
  const { subscriber } = request;
  if (!subscriber) {
    throw violation("§10.11", `PUBLISH_DONE may not come on the stream of ${request.message.type} here.`);
  }
  subscriber.done = message;
  // A PUBLISH that we had not answered yet: the publisher has thought better of it.
  if (request.phase === "pending") {
    endDone(core, request);
    return;
  }
  request.phase = "draining";
  core.peerAliases.drain(subscriber.trackAlias, request.stream);
  if (allStreamsEnded(request)) {
    endDone(core, request);
    return;
  }
  const { objectDeliveryTimeoutMs = 0, subgroupDeliveryTimeoutMs = 0 } = request.message.parameters;
  const wanted = Math.max(DRAIN_MS, Number(objectDeliveryTimeoutMs), Number(subgroupDeliveryTimeoutMs));
  core.setTimer("drain", Math.min(wanted, MAX_DRAIN_MS), request.stream);
}

/**
 * More streams than counted are let pass: §10.11 leaves it to us, relays that others wrote have been seen to count loosely, and what
 * comes later is dropped anyway.
 */
function allStreamsEnded({ subscriber }: RequestState): boolean {
  if (!subscriber?.done) return false;
  if (subscriber.streamsEnded < subscriber.streamsStarted) return false;
  if (subscriber.drained) return true;
  const count = subscriber.done.streamCount;
  return count !== UNCOUNTED && subscriber.streamsEnded >= count;
}

function endDone(core: SessionCore, request: RequestState): void {
  const done = request.subscriber?.done;
  core.finish(request, done ? { cause: "done", done } : { cause: "finished" });
}

export function onData(
  core: SessionCore,
  input: Extract<SessionInput, { type: "data-started" | "data-ended" }>,
): void {
  const request = core.requests.get(input.stream);
  if (!request) return;
  const { subscriber } = request;
  if (subscriber) {
    if (input.type === "data-started") subscriber.streamsStarted++;
    else subscriber.streamsEnded++;
    if (input.type === "data-ended" && request.phase === "draining" && allStreamsEnded(request))
      endDone(core, request);
  } else if (request.ours && request.message.type === "fetch") {
    if (input.type === "data-started") {
      if (request.phase !== "pending") core.clearTimer("request", request.stream);
      request.fetchDataStarted = true;
      return;
    }
    if (input.error) {
      core.abort(request, CANCELLED, { cause: "failed", error: input.error });
      return;
    }
    request.fetchDataEnded = true;
    finishFetch(core, request);
  }
}

/** FIN of the peer's half. */
export function onFinished(core: SessionCore, stream: StreamHandle): void {
  const request = core.requests.get(stream);
  if (!request) return;
  request.peerFinished = true;
  const { type } = request.message;
  if (!request.ours) {
    switch (type) {
      case "publish-namespace":
      case "subscribe-namespace":
      case "subscribe-tracks":
        // §6.1: closing the stream withdraws it; the same is done for announcements.
        core.finish(request, { cause: "cancelled-by-peer" });
        return;
      case "publish":
        if (request.phase !== "draining") core.finish(request, { cause: "finished" });
        return;
      default:
        // SUBSCRIBE, FETCH, TRACK_STATUS: the peer will not update it; our answer is still wanted.
        return;
    }
  }
  if (request.phase === "pending") {
    const error = new CountersignError(
      "stream-truncated",
      `The peer ended the stream of ${type} without an answer.`,
      {
        section: "draft-ietf-moq-transport-18 §3.3.2",
      },
    );
    core.finish(request, { cause: "failed", error });
    return;
  }
  // A fetch goes on until its objects came; a subscription after PUBLISH_DONE until its streams have ended.
  if (type === "fetch" || request.phase === "draining") return;
  core.finish(request, { cause: "finished" });
}

export function onCancelled(core: SessionCore, stream: StreamHandle, code: number | undefined): void {
  const request = core.requests.get(stream);
  if (!request) return;
  // §10.11: PUBLISH_DONE was the last word; what follows on its stream changes nothing.
  if (request.phase === "draining") return;
  const error = new CountersignError("stream-reset", `The peer cancelled ${request.message.type}.`, {
    section: "draft-ietf-moq-transport-18 §3.3.2",
    ...(code !== undefined && { protocolCode: code }),
  });
  core.abort(request, CANCELLED, { cause: "cancelled-by-peer", error });
}

export function onTimer(core: SessionCore, timer: TimerName, stream: StreamHandle | undefined): void {
  const request = stream === undefined ? undefined : core.requests.get(stream);
  switch (timer) {
    case "setup":
      if (core.phase !== "waiting") return;
      throw new CountersignError("connect-timeout", "The peer opened a session but sent no SETUP.", {
        protocolCode: sessionErrors["control-message-timeout"],
        section: "draft-ietf-moq-transport-18 §3.3",
        hint: "The address answers WebTransport, but perhaps not MOQT of this version.",
      });
    case "goaway":
      if (request) {
        core.abort(request, streamResets["going-away"], { cause: "cancelled-by-us" });
        return;
      }
      if (core.requests.size > 0) {
        core.close({ code: sessionErrors["goaway-timeout"], reason: "", byUs: true, tellPeer: true });
      } else core.close({ code: sessionErrors["no-error"], reason: "", byUs: true, tellPeer: true });
      return;
    case "request": {
      if (!request || !awaitsPeer(request)) return;
      const error = new CountersignError(
        "request-timeout",
        `The peer did not answer ${request.message.type} in time.`,
        {
          hint: "The relay may be overloaded, or waiting for a publisher that is not there.",
        },
      );
      core.abort(request, CANCELLED, { cause: "timeout", error });
      return;
    }
    case "drain":
      if (!request?.subscriber) return;
      request.subscriber.drained = true;
      if (allStreamsEnded(request)) endDone(core, request);
  }
}

export function sendDone(core: SessionCore, input: Extract<SessionInput, { type: "done" }>): void {
  const request = core.requests.get(input.stream);
  if (!request?.publisher) return;
  core.act({ type: "send", stream: input.stream, message: { type: "publish-done", ...input.done } });
  core.finish(request, { cause: "finished" });
}
