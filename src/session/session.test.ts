import { describe, expect, test } from "vitest";
import { sessionErrors } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import { namespaceOf } from "../wire/names.ts";
import { MAX_RETIRED_ALIASES } from "./limits.ts";
import { audio, Bench, broadcast, requestError, requestOk, video } from "./session.fixture.ts";

const VIOLATION = sessionErrors["protocol-violation"];
const subscribeOk = (trackAlias: number): ControlMessage => ({
  type: "subscribe-ok",
  trackAlias,
  parameters: {},
  trackProperties: [],
});
const done = (streamCount: number | bigint): ControlMessage => ({
  type: "publish-done",
  statusCode: 2,
  streamCount,
  reason: "",
});

describe("setting up (§3.3, §10.3)", () => {
  test("our SETUP goes out at once and the session opens with the peer's", () => {
    const bench = new Bench("client", { setup: false });
    expect(bench.last("send-control")?.message.type).toBe("setup");
    expect(bench.all("open")).toHaveLength(0);
    bench.do({ type: "control-message", message: { type: "setup", implementation: "other" } });
    expect(bench.last("open")?.setup.implementation).toBe("other");
  });

  test("a control stream that begins with anything else closes the session", () => {
    const bench = new Bench("client", { setup: false });
    bench.do({
      type: "control-message",
      message: { type: "goaway", newSessionUri: "", timeoutMs: 0, requestId: 0 },
    });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§3.3" });
  });

  test("a second SETUP closes the session", () => {
    const bench = new Bench("client");
    bench.do({ type: "control-message", message: { type: "setup" } });
    expect(bench.closing?.code).toBe(VIOLATION);
  });

  test("PATH and AUTHORITY may not be used over WebTransport", () => {
    const path = new Bench("server", { setup: false });
    path.do({ type: "control-message", message: { type: "setup", path: "/x" } });
    expect(path.closing).toMatchObject({ code: sessionErrors["invalid-path"], section: "§10.3.1.2" });
    const authority = new Bench("server", { setup: false });
    authority.do({ type: "control-message", message: { type: "setup", authority: "x" } });
    expect(authority.closing).toMatchObject({
      code: sessionErrors["invalid-authority"],
      section: "§10.3.1.1",
    });
  });

  test("a peer that sends no SETUP in time loses the session", () => {
    const bench = new Bench("client", { setup: false });
    expect(bench.last("set-timer")).toMatchObject({ timer: "setup", delayMs: 5000 });
    bench.do({ type: "timer", timer: "setup" });
    expect(bench.closing).toMatchObject({ code: sessionErrors["control-message-timeout"] });
    expect(bench.closing?.error?.code).toBe("connect-timeout");
  });

  test("the end of the control stream ends the session", () => {
    const bench = new Bench("client");
    bench.do({ type: "control-ended" });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§3.3" });
  });

  test("a request message on the control stream closes the session", () => {
    const bench = new Bench("client");
    bench.do({ type: "control-message", message: requestOk });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10" });
  });
});

describe("request ids (§10.1)", () => {
  test("clients count up from 0, servers from 1, by two, updates included", () => {
    for (const [role, first] of [
      ["client", 0],
      ["server", 1],
    ] as const) {
      const bench = new Bench(role);
      const stream = bench.subscribed();
      bench.do({ type: "update", stream, parameters: { forward: false } });
      bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
      expect(bench.all("open-request").map((action) => action.message.requestId)).toEqual([first, first + 4]);
      expect(bench.sent(stream)).toMatchObject({ type: "request-update", requestId: first + 2 });
    }
  });

  test("the wrong parity closes the session", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe", track: video, requestId: 1 });
    expect(bench.closing).toMatchObject({ code: sessionErrors["invalid-request-id"], section: "§10.1" });
  });

  test("a duplicate closes the session, also when it fills no hole", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe", track: video, requestId: 4 });
    bench.peerRequest({ type: "subscribe", track: audio, requestId: 0 });
    expect(bench.closing).toBeUndefined();
    bench.peerRequest({ type: "publish-namespace", namespace: broadcast, requestId: 4 });
    expect(bench.closing).toMatchObject({ code: sessionErrors["invalid-request-id"], section: "§10.1" });
  });

  test("ids that overtook each other are accepted once each", () => {
    const bench = new Bench("server");
    for (const requestId of [8, 2, 6, 0, 4]) {
      bench.peerRequest({ type: "track-status", track: video, requestId });
    }
    expect(bench.all("requested")).toHaveLength(5);
    bench.peerRequest({ type: "track-status", track: video, requestId: 2 });
    expect(bench.closing?.code).toBe(sessionErrors["invalid-request-id"]);
  });
});

describe("request streams (§3.3, §10)", () => {
  test("one that begins with a response closes the session", () => {
    const bench = new Bench("client");
    bench.do({ type: "request-opened", stream: 1, message: requestOk });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§3.3" });
  });

  test("a second request on one stream closes the session", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe", track: video });
    bench.says(stream, { type: "subscribe", requestId: bench.nextPeerId, track: audio, parameters: {} });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10" });
  });

  test.each([
    ["publish-namespace", "subscribe-ok"],
    ["subscribe", "request-ok"],
    ["subscribe", "fetch-ok"],
  ] as const)("%s answered by %s closes the session", (type, answer) => {
    const bench = new Bench("client");
    const stream =
      type === "subscribe"
        ? bench.subscribe()
        : bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
    const answers: Record<typeof answer, ControlMessage> = {
      "subscribe-ok": subscribeOk(1),
      "request-ok": requestOk,
      "fetch-ok": {
        type: "fetch-ok",
        endOfTrack: false,
        end: { group: 1, object: 0 },
        parameters: {},
        trackProperties: [],
      },
    };
    bench.says(stream, answers[answer]);
    expect(bench.closing?.code).toBe(VIOLATION);
    expect(bench.ended(stream)).toHaveLength(1);
  });

  test("a request without an answer in time is cancelled, with a longer wait when a relay was asked to wait", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe(video, { rendezvousTimeoutMs: 4000 });
    expect(bench.last("set-timer")).toMatchObject({ timer: "request", stream, delayMs: 14_000 });
    bench.do({ type: "timer", timer: "request", stream });
    expect(bench.last("abort")).toMatchObject({ stream });
    expect(bench.ended(stream)[0]?.end).toMatchObject({
      cause: "timeout",
      error: { code: "request-timeout" },
    });
  });

  test("messages that cross our cancel are ignored", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe();
    bench.do({ type: "cancel", stream, code: 1 });
    expect(bench.says(stream, subscribeOk(3))).toEqual([]);
    expect(bench.ended(stream)).toHaveLength(1);
  });

  test("a FIN instead of an answer fails the request, not the session", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe();
    bench.do({ type: "request-finished", stream });
    expect(bench.ended(stream)[0]?.end.error?.code).toBe("stream-truncated");
    expect(bench.closing).toBeUndefined();
  });
});

describe("subscriptions as a subscriber (§5.1)", () => {
  test("REQUEST_ERROR ends it with the peer's code and the retry interval", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe();
    bench.says(stream, requestError(0x10, 501));
    expect(bench.ended(stream)[0]?.end).toMatchObject({
      cause: "refused",
      error: { code: "request-rejected", protocolCode: 0x10 },
      refusal: { retryInterval: 501 },
    });
    expect(bench.last("finish")).toMatchObject({ stream });
  });

  test("a second answer closes the session", () => {
    const bench = new Bench("client");
    bench.says(bench.subscribed(), subscribeOk(9));
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§5.1" });
    const other = new Bench("client");
    other.says(other.subscribed(), requestOk);
    expect(other.closing).toMatchObject({ code: VIOLATION, section: "§5.1" });
  });

  test("an alias in use for another track closes the session with DUPLICATE_TRACK_ALIAS", () => {
    const bench = new Bench("client");
    bench.subscribed(video, 7);
    bench.subscribed(audio, 7);
    expect(bench.closing).toMatchObject({ code: sessionErrors["duplicate-track-alias"], section: "§11.1" });
  });

  test("an alias is known from SUBSCRIBE_OK on, and its stragglers are discarded after the end", () => {
    const bench = new Bench("client");
    expect(bench.session.route(7)).toEqual({ kind: "unknown" });
    const stream = bench.subscribed(video, 7);
    expect(bench.session.route(7)).toEqual({ kind: "subscription", stream });
    bench.do({ type: "cancel", stream, code: 1 });
    expect(bench.session.route(7)).toEqual({ kind: "discard" });
    const again = bench.subscribed(video, 7);
    expect(bench.session.route(7)).toEqual({ kind: "subscription", stream: again });
  });

  test("an alias may name another track as soon as PUBLISH_DONE came, while late streams of the first still count", () => {
    const bench = new Bench("client");
    const first = bench.subscribed(video, 7);
    bench.do({ type: "data-started", stream: first });
    bench.says(first, done(1));
    const second = bench.subscribed(audio, 7);
    expect(bench.closing).toBeUndefined();
    bench.do({ type: "data-ended", stream: first });
    expect(bench.ended(first)).toHaveLength(1);
    expect(bench.session.route(7)).toEqual({ kind: "subscription", stream: second });
  });

  test("of ended aliases only so many are remembered", () => {
    const bench = new Bench("client");
    for (let alias = 0; alias <= MAX_RETIRED_ALIASES; alias++) {
      bench.do({ type: "cancel", stream: bench.subscribed(video, alias), code: 1 });
    }
    expect(bench.session.route(0)).toEqual({ kind: "unknown" });
    expect(bench.session.route(1)).toEqual({ kind: "discard" });
  });

  test("PUBLISH_DONE ends it when as many streams have ended as were opened", () => {
    const bench = new Bench("client");
    const stream = bench.subscribed();
    bench.do({ type: "data-started", stream });
    bench.says(stream, done(2));
    expect(bench.ended(stream)).toHaveLength(0);
    bench.do({ type: "data-ended", stream });
    expect(bench.ended(stream)).toHaveLength(0);
    bench.do({ type: "data-started", stream });
    bench.do({ type: "data-ended", stream });
    expect(bench.ended(stream)[0]?.end).toMatchObject({ cause: "done", done: { statusCode: 2 } });
  });

  test("PUBLISH_DONE with a count that never comes true ends it by the timer, once no stream is open", () => {
    const bench = new Bench("client");
    const stream = bench.subscribed();
    bench.do({ type: "data-started", stream });
    bench.says(stream, done(2n ** 62n - 1n));
    expect(bench.last("set-timer")).toMatchObject({ timer: "drain", stream });
    bench.do({ type: "timer", timer: "drain", stream });
    expect(bench.ended(stream)).toHaveLength(0);
    bench.do({ type: "data-ended", stream });
    expect(bench.ended(stream)).toHaveLength(1);
  });

  test("a message after PUBLISH_DONE closes the session", () => {
    const bench = new Bench("client");
    const stream = bench.subscribed();
    bench.says(stream, done(1));
    bench.says(stream, done(1));
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10.11" });
  });

  test("a track with a mandatory property we do not know is cancelled", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe();
    bench.says(stream, {
      ...subscribeOk(1),
      trackProperties: [{ type: 0x4000, value: 1 }],
    } as ControlMessage);
    expect(bench.last("abort")).toMatchObject({ stream });
    expect(bench.ended(stream)[0]?.end.error).toMatchObject({ protocolCode: 0x33 });
  });

  test("a second subscription to a track is refused here, before the peer has to", () => {
    const bench = new Bench("client");
    bench.subscribed(video);
    const second = bench.subscribe(video);
    expect(bench.ended(second)[0]?.end.error).toMatchObject({ protocolCode: 0x19 });
    expect(bench.all("open-request")).toHaveLength(1);
  });
});

describe("updates (§10.9)", () => {
  test("answers go to the updates in the order they were sent", () => {
    const bench = new Bench("client");
    const stream = bench.subscribed();
    bench.do({ type: "update", stream, parameters: { forward: false } });
    bench.do({ type: "update", stream, parameters: { forward: true } });
    bench.says(stream, requestOk);
    bench.says(stream, {
      type: "request-ok",
      parameters: { largestObject: { group: 3, object: 1 } },
      trackProperties: [],
    });
    expect(bench.all("update-answered").map(({ message }) => message.type)).toEqual([
      "request-ok",
      "request-ok",
    ]);
    bench.says(stream, requestOk);
    expect(bench.closing?.code).toBe(VIOLATION);
  });

  test("REQUEST_OK may only carry what its request allows", () => {
    const bench = new Bench("client");
    const stream = bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
    bench.says(stream, { type: "request-ok", parameters: { expiresMs: 5 }, trackProperties: [] });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10.2.1" });
    const other = new Bench("client");
    const second = other.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
    other.says(second, { type: "request-ok", parameters: {}, trackProperties: [{ type: 2, value: 1 }] });
    expect(other.closing).toMatchObject({ code: VIOLATION, section: "§10.5" });
  });

  test("the peer may not update a TRACK_STATUS, nor a SUBSCRIBE of ours", () => {
    const status = new Bench("server");
    const asked = status.peerRequest({ type: "track-status", track: video });
    status.says(asked, { type: "request-update", requestId: status.nextPeerId, parameters: {} });
    expect(status.closing).toMatchObject({ code: VIOLATION, section: "§10.9" });
    const subscriber = new Bench("client");
    const stream = subscriber.subscribed();
    subscriber.says(stream, { type: "request-update", requestId: subscriber.nextPeerId, parameters: {} });
    expect(subscriber.closing).toMatchObject({ code: VIOLATION, section: "§10.9" });
  });

  test("an update that comes before our answer to the request waits for it", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe", track: video, parameters: { forward: false } });
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { forward: true },
    });
    expect(bench.all("updated")).toHaveLength(0);
    bench.do({
      type: "respond",
      stream,
      response: { type: "subscribe-ok", parameters: {}, trackProperties: [] },
    });
    expect(bench.last("updated")?.parameters).toEqual({ forward: true });
    expect(bench.session.publisher(stream)?.forward).toBe(false);
    bench.do({ type: "answer-update", stream, parameters: {} });
    expect(bench.session.publisher(stream)?.forward).toBe(true);
  });

  test("a refused update of a subscription ends it with PUBLISH_DONE UPDATE_FAILED", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe", track: video });
    bench.do({
      type: "respond",
      stream,
      response: { type: "subscribe-ok", parameters: {}, trackProperties: [] },
    });
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { forward: false },
    });
    bench.do({ type: "refuse-update", stream, refusal: { errorCode: 1, retryInterval: 0, reason: "" } });
    const sent = bench.all("send").map(({ message }) => message.type);
    expect(sent.slice(-2)).toEqual(["request-error", "publish-done"]);
    expect(bench.sent(stream)).toMatchObject({ statusCode: 0x8 });
    expect(bench.ended(stream)).toHaveLength(1);
  });
});

describe("namespaces (§6, §10.16 to §10.19)", () => {
  const open = (bench: Bench) =>
    bench.open({ type: "subscribe-namespace", prefix: namespaceOf("example.com"), parameters: {} });

  test("NAMESPACE and NAMESPACE_DONE are told, and the end of the stream withdraws what is left", () => {
    const bench = new Bench("client");
    const stream = open(bench);
    bench.says(stream, requestOk);
    for (const name of ["a", "b"]) bench.says(stream, { type: "namespace", suffix: namespaceOf(name) });
    bench.says(stream, { type: "namespace-done", suffix: namespaceOf("a") });
    expect(bench.all("namespace-removed")).toHaveLength(1);
    bench.do({ type: "request-finished", stream });
    expect(bench.all("namespace-removed")).toHaveLength(2);
    expect(bench.ended(stream)).toHaveLength(1);
  });

  test("NAMESPACE_DONE before its NAMESPACE closes the session", () => {
    const bench = new Bench("client");
    const stream = open(bench);
    bench.says(stream, requestOk);
    bench.says(stream, { type: "namespace-done", suffix: namespaceOf("a") });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10.18" });
  });

  test("anything before REQUEST_OK closes the session", () => {
    const bench = new Bench("client");
    bench.says(open(bench), { type: "namespace", suffix: namespaceOf("a") });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10.18" });
  });

  test("overlapping prefixes are refused with PREFIX_OVERLAP, each kind by itself", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("example.com") });
    const longer = bench.peerRequest({ type: "subscribe-namespace", prefix: broadcast });
    expect(bench.sent(longer)).toMatchObject({ type: "request-error", errorCode: 0x30 });
    const tracks = bench.peerRequest({ type: "subscribe-tracks", prefix: broadcast });
    const sibling = bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("example.org") });
    expect(bench.sent(tracks)).toBeUndefined();
    expect(bench.sent(sibling)).toBeUndefined();
    expect(bench.all("requested")).toHaveLength(3);
  });

  test("an update to a prefix that overlaps is refused and ends the request", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("a") });
    const stream = bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("b") });
    bench.do({
      type: "respond",
      stream,
      response: { type: "request-ok", parameters: {}, trackProperties: [] },
    });
    const trackNamespacePrefix = namespaceOf("a", "x");
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { trackNamespacePrefix },
    });
    expect(bench.sent(stream)).toMatchObject({ type: "request-error", errorCode: 0x30 });
    expect(bench.ended(stream)).toHaveLength(1);
  });

  test("PUBLISH_BLOCKED may only follow the REQUEST_OK of SUBSCRIBE_TRACKS", () => {
    const bench = new Bench("client");
    const stream = bench.open({ type: "subscribe-tracks", prefix: broadcast, parameters: {} });
    bench.says(stream, requestOk);
    bench.says(stream, { type: "publish-blocked", suffix: [], name: video.name });
    expect(bench.all("publish-blocked")).toHaveLength(1);
    bench.says(open(bench), { type: "publish-blocked", suffix: [], name: video.name });
    expect(bench.closing).toMatchObject({ code: VIOLATION, section: "§10.20" });
  });

  test("the namespaces . and .session are refused with DOES_NOT_EXIST, other reserved ones reach the application", () => {
    const bench = new Bench("server");
    for (const first of [".", ".session"]) {
      const stream = bench.peerRequest({ type: "publish-namespace", namespace: namespaceOf(first, "x") });
      expect(bench.sent(stream)).toMatchObject({ type: "request-error", errorCode: 0x10 });
    }
    bench.peerRequest({ type: "publish-namespace", namespace: namespaceOf(".other", "x") });
    expect(bench.all("requested")).toHaveLength(1);
  });
});

describe("GOAWAY (§10.4)", () => {
  const goaway = (requestId: number, newSessionUri = ""): ControlMessage => ({
    type: "goaway",
    newSessionUri,
    timeoutMs: 100,
    requestId,
  });

  test("after the peer's GOAWAY no request of ours goes out", () => {
    const bench = new Bench("client");
    bench.do({ type: "control-message", message: goaway(0, "https://other") });
    expect(bench.last("goaway")).toMatchObject({ newUri: "https://other", timeoutMs: 100 });
    const stream = bench.subscribe();
    expect(bench.ended(stream)[0]?.end.error?.code).toBe("session-going-away");
    expect(bench.all("open-request")).toHaveLength(0);
  });

  test("a second one closes the session, on the control stream and on a request stream", () => {
    const control = new Bench("client");
    for (let i = 0; i < 2; i++) control.do({ type: "control-message", message: goaway(0) });
    expect(control.closing).toMatchObject({ code: VIOLATION, section: "§10.4" });
    const request = new Bench("client");
    const stream = request.subscribed();
    request.says(stream, { type: "goaway", newSessionUri: "", timeoutMs: 0 });
    expect(request.closing).toBeUndefined();
    request.says(stream, { type: "goaway", newSessionUri: "", timeoutMs: 0 });
    expect(request.closing).toMatchObject({ code: VIOLATION, section: "§10.4" });
  });

  test("a client may not name a new session, and the request id has to be one of ours", () => {
    const server = new Bench("server");
    server.do({ type: "control-message", message: goaway(1, "https://other") });
    expect(server.closing).toMatchObject({ code: VIOLATION, section: "§10.4" });
    const parity = new Bench("client");
    parity.do({ type: "control-message", message: goaway(1) });
    expect(parity.closing).toMatchObject({ code: sessionErrors["invalid-request-id"], section: "§10.4" });
  });

  test("after ours, later requests of the peer are refused with GOING_AWAY and the timeout closes the session", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe", track: video });
    bench.do({ type: "goaway", newUri: "https://other", timeoutMs: 100 });
    expect(bench.last("send-control")?.message).toMatchObject({ type: "goaway", requestId: 2 });
    const late = bench.peerRequest({ type: "subscribe", track: audio });
    expect(bench.sent(late)).toMatchObject({ type: "request-error", errorCode: 0x6 });
    bench.do({ type: "timer", timer: "goaway" });
    expect(bench.closing?.code).toBe(sessionErrors["goaway-timeout"]);
  });
});

describe("the end of the session (§3.5)", () => {
  test("every open request ends once, with the cause; then nothing more comes", () => {
    const bench = new Bench("client");
    const streams = [
      bench.subscribed(),
      bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} }),
    ];
    bench.do({ type: "control-ended" });
    for (const stream of streams) {
      expect(bench.ended(stream).map(({ end }) => end.error?.code)).toEqual(["session-closed"]);
      expect(bench.ended(stream)[0]?.end.error?.section).toContain("§3.3");
    }
    expect(bench.do({ type: "control-message", message: { type: "setup" } })).toEqual([]);
    expect(bench.do({ type: "close", code: 0, reason: "" })).toEqual([]);
    const late = bench.subscribe();
    expect(bench.ended(late)[0]?.end.error?.code).toBe("session-closed");
  });
});
