import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { type CborValue, decodeCbor } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { MAX_ENTRIES_PER_MANIFEST, MAX_ENVELOPE_BYTES, MAX_SIGNED_OBJECT_BYTES } from "./limits.ts";
import { decodeManifest, encodeManifest } from "./manifest.ts";
import type { Manifest } from "./types.ts";

const digest = (byte: number) => new Uint8Array(32).fill(byte);

const full: Manifest = {
  version: 1,
  streamId: STREAM_ID,
  track: VIDEO,
  sequence: 9,
  previous: digest(1),
  group: 7,
  entries: [
    { object: 3, size: 0, leaf: digest(2) },
    { object: 2n ** 63n, size: 5_000, leaf: digest(3) },
  ],
  completion: { objectCount: 5, root: digest(4) },
  issuedAtMs: START_MS,
  freshForMs: 5_000,
  catalogDigest: digest(5),
};
const first: Manifest = {
  ...full,
  sequence: 0,
  previous: undefined,
  entries: [],
  completion: undefined,
  catalogDigest: undefined,
};

/** The payload of `full` with one key set, or deleted when undefined. */
function tampered(key: number | string, value: CborValue | undefined): Uint8Array {
  const map = new Map(decodeCbor(encodeManifest(full)) as Map<number | string, CborValue>);
  if (value === undefined) map.delete(key);
  else map.set(key, value);
  return encodeCbor(map);
}

const REFUSED: readonly (readonly [string, Uint8Array])[] = [
  ["something that is no map", encodeCbor([1, 2])],
  ["version 2", tampered(1, 2)],
  ["no version", tampered(1, undefined)],
  ["a stream id of 15 bytes", tampered(2, new Uint8Array(15))],
  ["an empty namespace", tampered(3, [])],
  [
    "33 namespace fields",
    tampered(
      3,
      Array.from({ length: 33 }, () => Uint8Array.of(1)),
    ),
  ],
  ["an empty namespace field", tampered(3, [new Uint8Array(0)])],
  ["a namespace field that is text", tampered(3, ["live"])],
  ["a name of 4,097 bytes", tampered(4, new Uint8Array(4_097))],
  ["a negative sequence", tampered(5, -1)],
  ["a sequence of 0 with a previous digest", tampered(5, 0)],
  ["no previous digest", tampered(6, undefined)],
  ["a previous digest of 31 bytes", tampered(6, new Uint8Array(31))],
  ["no group", tampered(7, undefined)],
  ["no entries", tampered(8, undefined)],
  [
    "entries out of order",
    tampered(8, [
      [2, 1, digest(1)],
      [1, 1, digest(1)],
    ]),
  ],
  [
    "an object twice",
    tampered(8, [
      [2, 1, digest(1)],
      [2, 1, digest(1)],
    ]),
  ],
  ["an object that is too large", tampered(8, [[2, MAX_SIGNED_OBJECT_BYTES + 1, digest(1)]])],
  ["a leaf of 31 bytes", tampered(8, [[2, 1, new Uint8Array(31)]])],
  ["an entry with a fourth part", tampered(8, [[2, 1, digest(1), 0]])],
  [
    "too many entries",
    tampered(
      8,
      Array.from({ length: MAX_ENTRIES_PER_MANIFEST + 1 }, (_, i) => [i, 1, digest(1)]),
    ),
  ],
  ["a count below the entries", tampered(9, [1, digest(1)])],
  ["a count of 65,537", tampered(9, [65_537, digest(1)])],
  ["a root of 20 bytes", tampered(9, [5, new Uint8Array(20)])],
  ["a time of issue beyond safe integers", tampered(10, 2n ** 60n)],
  ["no freshness", tampered(11, 0)],
  ["a catalog digest of 33 bytes", tampered(12, new Uint8Array(33))],
  ["an unknown number as key", tampered(13, 0)],
  ["a text as key", tampered("note", "hello")],
];

describe("the manifest payload", () => {
  it("comes back as it was written, with everything and with the least", () => {
    for (const manifest of [full, first]) expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
  });

  it.each(REFUSED)("is refused with %s", (_, payload) => {
    let thrown: unknown;
    try {
      decodeManifest(payload);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CountersignError);
    expect((thrown as CountersignError).code).toBe("manifest-malformed");
  });

  it("is not written when no reader would take it", () => {
    const wrong: Manifest[] = [
      { ...full, previous: undefined },
      { ...full, issuedAtMs: 1.5 },
      { ...full, freshForMs: -1 },
      { ...full, streamId: new Uint8Array(3) },
      { ...full, track: trackOf(namespaceOf(), "video") },
    ];
    for (const manifest of wrong) {
      expect(() => encodeManifest(manifest)).toThrow(expect.objectContaining({ code: "invalid-options" }));
    }
  });

  it("fits its envelope with as many entries as are allowed, in a long-named track", () => {
    const entries = Array.from({ length: MAX_ENTRIES_PER_MANIFEST }, (_, i) => ({
      object: 2n ** 63n + BigInt(i),
      size: MAX_SIGNED_OBJECT_BYTES,
      leaf: digest(i),
    }));
    const track = { namespace: [new Uint8Array(2_000).fill(1)], name: new Uint8Array(2_096) };
    const completion = { objectCount: 2_000, root: digest(1) };
    expect(encodeManifest({ ...full, track, entries, completion }).byteLength).toBeLessThan(
      MAX_ENVELOPE_BYTES - 4_096,
    );
  });
});
