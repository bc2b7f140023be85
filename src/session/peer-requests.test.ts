import { describe, expect, test } from "vitest";
import { sessionErrors } from "../wire/codes.ts";
import type { AuthToken, FetchRange, Parameters } from "../wire/messages.ts";
import { namespaceOf } from "../wire/names.ts";
import { MAX_PEER_REQUESTS, MAX_WAITING_JOINS } from "./limits.ts";
import { audio, Bench, requestOk, video } from "./session.fixture.ts";
import type { StreamHandle } from "./types.ts";

const INVALID_RANGE = 0x11;
const DUPLICATE_SUBSCRIPTION = 0x19;
const INVALID_JOINING_REQUEST_ID = 0x32;

/** The peer's subscription, accepted by us. Its request id is 0 when it is the first. */
function serve(
  bench: Bench,
  parameters: Parameters = {},
  largest?: { group: number; object: number },
): StreamHandle {
  const stream = bench.peerRequest({ type: "subscribe", track: video, parameters });
  accept(bench, stream, largest);
  return stream;
}

function accept(bench: Bench, stream: StreamHandle, largest?: { group: number; object: number }) {
  bench.do({
    type: "respond",
    stream,
    response: {
      type: "subscribe-ok",
      parameters: largest ? { largestObject: largest } : {},
      trackProperties: [],
    },
  });
}

function fetch(bench: Bench, range: FetchRange): StreamHandle {
  return bench.peerRequest({ type: "fetch", range });
}

const relative = (joiningStart: number, joiningRequestId = 0): FetchRange => ({
  kind: "relative-joining",
  joiningRequestId,
  joiningStart,
});

describe("joining fetches (§10.12.2)", () => {
  test("a relative one becomes the range from groups back up to the joining location", () => {
    const bench = new Bench("server");
    serve(bench, {}, { group: 10, object: 4 });
    fetch(bench, relative(3));
    expect(bench.last("requested")?.message).toMatchObject({
      range: {
        kind: "standalone",
        track: video,
        start: { group: 7, object: 0 },
        end: { group: 10, object: 5 },
      },
    });
  });

  test("an absolute one starts where it says, and is refused when that lies behind the end", () => {
    const bench = new Bench("server");
    serve(bench, {}, { group: 10, object: 4 });
    const absolute = (joiningStart: number): FetchRange => ({
      kind: "absolute-joining",
      joiningRequestId: 0,
      joiningStart,
    });
    fetch(bench, absolute(2));
    expect(bench.last("requested")?.message).toMatchObject({ range: { start: { group: 2, object: 0 } } });
    expect(bench.sent(fetch(bench, absolute(11)))).toMatchObject({ errorCode: INVALID_RANGE });
  });

  test("further back than the track began means from its beginning", () => {
    const bench = new Bench("server");
    serve(bench, {}, { group: 2, object: 0 });
    fetch(bench, relative(50));
    expect(bench.last("requested")?.message).toMatchObject({ range: { start: { group: 0, object: 0 } } });
  });

  test("it waits for a subscription that is not answered yet", () => {
    const bench = new Bench("server");
    const subscription = bench.peerRequest({ type: "subscribe", track: video });
    fetch(bench, relative(0));
    expect(bench.all("requested")).toHaveLength(1);
    accept(bench, subscription, { group: 1, object: 1 });
    expect(bench.all("requested")).toHaveLength(2);
  });

  test("it is refused when that subscription is refused, cancelled, or never was", () => {
    const bench = new Bench("server");
    const first = bench.peerRequest({ type: "subscribe", track: video });
    const one = fetch(bench, relative(0, 0));
    bench.do({ type: "refuse", stream: first, refusal: { errorCode: 0x10, retryInterval: 0, reason: "" } });
    const second = bench.peerRequest({ type: "subscribe", track: video, requestId: 100 });
    const two = fetch(bench, relative(0, 100));
    bench.do({ type: "request-cancelled", stream: second });
    const three = fetch(bench, relative(0, 998));
    for (const stream of [one, two, three]) {
      expect(bench.sent(stream)).toMatchObject({
        type: "request-error",
        errorCode: INVALID_JOINING_REQUEST_ID,
      });
    }
  });

  test("only so many wait for one subscription", () => {
    const bench = new Bench("server");
    bench.peerRequest({ type: "subscribe", track: video });
    for (let i = 0; i < MAX_WAITING_JOINS; i++) expect(bench.sent(fetch(bench, relative(i)))).toBeUndefined();
    expect(bench.sent(fetch(bench, relative(0)))).toMatchObject({ errorCode: 0x9 });
  });

  test("Forward State 0, or a track without objects, is refused with INVALID_RANGE", () => {
    const paused = new Bench("server");
    serve(paused, { forward: false }, { group: 1, object: 0 });
    expect(paused.sent(fetch(paused, relative(0)))).toMatchObject({ errorCode: INVALID_RANGE });
    const empty = new Bench("server");
    serve(empty);
    expect(empty.sent(fetch(empty, relative(0)))).toMatchObject({ errorCode: INVALID_RANGE });
  });

  test("resuming moves the joining location, and a fetch behind the update sees it", () => {
    const bench = new Bench("server");
    const stream = serve(bench, { forward: false }, { group: 1, object: 0 });
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { forward: true },
    });
    fetch(bench, relative(0));
    expect(bench.all("requested")).toHaveLength(1);
    bench.do({ type: "answer-update", stream, parameters: { largestObject: { group: 8, object: 2 } } });
    expect(bench.last("requested")?.message).toMatchObject({ range: { end: { group: 8, object: 3 } } });
  });
});

describe("subscriptions as a publisher (§5.1)", () => {
  test("each gets an alias of its own", () => {
    const bench = new Bench("server");
    serve(bench);
    const other = bench.peerRequest({ type: "subscribe", track: audio });
    accept(bench, other);
    const aliases = bench
      .all("send")
      .map(({ message }) => (message.type === "subscribe-ok" ? message.trackAlias : -1));
    expect(new Set(aliases).size).toBe(2);
  });

  test("a second SUBSCRIBE to the same track is refused with DUPLICATE_SUBSCRIPTION, until the first is over", () => {
    const bench = new Bench("server");
    const first = serve(bench);
    const second = bench.peerRequest({ type: "subscribe", track: video });
    expect(bench.sent(second)).toMatchObject({ errorCode: DUPLICATE_SUBSCRIPTION });
    bench.do({ type: "request-cancelled", stream: first });
    expect(bench.ended(first)[0]?.end.cause).toBe("cancelled-by-peer");
    expect(bench.sent(bench.peerRequest({ type: "subscribe", track: video }))).toBeUndefined();
  });

  test("a SUBSCRIBE to a track we have offered by PUBLISH is refused with DUPLICATE_SUBSCRIPTION", () => {
    const bench = new Bench("server");
    bench.open({ type: "publish", track: video, parameters: {}, trackProperties: [] });
    expect(bench.sent(bench.peerRequest({ type: "subscribe", track: video }))).toMatchObject({
      errorCode: DUPLICATE_SUBSCRIPTION,
    });
  });

  test.each([
    [undefined, { start: { group: 0, object: 0 }, endGroup: undefined }],
    [{ type: "largest-object" }, { start: { group: 5, object: 3 }, endGroup: undefined }],
    [{ type: "next-group-start" }, { start: { group: 6, object: 0 }, endGroup: undefined }],
    [
      { type: "absolute-range", start: { group: 1, object: 1 }, endGroup: 9 },
      { start: { group: 1, object: 1 }, endGroup: 9 },
    ],
  ] as const)(
    "the filter %j is fixed against the largest object when it is accepted (§5.1.2)",
    (filter, range) => {
      const bench = new Bench("server");
      const stream = serve(bench, filter ? { filter } : {}, { group: 5, object: 2 });
      expect(bench.session.publisher(stream)).toMatchObject(range);
    },
  );

  test("PUBLISH_OK sets what the subscriber wants; FORWARD left out means 1", () => {
    const bench = new Bench("server");
    const stream = bench.open({
      type: "publish",
      track: video,
      parameters: { forward: false },
      trackProperties: [],
    });
    expect(bench.session.publisher(stream)?.forward).toBe(false);
    bench.says(stream, requestOk);
    expect(bench.session.publisher(stream)?.forward).toBe(true);
  });

  test("answering twice, or with the wrong message, is the driver's fault and throws", () => {
    const bench = new Bench("server");
    const stream = serve(bench);
    expect(() => accept(bench, stream)).toThrow(RangeError);
    const other = bench.peerRequest({ type: "publish-namespace", namespace: namespaceOf("a") });
    expect(() => accept(bench, other)).toThrow(RangeError);
  });
});

describe("PUBLISH of the peer (§10.10)", () => {
  const publish = (bench: Bench, extra: object = {}) =>
    bench.peerRequest({ type: "publish", track: video, trackAlias: 5, trackProperties: [], ...extra });
  const ok = (bench: Bench, stream: StreamHandle) =>
    bench.do({
      type: "respond",
      stream,
      response: { type: "request-ok", parameters: {}, trackProperties: [] },
    });

  test("its objects wait until we have accepted it", () => {
    const bench = new Bench("server");
    const stream = publish(bench);
    expect(bench.session.route(5)).toEqual({ kind: "unknown" });
    ok(bench, stream);
    expect(bench.session.route(5)).toEqual({ kind: "subscription", stream });
  });

  test("when we refuse it, its objects are discarded", () => {
    const bench = new Bench("server");
    const stream = publish(bench);
    bench.do({ type: "refuse", stream, refusal: { errorCode: 0x20, retryInterval: 0, reason: "" } });
    expect(bench.session.route(5)).toEqual({ kind: "discard" });
  });

  test("a pending SUBSCRIBE of ours to the same track ends before PUBLISH_OK goes out", () => {
    const bench = new Bench("server");
    const pending = bench.subscribe(video);
    const stream = publish(bench);
    ok(bench, stream);
    const order = bench.actions
      .filter(({ type }) => type === "abort" || type === "send")
      .map(({ type }) => type);
    expect(order).toEqual(["abort", "send"]);
    expect(bench.ended(pending)).toHaveLength(1);
  });

  test("it is refused when we are subscribed already, or when it needs an extension we do not know", () => {
    const bench = new Bench("server");
    bench.subscribed(video, 3);
    expect(bench.sent(publish(bench))).toMatchObject({ errorCode: DUPLICATE_SUBSCRIPTION });
    const other = new Bench("server");
    expect(other.sent(publish(other, { trackProperties: [{ type: 0x7ffe, value: 0 }] }))).toMatchObject({
      errorCode: 0x33,
    });
  });

  test("an alias in use closes the session with DUPLICATE_TRACK_ALIAS", () => {
    const bench = new Bench("server");
    bench.subscribed(audio, 5);
    publish(bench);
    expect(bench.closing).toMatchObject({ code: sessionErrors["duplicate-track-alias"], section: "§11.1" });
  });
});

describe("authorization tokens (§10.2.2)", () => {
  const use = (bench: Bench, ...authorizationTokens: AuthToken[]) =>
    bench.peerRequest({ type: "track-status", track: video, parameters: { authorizationTokens } });
  const value = new Uint8Array([1, 2, 3]);

  test("a registered token is resolved wherever its alias is used, until it is deleted", () => {
    const bench = new Bench("server");
    use(bench, { alias: "register", tokenAlias: 1, tokenType: 9, value });
    use(bench, { alias: "use-alias", tokenAlias: 1 });
    expect(bench.last("requested")?.message.parameters.authorizationTokens).toEqual([
      { alias: "use-value", tokenType: 9, value },
    ]);
    use(bench, { alias: "delete", tokenAlias: 1 });
    expect(bench.closing).toBeUndefined();
    use(bench, { alias: "use-alias", tokenAlias: 1 });
    expect(bench.closing?.code).toBe(sessionErrors["unknown-auth-token-alias"]);
  });

  test("a token is registered even when its request is refused", () => {
    const bench = new Bench("server");
    const parameters = { authorizationTokens: [{ alias: "register", tokenAlias: 1, tokenType: 9, value }] };
    bench.peerRequest({ type: "publish-namespace", namespace: namespaceOf("."), parameters });
    use(bench, { alias: "use-alias", tokenAlias: 1 });
    expect(bench.closing).toBeUndefined();
  });

  test("an alias cannot be registered twice", () => {
    const bench = new Bench("server");
    use(bench, { alias: "register", tokenAlias: 1, tokenType: 9, value });
    use(bench, { alias: "register", tokenAlias: 1, tokenType: 9, value });
    expect(bench.closing?.code).toBe(sessionErrors["duplicate-auth-token-alias"]);
  });

  test("what exceeds the cache closes the session, but in SETUP it only is not kept", () => {
    const bench = new Bench("server", { setup: false });
    const big: AuthToken = { alias: "register", tokenAlias: 1, tokenType: 0, value: new Uint8Array(16_384) };
    bench.do({ type: "control-message", message: { type: "setup", authorizationTokens: [big] } });
    expect(bench.last("open")?.setup.authorizationTokens).toMatchObject([{ alias: "use-value" }]);
    use(bench, big);
    expect(bench.closing).toMatchObject({
      code: sessionErrors["auth-token-cache-overflow"],
      section: "§10.3.1.3",
    });
  });

  test("a deleted token makes room again", () => {
    const bench = new Bench("server");
    for (let i = 0; i < 4; i++) {
      use(bench, { alias: "register", tokenAlias: i, tokenType: 0, value: new Uint8Array(16_000) });
      use(bench, { alias: "delete", tokenAlias: i });
    }
    expect(bench.closing).toBeUndefined();
  });

  test("a client may not use or delete aliases in SETUP, and no message may carry a token twice", () => {
    const setup = new Bench("server", { setup: false });
    const authorizationTokens: AuthToken[] = [{ alias: "use-alias", tokenAlias: 1 }];
    setup.do({ type: "control-message", message: { type: "setup", authorizationTokens } });
    expect(setup.closing?.code).toBe(sessionErrors["protocol-violation"]);
    const twice = new Bench("server");
    use(
      twice,
      { alias: "use-value", tokenType: 1, value },
      { alias: "use-value", tokenType: 1, value: value.slice() },
    );
    expect(twice.closing?.code).toBe(sessionErrors["protocol-violation"]);
  });
});

describe("limits", () => {
  test("too many open requests are refused with EXCESSIVE_LOAD and a time to come back", () => {
    const bench = new Bench("server");
    for (let i = 0; i < MAX_PEER_REQUESTS; i++) bench.peerRequest({ type: "track-status", track: video });
    const stream = bench.peerRequest({ type: "track-status", track: video });
    expect(bench.sent(stream)).toMatchObject({ errorCode: 0x9, retryInterval: 1001 });
    expect(bench.session.openRequests).toBe(MAX_PEER_REQUESTS);
  });
});

describe("a second subscription to a track (§5.1)", () => {
  test("is refused while the first one stands", () => {
    const bench = new Bench("server");
    serve(bench);
    const second = bench.peerRequest({ type: "subscribe", track: video });
    expect(bench.sent(second)).toMatchObject({ type: "request-error", errorCode: DUPLICATE_SUBSCRIPTION });
  });

  test("takes the place of one whose half of the stream the peer has ended: it cancelled that by STOP_SENDING, which not every host tells us of", () => {
    const bench = new Bench("server");
    const first = serve(bench);
    bench.do({ type: "request-finished", stream: first });
    expect(bench.ended(first)).toEqual([]);
    const second = bench.peerRequest({ type: "subscribe", track: video });
    expect(bench.ended(first)).toMatchObject([{ end: { cause: "cancelled-by-peer" } }]);
    expect(bench.last("requested")).toMatchObject({ stream: second });
    accept(bench, second);
    expect(bench.sent(second)).toMatchObject({ type: "subscribe-ok" });
    expect(bench.closing).toBeUndefined();
  });

  test("leaves a subscription to another track alone that the peer will not update any more", () => {
    const bench = new Bench("server");
    const first = serve(bench);
    bench.do({ type: "request-finished", stream: first });
    bench.peerRequest({ type: "subscribe", track: audio });
    expect(bench.ended(first)).toEqual([]);
  });
});
