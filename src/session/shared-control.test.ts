/** What is special about sessions whose requests share one control stream (drafts 14 to 16). Rules that all drafts have are tested on the machine itself. */
import { describe, expect, test } from "vitest";
import type { MoqtCodec } from "../wire/codec.ts";
import { publishDoneCodes, requestErrors, sessionErrors } from "../wire/codes.ts";
import { draft14 } from "../wire/draft14/index.ts";
import { draft15 } from "../wire/draft15/index.ts";
import { draft16 } from "../wire/draft16/index.ts";
import { namespaceOf } from "../wire/names.ts";
import type { Answer, SharedMessage } from "../wire/shared-messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { MAX_WAITING_FOR_CREDIT, REQUEST_WINDOW } from "./limits.ts";
import { audio, broadcast, video } from "./session.fixture.ts";
import { SharedControlSession } from "./shared-control.ts";
import type { RequestBody, Role, SessionAction, SessionInput, StreamHandle } from "./types.ts";

type Of<T extends SessionAction["type"]> = Extract<SessionAction, { type: T }>;

const ok: Answer = { type: "request-ok", parameters: {}, trackProperties: [] };
const subscribeOk: Answer = { type: "subscribe-ok", trackAlias: 7, parameters: {}, trackProperties: [] };

class Wire {
  readonly session: SharedControlSession;
  readonly actions: SessionAction[] = [];
  #stream = 0;

  constructor(codec: MoqtCodec, role: Role, { limit = 1000 as VarInt, setup = true } = {}) {
    const { capabilities } = codec;
    this.session = new SharedControlSession({
      role,
      capabilities,
      requestTimeoutMs: 10_000,
      setupTimeoutMs: 5_000,
    });
    this.do({ type: "start", setup: {} });
    if (setup) this.hears({ type: "setup", maxRequestId: limit });
  }

  do(input: SessionInput): void {
    this.actions.push(...this.session.handle(input));
  }

  hears(message: SharedMessage): void {
    this.do({ type: "control-message", message });
  }

  open(request: RequestBody): StreamHandle {
    const stream = this.#stream++;
    this.do({ type: "open", stream, request });
    return stream;
  }

  subscribe(track = video): StreamHandle {
    return this.open({ type: "subscribe", track, parameters: {} });
  }

  all<T extends SessionAction["type"]>(type: T): Of<T>[] {
    return this.actions.filter((action): action is Of<T> => action.type === type);
  }

  /** What was said on the control stream after SETUP. */
  get said(): SharedMessage[] {
    return this.all("send-control")
      .map(({ message }) => message as SharedMessage)
      .filter(({ type }) => type !== "setup");
  }

  requested(): StreamHandle {
    return this.all("requested").at(-1)!.stream;
  }

  get closing() {
    const closed = this.all("closed").at(-1);
    return closed && { code: closed.code, section: closed.error?.section?.split(" ").at(-1) };
  }
}

const drafts = [draft14, draft15, draft16];

describe.each(drafts)("$version", (codec) => {
  test("a server says its SETUP after the client's, and both tell how many requests they take", () => {
    const server = new Wire(codec, "server", { setup: false });
    expect(server.all("send-control")).toEqual([]);
    server.hears({ type: "setup", maxRequestId: 4 });
    expect(server.all("send-control")).toMatchObject([
      { message: { type: "setup", maxRequestId: 2 * REQUEST_WINDOW } },
    ]);
    const client = new Wire(codec, "client", { setup: false });
    expect(client.all("send-control")).toMatchObject([{ message: { maxRequestId: 1 + 2 * REQUEST_WINDOW } }]);
  });

  test("a control stream that does not begin with SETUP ends the session", () => {
    const wire = new Wire(codec, "server", { setup: false });
    wire.hears({ type: "max-request-id", limit: 3 });
    expect(wire.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§3.3" });
  });

  describe("credit for requests (MAX_REQUEST_ID)", () => {
    test("a request waits for it, says once that it does, and gets the next id when it goes", () => {
      const wire = new Wire(codec, "client", { limit: 2 });
      wire.subscribe();
      const second = wire.subscribe(audio);
      wire.open({ type: "track-status", track: video, parameters: {} });
      expect(wire.said.map(({ type }) => type)).toEqual(["subscribe", "requests-blocked"]);
      expect(wire.said[1]).toEqual({ type: "requests-blocked", limit: 2 });
      // Given up while it waited: its id must not be missing from the sequence.
      wire.do({ type: "cancel", stream: second, code: 1 });
      wire.hears({ type: "max-request-id", limit: 10 });
      expect(wire.said.slice(2)).toMatchObject([{ type: "track-status", requestId: 2 }]);
      expect(wire.all("ended")).toMatchObject([{ stream: second }]);
    });

    test("without any from the peer, nothing is sent", () => {
      const wire = new Wire(codec, "client", { limit: 0 });
      wire.subscribe();
      expect(wire.said).toEqual([{ type: "requests-blocked", limit: 0 }]);
    });

    test("a limit that does not grow ends the session", () => {
      const wire = new Wire(codec, "client", { limit: 8 });
      wire.hears({ type: "max-request-id", limit: 8 });
      expect(wire.closing).toEqual({ code: sessionErrors["protocol-violation"], section: "§9.5" });
    });

    test("a peer that goes beyond ours ends the session with TOO_MANY_REQUESTS", () => {
      const wire = new Wire(codec, "server");
      wire.hears({ type: "track-status", requestId: 2 * REQUEST_WINDOW, track: video, parameters: {} });
      expect(wire.closing).toEqual({ code: sessionErrors["too-many-requests"], section: "§9.5" });
    });

    test("the peer gets new credit as its requests end, in steps", () => {
      const wire = new Wire(codec, "server");
      for (let id = 0; id < REQUEST_WINDOW; id++) {
        wire.hears({ type: "track-status", requestId: 2 * id, track: video, parameters: {} });
        wire.do({
          type: "respond",
          stream: wire.requested(),
          response: ok as Extract<Answer, { type: "request-ok" }>,
        });
      }
      const limits = wire.said.flatMap((message) =>
        message.type === "max-request-id" ? [message.limit] : [],
      );
      expect(limits).toEqual([3 * REQUEST_WINDOW, 4 * REQUEST_WINDOW]);
      expect(wire.closing).toBeUndefined();
    });

    test("only so many of ours wait", () => {
      const wire = new Wire(codec, "client", { limit: 0 });
      const request = { type: "track-status", track: video, parameters: {} } as const;
      for (let i = 0; i <= MAX_WAITING_FOR_CREDIT; i++) wire.open(request);
      expect(wire.closing).toMatchObject({ code: sessionErrors["internal-error"] });
    });
  });

  describe("requests of ours", () => {
    test("an answer finds its request by the id; one for a request that never was ends the session", () => {
      const wire = new Wire(codec, "client");
      const first = wire.subscribe();
      const second = wire.subscribe(audio);
      wire.hears({ type: "answer", requestId: 2, to: "subscribe", message: subscribeOk });
      expect(wire.all("accepted")).toMatchObject([{ stream: second }]);
      const refused: Answer = { type: "request-error", errorCode: 0x10, retryInterval: 0, reason: "no" };
      wire.hears({ type: "answer", requestId: 0, to: undefined, message: refused });
      expect(wire.all("ended")).toMatchObject([{ stream: first, end: { cause: "refused" } }]);
      wire.hears({ type: "answer", requestId: 4, to: "subscribe", message: subscribeOk });
      expect(wire.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.1" });
    });

    test.each([
      [
        "an answer to something else",
        {
          to: "fetch",
          message: { ...ok, type: "fetch-ok", endOfTrack: false, end: { group: 0, object: 1 } },
        },
      ],
      ["a second answer", { to: "subscribe", message: subscribeOk }],
    ] as const)("%s ends the session", (what, answer) => {
      const wire = new Wire(codec, "client");
      wire.subscribe();
      if (what === "a second answer")
        wire.hears({ type: "answer", requestId: 0, to: "subscribe", message: subscribeOk });
      wire.hears({ type: "answer", requestId: 0, ...answer } as SharedMessage);
      expect(wire.closing?.code).toBe(sessionErrors["protocol-violation"]);
    });

    test("giving one up is said in the draft's own words, and what was under way then changes nothing", () => {
      const wire = new Wire(codec, "client");
      const streams = [
        wire.subscribe(),
        wire.open({
          type: "fetch",
          range: {
            kind: "standalone",
            track: video,
            start: { group: 0, object: 0 },
            end: { group: 1, object: 0 },
          },
          parameters: {},
        }),
        wire.open({ type: "publish-namespace", namespace: broadcast, parameters: {} }),
      ];
      for (const stream of streams) wire.do({ type: "cancel", stream, code: 1 });
      expect(wire.said.slice(3)).toMatchObject([
        { type: "withdraw", what: "unsubscribe", requestId: 0 },
        { type: "withdraw", what: "fetch-cancel", requestId: 2 },
        { type: "withdraw", what: "publish-namespace-done", requestId: 4, namespace: broadcast },
      ]);
      wire.hears({ type: "answer", requestId: 0, to: "subscribe", message: subscribeOk });
      wire.hears({
        type: "done",
        requestId: 0,
        message: { type: "publish-done", statusCode: 2, streamCount: 0, reason: "" },
      });
      expect(wire.closing).toBeUndefined();
      expect(wire.session.routeFetch(2)).toEqual({ kind: "discard" });
    });

    test("a joining fetch names its subscription by the id that this has on the wire", () => {
      const wire = new Wire(codec, "client", { limit: 2 });
      const lost = wire.subscribe(audio);
      const waits = wire.subscribe();
      wire.do({ type: "cancel", stream: lost, code: 1 });
      const range = {
        kind: "relative-joining",
        joiningRequestId: wire.session.requestId(waits)!,
        joiningStart: 1,
      } as const;
      wire.open({ type: "fetch", range, parameters: {} });
      wire.hears({ type: "max-request-id", limit: 100 });
      const [subscribe, fetch] = wire.said.slice(-2) as {
        requestId: VarInt;
        range?: { joiningRequestId: VarInt };
      }[];
      expect(fetch?.range?.joiningRequestId).toBe(subscribe?.requestId);
    });
  });

  describe("requests of the peer", () => {
    test("they are answered with their id, and UNSUBSCRIBE ends one", () => {
      const wire = new Wire(codec, "server");
      wire.hears({ type: "subscribe", requestId: 0, track: video, parameters: {} });
      const stream = wire.requested();
      wire.do({
        type: "respond",
        stream,
        response: { type: "subscribe-ok", parameters: {}, trackProperties: [] },
      });
      expect(wire.said.at(-1)).toMatchObject({ type: "answer", requestId: 0, to: "subscribe" });
      wire.hears({ type: "withdraw", what: "unsubscribe", requestId: 0 });
      expect(wire.all("ended")).toMatchObject([{ stream, end: { cause: "cancelled-by-peer" } }]);
      // Nobody is told what he said himself.
      expect(wire.said).toHaveLength(1);
      wire.hears({ type: "withdraw", what: "unsubscribe", requestId: 0 });
      expect(wire.closing).toBeUndefined();
      wire.hears({ type: "withdraw", what: "unsubscribe", requestId: 40 });
      expect(wire.closing).toMatchObject({ code: sessionErrors["protocol-violation"] });
    });

    test("giving up on a subscription of the peer's is PUBLISH_DONE, before an answer an error", () => {
      for (const answered of [true, false]) {
        const wire = new Wire(codec, "server");
        wire.hears({ type: "subscribe", requestId: 0, track: video, parameters: {} });
        const stream = wire.requested();
        const response = { type: "subscribe-ok", parameters: {}, trackProperties: [] } as const;
        if (answered) wire.do({ type: "respond", stream, response });
        wire.do({ type: "cancel", stream, code: 1 });
        expect(wire.said.at(-1)).toMatchObject(
          answered
            ? { type: "done", message: { statusCode: publishDoneCodes["internal-error"] } }
            : {
                type: "answer",
                message: { type: "request-error", errorCode: requestErrors["internal-error"] },
              },
        );
      }
    });

    test("an update is answered with its own id, where updates are answered", () => {
      const wire = new Wire(codec, "server");
      wire.hears({ type: "subscribe", requestId: 0, track: video, parameters: {} });
      const stream = wire.requested();
      wire.do({
        type: "respond",
        stream,
        response: { type: "subscribe-ok", parameters: {}, trackProperties: [] },
      });
      const message = { type: "request-update", requestId: 2, parameters: { forward: false } } as const;
      wire.hears({ type: "update", existing: 0, message });
      expect(wire.all("updated")).toMatchObject([{ stream, parameters: { forward: false } }]);
      wire.do({ type: "answer-update", stream, parameters: {} });
      const answers = wire.said.filter((said) => said.type === "answer");
      expect(answers).toHaveLength(codec === draft14 ? 1 : 2);
      if (codec !== draft14) expect(answers[1]).toMatchObject({ requestId: 2, to: "request-update" });
      expect(wire.session.publisher(stream)).toMatchObject({ forward: false });
      wire.hears({ type: "update", existing: 60, message: { ...message, requestId: 4 } });
      expect(wire.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§10.9" });
    });

    test("a bidirectional stream that begins with anything but SUBSCRIBE_NAMESPACE ends the session", () => {
      const wire = new Wire(codec, "server");
      wire.do({
        type: "request-opened",
        stream: 0,
        message: { type: "subscribe", requestId: 0, track: video, parameters: {} },
      });
      expect(wire.closing).toMatchObject({ code: sessionErrors["protocol-violation"], section: "§3.3" });
    });
  });
});

describe("updates in draft-14 (§9.10)", () => {
  const filter = { type: "absolute-range", start: { group: 2, object: 0 }, endGroup: 9 } as const;

  function subscribed() {
    const wire = new Wire(draft14, "client");
    const stream = wire.open({
      type: "subscribe",
      track: video,
      parameters: { filter, subscriberPriority: 9 },
    });
    wire.hears({ type: "answer", requestId: 0, to: "subscribe", message: subscribeOk });
    return { wire, stream };
  }

  test("repeat the whole subscription and count as accepted when they are sent", () => {
    const { wire, stream } = subscribed();
    wire.do({ type: "update", stream, parameters: { forward: false } });
    expect(wire.said.at(-1)).toMatchObject({
      type: "update",
      existing: 0,
      message: { requestId: 2, parameters: { filter, forward: false, subscriberPriority: 9 } },
    });
    expect(wire.all("update-answered")).toMatchObject([{ stream, message: { type: "request-ok" } }]);
  });

  test.each([
    ["widens", { filter: { type: "absolute-start", start: { group: 0, object: 0 } } }],
    ["begins earlier", { filter: { ...filter, start: { group: 1, object: 0 } } }],
    ["has a relative filter", { filter: { type: "largest-object" } }],
    ["asks for a new group", { newGroupRequest: 0 }],
  ] as const)("one that %s is refused here, because the draft cannot say it", (_, parameters) => {
    const { wire, stream } = subscribed();
    wire.do({ type: "update", stream, parameters });
    expect(wire.said.filter(({ type }) => type === "update")).toEqual([]);
    expect(wire.all("update-answered")).toMatchObject([
      { message: { type: "request-error", errorCode: requestErrors["not-supported"] } },
    ]);
    expect(wire.closing).toBeUndefined();
  });

  test("a peer's that widens ends the session; one that narrows does not", () => {
    for (const endGroup of [8, 10]) {
      const wire = new Wire(draft14, "server");
      wire.hears({ type: "subscribe", requestId: 0, track: video, parameters: { filter } });
      const response = { type: "subscribe-ok", parameters: {}, trackProperties: [] } as const;
      wire.do({ type: "respond", stream: wire.requested(), response });
      const parameters = { filter: { ...filter, endGroup }, forward: true };
      wire.hears({
        type: "update",
        existing: 0,
        message: { type: "request-update", requestId: 2, parameters },
      });
      expect(wire.closing?.code).toBe(endGroup === 8 ? undefined : sessionErrors["protocol-violation"]);
    }
  });
});

describe("namespaces where PUBLISH_NAMESPACE answers SUBSCRIBE_NAMESPACE (14, 15)", () => {
  const prefix = namespaceOf("example.com");

  test("the peer's announcements under our prefix are told as namespaces, and accepted at once", () => {
    const wire = new Wire(draft14, "client");
    const stream = wire.open({ type: "subscribe-namespace", prefix, parameters: {} });
    // Before the answer it is kept.
    wire.hears({ type: "publish-namespace", requestId: 1, namespace: broadcast, parameters: {} });
    expect(wire.said.at(-1)).toMatchObject({
      type: "answer",
      requestId: 1,
      to: "publish-namespace",
      message: ok,
    });
    expect(wire.all("namespace-added")).toEqual([]);
    wire.hears({ type: "answer", requestId: 0, to: "subscribe-namespace", message: ok });
    expect(wire.all("namespace-added")).toMatchObject([{ stream, suffix: namespaceOf("live") }]);
    wire.hears({ type: "withdraw", what: "publish-namespace-done", namespace: broadcast });
    expect(wire.all("namespace-removed")).toMatchObject([{ stream, suffix: namespaceOf("live") }]);
    expect(wire.all("requested")).toEqual([]);
  });

  test("one outside every prefix of ours is a request like any other", () => {
    const wire = new Wire(draft14, "client");
    wire.open({ type: "subscribe-namespace", prefix, parameters: {} });
    wire.hears({ type: "publish-namespace", requestId: 1, namespace: namespaceOf("other"), parameters: {} });
    expect(wire.all("requested")).toMatchObject([{ message: { type: "publish-namespace" } }]);
  });

  test("what was accepted at once uses up no credit: the peer can announce without end", () => {
    const wire = new Wire(draft14, "client");
    wire.open({ type: "subscribe-namespace", prefix, parameters: {} });
    let limit: VarInt = 1 + 2 * REQUEST_WINDOW;
    for (let id = 1; id < 6 * REQUEST_WINDOW; id += 2) {
      expect(id).toBeLessThan(Number(limit));
      wire.hears({ type: "publish-namespace", requestId: id, namespace: broadcast, parameters: {} });
      wire.hears({ type: "withdraw", what: "publish-namespace-done", namespace: broadcast });
      const last = wire.actions.at(-1);
      wire.actions.length = 0;
      if (last?.type === "send-control" && last.message.type === "max-request-id") limit = last.message.limit;
    }
    expect(wire.session.closed).toBe(false);
  });

  test("what we list for the peer is announced and withdrawn, each namespace once", () => {
    const wire = new Wire(draft14, "server");
    wire.hears({ type: "subscribe-namespace", requestId: 0, prefix, parameters: {} });
    const stream = wire.requested();
    wire.do({ type: "respond", stream, response: ok as Extract<Answer, { type: "request-ok" }> });
    const suffix = namespaceOf("live");
    wire.do({ type: "announce", stream, suffix });
    wire.do({ type: "announce", stream, suffix });
    wire.do({ type: "unannounce", stream, suffix });
    expect(wire.said.slice(1)).toMatchObject([
      { type: "publish-namespace", requestId: 1, namespace: broadcast },
      { type: "withdraw", what: "publish-namespace-done", namespace: broadcast },
    ]);
    // Its answer to the announcement is as good as none.
    wire.hears({ type: "answer", requestId: 1, to: "publish-namespace", message: ok });
    expect(wire.closing).toBeUndefined();
  });
});

test("draft-16 has SUBSCRIBE_NAMESPACE on a stream of its own, with an id of the common sequence", () => {
  const wire = new Wire(draft16, "client");
  wire.subscribe();
  const stream = wire.open({ type: "subscribe-namespace", prefix: broadcast, parameters: {} });
  expect(wire.all("open-request")).toMatchObject([
    { stream, message: { type: "subscribe-namespace", requestId: 2 } },
  ]);
  wire.do({ type: "request-message", stream, message: ok as Extract<Answer, { type: "request-ok" }> });
  wire.do({ type: "request-message", stream, message: { type: "namespace", suffix: namespaceOf("a") } });
  expect(wire.all("namespace-added")).toMatchObject([{ stream, suffix: namespaceOf("a") }]);
  wire.do({ type: "cancel", stream, code: 1 });
  expect(wire.all("abort")).toMatchObject([{ stream }]);
});
