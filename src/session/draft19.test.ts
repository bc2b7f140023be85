/** What draft-19 has sessions do differently from draft-18. */
import { describe, expect, test } from "vitest";
import { requestErrors, sessionErrors } from "../wire/codes.ts";
import { draft19 } from "../wire/draft19/index.ts";
import { MAX_WAITING_UPDATES } from "./limits.ts";
import { Bench, broadcast, requestError, requestOk, video } from "./session.fixture.ts";

const filters = [{ kind: "object", setId: 0, ranges: [{ first: 1, last: 2 }] }] as const;
const codec = draft19;

function served(bench: Bench) {
  const stream = bench.peerRequest({ type: "subscribe", track: video });
  const response = { type: "subscribe-ok", parameters: {}, trackProperties: [] } as const;
  bench.do({ type: "respond", stream, response });
  return stream;
}

describe("subscriptions (§5.1)", () => {
  test("§5.1: a peer may subscribe to one track twice, and each gets an alias of its own", () => {
    const bench = new Bench("server", { codec });
    const [first, second] = [served(bench), served(bench)];
    expect(bench.sent(first)).toMatchObject({ type: "subscribe-ok", trackAlias: 0 });
    expect(bench.sent(second)).toMatchObject({ type: "subscribe-ok", trackAlias: 1 });
    expect(bench.closing).toBeUndefined();
  });

  test("§5.1: draft-18 still refuses that", () => {
    const bench = new Bench("server");
    served(bench);
    expect(bench.sent(served(bench))).toMatchObject({
      errorCode: requestErrors["duplicate-subscription"],
    });
  });

  test("a PUBLISH of a track that we subscribe to is refused, and the subscription stands", () => {
    for (const established of [true, false]) {
      const bench = new Bench("client", { codec });
      const ours = established ? bench.subscribed() : bench.subscribe();
      const offered = bench.peerRequest({
        type: "publish",
        track: video,
        trackAlias: 7,
        trackProperties: [],
      });
      expect(bench.sent(offered)).toMatchObject({ errorCode: requestErrors.uninterested });
      expect(bench.ended(ours)).toEqual([]);
      expect(bench.closing).toBeUndefined();
    }
  });
});

describe("range filters (§5.1.3)", () => {
  test("§5.1.3: what a peer filters by ranges is refused with INVALID_FILTER, since we offered none", () => {
    const bench = new Bench("server", { codec });
    const parameters = { rangeFilters: filters };
    const range = {
      kind: "standalone",
      track: video,
      start: { group: 0, object: 0 },
      end: { group: 1, object: 0 },
    };
    for (const stream of [
      bench.peerRequest({ type: "subscribe", track: video, parameters }),
      bench.peerRequest({ type: "fetch", range, parameters }),
      bench.peerRequest({ type: "subscribe-tracks", prefix: broadcast, parameters }),
    ]) {
      expect(bench.sent(stream)).toMatchObject({ errorCode: requestErrors["invalid-filter"] });
    }
    expect(bench.all("requested")).toEqual([]);
    expect(bench.closing).toBeUndefined();
  });

  test("§5.1.3: the reason of an impossible filter is told", () => {
    const bench = new Bench("server", { codec });
    const rangeFilters = [{ kind: "object", invalid: "It has no range." }];
    const stream = bench.peerRequest({ type: "subscribe", track: video, parameters: { rangeFilters } });
    expect(bench.sent(stream)).toMatchObject({
      errorCode: requestErrors["invalid-filter"],
      reason: "It has no range.",
    });
  });

  test("§5.1.3: so is an update with filters; one that takes filters away is not", () => {
    const bench = new Bench("server", { codec });
    const stream = served(bench);
    const away = [{ kind: "object", removed: true }] as const;
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { rangeFilters: away },
    });
    expect(bench.all("updated")).toHaveLength(1);
    bench.do({ type: "answer-update", stream, parameters: {} });
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { rangeFilters: filters },
    });
    expect(bench.all("updated")).toHaveLength(1);
    const sent = bench.all("send").map((action) => action.message);
    expect(sent).toContainEqual(expect.objectContaining({ errorCode: requestErrors["invalid-filter"] }));
  });

  test("§5.1.3: PUBLISH_OK with filters that were not offered closes the session", () => {
    const bench = new Bench("client", { codec });
    const stream = bench.open({ type: "publish", track: video, parameters: {}, trackProperties: [] });
    bench.says(stream, { type: "request-ok", parameters: { rangeFilters: filters }, trackProperties: [] });
    expect(bench.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§5.1.3" });
  });

  test.each([
    [undefined, "refused"],
    [0, "refused"],
    [1, "sent"],
  ])("§10.3.1: with the peer's MAX_FILTER_RANGES %s, one range of ours is %s", (maxFilterRanges, outcome) => {
    const peer = maxFilterRanges === undefined ? {} : { maxFilterRanges };
    const bench = new Bench("client", { codec, peer });
    const stream = bench.subscribe(video, { rangeFilters: filters });
    if (outcome === "sent") expect(bench.all("open-request")).toHaveLength(1);
    else expect(bench.ended(stream)).toMatchObject([{ end: { error: { code: "invalid-options" } } }]);
  });
});

describe("updates (§10.3.1, MAX_REQUEST_UPDATES)", () => {
  test("our SETUP tells how many updates may wait", () => {
    const bench = new Bench("client", { codec });
    expect(bench.all("send-control")[0]?.message).toMatchObject({ maxRequestUpdates: MAX_WAITING_UPDATES });
    const old = new Bench("client");
    expect(old.all("send-control")[0]?.message).not.toHaveProperty("maxRequestUpdates");
  });

  test("a peer that exceeds it closes the session with TOO_MANY_REQUEST_UPDATES", () => {
    const bench = new Bench("server", { codec });
    const stream = served(bench);
    for (let i = 0; i <= MAX_WAITING_UPDATES; i++) {
      expect(bench.closing).toBeUndefined();
      bench.says(stream, { type: "request-update", requestId: bench.nextPeerId, parameters: {} });
    }
    expect(bench.closing).toMatchObject({ code: sessionErrors["too-many-request-updates"] });
  });

  test("ours wait for the peer's answers, and go out in order", () => {
    const bench = new Bench("client", { codec, peer: { maxRequestUpdates: 1 } });
    const stream = bench.subscribed();
    for (const subscriberPriority of [1, 2, 3]) {
      bench.do({ type: "update", stream, parameters: { subscriberPriority } });
    }
    const sent = () =>
      bench
        .all("send")
        .flatMap(({ message }) =>
          message.type === "request-update" ? [message.parameters.subscriberPriority] : [],
        );
    expect(sent()).toEqual([1]);
    bench.says(stream, requestOk);
    expect(sent()).toEqual([1, 2]);
    bench.says(stream, requestError());
    // The request does not survive a failed update (§10.9.1): what was held back is not sent.
    expect(sent()).toEqual([1, 2]);
  });
});

describe("namespaces", () => {
  test("§10.2.15: announcements and their subscriptions may be granted for a time", () => {
    for (const request of [
      { type: "publish-namespace", namespace: broadcast, parameters: {} },
      { type: "subscribe-namespace", prefix: broadcast, parameters: {} },
      { type: "subscribe-tracks", prefix: broadcast, parameters: {} },
    ] as const) {
      const answer = { ...requestOk, parameters: { expiresMs: 1000 } };
      const bench = new Bench("client", { codec });
      bench.says(bench.open(request), answer);
      expect(bench.closing).toBeUndefined();
      const old = new Bench("client");
      old.says(old.open(request), answer);
      expect(old.closing).toMatchObject({ section: "§10.2.1" });
    }
  });

  test("§10.19.1: an update of SUBSCRIBE_TRACKS takes the parameters of a subscription", () => {
    const bench = new Bench("server", { codec });
    const stream = bench.peerRequest({ type: "subscribe-tracks", prefix: broadcast });
    bench.do({
      type: "respond",
      stream,
      response: { type: "request-ok", parameters: {}, trackProperties: [] },
    });
    bench.says(stream, {
      type: "request-update",
      requestId: bench.nextPeerId,
      parameters: { subscriberPriority: 3 },
    });
    expect(bench.last("updated")).toMatchObject({ stream, parameters: { subscriberPriority: 3 } });
  });
});

test("§10.4: our GOAWAY names no request", () => {
  const bench = new Bench("server", { codec });
  bench.do({ type: "goaway", newUri: "", timeoutMs: 0 });
  expect(bench.last("send-control")?.message).toEqual({ type: "goaway", newSessionUri: "", timeoutMs: 0 });
});
