import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { bytesOf, errorOf, hexOf } from "./draft18/fixtures.ts";
import {
  encodeProperties,
  immutablePropertiesOf,
  inspectObjectProperties,
  parseKeyValues,
  parseObjectProperties,
} from "./properties.ts";

describe("properties of an object", () => {
  it("are encoded as ascending deltas and parsed again", () => {
    const pairs = [
      { type: 0x38, value: 300 },
      { type: 0x38, value: 1 },
      { type: 0x39, value: bytesOf("aabb") },
      { type: 2n ** 63n, value: 2n ** 60n },
    ];
    expect(hexOf(encodeProperties(pairs.slice(0, 3)))).toBe("38812c00010102aabb");
    expect(parseObjectProperties(encodeProperties(pairs))).toEqual(pairs);
    expect(parseKeyValues(encodeProperties(pairs))).toEqual(pairs);
  });

  it("§12.7: finds the immutable ones exactly as carried, without copying", () => {
    const properties = bytesOf("02 05  09 04 38 8001 00  2d 01");
    const immutable = immutablePropertiesOf(properties);
    expect(hexOf(immutable!)).toBe("38800100");
    expect(immutable?.buffer).toBe(properties.buffer);
  });

  it("finds no immutable ones where there are none", () => {
    for (const hex of ["", "02 05", "0d 01 00", "0a 00 02 00"])
      expect(immutablePropertiesOf(bytesOf(hex))).toBeUndefined();
    expect(immutablePropertiesOf(bytesOf("0b 00"))).toHaveLength(0);
  });

  it("§12.8, §12.9: tells the gaps from either list", () => {
    expect(inspectObjectProperties(bytesOf("3c 02 02 01"), 5, 5)).toEqual({ groups: 2, objects: 1 });
    expect(inspectObjectProperties(bytesOf("0b 02 3c02  33 01"), 5, 5)).toEqual({ groups: 2, objects: 1 });
    expect(inspectObjectProperties(bytesOf("38 01"), 5, 5)).toEqual({
      groups: undefined,
      objects: undefined,
    });
    expect(inspectObjectProperties(bytesOf(""), 5, 5)).toEqual({ groups: undefined, objects: undefined });
  });

  it("condemns the track when they cannot be parsed, wherever they are looked into", () => {
    for (const look of [immutablePropertiesOf, parseObjectProperties]) {
      expect(errorOf(() => look(bytesOf("02"))).code).toBe("malformed-track");
    }
  });

  it("of any bytes give a value or a CountersignError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        for (const look of [
          immutablePropertiesOf,
          parseObjectProperties,
          parseKeyValues,
          (b: Uint8Array) => inspectObjectProperties(b, 3, 3),
        ]) {
          try {
            look(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(CountersignError);
          }
        }
      }),
    );
  });
});
