import { decode, encode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { canonical } from "../wire/varint.ts";
import { type CborKey, type CborValue, decodeCbor } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";

const key: fc.Arbitrary<CborKey> = fc.oneof(fc.integer(), fc.string({ maxLength: 30 }));
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map((n) => canonical(n)),
    // Where the encoding grows by a byte.
    fc.constantFrom(23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000).map((n) => n),
    fc.constantFrom(-24, -25, -0x100, -0x101, -0x1_0000_0000, -0x1_0000_0001, -(2n ** 60n)),
    // fast-check makes strings of whole code points; lone surrogates have no UTF-8.
    fc.string({ unit: "binary" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  ),
}));

it("reads back what it writes", () => {
  fc.assert(
    fc.property(value, (written) => {
      expect(decodeCbor(encodeCbor(written))).toEqual(written);
    }),
  );
});

/** In Node cborg gives byte strings as Buffers, which are not equal to the same bytes otherwise. */
function withPlainBytes(read: unknown): unknown {
  if (read instanceof Uint8Array) return new Uint8Array(read);
  if (Array.isArray(read)) return read.map(withPlainBytes);
  if (read instanceof Map) return new Map([...read].map(([name, item]) => [name, withPlainBytes(item)]));
  return read;
}

it("reads what another implementation reads in the same bytes", () => {
  fc.assert(
    fc.property(value, (written) => {
      const bytes = encodeCbor(written);
      const theirs: unknown = decode(bytes, { strict: true, useMaps: true, allowBigInt: true });
      expect(decodeCbor(bytes)).toEqual(withPlainBytes(theirs));
    }),
  );
});

it("writes what another implementation writes", () => {
  fc.assert(
    fc.property(value, (written) => {
      expect(encodeCbor(written)).toEqual(new Uint8Array(encode(written, rfc8949EncodeOptions)));
    }),
  );
});

it("gives for any bytes a value whose only encoding they are, or a typed error", () => {
  // Mostly small heads, so that a good part of the samples is well-formed.
  const byte = fc.oneof(
    fc.nat(0x1b),
    fc.integer({ min: 0x80, max: 0x84 }),
    fc.integer({ min: 0xa0, max: 0xa3 }),
    fc.nat(255),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(byte, { minLength: 1, maxLength: 24 }), (array) => {
      const bytes = Uint8Array.from(array);
      let read: CborValue;
      try {
        read = decodeCbor(bytes);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(CountersignError);
        expect((thrown as CountersignError).code).toBe("manifest-malformed");
        return;
      }
      accepted++;
      expect(encodeCbor(read)).toEqual(bytes);
    }),
    { numRuns: 3_000 },
  );
  expect(accepted).toBeGreaterThan(30);
});
