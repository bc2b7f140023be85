/** Clauses of draft-18 that the tests by subject beside this file leave open; docs/conformance.md lists where each clause is held. */
import { describe, expect, test } from "vitest";
import { publishDoneCodes, requestErrors, sessionErrors, streamResets } from "../wire/codes.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { audio, Bench, broadcast, requestError, requestOk, video } from "./session.fixture.ts";

const wholeGroup = { group: 2, object: 0 };
const mandatory = [{ type: 0x4001, value: 1 }];

describe("what a track must not have (§2.5.1)", () => {
  test("§2.5.1: a fetch whose FETCH_OK has a mandatory property we do not know is cancelled", () => {
    const bench = new Bench("client");
    const range = {
      kind: "standalone",
      track: video,
      start: { group: 1, object: 0 },
      end: wholeGroup,
    } as const;
    const fetch = bench.open({ type: "fetch", range, parameters: {} });
    bench.says(fetch, {
      type: "fetch-ok",
      endOfTrack: false,
      end: wholeGroup,
      parameters: {},
      trackProperties: mandatory,
    });
    expect(bench.last("abort")).toMatchObject({ stream: fetch, code: streamResets.cancelled });
    expect(bench.ended(fetch)).toMatchObject([
      { end: { error: { protocolCode: requestErrors["unsupported-extension"] } } },
    ]);
    expect(bench.closing).toBeUndefined();
  });
});

describe("reserved namespaces (§3.2)", () => {
  test.each([".", ".session"])("§3.2.1, §3.2.2: nothing of ours is published under %s", (reserved) => {
    const bench = new Bench("client");
    const track = trackOf(namespaceOf(reserved, "a"), "x");
    const offered = bench.open({ type: "publish", track, parameters: {}, trackProperties: [] });
    const announced = bench.open({ type: "publish-namespace", namespace: track.namespace, parameters: {} });
    expect(bench.all("open-request")).toEqual([]);
    for (const stream of [offered, announced]) {
      expect(bench.ended(stream)).toMatchObject([{ end: { error: { code: "invalid-options" } } }]);
    }
  });

  test("§3.2.2: a session-level track with an empty name is refused with DOES_NOT_EXIST", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe", track: trackOf(namespaceOf(".session"), "") });
    expect(bench.sent(stream)).toMatchObject({
      type: "request-error",
      errorCode: requestErrors["does-not-exist"],
    });
    expect(bench.all("requested")).toEqual([]);
  });
});

describe("redirects (§10.6.1)", () => {
  const redirect = { connectUri: "https://other.test/", namespace: broadcast, name: video.name };
  const redirected = {
    type: "request-error",
    errorCode: requestErrors.redirect,
    retryInterval: 0,
    reason: "",
  } as const;

  test("§10.6.1: a server that is sent to another address closes the session", () => {
    const bench = new Bench("server");
    bench.says(bench.subscribe(), { ...redirected, redirect });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.6.1" });
  });

  test.each(["publish-namespace", "subscribe-namespace"] as const)(
    "§10.6.1: a redirect of %s that names a track closes the session",
    (type) => {
      const bench = new Bench("client");
      const asked = bench.open(
        type === "publish-namespace"
          ? { type, namespace: broadcast, parameters: {} }
          : { type, prefix: broadcast, parameters: {} },
      );
      bench.says(asked, { ...redirected, redirect });
      expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.6.1" });
    },
  );

  test("§10.6.1: a client's subscription takes one, and the session goes on", () => {
    const bench = new Bench("client");
    const stream = bench.subscribe();
    bench.says(stream, { ...redirected, redirect });
    expect(bench.ended(stream)).toMatchObject([{ end: { cause: "refused", refusal: { redirect } } }]);
    expect(bench.closing).toBeUndefined();
  });
});

describe("updates that fail (§10.9.1)", () => {
  const refusal = { errorCode: 1, retryInterval: 0, reason: "" };

  test("§10.9.1: of a fetch, they reset its streams", () => {
    const bench = new Bench("server");
    const range = {
      kind: "standalone",
      track: video,
      start: { group: 1, object: 0 },
      end: wholeGroup,
    } as const;
    const fetch = bench.peerRequest({ type: "fetch", range });
    const response = {
      type: "fetch-ok",
      endOfTrack: false,
      end: wholeGroup,
      parameters: {},
      trackProperties: [],
    } as const;
    bench.do({ type: "respond", stream: fetch, response });
    bench.says(fetch, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { subscriberPriority: 1 },
    });
    bench.do({ type: "refuse-update", stream: fetch, refusal });
    expect(bench.sent(fetch)).toMatchObject({ type: "request-error" });
    expect(bench.last("abort")).toMatchObject({ stream: fetch });
    expect(bench.ended(fetch)).toHaveLength(1);
  });

  test.each(["subscribe-namespace", "publish-namespace", "subscribe-tracks"] as const)(
    "§10.9.1: of %s, they close its stream",
    (type) => {
      const bench = new Bench("server");
      const stream = bench.peerRequest({ type, prefix: broadcast, namespace: broadcast });
      bench.do({
        type: "respond",
        stream,
        response: { type: "request-ok", parameters: {}, trackProperties: [] },
      });
      bench.says(stream, { type: "request-update", requestId: bench.nextPeerId, parameters: {} });
      bench.do({ type: "refuse-update", stream, refusal });
      expect(bench.last("finish")).toMatchObject({ stream });
      expect(bench.ended(stream)).toHaveLength(1);
    },
  );

  test("§10.11: PUBLISH_DONE of a subscription whose streams are reset does not count them: 2^62 - 1", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe", track: video });
    bench.do({
      type: "respond",
      stream,
      response: { type: "subscribe-ok", parameters: {}, trackProperties: [] },
    });
    bench.says(stream, { type: "request-update", requestId: bench.nextPeerId, parameters: {} });
    bench.do({ type: "refuse-update", stream, refusal });
    expect(bench.sent(stream)).toMatchObject({
      type: "publish-done",
      statusCode: publishDoneCodes["update-failed"],
      streamCount: 2n ** 62n - 1n,
    });
  });
});

describe("fetches (§10.12, §10.13)", () => {
  const range = {
    kind: "standalone",
    track: video,
    start: { group: 3, object: 4 },
    end: { group: 3, object: 4 },
  } as const;

  test("§10.12.3: a range that ends before it starts is refused with INVALID_RANGE", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "fetch", range });
    expect(bench.sent(stream)).toMatchObject({
      type: "request-error",
      errorCode: requestErrors["invalid-range"],
    });
  });

  test("§10.13: a FETCH_OK that ends before the start closes the session", () => {
    const bench = new Bench("client");
    const stream = bench.open({
      type: "fetch",
      range: { ...range, end: { group: 5, object: 0 } },
      parameters: {},
    });
    const end = { group: 3, object: 4 };
    bench.says(stream, { type: "fetch-ok", endOfTrack: false, end, parameters: {}, trackProperties: [] });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.13" });
  });

  test("§10.12.2: a fetch may not join a subscription of another session, a fetch, or one that the asker publishes", () => {
    const bench = new Bench("server");
    const asked = bench.peerRequest({ type: "track-status", track: video });
    for (const joiningRequestId of [0, 99]) {
      const joining = { kind: "relative-joining", joiningRequestId, joiningStart: 0 } as const;
      const stream = bench.peerRequest({ type: "fetch", range: joining });
      expect(bench.sent(stream)).toMatchObject({ errorCode: requestErrors["invalid-joining-request-id"] });
    }
    expect(bench.sent(asked)).toBeUndefined();
  });
});

describe("codes nobody has heard of (§14)", () => {
  test("§14: a REQUEST_ERROR and a PUBLISH_DONE with unknown codes end their requests, not the session", () => {
    const bench = new Bench("client");
    const refused = bench.subscribe(audio);
    bench.says(refused, requestError(0x7f00));
    expect(bench.ended(refused)).toMatchObject([
      { end: { cause: "refused", error: { protocolCode: 0x7f00 } } },
    ]);
    const watched = bench.subscribed();
    bench.says(watched, { type: "publish-done", statusCode: 0x7f00, streamCount: 0, reason: "" });
    expect(bench.ended(watched)).toMatchObject([{ end: { cause: "done" } }]);
    expect(bench.closing).toBeUndefined();
  });
});

describe("what may come where (§10)", () => {
  test("§10.16: NAMESPACE on the stream of anything but SUBSCRIBE_NAMESPACE closes the session", () => {
    const bench = new Bench("client");
    bench.says(bench.subscribed(), { type: "namespace", suffix: broadcast });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.16" });
  });

  test("§10.11: PUBLISH_DONE on the stream of anything but a subscription closes the session", () => {
    const bench = new Bench("client");
    const stream = bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
    bench.says(stream, requestOk);
    bench.says(stream, { type: "publish-done", statusCode: 0, streamCount: 0, reason: "" });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.11" });
  });

  test("§5.1: an answer of another kind than the request's closes the session", () => {
    const bench = new Bench("client");
    bench.says(bench.subscribe(), requestOk);
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§5.1" });
  });

  test("§10.5: Track Properties in the REQUEST_OK of anything but TRACK_STATUS close the session", () => {
    const bench = new Bench("client");
    const stream = bench.open({ type: "publish-namespace", namespace: broadcast, parameters: {} });
    bench.says(stream, { type: "request-ok", parameters: {}, trackProperties: [{ type: 0x80, value: 1 }] });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.5" });
  });
});

describe("what we say on the stream of a prefix (§6, §10.18)", () => {
  const suffix = namespaceOf("live");
  const accepted = { type: "request-ok", parameters: {}, trackProperties: [] } as const;

  test("§10.18: NAMESPACE_DONE is sent behind its NAMESPACE only, and each of them once", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("example.com") });
    bench.do({ type: "respond", stream, response: accepted });
    for (const type of [
      "unannounce",
      "announce",
      "announce",
      "unannounce",
      "unannounce",
      "announce",
    ] as const)
      bench.do({ type, stream, suffix });
    expect(bench.all("send").map(({ message }) => message.type)).toEqual([
      "request-ok",
      "namespace",
      "namespace-done",
      "namespace",
    ]);
  });

  test("§10.9.2: after a change of the prefix everything is listed anew", () => {
    const bench = new Bench("server");
    const stream = bench.peerRequest({ type: "subscribe-namespace", prefix: namespaceOf("example.com") });
    bench.do({ type: "respond", stream, response: accepted });
    bench.do({ type: "announce", stream, suffix });
    const parameters = { trackNamespacePrefix: namespaceOf("other.test") };
    bench.says(stream, { type: "request-update", requestId: bench.nextPeerId, parameters });
    bench.do({ type: "answer-update", stream, parameters: {} });
    bench.do({ type: "unannounce", stream, suffix });
    expect(bench.sent(stream)).toMatchObject({ type: "request-ok" });
    bench.do({ type: "announce", stream, suffix });
    expect(bench.sent(stream)).toEqual({ type: "namespace", suffix });
  });

  test("§6.1: no PUBLISH of a track after its PUBLISH_BLOCKED, until the peer asks for tracks anew", () => {
    const bench = new Bench("server");
    const ask = () => {
      const stream = bench.peerRequest({ type: "subscribe-tracks", prefix: namespaceOf("example.com") });
      bench.do({ type: "respond", stream, response: accepted });
      return stream;
    };
    const offer = (track = video) =>
      bench.open({ type: "publish", track, parameters: {}, trackProperties: [] });
    const asked = ask();
    bench.do({ type: "blocked", stream: asked, suffix, name: video.name });
    expect(bench.ended(offer())).toMatchObject([{ end: { error: { code: "invalid-options" } } }]);
    expect(bench.ended(offer(audio))).toEqual([]);
    bench.do({ type: "request-cancelled", stream: asked, code: 0 });
    ask();
    expect(bench.ended(offer())).toEqual([]);
  });
});
