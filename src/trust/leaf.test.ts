import { describe, expect, it } from "vitest";
import { encodeProperties } from "../wire/properties.ts";
import { equalBytes } from "./bytes.ts";
import { mediaObject } from "./fixtures.ts";
import { objectLeaf, payloadDigest } from "./leaf.ts";

const payload = new Uint8Array(100).fill(7);
const object = mediaObject(1, 2, payload);
const withProperties = (properties: Uint8Array) => ({ ...object, properties });
const immutable = (...bytes: number[]) => encodeProperties([{ type: 0x0b, value: Uint8Array.from(bytes) }]);

describe("the leaf digest", () => {
  it("differs by group, object, immutable properties and payload", async () => {
    const leaf = await objectLeaf(object);
    const others = [
      { ...object, group: 2 },
      { ...object, object: 1 },
      { ...object, group: 2, object: 1 },
      withProperties(immutable(2, 5)),
      mediaObject(1, 2, new Uint8Array(100).fill(8)),
      mediaObject(1, 2, new Uint8Array(101).fill(7)),
    ];
    for (const other of others) expect(equalBytes(await objectLeaf(other), leaf)).toBe(false);
  });

  it("does not differ by what relays may change: mutable properties, subgroup, priority", async () => {
    const leaf = await objectLeaf(object);
    const mutable = encodeProperties([{ type: 0x02, value: 500 }]);
    expect(
      await objectLeaf({ ...withProperties(mutable), subgroup: 3, priority: 9 } as typeof object),
    ).toEqual(leaf);
  });

  it("tells 64-bit ids apart that are equal as numbers", async () => {
    const a = await objectLeaf(mediaObject(2n ** 63n, 0, payload));
    const b = await objectLeaf(mediaObject(2n ** 63n + 1n, 0, payload));
    expect(equalBytes(a, b)).toBe(false);
  });

  it("refuses properties that cannot be parsed", () => {
    expect(() => objectLeaf(withProperties(Uint8Array.of(0x0b, 0x10)))).toThrow(
      expect.objectContaining({ code: "malformed-track" }),
    );
  });

  it("hashes long payloads by WebCrypto and short ones at once, to the same digest", async () => {
    for (const size of [0, 1, 511, 512, 513, 5_000]) {
      const bytes = crypto.getRandomValues(new Uint8Array(size));
      const digest = payloadDigest(bytes);
      expect(digest instanceof Uint8Array).toBe(size <= 512);
      expect(await digest).toEqual(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    }
  });
});
