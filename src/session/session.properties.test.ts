/** A hostile peer and a careless application, in any order: the machine stays legal or is closed with a code. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { everyCodec } from "../wire/every-codec.ts";
import type { ControlMessage, RequestMessage } from "../wire/messages.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { PeerRequestIds } from "./request-ids.ts";
import { Session } from "./session.ts";
import type { SessionAction, SessionInput } from "./types.ts";

const namespaces = [namespaceOf("a"), namespaceOf("a", "b"), namespaceOf("."), []];
const namespace = fc.constantFrom(...namespaces);
const track = fc.constantFrom(trackOf(namespaceOf("a"), "x"), trackOf(namespaceOf("a", "b"), "y"));
const small = fc.nat({ max: 6 });
const location = fc.record({ group: small, object: small });
const tokens = fc.array(
  fc.oneof(
    fc.record({
      alias: fc.constant("register" as const),
      tokenAlias: small,
      tokenType: small,
      value: fc.uint8Array(),
    }),
    fc.record({ alias: fc.constantFrom("use-alias" as const, "delete" as const), tokenAlias: small }),
  ),
  { maxLength: 2 },
);
const parameters = fc.record(
  {
    forward: fc.boolean(),
    largestObject: location,
    trackNamespacePrefix: namespace,
    authorizationTokens: tokens,
    filter: fc.constantFrom({ type: "largest-object" } as const, { type: "next-group-start" } as const),
  },
  { requiredKeys: [] },
);
const properties = fc.constantFrom([], [{ type: 0x4001, value: 1 }]);
const requestId = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 40 }) },
  { weight: 1, arbitrary: fc.constant(2n ** 63n) },
);
const uri = fc.constantFrom("", "https://x");

const request: fc.Arbitrary<RequestMessage> = fc.oneof(
  fc.record({
    type: fc.constantFrom("subscribe" as const, "track-status" as const),
    requestId,
    track,
    parameters,
  }),
  fc.record({
    type: fc.constant("publish" as const),
    requestId,
    track,
    trackAlias: small,
    parameters,
    trackProperties: properties,
  }),
  fc.record({
    type: fc.constant("fetch" as const),
    requestId,
    parameters,
    range: fc.oneof(
      fc.record({ kind: fc.constant("standalone" as const), track, start: location, end: location }),
      fc.record({
        kind: fc.constantFrom("relative-joining" as const, "absolute-joining" as const),
        joiningRequestId: requestId,
        joiningStart: small,
      }),
    ),
  }),
  fc.record({ type: fc.constant("publish-namespace" as const), requestId, namespace, parameters }),
  fc.record({
    type: fc.constantFrom("subscribe-namespace" as const, "subscribe-tracks" as const),
    requestId,
    prefix: namespace,
    parameters,
  }),
);

const message: fc.Arbitrary<ControlMessage> = fc.oneof(
  request,
  fc.record({ type: fc.constant("setup" as const) }),
  fc.record({ type: fc.constant("goaway" as const), newSessionUri: uri, timeoutMs: small, requestId }),
  fc.record({ type: fc.constant("request-ok" as const), parameters, trackProperties: properties }),
  fc.record({
    type: fc.constant("request-error" as const),
    errorCode: small,
    retryInterval: small,
    reason: fc.constant(""),
  }),
  fc.record({
    type: fc.constant("subscribe-ok" as const),
    trackAlias: small,
    parameters,
    trackProperties: properties,
  }),
  fc.record({ type: fc.constant("request-update" as const), requestId, parameters }),
  fc.record({
    type: fc.constant("publish-done" as const),
    statusCode: small,
    streamCount: small,
    reason: fc.constant(""),
  }),
  fc.record({
    type: fc.constant("fetch-ok" as const),
    endOfTrack: fc.boolean(),
    end: location,
    parameters,
    trackProperties: properties,
  }),
  fc.record({ type: fc.constantFrom("namespace" as const, "namespace-done" as const), suffix: namespace }),
  fc.record({
    type: fc.constant("publish-blocked" as const),
    suffix: namespace,
    name: fc.uint8Array({ maxLength: 2 }),
  }),
);

const stream = fc.nat({ max: 7 });
/** What a correct driver with a careless application feeds. Messages that cannot answer a request are filtered by the test itself. */
const input: fc.Arbitrary<SessionInput> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ type: fc.constant("control-message" as const), message }) },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("request-opened" as const), stream, message: request }),
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("request-message" as const), stream, message }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("request-finished" as const), stream }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("request-cancelled" as const), stream }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom("data-started" as const, "data-ended" as const), stream }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("timer" as const),
      timer: fc.constantFrom("request" as const, "drain" as const, "goaway" as const),
      stream,
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("open" as const), stream, request }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("answer-update" as const), stream, parameters }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("refuse" as const, "refuse-update" as const),
      stream,
      refusal: fc.constant({ errorCode: 1, retryInterval: 0, reason: "" }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("fetch-served" as const), stream, complete: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), stream, code: small }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("done" as const),
      stream,
      done: fc.constant({ statusCode: 0, streamCount: 0, reason: "" }),
    }),
  },
);

/** Answers what the application was asked, now and then: choices decide. */
function answer(message: RequestMessage): Extract<SessionInput, { type: "respond" }>["response"] {
  if (message.type === "subscribe") return { type: "subscribe-ok", parameters: {}, trackProperties: [] };
  if (message.type === "fetch") {
    return {
      type: "fetch-ok",
      endOfTrack: false,
      end: { group: 9, object: 0 },
      parameters: {},
      trackProperties: [],
    };
  }
  return { type: "request-ok", parameters: {}, trackProperties: [] };
}

/** Most ids are made legal, or nearly every run would end at its first request. */
function withLegalId(input: SessionInput, fresh: number): SessionInput {
  if (input.type !== "request-opened" && input.type !== "request-message") return input;
  const { message } = input;
  if (!("requestId" in message) || message.type === "goaway" || message.requestId === 40) return input;
  return { ...input, message: { ...message, requestId: fresh } } as SessionInput;
}

test("any order of events leaves every request ended once, every set timer owned, and a close with a code", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("client" as const, "server" as const),
      fc.constantFrom(...everyCodec.filter(({ capabilities }) => capabilities.requestStreams)),
      fc.array(input, { maxLength: 60 }),
      fc.infiniteStream(fc.boolean()),
      (role, { capabilities }, inputs, choices) => {
        const session = new Session({ role, capabilities, requestTimeoutMs: 10, setupTimeoutMs: 10 });
        const live = new Set<number>();
        const used = new Set<number>();
        const waiting = new Map<number, RequestMessage>();
        let closed: Extract<SessionAction, { type: "closed" }> | undefined;
        const feed = (next: SessionInput) => {
          for (const action of session.handle(next)) {
            expect(closed === undefined || (action.type === "ended" && next.type === "open")).toBe(true);
            if (action.type === "requested") {
              expect(live.has(action.stream)).toBe(false);
              live.add(action.stream);
              waiting.set(action.stream, action.message);
            } else if (action.type === "ended") {
              expect(live.delete(action.stream)).toBe(true);
              waiting.delete(action.stream);
            } else if (action.type === "closed") closed = action;
            else if ("stream" in action && action.type === "accepted")
              expect(live.has(action.stream)).toBe(true);
          }
        };
        feed({ type: "start", setup: {} });
        feed({ type: "control-message", message: { type: "setup" } });
        inputs.forEach((next, at) => {
          // Handles are unique per request: the driver never gives one twice.
          let mapped = next;
          if (next.type === "open" || next.type === "request-opened") {
            mapped = { ...next, stream: at + 1000 };
            used.add(at + 1000);
            if (next.type === "open") live.add(at + 1000);
          } else if ("stream" in next && next.stream !== undefined) {
            mapped = { ...next, stream: [...used].at(-1 - (next.stream % 8)) ?? 0 } as SessionInput;
          }
          feed(withLegalId(mapped, role === "client" ? at * 2 + 1 : at * 2));
          const [asked] = waiting;
          if (asked && choices.next().value) {
            waiting.delete(asked[0]);
            feed({ type: "respond", stream: asked[0], response: answer(asked[1]) });
          }
        });
        feed({ type: "transport-closed" });
        expect(live.size).toBe(0);
        expect(session.openRequests).toBe(0);
        expect(closed).toBeDefined();
        if (closed?.tellPeer && closed.error) {
          expect(closed.error.protocolCode).toBe(closed.code);
          expect(closed.error.section).toContain("§");
        }
      },
    ),
    { numRuns: 2000, verbose: 1 },
  );
});

test("peer request ids are accepted exactly once whatever their order, like a set of all of them would", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 }), { maxLength: 80 }), (ids) => {
      const tracker = new PeerRequestIds("client");
      const model = new Set<number>();
      for (const id of ids) {
        const legal = id % 2 === 0 && !model.has(id);
        let accepted = true;
        try {
          tracker.use(id);
        } catch {
          accepted = false;
        }
        expect(accepted).toBe(legal);
        if (legal) model.add(id);
      }
    }),
  );
});
