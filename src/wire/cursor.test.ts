import { describe, expect, it } from "vitest";
import { cursorOver, INCOMPLETE, readBytes, readVi64, tryVi64 } from "./cursor.ts";
import { bytesOf, errorOf, hexOf } from "./draft18/fixtures.ts";
import { finish, newWriter, writeBytes, writeU8, writeVi64 } from "./writer.ts";

/** draft-18 §1.4.1, table of example encodings. */
const examples: readonly (readonly [string, number | bigint])[] = [
  ["25", 37],
  ["8025", 37],
  ["bbbd", 15_293],
  ["ed7f3e7d", 226_442_877],
  ["faa1a0e403d8", 2_893_212_287_960],
  ["fc8998abc66bc0", 151_288_809_941_952],
  ["fefa318fa8e3ca11", 70_423_237_261_249_041n],
  ["ffffffffffffffffff", 18_446_744_073_709_551_615n],
];

/** The largest value of each length (draft-18 §1.4.1, summary table). */
const largest: readonly (number | bigint)[] = [
  127,
  16_383,
  2_097_151,
  268_435_455,
  34_359_738_367,
  4_398_046_511_103,
  562_949_953_421_311,
  72_057_594_037_927_935n,
  18_446_744_073_709_551_615n,
];

function encoded(value: number | bigint): Uint8Array {
  const writer = newWriter();
  writeVi64(writer, value);
  return finish(writer);
}

describe("vi64 (§1.4.1)", () => {
  it.each(examples)("reads %s as %s", (hex, value) => {
    const cursor = cursorOver(bytesOf(hex), "");
    expect(readVi64(cursor, "it")).toBe(value);
    expect(cursor.pos).toBe(cursor.end);
  });

  it.each(examples.filter(([hex]) => hex !== "8025"))("writes %s for %s", (hex, value) => {
    expect(hexOf(encoded(value))).toBe(hex);
  });

  it.each(largest.map((value, index) => [value, index + 1] as const))(
    "fits %s into %i bytes and one more into more",
    (value, length) => {
      expect(encoded(value)).toHaveLength(length);
      expect(readVi64(cursorOver(encoded(value), ""), "it")).toBe(value);
      if (length < 9) {
        const more =
          typeof value === "number" && value < Number.MAX_SAFE_INTEGER ? value + 1 : BigInt(value) + 1n;
        expect(encoded(more)).toHaveLength(length + 1);
      }
    },
  );

  it("takes any length that can hold the value", () => {
    for (const hex of [
      "05",
      "8005",
      "c00005",
      "e0000005",
      "f000000005",
      "f80000000005",
      "fc000000000005",
      "fe00000000000005",
      "ff0000000000000005",
    ]) {
      expect(readVi64(cursorOver(bytesOf(hex), ""), "it")).toBe(5);
    }
  });

  it("gives a number up to 2^53 - 1 and a bigint from 2^53", () => {
    expect(readVi64(cursorOver(bytesOf("fe1fffffffffffff"), ""), "it")).toBe(Number.MAX_SAFE_INTEGER);
    expect(readVi64(cursorOver(bytesOf("fe20000000000000"), ""), "it")).toBe(9007199254740992n);
    expect(readVi64(cursorOver(bytesOf("ff0000000000000001"), ""), "it")).toBe(1);
  });

  it("waits, without moving, while bytes are missing", () => {
    for (const [hex] of examples) {
      const bytes = bytesOf(hex);
      for (let length = 0; length < bytes.length; length++) {
        const cursor = cursorOver(bytes.subarray(0, length), "");
        expect(tryVi64(cursor)).toBe(INCOMPLETE);
        expect(cursor.pos).toBe(0);
      }
    }
  });

  it("does not read beyond the cursor's end into bytes that lie behind it", () => {
    const cursor = cursorOver(bytesOf("8025ff"), "");
    cursor.end = 1;
    expect(tryVi64(cursor)).toBe(INCOMPLETE);
  });
});

describe("reading a message", () => {
  it("names the field and the clause when it ends too early", () => {
    const error = errorOf(() => readVi64(cursorOver(bytesOf("80"), "draft §9"), "the alias"));
    expect(error.code).toBe("malformed-message");
    expect(error.message).toContain("the alias");
    expect(error.section).toBe("draft §9");
    expect(error.protocolCode).toBe(0x3);
  });

  it("refuses a promise of more bytes than a number can count", () => {
    expect(errorOf(() => readBytes(cursorOver(bytesOf("00"), ""), 2n ** 63n, "it")).code).toBe(
      "malformed-message",
    );
  });

  it("hands out views, not copies", () => {
    const bytes = bytesOf("0102");
    expect(readBytes(cursorOver(bytes, ""), 2, "it").buffer).toBe(bytes.buffer);
  });
});

describe("writing", () => {
  it.each([-1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, -1n, 2n ** 64n])("refuses %s", (value) => {
    expect(errorOf(() => encoded(value)).code).toBe("invalid-options");
  });

  it.each([-1, 256, 0.5])("refuses the byte %s", (value) => {
    expect(errorOf(() => writeU8(newWriter(), value)).code).toBe("invalid-options");
  });

  it("grows beyond its first capacity and can be used again", () => {
    const writer = newWriter(2);
    writeBytes(writer, bytesOf("0102030405"));
    expect(hexOf(finish(writer))).toBe("0102030405");
    writeVi64(writer, 1);
    expect(hexOf(finish(writer))).toBe("01");
  });
});
