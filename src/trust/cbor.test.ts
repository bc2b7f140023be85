import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { fromHex, hex } from "./bytes.ts";
import { type CborValue, decodeCbor } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { MAX_CBOR_DEPTH } from "./limits.ts";

/** RFC 8949 Appendix A, the rows whose types are in our subset. */
const APPENDIX_A: readonly (readonly [string, CborValue])[] = [
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["1bffffffffffffffff", 18_446_744_073_709_551_615n],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["40", new Uint8Array(0)],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["60", ""],
  ["6449455446", "IETF"],
  ["62c3bc", "\u00fc"],
  ["64f0908591", "\ud800\udd51"],
  ["80", []],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["a0", new Map()],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    "a26161016162820203",
    new Map<string, CborValue>([
      ["a", 1],
      ["b", [2, 3]],
    ]),
  ],
];

const REFUSED: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["an integer in two bytes that fits one", "1817"],
  ["an integer in nine bytes that fits five", "1b00000000ffffffff"],
  ["a length in two bytes that fits one", "580100"],
  ["a byte string that ends too early", "4401"],
  ["an array that ends too early", "8201"],
  ["an array of four thousand million elements", "9affffffff"],
  ["a byte string of 2^64 - 1 bytes", "5bffffffffffffffff"],
  ["a map that ends after a key", "a101"],
  ["bytes after the value", "0000"],
  ["an indefinite array", "9f01ff"],
  ["an indefinite byte string", "5f4101ff"],
  ["an indefinite map", "bf0102ff"],
  ["a lone break", "ff"],
  ["reserved additional information", "1c"],
  ["map keys out of order", "a203040102"],
  ["a longer key before a shorter one", "a2181801010a"],
  ["a repeated key", "a201020103"],
  ["a key that is a byte string", "a1410100"],
  ["a key that is an array", "a1800000"],
  ["text that is not UTF-8", "61ff"],
  ["true", "f5"],
  ["null", "f6"],
  ["undefined", "f7"],
  ["a half float", "f93c00"],
  ["a float that is a whole number", "fb3ff0000000000000"],
  ["NaN", "f97e00"],
  ["a tag", "c001"],
];

describe("decodeCbor", () => {
  it.each(APPENDIX_A)("reads %s of RFC 8949 Appendix A and writes it the same", (bytes, value) => {
    expect(decodeCbor(fromHex(bytes))).toEqual(value);
    expect(hex(encodeCbor(value))).toBe(bytes);
  });

  it.each(REFUSED)("refuses %s", (_, bytes) => {
    expect(() => decodeCbor(fromHex(bytes))).toThrow(CountersignError);
  });

  it("refuses what is nested too deep, without running out of stack", () => {
    const nested = (depth: number) => fromHex(`${"81".repeat(depth)}00`);
    expect(decodeCbor(nested(MAX_CBOR_DEPTH))).toBeDefined();
    expect(() => decodeCbor(nested(MAX_CBOR_DEPTH + 1))).toThrow(/nested deeper/);
    expect(() => decodeCbor(nested(60_000))).toThrow(/nested deeper/);
  });
});

describe("encodeCbor", () => {
  it("sorts map keys by the bytes of their encoding", () => {
    const map = new Map<number | string, CborValue>([
      ["a", 1],
      [-1, 2],
      [100, 3],
      [2, 4],
    ]);
    // 2, 100 (18 64), -1 (20), "a" (61 61): RFC 8949 §4.2.1.
    expect(hex(encodeCbor(map))).toBe("a40204186403200261" + "6101");
  });

  it.each([0.5, Number.NaN, 2 ** 53, 2n ** 64n, -(2n ** 64n) - 1n])(
    "refuses %s, which has no encoding here",
    (value) => {
      expect(() => encodeCbor(value)).toThrow(expect.objectContaining({ code: "invalid-options" }));
    },
  );
});
