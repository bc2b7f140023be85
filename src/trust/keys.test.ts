import { afterEach, describe, expect, it, vi } from "vitest";
import { fromHex, hex } from "./bytes.ts";
import { generateSeed, importPublicKey, importSeed } from "./keys.ts";

/** RFC 8032 §7.1: secret key, public key, message, signature. */
const RFC_8032 = [
  [
    "TEST 1",
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "TEST 2",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "TEST 3",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
] as const;

/** The order of the base point, little-endian (RFC 8032 §5.1). */
const L = fromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("Ed25519", () => {
  it.each(RFC_8032)("agrees with RFC 8032 %s", async (_, seed, publicKey, message, signature) => {
    const key = await importSeed(fromHex(seed));
    expect(hex(key.publicKey)).toBe(publicKey);
    expect(hex(await key.sign(fromHex(message)))).toBe(signature);
    const verifier = await importPublicKey(fromHex(publicKey));
    expect(await verifier.verify(fromHex(signature), fromHex(message))).toBe(true);
    expect(await verifier.verify(fromHex(signature), fromHex(`${message}00`))).toBe(false);
  });

  it("refuses a signature whose S is not reduced, so that a signature has one form (RFC 8032 §5.1.7)", async () => {
    const [, , publicKey, message, signature] = RFC_8032[0];
    const malleated = fromHex(signature);
    let carry = 0;
    for (let i = 0; i < 32; i++) {
      carry += malleated[32 + i]! + L[i]!;
      malleated[32 + i] = carry & 0xff;
      carry >>= 8;
    }
    const verifier = await importPublicKey(fromHex(publicKey));
    expect(await verifier.verify(malleated, fromHex(message))).toBe(false);
  });

  it("answers false, not an exception, for signatures that are no signatures", async () => {
    const verifier = await importPublicKey(fromHex(RFC_8032[0][2]));
    for (const bad of [
      new Uint8Array(0),
      new Uint8Array(63),
      new Uint8Array(64),
      new Uint8Array(64).fill(0xff),
    ]) {
      expect(await verifier.verify(bad, new Uint8Array(1))).toBe(false);
    }
  });

  it.each([
    ["the identity", "0100000000000000000000000000000000000000000000000000000000000000"],
    ["the identity with the sign bit", "0100000000000000000000000000000000000000000000000000000000000080"],
    ["order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
    ["order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
  ])("refuses a public key of small order: %s", async (_, publicKey) => {
    await expect(importPublicKey(fromHex(publicKey))).rejects.toMatchObject({ code: "invalid-options" });
  });

  it("makes seeds that differ", async () => {
    const a = await importSeed(generateSeed());
    const b = await importSeed(generateSeed());
    expect(hex(a.publicKey)).not.toBe(hex(b.publicKey));
  });
});

describe("keys that cannot be used", () => {
  it("refuses bytes that are no key of a kind we know", async () => {
    for (const size of [0, 31, 33, 64, 65]) {
      await expect(importPublicKey(new Uint8Array(size))).rejects.toMatchObject({ code: "invalid-options" });
    }
    await expect(importPublicKey(new Uint8Array(65).fill(4))).rejects.toMatchObject({
      code: "invalid-options",
    });
    await expect(importSeed(new Uint8Array(31))).rejects.toMatchObject({ code: "invalid-options" });
  });

  it("says what to do where WebCrypto is hidden", async () => {
    vi.stubGlobal("crypto", {});
    const attempt = importPublicKey(fromHex(RFC_8032[0][2]));
    await expect(attempt).rejects.toMatchObject({
      code: "crypto-unavailable",
      hint: expect.stringContaining("https://"),
    });
  });

  it("says which browsers to use where WebCrypto has no Ed25519", async () => {
    const importKey = () => Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"));
    vi.stubGlobal("crypto", { subtle: { importKey } });
    const expected = { code: "crypto-unavailable", hint: expect.stringContaining("Firefox 129") };
    await expect(importPublicKey(fromHex(RFC_8032[0][2]))).rejects.toMatchObject(expected);
    await expect(importSeed(fromHex(RFC_8032[0][1]))).rejects.toMatchObject(expected);
  });
});
