import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { contractLeafDigest, contractObject } from "./group-source.contract.ts";
import { MAX_RECORD_BYTES, packEvidence, RecordPacker, unpackEvidence, unpackRecords } from "./record.ts";

/** A failure prints its seed; FC_SEED runs that again. */
const seed = process.env["FC_SEED"];
const parameters = { numRuns: 60, ...(seed !== undefined && { seed: Number(seed) }) };

const GROUP = 2n ** 60n;
const id: fc.Arbitrary<VarInt> = fc.oneof(
  fc.nat(40),
  fc.constantFrom<VarInt>(2 ** 32, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 64n - 1n),
);
const sizes = fc.oneof(fc.nat(300), fc.constantFrom(0, 5_000, 65_400, 65_435, 65_436, 65_515, 200_000));
const object: fc.Arbitrary<MoqObject> = fc
  .record({
    object: id,
    size: sizes,
    propertiesSize: fc.oneof(fc.constant(0), fc.nat(50), fc.constant(66_000)),
    subgroup: fc.option(id, { nil: undefined }),
    priority: fc.option(fc.nat(255), { nil: undefined }),
    status: fc.constantFrom("normal" as const, "end-of-group" as const, "end-of-track" as const),
  })
  .map(({ size, propertiesSize, ...rest }) => {
    const { payload } = contractObject(GROUP, rest.object, size + propertiesSize);
    return {
      ...rest,
      group: GROUP,
      properties: payload.slice(0, propertiesSize),
      payload: payload.slice(propertiesSize),
    };
  });
const objects = fc.uniqueArray(object, { selector: (value) => value.object, maxLength: 12 });

const inOrder = (list: readonly MoqObject[]): MoqObject[] =>
  [...list].sort((a, b) => (a.object < b.object ? -1 : 1));

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** An object with hashes for bytes: comparing 200,000 numbers one by one takes the test runner a second. */
const seen = (value: MoqObject): unknown => ({
  ...value,
  properties: hash(value.properties),
  payload: hash(value.payload),
});

async function pack(list: readonly MoqObject[]): Promise<ArrayBuffer[]> {
  const packer = new RecordPacker();
  for (const value of list) packer.add(value, await contractLeafDigest(value));
  return packer.finish().map(({ bytes }) => bytes);
}

describe("records", () => {
  it("give every object back as it was, in order, from records that stay inline", async () => {
    await fc.assert(
      fc.asyncProperty(objects, async (list) => {
        const records = await pack(list);
        for (const record of records) expect(record.byteLength).toBeLessThanOrEqual(MAX_RECORD_BYTES);
        const { candidates, damaged } = unpackRecords(GROUP, records);
        expect(damaged).toBe(false);
        expect(candidates.map((copies) => copies.map((copy) => seen(copy.object)))).toEqual(
          inOrder(list).map((value) => [seen(value)]),
        );
        for (const [copy] of candidates) expect(copy?.digest).toEqual(await contractLeafDigest(copy!.object));
      }),
      parameters,
    );
  });

  it("never pass off an object as sound after any byte has changed or any record has been cut, lost or mixed in", async () => {
    const damage = fc.record({ record: fc.nat(), position: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) });
    const small = fc.array(
      sizes.filter((size) => size < 66_000),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(small, damage, fc.constantFrom("flip", "cut", "lose"), async (list, at, how) => {
        const originals = list.map((size, index) => contractObject(GROUP, index, size + 8, 8));
        const records = await pack(originals);
        const index = at.record % records.length;
        const bytes = new Uint8Array(records[index]!);
        const position = at.position % bytes.length;
        if (how === "flip") bytes[position]! ^= at.xor;
        else if (how === "cut") records[index] = records[index]!.slice(0, position);
        else records.splice(index, 1);
        const { candidates } = unpackRecords(GROUP, records);
        let sound = 0;
        for (const copy of candidates.flat()) {
          const digest = await contractLeafDigest(copy.object);
          if (digest.some((byte, i) => byte !== copy.digest[i])) continue;
          sound++;
          expect(seen(copy.object)).toEqual(seen(originals[Number(copy.object.object)]!));
        }
        expect(sound).toBeLessThan(how === "lose" ? originals.length : originals.length + 1);
        if (how === "flip") expect(sound).toBeLessThan(originals.length);
      }),
      parameters,
    );
  });

  it("are full when objects are small or large, so that a store has few of them", async () => {
    const video = await pack(Array.from({ length: 25 }, (_, index) => contractObject(1, index, 5_000)));
    expect(video).toHaveLength(2);
    const large = await pack([contractObject(1, 0, 300_000)]);
    expect(large).toHaveLength(5);
  });

  it("offer nothing of an object whose middle is gone, and reserve no memory for it", async () => {
    const records = await pack([contractObject(1, 0, 300_000)]);
    expect(unpackRecords(1, [records[0], records[1], records[3], records[4]]).candidates).toEqual([]);
  });

  it("take an object's second copy when the first is damaged", async () => {
    const [first, second] = await Promise.all([pack([contractObject(1, 0)]), pack([contractObject(1, 0)])]);
    new Uint8Array(first![0]!)[100]! ^= 1;
    const { candidates } = unpackRecords(1, [...first!, ...second!]);
    expect(candidates[0]?.at(-1)?.object).toEqual(contractObject(1, 0));
  });

  it("refuse anything that is not a record, without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { candidates, damaged } = unpackRecords(1, [bytes.slice().buffer, null, "x", { a: 1 }]);
        expect(candidates).toEqual([]);
        expect(damaged).toBe(true);
      }),
      parameters,
    );
  });
});

describe("evidence records", () => {
  it("come back as they were, or not at all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 })),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (list, at, xor) => {
          const record = packEvidence(list);
          expect(unpackEvidence(record)).toEqual(list);
          new Uint8Array(record)[at % record.byteLength]! ^= xor;
          expect(unpackEvidence(record)).toBeUndefined();
          expect(unpackEvidence(record.slice(0, at % record.byteLength))).toBeUndefined();
        },
      ),
      parameters,
    );
  });
});
