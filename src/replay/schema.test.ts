import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { VarInt } from "../wire/varint.ts";
import { canonical } from "../wire/varint.ts";
import { type IdKey, idKey, idOf } from "./schema.ts";

const seed = process.env["FC_SEED"];
const parameters = { numRuns: 2_000, ...(seed !== undefined && { seed: Number(seed) }) };
const id: fc.Arbitrary<VarInt> = fc
  .oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(2n ** 53n - 3n, 2n ** 53n + 3n), fc.bigInt(0n, 9n))
  .map(canonical);

/** The order of keys in IndexedDB (W3C IndexedDB §2.9): numbers before strings, strings by code unit. */
function comesBefore(a: IdKey, b: IdKey): boolean {
  if (typeof a !== typeof b) return typeof a === "number";
  return a < b;
}

describe("group ids as keys", () => {
  it("sort as the ids do, over all 64 bits", () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(comesBefore(idKey(a), idKey(b))).toBe(a < b);
      }),
      parameters,
    );
  });

  it("give the id back, and no other key passes for one", () => {
    fc.assert(
      fc.property(id, (value) => {
        expect(idOf(idKey(value))).toBe(value);
      }),
      parameters,
    );
    for (const key of [-1, 0.5, Number.NaN, 2 ** 53, "ff", "000000000000000a", "G".repeat(16), [], undefined])
      expect(idOf(key)).toBeUndefined();
  });
});
