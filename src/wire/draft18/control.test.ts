import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../names.ts";
import { bytesOf, concat, decodeMessage, errorOf, frame, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

const setup = draft18.encodeMessage({ type: "setup" });

describe("control and request streams (§10)", () => {
  it("§10: refuses an unknown message type as soon as the type is there", () => {
    const decoder = draft18.controlDecoder("request");
    decoder.push(bytesOf("7f"));
    expect(verdictOf(() => decoder.next())).toBe("0x3 §10");
  });

  it.each(["01", "8040", "8041", "20", "21"])(
    "§10: refuses the reserved type 0x%s of older drafts",
    (type) => {
      expect(verdictOf(() => decodeMessage(frame(type, "")))).toBe("0x3 §10");
    },
  );

  it("§10: refuses a message that is longer than its fields", () => {
    expect(verdictOf(() => decodeMessage(frame("0b", "02 00 00 ff")))).toBe("0x3 §10");
  });

  it("§10: refuses a message that is shorter than its fields", () => {
    expect(verdictOf(() => decodeMessage(frame("0b", "02 00")))).toBe("0x3 §10.11");
  });

  it("§10: refuses a request's message on the control stream and SETUP on a request stream", () => {
    const decoder = draft18.controlDecoder("control");
    decoder.push(concat([setup, frame("07", "00")]));
    decoder.next();
    expect(verdictOf(() => decoder.next())).toBe("0x3 §10");
    expect(verdictOf(() => decodeMessage(setup, "request"))).toBe("0x3 §10");
  });

  it("§10.3: SETUP comes first and once", () => {
    const early = draft18.controlDecoder("control");
    early.push(frame("10", "00 00 00"));
    expect(verdictOf(() => early.next())).toBe("0x3 §10.3");
    const twice = draft18.controlDecoder("control");
    twice.push(concat([setup, setup]));
    expect(twice.next()).toEqual({ type: "setup" });
    expect(verdictOf(() => twice.next())).toBe("0x3 §10.3");
  });

  it.each(["control", "request"] as const)("§10.4: refuses a second GOAWAY on a %s stream", (stream) => {
    const decoder = draft18.controlDecoder(stream);
    const goaway = frame("10", stream === "control" ? "00 00 00" : "00 00");
    decoder.push(stream === "control" ? concat([setup, goaway, goaway]) : concat([goaway, goaway]));
    if (stream === "control") decoder.next();
    expect(decoder.next()?.type).toBe("goaway");
    expect(verdictOf(() => decoder.next())).toBe("0x3 §10.4");
  });

  it("§10.4: GOAWAY has a request id on the control stream only", () => {
    expect(decodeMessage(frame("10", "00 05 02"), "control")).toEqual({
      type: "goaway",
      newSessionUri: "",
      timeoutMs: 5,
      requestId: 2,
    });
    expect(verdictOf(() => decodeMessage(frame("10", "00 05"), "control"))).toBe("0x3 §10.4");
    expect(verdictOf(() => decodeMessage(frame("10", "00 05 02"), "request"))).toBe("0x3 §10");
  });

  it("reads messages from any chunking and is idle only between them", () => {
    const messages = [
      { type: "subscribe", requestId: 0, track: trackOf(namespaceOf("a"), "b"), parameters: {} },
      { type: "namespace", suffix: namespaceOf("x".repeat(3000)) },
      { type: "publish-done", statusCode: 2, streamCount: 9, reason: "over" },
    ] as const;
    const bytes = concat(messages.map((message) => draft18.encodeMessage(message)));
    for (const size of [1, 2, 700, 5000]) {
      const decoder = draft18.controlDecoder("request");
      const seen = [];
      for (let at = 0; at < bytes.length; at += size) {
        decoder.push(bytes.subarray(at, at + size));
        for (let message = decoder.next(); message !== undefined; message = decoder.next())
          seen.push(message);
        if (at + size < bytes.length && seen.length === 0) expect(decoder.idle).toBe(false);
      }
      expect(seen).toEqual(messages);
      expect(decoder.idle).toBe(true);
    }
  });

  it("keeps the bytes of a message when the chunk they came in is written over", () => {
    const chunk = draft18.encodeMessage({ type: "namespace", suffix: namespaceOf("kept") });
    const decoder = draft18.controlDecoder("request");
    decoder.push(chunk);
    const message = decoder.next();
    chunk.fill(0);
    decoder.push(draft18.encodeMessage({ type: "namespace", suffix: namespaceOf("over") }));
    expect(message).toEqual({ type: "namespace", suffix: namespaceOf("kept") });
  });

  it("§10.2: a message that would not fit its 16-bit length is not sent", () => {
    const value = new Uint8Array(40_000);
    const tokens = [1, 2].map((tokenType) => ({ alias: "use-value", tokenType, value }) as const);
    const error = errorOf(() =>
      draft18.encodeMessage({
        type: "publish-namespace",
        requestId: 0,
        namespace: namespaceOf("a"),
        parameters: { authorizationTokens: tokens },
      }),
    );
    expect(error.code).toBe("invalid-options");
  });
});
