import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { sha256 } from "./short-sha256.ts";

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) % 256);
const reference = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());

// Around the ends of one and two blocks, where padding takes a block more.
it.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1_000])("is the SHA-256 of %i bytes", (length) => {
  expect(sha256(bytesOf(length))).toEqual(reference(bytesOf(length)));
});

it("keeps nothing of what it hashed before, and gives digests that later ones leave alone", () => {
  const lengths = [100, 3, 64, 0, 230, 71, 65];
  const digests = lengths.map((length) => sha256(bytesOf(length)));
  expect(digests).toEqual(lengths.map((length) => reference(bytesOf(length))));
});

it("works on after bytes that it refused", () => {
  expect(() => sha256("text" as unknown as Uint8Array)).toThrow();
  expect(sha256(bytesOf(70))).toEqual(reference(bytesOf(70)));
});
