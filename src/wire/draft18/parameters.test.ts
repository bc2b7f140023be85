import { describe, expect, it } from "vitest";
import { utf8Encode } from "../../utf8.ts";
import type { ControlMessage, Parameters } from "../messages.ts";
import { namespaceOf, trackOf } from "../names.ts";
import { bytesOf, decodeMessage, errorOf, frame, hexOf, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

const track = trackOf(namespaceOf("a"), "b");

/** Each message that has parameters, with its fields before them and an encoder's view of it. */
const carriers: Readonly<
  Record<string, { head: string; id: string; message: (parameters: Parameters) => ControlMessage }>
> = {
  subscribe: {
    id: "03",
    head: "00 01 0161 0162",
    message: (parameters) => ({ type: "subscribe", requestId: 0, track, parameters }),
  },
  "subscribe-ok": {
    id: "04",
    head: "00",
    message: (parameters) => ({ type: "subscribe-ok", trackAlias: 0, parameters, trackProperties: [] }),
  },
  "request-ok": {
    id: "07",
    head: "",
    message: (parameters) => ({ type: "request-ok", parameters, trackProperties: [] }),
  },
  "request-update": {
    id: "02",
    head: "00",
    message: (parameters) => ({ type: "request-update", requestId: 0, parameters }),
  },
  publish: {
    id: "1d",
    head: "00 01 0161 0162 00",
    message: (parameters) => ({
      type: "publish",
      requestId: 0,
      track,
      trackAlias: 0,
      parameters,
      trackProperties: [],
    }),
  },
  fetch: {
    id: "16",
    head: "00 02 00 00",
    message: (parameters) => ({
      type: "fetch",
      requestId: 0,
      range: { kind: "relative-joining", joiningRequestId: 0, joiningStart: 0 },
      parameters,
    }),
  },
  "fetch-ok": {
    id: "18",
    head: "00 00 00",
    message: (parameters) => ({
      type: "fetch-ok",
      endOfTrack: false,
      end: { group: 0, object: 0 },
      parameters,
      trackProperties: [],
    }),
  },
  "track-status": {
    id: "0d",
    head: "00 01 0161 0162",
    message: (parameters) => ({ type: "track-status", requestId: 0, track, parameters }),
  },
  "publish-namespace": {
    id: "06",
    head: "00 01 0161",
    message: (parameters) => ({
      type: "publish-namespace",
      requestId: 0,
      namespace: namespaceOf("a"),
      parameters,
    }),
  },
  "subscribe-namespace": {
    id: "50",
    head: "00 01 0161",
    message: (parameters) => ({
      type: "subscribe-namespace",
      requestId: 0,
      prefix: namespaceOf("a"),
      parameters,
    }),
  },
  "subscribe-tracks": {
    id: "51",
    head: "00 01 0161",
    message: (parameters) => ({
      type: "subscribe-tracks",
      requestId: 0,
      prefix: namespaceOf("a"),
      parameters,
    }),
  },
};

/** Each parameter: its bytes behind the count, its value, its clause, and the messages that the clause names. REQUEST_OK stands for its aliases. */
const parameters: readonly (readonly [string, string, Parameters, readonly string[]])[] = [
  ["§10.2.4", "02 05", { objectDeliveryTimeoutMs: 5 }, ["request-ok", "subscribe", "request-update"]],
  [
    "§10.2.2",
    "03 03 03 07 41",
    { authorizationTokens: [{ alias: "use-value", tokenType: 7, value: utf8Encode("A") }] },
    [
      "publish",
      "subscribe",
      "request-update",
      "subscribe-namespace",
      "subscribe-tracks",
      "publish-namespace",
      "track-status",
      "fetch",
    ],
  ],
  ["§10.2.6", "04 05", { rendezvousTimeoutMs: 5 }, ["subscribe"]],
  ["§10.2.3", "06 05", { subgroupDeliveryTimeoutMs: 5 }, ["request-ok", "subscribe", "request-update"]],
  ["§10.2.10", "08 05", { expiresMs: 5 }, ["subscribe-ok", "publish", "request-ok"]],
  [
    "§10.2.11",
    "09 05 06",
    { largestObject: { group: 5, object: 6 } },
    ["subscribe-ok", "publish", "request-ok"],
  ],
  ["§10.2.5", "0a 05", { fillTimeoutMs: 5 }, ["fetch"]],
  [
    "§10.2.12",
    "10 01",
    { forward: true },
    ["subscribe", "request-update", "publish", "request-ok", "subscribe-tracks"],
  ],
  ["§10.2.7", "20 ff", { subscriberPriority: 255 }, ["subscribe", "fetch", "request-update", "request-ok"]],
  [
    "§10.2.9",
    "21 01 02",
    { filter: { type: "largest-object" } },
    ["subscribe", "request-ok", "request-update"],
  ],
  ["§10.2.8", "22 02", { groupOrder: "descending" }, ["subscribe", "request-ok", "fetch"]],
  ["§10.2.13", "32 05", { newGroupRequest: 5 }, ["request-ok", "subscribe", "request-update"]],
  ["§10.2.14", "34 01 0161", { trackNamespacePrefix: namespaceOf("a") }, ["request-update"]],
];

describe("where a parameter may stand (§10.2.1)", () => {
  for (const [section, bytes, value, allowed] of parameters) {
    const name = Object.keys(value)[0];
    for (const [type, { id, head, message }] of Object.entries(carriers)) {
      if (allowed.includes(type)) {
        it(`${section}: ${name} is read from and written to ${type}`, () => {
          const expected = message(value);
          expect(decodeMessage(frame(id, `${head} 01 ${bytes}`))).toEqual(expected);
          expect(hexOf(draft18.encodeMessage(expected))).toBe(hexOf(frame(id, `${head} 01 ${bytes}`)));
        });
      } else {
        it(`§10.2.1: ${name} (${section}) is refused in ${type}`, () => {
          expect(verdictOf(() => decodeMessage(frame(id, `${head} 01 ${bytes}`)))).toBe("0x3 §10.2.1");
          expect(errorOf(() => draft18.encodeMessage(message(value))).code).toBe("invalid-options");
        });
      }
    }
  }
});

function subscribe(parameterBytes: string): Uint8Array {
  return frame("03", `00 01 0161 0162 ${parameterBytes}`);
}

describe("the list of parameters (§10.2)", () => {
  it("§10.2: refuses an unknown parameter", () => {
    expect(verdictOf(() => decodeMessage(subscribe("01 0c 00")))).toBe("0x3 §10.2");
    expect(verdictOf(() => decodeMessage(subscribe("01 00 00")))).toBe("0x3 §10.2");
  });

  it("§10.2: refuses a greased parameter, for parameters have no grease (§14)", () => {
    expect(verdictOf(() => decodeMessage(subscribe("01 809d 00")))).toBe("0x3 §10.2");
  });

  it("§10.2: refuses a type above 2^64 - 1", () => {
    const error = errorOf(() => decodeMessage(subscribe("02 02 05 ffffffffffffffffff 00")));
    expect(error).toMatchObject({ protocolCode: 3, section: "draft-ietf-moq-transport-18 §10.2" });
    // An unknown type has the same verdict: this one is refused for its size.
    expect(error.message).toContain("2^64");
  });

  it("§10.2: refuses a parameter that comes twice", () => {
    expect(verdictOf(() => decodeMessage(subscribe("02 02 05 00 05")))).toBe("0x3 §10.2");
  });

  it("§10.2.2: takes several tokens", () => {
    expect(decodeMessage(subscribe("02 03 02 02 01 00 02 00 01"))).toMatchObject({
      parameters: {
        authorizationTokens: [
          { alias: "use-alias", tokenAlias: 1 },
          { alias: "delete", tokenAlias: 1 },
        ],
      },
    });
  });

  it("refuses a count of parameters that the message cannot hold", () => {
    expect(verdictOf(() => decodeMessage(subscribe("ffffffffffffffffff 02 05")))).toBe("0x3 §10.2");
    expect(verdictOf(() => decodeMessage(subscribe("02 02 05")))).toBe("0x3 §10.2");
  });

  it("writes parameters in ascending order of type, whatever their order in the object", () => {
    const message = {
      type: "subscribe",
      requestId: 0,
      track,
      parameters: { newGroupRequest: 1, forward: false, objectDeliveryTimeoutMs: 3 },
    } as const;
    expect(hexOf(draft18.encodeMessage(message))).toBe(hexOf(subscribe("03 02 03 0e 00 22 01")));
  });
});

describe("values of parameters", () => {
  it.each(["02", "ff"])("§10.2.12: refuses FORWARD 0x%s", (value) => {
    expect(verdictOf(() => decodeMessage(subscribe(`01 10 ${value}`)))).toBe("0x3 §10.2.12");
  });

  it.each(["00", "03", "ff"])("§10.2.8: refuses GROUP_ORDER 0x%s", (value) => {
    expect(verdictOf(() => decodeMessage(subscribe(`01 22 ${value}`)))).toBe("0x3 §10.2.8");
  });

  it.each(["00", "05", "ffffffffffffffffff"])("§5.1.2: refuses the filter type 0x%s", (type) => {
    const length = type.length / 2;
    expect(verdictOf(() => decodeMessage(subscribe(`01 21 0${length} ${type}`)))).toBe("0x3 §5.1.2");
  });

  it("§5.1.2: refuses a range whose end group is above 2^64 - 1", () => {
    expect(decodeMessage(subscribe("01 21 0c 04 fffffffffffffffffe 00 01"))).toMatchObject({
      parameters: { filter: { endGroup: 0xffff_ffff_ffff_ffffn } },
    });
    expect(verdictOf(() => decodeMessage(subscribe("01 21 0c 04 fffffffffffffffffe 00 02")))).toBe(
      "0x3 §5.1.2",
    );
  });

  it("§5.1.2: refuses a filter that is longer or shorter than its length", () => {
    expect(verdictOf(() => decodeMessage(subscribe("01 21 02 02 00")))).toBe("0x3 §5.1.2");
    expect(verdictOf(() => decodeMessage(subscribe("01 21 02 03 00")))).toBe("0x3 §5.1.2");
  });

  it("§5.1.2: does not send a range that ends before it starts", () => {
    const filter = { type: "absolute-range", start: { group: 5, object: 0 }, endGroup: 4 } as const;
    expect(
      errorOf(() => draft18.encodeMessage({ type: "subscribe", requestId: 0, track, parameters: { filter } }))
        .code,
    ).toBe("invalid-options");
  });

  it.each(["", "80", "04 00", "00", "01 05", "02", "03", "00 05 00", "02 05 00"])(
    "§10.2.2: closes with KEY_VALUE_FORMATTING_ERROR on the token [%s], which cannot be decoded",
    (token) => {
      const length = bytesOf(token).length.toString(16).padStart(2, "0");
      expect(verdictOf(() => decodeMessage(subscribe(`01 03 ${length} ${token}`)))).toBe("0x6 §10.2.2");
    },
  );

  it("§14: takes greased token types", () => {
    expect(decodeMessage(subscribe("01 03 04 03 809d 41"))).toMatchObject({
      parameters: { authorizationTokens: [{ tokenType: 0x9d }] },
    });
  });

  it("§2.4.1: limits the namespace of TRACK_NAMESPACE_PREFIX", () => {
    expect(verdictOf(() => decodeMessage(frame("02", `00 01 34 21${"0161".repeat(33)}`)))).toBe("0x3 §2.4.1");
  });
});
