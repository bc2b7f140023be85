/** Where draft-19's bytes differ from draft-18's. The bytes are worked out by hand from the text; they show our reading of it. */
import { describe, expect, it } from "vitest";
import { bytesOf, decodeMessage, errorOf, frame, hexOf, verdictOf } from "../draft18/fixtures.ts";
import { draft18 } from "../draft18/index.ts";
import type { ControlMessage, RangeFilter } from "../messages.ts";
import { namespaceOf, trackOf } from "../names.ts";
import { loadCodec } from "../registry.ts";
import { draft19 } from "./index.ts";

const track = trackOf(namespaceOf("a"), "b");
const SUBSCRIBE_HEAD = "00 01 0161 0162";

function decode(bytes: Uint8Array, stream: "control" | "request" = "request"): ControlMessage {
  return decodeMessage(bytes, stream, draft19);
}

/** The filters of a SUBSCRIBE whose parameters are these bytes. */
function filtersOf(parameters: string): readonly RangeFilter[] | undefined {
  const message = decode(frame("03", `${SUBSCRIBE_HEAD} ${parameters}`));
  return message.type === "subscribe" ? message.parameters.rangeFilters : undefined;
}

function subscribeWith(rangeFilters: readonly RangeFilter[]): ControlMessage {
  return { type: "subscribe", requestId: 0, track, parameters: { rangeFilters } };
}

describe("draft-19 among the drafts", () => {
  it("is found by its version, and says by name what it can", async () => {
    expect(await loadCodec("moqt-19")).toBe(draft19);
    expect(draft19.draft).toBe("draft-ietf-moq-transport-19");
    const differing = Object.entries(draft19.capabilities).filter(
      ([name, value]) => draft18.capabilities[name as keyof typeof draft18.capabilities] !== value,
    );
    expect(Object.fromEntries(differing)).toEqual({
      severalSubscriptions: true,
      goawayNamesRequest: false,
      rangeFilters: true,
      announcementsExpire: true,
      tracksTakeDefaults: true,
      updateLimit: true,
    });
  });

  it("shares draft-18's streams and datagrams", () => {
    expect(draft19.dataStreamDecoder).toBe(draft18.dataStreamDecoder);
    expect(draft19.encodeFetchObject).toBe(draft18.encodeFetchObject);
    expect(draft19.decodeDatagram).toBe(draft18.decodeDatagram);
  });
});

describe("control messages of draft-19", () => {
  it("§10.4: GOAWAY has no request id, on any stream", () => {
    const goaway = { type: "goaway", newSessionUri: "a", timeoutMs: 5 } as const;
    expect(hexOf(draft19.encodeMessage({ ...goaway, requestId: 2 }))).toBe("100003016105");
    expect(decode(frame("10", "01 61 05"), "control")).toEqual(goaway);
    expect(decode(frame("10", "01 61 05"))).toEqual(goaway);
    expect(verdictOf(() => decode(frame("10", "01 61 05 02"), "control"))).toBe("0x3 §10");
  });

  it("§10: 0x1E, once PUBLISH_OK, is no message", () => {
    expect(verdictOf(() => decode(frame("1e", "00")))).toBe("0x3 §10");
    expect(decodeMessage(frame("1e", "00"))).toMatchObject({ type: "request-ok" });
  });

  it("§10.3.1: SETUP tells the limits of filter ranges and of updates", () => {
    const setup = { type: "setup", maxFilterRanges: 3, maxRequestUpdates: 8 } as const;
    expect(hexOf(draft19.encodeSetup(setup, "client"))).toBe("af00000406030208");
    expect(decode(bytesOf("af00 0004 06 03 02 08"), "control")).toEqual(setup);
    // Draft-18 has no such options: it neither sends them nor gives them a meaning.
    expect(hexOf(draft18.encodeSetup(setup, "client"))).toBe("af000000");
    expect(decodeMessage(bytesOf("af00 0002 06 03"), "control")).toEqual({
      type: "setup",
      unknown: [{ type: 6, value: 3 }],
    });
  });

  it("§10.3: a limit told twice is a violation", () => {
    expect(verdictOf(() => decode(bytesOf("af00 0004 08 01 00 01"), "control"))).toBe("0x3 §10.3");
  });

  it("§10.2.8: GROUP_ORDER goes with SUBSCRIBE_TRACKS and not with PUBLISH_OK", () => {
    const tracks = decode(frame("51", "00 01 0161 01 22 02"));
    expect(tracks).toMatchObject({ type: "subscribe-tracks", parameters: { groupOrder: "descending" } });
    expect(hexOf(draft19.encodeMessage(tracks))).toBe("5100070001016101 22 02".replaceAll(" ", ""));
    expect(verdictOf(() => decode(frame("07", "01 22 02")))).toBe("0x3 §10.2.1");
    expect(verdictOf(() => decodeMessage(frame("51", "00 01 0161 01 22 02")))).toBe("0x3 §10.2.1");
  });

  it("§10.19.1: SUBSCRIBE_TRACKS takes what SUBSCRIBE takes", () => {
    expect(decode(frame("51", "00 01 0161 02 20 07 01 01 02"))).toMatchObject({
      type: "subscribe-tracks",
      parameters: { subscriberPriority: 7, filter: { type: "largest-object" } },
    });
    expect(verdictOf(() => decodeMessage(frame("51", "00 01 0161 01 20 07")))).toBe("0x3 §10.2.1");
  });
});

describe("range filters (§5.1.3)", () => {
  it("§5.1.3: ranges are deltas: 3 to 5 and 10 to 15 are 3, 2, 5, 5, as the draft's example says", () => {
    const filters = [
      {
        kind: "object",
        setId: 9,
        ranges: [
          { first: 3, last: 5 },
          { first: 10, last: 15 },
        ],
      },
    ] as const;
    expect(filtersOf("01 26 05 09 03 02 05 05")).toEqual(filters);
    expect(hexOf(draft19.encodeMessage(subscribeWith(filters)))).toBe(
      "03000e00010161016201260509 03020505".replace(" ", ""),
    );
  });

  it("§5.1.3: the last end may be left out", () => {
    expect(filtersOf("01 25 04 00 01 01 03")).toEqual([
      { kind: "subgroup", setId: 0, ranges: [{ first: 1, last: 2 }, { first: 5 }] },
    ]);
  });

  it("§10.2.13, §10.2.14: filters of properties name the property", () => {
    expect(filtersOf("01 28 04 00 3c 01 01")).toEqual([
      { kind: "object-property", setId: 0, propertyType: 0x3c, ranges: [{ first: 1, last: 2 }] },
    ]);
    expect(verdictOf(() => filtersOf("01 29 04 00 3c 01 01"))).toBe("0x3 §10.2.1");
    expect(decode(frame("51", "00 01 0161 01 29 04 00 3c 01 01"))).toMatchObject({
      parameters: { rangeFilters: [{ kind: "track-property", propertyType: 0x3c }] },
    });
  });

  it("§5.1.3: one kind may stand several times, in sets of its own", () => {
    expect(filtersOf("02 27 02 00 01 00 02 01 05")).toEqual([
      { kind: "priority", setId: 0, ranges: [{ first: 1 }] },
      { kind: "priority", setId: 1, ranges: [{ first: 5 }] },
    ]);
  });

  it.each([
    ["a range above 2^64 - 1", "01 26 0b 00 01 ffffffffffffffffff"],
    ["a start above 2^64 - 1", "01 26 0c 00 01 01 ffffffffffffffffff"],
    ["a priority above 255", "01 27 03 00 8100"],
    ["a property that is no number", "01 28 03 00 3d 01"],
    ["no range", "01 26 01 00"],
  ])("§5.1.3: %s is read as a filter to refuse", (_, parameters) => {
    expect(filtersOf(parameters)).toMatchObject([{ invalid: expect.any(String) }]);
  });

  it("§5.1.3: an empty filter takes one away", () => {
    const update = decode(frame("02", "00 01 27 00"));
    expect(update).toMatchObject({ parameters: { rangeFilters: [{ kind: "priority", removed: true }] } });
    expect(hexOf(draft19.encodeMessage(update))).toBe("02000400012700");
  });

  it("bytes that end within a filter end the session", () => {
    expect(errorOf(() => filtersOf("01 26 02 00 80")).protocolCode).toBe(3);
  });

  it("is not sent in a draft that has none, nor when it says something impossible", () => {
    const one = { kind: "object", setId: 0, ranges: [{ first: 1 }] } as const;
    expect(errorOf(() => draft18.encodeMessage(subscribeWith([one]))).code).toBe("invalid-options");
    for (const bad of [
      { ...one, ranges: [{ first: 5, last: 4 }] },
      { ...one, ranges: [{ first: 1 }, { first: 2 }] },
      { ...one, propertyType: 2 },
      { kind: "object-property", setId: 0, ranges: [{ first: 1 }] },
      { kind: "object", invalid: "received so" },
    ] as const) {
      expect(errorOf(() => draft19.encodeMessage(subscribeWith([bad]))).code).toBe("invalid-options");
    }
  });
});
