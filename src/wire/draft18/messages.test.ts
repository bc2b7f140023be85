import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../names.ts";
import { bytesOf, decodeMessage, errorOf, frame, hexOf, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

const SUBSCRIBE = "03";
const REQUEST_OK = "07";

function field(length: number): string {
  return `${vi(length)}${"61".repeat(length)}`;
}

/** A vi64 of one or two bytes. */
function vi(value: number): string {
  return value < 0x80 ? value.toString(16).padStart(2, "0") : (0x8000 | value).toString(16);
}

function subscribe(namespace: string, name: string): Uint8Array {
  return frame(SUBSCRIBE, `00 ${namespace} ${name} 00`);
}

describe("track names (§2.4.1)", () => {
  it("§2.4.1: refuses an empty namespace field", () => {
    expect(verdictOf(() => decodeMessage(subscribe("01 00", "01 61")))).toBe("0x3 §2.4.1");
  });

  it("§2.4.1: takes 32 fields and refuses 33", () => {
    expect(decodeMessage(subscribe(`20${"0161".repeat(32)}`, "00"))).toMatchObject({ type: "subscribe" });
    expect(verdictOf(() => decodeMessage(subscribe(`21${"0161".repeat(33)}`, "00")))).toBe("0x3 §2.4.1");
  });

  it("§2.4.1: takes a full track name of 4096 bytes and refuses 4097", () => {
    expect(decodeMessage(subscribe(`01${field(4000)}`, field(96)))).toMatchObject({ type: "subscribe" });
    expect(verdictOf(() => decodeMessage(subscribe(`01${field(4000)}`, field(97))))).toBe("0x3 §2.4.1");
  });

  it("§2.4.1: refuses a namespace above 4096 bytes, before its bytes are looked for", () => {
    expect(decodeMessage(frame("08", `01${field(4096)}`))).toMatchObject({ type: "namespace" });
    expect(verdictOf(() => decodeMessage(frame("08", `01${vi(4097)}`)))).toBe("0x3 §2.4.1");
    expect(verdictOf(() => decodeMessage(frame("08", `02${field(4000)}${field(97)}`)))).toBe("0x3 §2.4.1");
  });

  it.each([
    ["50", "SUBSCRIBE_NAMESPACE, §10.18"],
    ["51", "SUBSCRIBE_TRACKS, §10.19"],
  ])("§2.4.1: refuses a prefix of 33 fields in 0x%s (%s)", (type) => {
    const id = type === "50" ? "50" : "51";
    expect(verdictOf(() => decodeMessage(frame(id, `00 21${"0161".repeat(33)} 00`)))).toBe("0x3 §2.4.1");
  });

  it("§2.4.1: counts a PUBLISH_BLOCKED's suffix and name together", () => {
    expect(verdictOf(() => decodeMessage(frame("0f", `01${field(4000)}${field(97)}`)))).toBe("0x3 §2.4.1");
  });

  it("§2.4.1: does not send names beyond the limits", () => {
    const send = (namespace: readonly Uint8Array[], name: Uint8Array) =>
      errorOf(() =>
        draft18.encodeMessage({
          type: "subscribe",
          requestId: 0,
          track: { namespace, name },
          parameters: {},
        }),
      ).code;
    expect(
      send(
        Array.from({ length: 33 }, () => bytesOf("61")),
        bytesOf(""),
      ),
    ).toBe("invalid-options");
    expect(send([new Uint8Array(0)], bytesOf("61"))).toBe("invalid-options");
    expect(send([new Uint8Array(4096)], bytesOf("61"))).toBe("invalid-options");
    expect(
      errorOf(() =>
        draft18.encodeMessage({
          type: "publish-blocked",
          suffix: [new Uint8Array(4096)],
          name: bytesOf("61"),
        }),
      ).code,
    ).toBe("invalid-options");
  });
});

describe("reason phrases (§1.4.4)", () => {
  it("§1.4.4: takes 1024 bytes and refuses more", () => {
    const reason = "61".repeat(1024);
    expect(decodeMessage(frame("0b", `02 00 8400 ${reason}`))).toMatchObject({ reason: "a".repeat(1024) });
    expect(verdictOf(() => decodeMessage(frame("0b", `02 00 8401 ${reason}61`)))).toBe("0x3 §1.4.4");
    expect(errorOf(() => decodeMessage(frame("05", "00 00 8401"))).code).toBe("limit-exceeded");
  });

  it("§1.4.4: cuts a longer reason at the border of a character when sending", () => {
    const sent = decodeMessage(
      draft18.encodeMessage({
        type: "publish-done",
        statusCode: 0,
        streamCount: 0,
        reason: `a${"é".repeat(600)}`,
      }),
    );
    expect(sent).toMatchObject({ reason: `a${"é".repeat(511)}` });
  });

  it("shows bytes that are not UTF-8 instead of failing", () => {
    expect(decodeMessage(frame("0b", "02 00 02 61ff"))).toMatchObject({ reason: "a\ufffd" });
  });
});

describe("GOAWAY (§10.4)", () => {
  it("§10.4: takes a URI of 8192 bytes and refuses 8193", () => {
    expect(decodeMessage(frame("10", `a000 ${"61".repeat(8192)} 00`))).toMatchObject({ timeoutMs: 0 });
    expect(verdictOf(() => decodeMessage(frame("10", `a001 ${"61".repeat(8193)} 00`)))).toBe("0x3 §10.4");
  });

  it("§10.4: does not send a longer one", () => {
    const error = errorOf(() =>
      draft18.encodeMessage({ type: "goaway", newSessionUri: "x".repeat(8193), timeoutMs: 0 }),
    );
    expect(error.code).toBe("invalid-options");
  });
});

describe("REQUEST_ERROR (§10.6)", () => {
  it("§10.6: has a redirect only when its code is REDIRECT", () => {
    expect(verdictOf(() => decodeMessage(frame("05", "00 00 00 00 00 00")))).toBe("0x3 §10");
    expect(verdictOf(() => decodeMessage(frame("05", "34 00 00")))).toBe("0x3 §10.6");
    const redirect = { connectUri: "", ...trackOf(namespaceOf("a"), "b") };
    for (const message of [
      { type: "request-error", errorCode: 0, retryInterval: 0, reason: "", redirect },
      { type: "request-error", errorCode: 0x34, retryInterval: 0, reason: "" },
    ] as const) {
      expect(errorOf(() => draft18.encodeMessage(message)).code).toBe("invalid-options");
    }
  });

  it("§10.6.1: a redirect without namespace and name means those of the request", () => {
    expect(decodeMessage(frame("05", "34 00 00 00 00 00"))).toMatchObject({
      redirect: { connectUri: "", namespace: [], name: new Uint8Array(0) },
    });
  });

  it.each(["809d", "811c", "bfff"])("§14: takes the unknown error code 0x%s", (code) => {
    expect(decodeMessage(frame("05", `${code} 00 00`))).toMatchObject({ type: "request-error" });
    expect(decodeMessage(frame("0b", `${code} 00 00`))).toMatchObject({ type: "publish-done" });
  });
});

describe("FETCH and FETCH_OK (§10.12, §10.13)", () => {
  it.each(["00", "04", "ffffffffffffffffff"])("§10.12: refuses the fetch type 0x%s", (type) => {
    expect(verdictOf(() => decodeMessage(frame("16", `00 ${type} 00 00 00`)))).toBe("0x3 §10.12");
  });

  it("§10.12.3: does not send a range that ends before it starts", () => {
    const send = (end: { group: number; object: number }) =>
      draft18.encodeMessage({
        type: "fetch",
        requestId: 0,
        range: {
          kind: "standalone",
          track: trackOf(namespaceOf("a"), "b"),
          start: { group: 4, object: 2 },
          end,
        },
        parameters: {},
      });
    expect(errorOf(() => send({ group: 3, object: 9 })).code).toBe("invalid-options");
    expect(errorOf(() => send({ group: 4, object: 2 })).code).toBe("invalid-options");
    expect(send({ group: 4, object: 3 }).length).toBeGreaterThan(0);
    expect(send({ group: 4, object: 0 }).length).toBeGreaterThan(0);
  });

  it("§10.13: refuses an End Of Track that is neither 0 nor 1", () => {
    expect(verdictOf(() => decodeMessage(frame("18", "02 00 00 00")))).toBe("0x3 §10.13");
  });
});

describe("Key-Value-Pairs at the end of a message (§1.4.3, §2.5)", () => {
  it("§1.4.3: refuses a type above 2^64 - 1", () => {
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, `00 ffffffffffffffffff 00 01 00`)))).toBe(
      "0x3 §1.4.3",
    );
  });

  it("§1.4.3: takes a value of 65,000 bytes and refuses a length above 65,535", () => {
    const big = frame(REQUEST_OK, `00 8101 c0fde8 ${"00".repeat(65_000)}`);
    expect(decodeMessage(big)).toMatchObject({ trackProperties: [{ type: 0x101 }] });
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 8101 c10000")))).toBe("0x3 §1.4.3");
  });

  it("§1.4.3: closes with KEY_VALUE_FORMATTING_ERROR when a pair is cut short", () => {
    for (const pairs of ["02", "80", "8101", "8101 02 00"]) {
      expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, `00 ${pairs}`)))).toBe("0x6 §1.4.3");
    }
  });

  it("§12.4: refuses a default priority above 255", () => {
    expect(decodeMessage(frame(REQUEST_OK, "00 0e 80ff"))).toMatchObject({
      trackProperties: [{ type: 14, value: 255 }],
    });
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 0e 8100")))).toBe("0x6 §12.4");
  });

  it.each(["00", "03", "ffffffffffffffffff"])("§12.5: refuses the default group order 0x%s", (order) => {
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, `00 22 ${order}`)))).toBe("0x3 §12.5");
  });

  it("§12.6: refuses DYNAMIC_GROUPS above 1", () => {
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 30 02")))).toBe("0x3 §12.6");
  });

  it("§12.7: looks for values within Immutable Properties too", () => {
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 0b 02 3002")))).toBe("0x3 §12.6");
  });

  it("§12.7: refuses Immutable Properties within themselves, twice, or unreadable", () => {
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 0b 02 0b00")))).toBe("0x6 §12.7");
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 0b 00 00 00")))).toBe("0x6 §12.7");
    expect(verdictOf(() => decodeMessage(frame(REQUEST_OK, "00 0b 01 02")))).toBe("0x6 §1.4.3");
  });

  it("§14: keeps properties it does not know, greased and application ones among them", () => {
    expect(decodeMessage(frame(REQUEST_OK, "00 38 01 65 02 aabb"))).toMatchObject({
      trackProperties: [
        { type: 0x38, value: 1 },
        { type: 0x9d, value: bytesOf("aabb") },
      ],
    });
  });

  it("does not send pairs out of order or of the wrong kind", () => {
    const send = (...trackProperties: { type: number; value: number | Uint8Array }[]) =>
      errorOf(() => draft18.encodeMessage({ type: "request-ok", parameters: {}, trackProperties })).code;
    expect(send({ type: 4, value: 1 }, { type: 2, value: 1 })).toBe("invalid-options");
    expect(send({ type: 3, value: 1 })).toBe("invalid-options");
    expect(send({ type: 2, value: bytesOf("00") })).toBe("invalid-options");
    expect(send({ type: 3, value: new Uint8Array(65_536) })).toBe("invalid-options");
  });
});

describe("PUBLISH_OK (§10.5)", () => {
  it("is sent as REQUEST_OK", () => {
    expect(hexOf(draft18.encodeMessage({ type: "request-ok", parameters: {}, trackProperties: [] }))).toBe(
      "07000100",
    );
  });
});
