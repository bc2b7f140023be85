import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { decodeStoredGroup, encodeStoredGroup, FRAME_HEAD_BYTES, readFrameHead } from "./group-file.ts";
import type { StoredGroup } from "./types.ts";

const bytes = fc.uint8Array({ maxLength: 40 });
const id: fc.Arbitrary<VarInt> = fc.oneof(
  fc.maxSafeNat(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
);

const groups: fc.Arbitrary<StoredGroup> = fc
  .record({
    group: id,
    complete: fc.boolean(),
    evidence: fc.array(bytes, { maxLength: 4 }),
    objects: fc.array(
      fc.record({
        object: id,
        subgroup: fc.option(id, { nil: undefined }),
        priority: fc.option(fc.nat(255), { nil: undefined }),
        properties: bytes,
        payload: bytes,
      }),
      { maxLength: 5 },
    ),
  })
  .map(({ objects, group, ...rest }) => ({
    ...rest,
    group,
    objects: objects.map((object) => ({ group, status: "normal" as const, ...object })),
  }));

describe("a group as bytes", () => {
  it("comes back as it was, and its head says where the next one begins", () => {
    fc.assert(
      fc.property(groups, (group) => {
        const encoded = encodeStoredGroup(group);
        expect(decodeStoredGroup(encoded)).toEqual(group);
        expect(readFrameHead(encoded.subarray(0, FRAME_HEAD_BYTES))).toEqual({
          group: group.group,
          byteLength: encoded.length,
          complete: group.complete,
          objects: group.objects.length,
        });
      }),
      { verbose: true },
    );
  });

  it("is refused with a typed error after any byte has changed, and cut short anywhere", () => {
    fc.assert(
      fc.property(groups, fc.nat(), fc.integer({ min: 1, max: 255 }), (group, place, change) => {
        const encoded = encodeStoredGroup(group);
        const altered = encoded.slice();
        const at = place % altered.length;
        altered[at] = altered[at]! ^ change;
        expect(() => decodeStoredGroup(altered)).toThrow(CountersignError);
        expect(() => decodeStoredGroup(encoded.subarray(0, at))).toThrow(CountersignError);
      }),
      { verbose: true },
    );
  });

  it("any bytes at all give a group or a typed error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        try {
          decodeStoredGroup(junk);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(CountersignError);
        }
      }),
      { verbose: true },
    );
  });
});
