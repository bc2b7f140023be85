/** The session machine alone, played by a hostile peer and a careless application. */
import { MAX_PEER_REQUESTS, MAX_WAITING_JOINS, MAX_WAITING_UPDATES } from "../../session/limits.ts";
import { Session } from "../../session/session.ts";
import type {
  RequestBody,
  ResponseBody,
  Role,
  SessionAction,
  SessionInput,
  StreamHandle,
} from "../../session/types.ts";
import { everyCodec } from "../../wire/every-codec.ts";
import type { ControlMessage, RequestMessage } from "../../wire/messages.ts";
import type { Chance } from "./chance.ts";
import type { FuzzTarget } from "./engine.ts";
import { demand } from "./judge.ts";
import {
  fewValues,
  location,
  MESSAGE_TYPES,
  messageOf,
  parametersOf,
  REQUEST_TYPES,
  type Values,
} from "./messages.ts";

const MAX_STEPS = 80;

const withRequestStreams = everyCodec.filter(({ capabilities }) => capabilities.requestStreams);

/** What holds of any session, whatever is fed to it; checked with every action. */
class Watch {
  readonly session: Session;
  readonly values: Values;
  /** Requests the driver knows of, and those that wait for the application's answer. */
  readonly live = new Set<StreamHandle>();
  readonly asked = new Map<StreamHandle, RequestMessage>();
  readonly timers = new Set<string>();
  streams: StreamHandle[] = [];
  closed: Extract<SessionAction, { type: "closed" }> | undefined;
  #next = 0;
  #peerId: number;

  constructor(chance: Chance, role: Role) {
    const { capabilities } = chance.pick(withRequestStreams);
    this.session = new Session({ role, capabilities, requestTimeoutMs: 10_000, setupTimeoutMs: 5_000 });
    this.values = fewValues(chance, capabilities.rangeFilters);
    this.#peerId = role === "client" ? 1 : 0;
  }

  newStream(): StreamHandle {
    const stream = this.#next++;
    this.streams.push(stream);
    if (this.streams.length > 8) this.streams.shift();
    return stream;
  }

  /** Mostly the next legal id, or nearly every session would end at its first request. */
  peerId(): number {
    const id = this.#peerId;
    this.#peerId += 2;
    return this.values.chance.maybe(0.98) ? id : this.values.chance.below(20);
  }

  feed(input: SessionInput): void {
    for (const action of this.session.handle(input)) this.#check(action, input);
    demand(
      this.session.openRequests <= MAX_PEER_REQUESTS + this.live.size,
      "requests are held without limit",
    );
  }

  #check(action: SessionAction, input: SessionInput): void {
    demand(
      this.closed === undefined || (action.type === "ended" && input.type === "open"),
      `${action.type} came after the end`,
    );
    switch (action.type) {
      case "requested":
        demand(!this.live.has(action.stream), "a request was handed out twice");
        this.live.add(action.stream);
        this.asked.set(action.stream, action.message);
        return;
      case "ended":
        demand(this.live.delete(action.stream), "a request ended that was not there, or ended twice");
        this.asked.delete(action.stream);
        return;
      case "accepted":
      case "updated":
      case "update-answered":
        demand(this.live.has(action.stream), `${action.type} of a request that is over`);
        return;
      case "set-timer":
        demand(Number.isFinite(action.delayMs) && action.delayMs >= 0, `a timer of ${action.delayMs} ms`);
        this.timers.add(`${action.timer} ${action.stream ?? ""}`);
        return;
      case "clear-timer":
        this.timers.delete(`${action.timer} ${action.stream ?? ""}`);
        return;
      case "closed":
        this.closed = action;
        if (action.byUs && action.error) {
          demand(action.error.section?.includes("§") === true, `${action.error.message} names no section`);
        }
    }
  }
}

function peerMessage(watch: Watch): ControlMessage {
  const message = messageOf(watch.values, watch.values.chance.pick(MESSAGE_TYPES));
  return "requestId" in message && message.type !== "goaway"
    ? { ...message, requestId: watch.peerId() }
    : message;
}

/** A message that can stand where it comes, which random ones seldom do. */
function likelyMessage(watch: Watch): ControlMessage {
  const type = watch.values.chance.pick([
    "request-ok",
    "subscribe-ok",
    "fetch-ok",
    "request-update",
    "namespace",
  ] as const);
  const message = messageOf(watch.values, type);
  if (message.type === "request-update") return { ...message, requestId: watch.peerId() };
  if (message.type === "request-ok") {
    const parameters = watch.values.chance.maybe() ? {} : message.parameters;
    return { ...message, parameters, trackProperties: [] };
  }
  return message;
}

function response(values: Values, request: RequestMessage): ResponseBody {
  if (request.type === "subscribe") {
    return { type: "subscribe-ok", parameters: parametersOf(values, "subscribe-ok"), trackProperties: [] };
  }
  if (request.type === "fetch") {
    return {
      type: "fetch-ok",
      endOfTrack: false,
      end: location(values),
      parameters: {},
      trackProperties: [],
    };
  }
  const largest = values.chance.maybe() ? { largestObject: location(values) } : {};
  return { type: "request-ok", parameters: largest, trackProperties: [] };
}

/** One thing that happens: mostly the peer's doing. */
function step(watch: Watch, role: Role): void {
  const { values } = watch;
  const { chance } = values;
  const stream = watch.streams.length > 0 ? chance.pick(watch.streams) : 0;
  const refusal = { errorCode: chance.below(8), retryInterval: chance.below(3), reason: "" };
  switch (chance.below(20)) {
    case 0:
      watch.feed({
        type: "control-message",
        message: chance.maybe(0.9) ? messageOf(values, "goaway") : peerMessage(watch),
      });
      return;
    case 1:
    case 2:
    case 3:
    case 4: {
      const message = { ...messageOf(values, chance.pick(REQUEST_TYPES)), requestId: watch.peerId() };
      watch.feed({ type: "request-opened", stream: watch.newStream(), message });
      return;
    }
    case 5:
    case 6:
    case 7:
      watch.feed({ type: "request-message", stream, message: likelyMessage(watch) });
      return;
    case 8:
      watch.feed({ type: "request-message", stream, message: peerMessage(watch) });
      return;
    case 9:
      watch.feed({ type: chance.maybe() ? "request-finished" : "request-cancelled", stream });
      return;
    case 10:
      watch.feed({ type: chance.maybe() ? "data-started" : "data-ended", stream });
      return;
    case 11: {
      const timers = [...watch.timers];
      if (timers.length === 0) return;
      const [timer, of] = chance.pick(timers).split(" ") as ["request", string];
      watch.timers.delete(`${timer} ${of}`);
      watch.feed({ type: "timer", timer, ...(of !== "" && { stream: Number(of) }) });
      return;
    }
    case 12:
    case 13: {
      const { requestId: _, ...request } = messageOf(values, chance.pick(REQUEST_TYPES));
      const opened = watch.newStream();
      watch.live.add(opened);
      watch.feed({ type: "open", stream: opened, request: request as RequestBody });
      return;
    }
    case 14:
    case 15: {
      const [asked] = watch.asked;
      if (!asked) return;
      watch.asked.delete(asked[0]);
      watch.feed({ type: "respond", stream: asked[0], response: response(values, asked[1]) });
      return;
    }
    case 16:
      watch.asked.delete(stream);
      watch.feed({ type: "refuse", stream, refusal });
      return;
    case 17:
      watch.feed(
        chance.maybe(0.8)
          ? { type: "answer-update", stream, parameters: { largestObject: location(values) } }
          : { type: "refuse-update", stream, refusal },
      );
      return;
    case 18: {
      const done = { statusCode: chance.below(7), streamCount: chance.below(3), reason: "" };
      if (chance.maybe()) {
        watch.feed({ type: "done", stream, done });
        return;
      }
      watch.feed({ type: "fetch-served", stream, complete: chance.maybe() });
      return;
    }
    default:
      if (chance.maybe(0.3)) {
        const newUri = role === "server" ? values.text() : "";
        watch.feed({ type: "goaway", newUri, timeoutMs: chance.below(100) });
        return;
      }
      watch.feed({ type: "cancel", stream, code: chance.below(8) });
      return;
  }
}

/** More updates, joins and requests than are held: the caps must end it, not the memory. */
function flood(watch: Watch): void {
  const { values } = watch;
  const stream = watch.newStream();
  const subscribe = { ...messageOf(values, "subscribe"), requestId: watch.peerId() };
  watch.feed({ type: "request-opened", stream, message: subscribe });
  const join = values.chance.maybe();
  let handedOut = 0;
  for (let i = 0; i < Math.max(MAX_WAITING_JOINS, MAX_WAITING_UPDATES) + 10 && !watch.closed; i++) {
    const requestId = watch.peerId();
    if (!join) {
      watch.feed({
        type: "request-message",
        stream,
        message: { type: "request-update", requestId, parameters: {} },
      });
      continue;
    }
    const before = watch.asked.size;
    const range = {
      kind: "relative-joining",
      joiningRequestId: subscribe.requestId,
      joiningStart: 0,
    } as const;
    watch.feed({
      type: "request-opened",
      stream: watch.newStream(),
      message: { type: "fetch", requestId, range, parameters: {} },
    });
    handedOut += watch.asked.size - before;
  }
  demand(join || watch.closed !== undefined || !watch.live.has(stream), "updates are held without limit");
  // Negative when the flood ended the session.
  demand(handedOut <= 0, "a joining fetch was handed out before its subscription was answered");
}

export const sessionTarget: FuzzTarget = {
  name: "session machine",
  run(chance) {
    const role = chance.pick(["client", "server"] as const);
    const watch = new Watch(chance, role);
    watch.feed({ type: "start", setup: {} });
    if (chance.maybe(0.98)) watch.feed({ type: "control-message", message: { type: "setup" } });
    for (let left = chance.below(MAX_STEPS); left > 0; left--) step(watch, role);
    if (chance.maybe(0.05)) flood(watch);
    watch.feed({ type: "transport-closed" });
    demand(watch.closed !== undefined, "the session did not end");
    demand(watch.live.size === 0, `${watch.live.size} requests never ended`);
    demand(watch.session.openRequests === 0, "requests are left");
  },
};
