import { describe, expect, test, vi } from "vitest";
import { type EncryptionOptions, pageApiOf, parseEncryption } from "./key-options.ts";

const REQUEST = {
  broadcast: ["example.com", "live"],
  track: "video",
  keyId: "7",
  cipherSuite: "aes-128-gcm-sha256",
};
const HEX = "00112233445566778899aabbccddeeff";
const BYTES = Uint8Array.from(HEX.match(/../g)!, (pair) => Number.parseInt(pair, 16));

describe("keys of an encrypted broadcast", () => {
  test.each([
    ["bytes", BYTES],
    ["a buffer", BYTES.buffer],
    ["hexadecimal digits", HEX],
    ["base64url", "ABEiM0RVZneImaq7zN3u_w"],
    ["base64", "ABEiM0RVZneImaq7zN3u/w=="],
  ])("can be given as %s", async (_, key) => {
    expect(parseEncryption({ keys: { "7": key } })).toEqual({ keyTimeoutMs: 10_000 });
    expect(await pageApiOf({ keys: { "7": key } }).key(REQUEST)).toEqual(BYTES);
  });

  test("can be CryptoKeys, which stay as they are", async () => {
    const key = await crypto.subtle.importKey("raw", BYTES, "HKDF", false, ["deriveBits"]);
    expect(await pageApiOf({ keyProvider: () => key }).key(REQUEST)).toBe(key);
  });

  test("that are not listed are asked of the provider, with what it is for", async () => {
    const keyProvider = vi.fn<NonNullable<EncryptionOptions["keyProvider"]>>(async () => HEX);
    const api = pageApiOf({ keys: { "6": HEX }, keyProvider });
    await api.key({ ...REQUEST, keyId: "6" });
    expect(keyProvider).not.toHaveBeenCalled();
    expect(await api.key(REQUEST)).toEqual(BYTES);
    expect(keyProvider).toHaveBeenCalledWith(REQUEST);
  });

  test("that nobody has are none; what the provider throws is thrown", async () => {
    expect(await pageApiOf({ keys: {} }).key(REQUEST)).toBeUndefined();
    expect(await pageApiOf({ keys: {} }).key({ ...REQUEST, keyId: "toString" })).toBeUndefined();
    const api = pageApiOf({ keyProvider: () => Promise.reject(new Error("no licence")) });
    await expect(api.key(REQUEST)).rejects.toThrow("no licence");
  });

  test.each([
    ["nothing at all", {}],
    ["no object", 7],
    ["a provider that is none", { keyProvider: "https://keys.example" }],
    ["a key id that is no number", { keys: { spring: HEX } }],
    ["a key that is too short", { keys: { "1": "0011" } }],
    ["a key that is no text of bytes", { keys: { "1": "not a key, not at all!" } }],
    ["no time to answer", { keys: { "1": HEX }, keyTimeoutMs: 0 }],
  ])("are refused with a hint when given as %s", (_, encryption) => {
    expect(() => parseEncryption(encryption as EncryptionOptions)).toThrow(
      expect.objectContaining({ code: "invalid-options", hint: expect.stringContaining("keyProvider") }),
    );
  });

  test("from the provider that are none are refused by name", async () => {
    await expect(pageApiOf({ keyProvider: () => "0011" }).key(REQUEST)).rejects.toThrow(/base key 7/);
  });
});
