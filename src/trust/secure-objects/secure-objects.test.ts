import { createCipheriv, createHmac, hkdfSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../../wire/names.ts";
import { deriveKey, nonceFor, serializedTrackName } from "./derive.ts";
import { CIPHER_SUITES, type CipherSuite, cipherOf } from "./suites.ts";

const TRACK = trackOf(namespaceOf("example.com", "live"), "video");
const BASE_KEY = new Uint8Array(32).map((_, i) => i);
const AAD = new TextEncoder().encode("associated data");
const PLAIN = new TextEncoder().encode("what the camera saw, more than one block of it");
const NONCE = new Uint8Array(12).fill(5);
const SUITES = Object.keys(CIPHER_SUITES) as CipherSuite[];

const keyFor = (suite: CipherSuite) => deriveKey(suite, BASE_KEY, 7, TRACK);

/** Sizes of the draft's table, written down apart from the code: number, hash, key, tag. */
const TABLE: Readonly<Record<CipherSuite, readonly [number, string, number, number]>> = {
  AES_128_CTR_HMAC_SHA256_80: [1, "sha256", 48, 10],
  AES_128_CTR_HMAC_SHA256_64: [2, "sha256", 48, 8],
  AES_128_CTR_HMAC_SHA256_32: [3, "sha256", 48, 4],
  AES_128_GCM_SHA256_128: [4, "sha256", 16, 16],
  AES_256_GCM_SHA512_128: [5, "sha512", 32, 16],
};

/** The same by Node's own interface, which shares no code with ours. */
function reference(suite: CipherSuite, key: Uint8Array): Buffer {
  const [, , keyBytes, tagBytes] = TABLE[suite];
  if (suite.includes("GCM")) {
    const cipher = createCipheriv(keyBytes === 16 ? "aes-128-gcm" : "aes-256-gcm", key, NONCE).setAAD(AAD);
    return Buffer.concat([cipher.update(PLAIN), cipher.final(), cipher.getAuthTag()]);
  }
  const counter = Buffer.concat([NONCE, Buffer.alloc(4)]);
  const ciphertext = createCipheriv("aes-128-ctr", key.subarray(0, 16), counter).update(PLAIN);
  const lengths = Buffer.alloc(24);
  [AAD.length, ciphertext.length, tagBytes].forEach((length, i) => {
    lengths.writeUInt32BE(length, 8 * i + 4);
  });
  const hmac = createHmac("sha256", key.subarray(16));
  for (const part of [lengths, NONCE, AAD, ciphertext]) hmac.update(part);
  return Buffer.concat([ciphertext, hmac.digest().subarray(0, tagBytes)]);
}

describe.each(SUITES)("%s", (suite) => {
  it("derives key and salt as HKDF of the labels, the track's name, the suite and the key id", async () => {
    const [id, hash, keyBytes] = TABLE[suite];
    const name = Buffer.from("\x02\x0bexample.com\x04live\x05video", "latin1");
    const tail = Buffer.from([0, id, 0, 0, 0, 0, 0, 0, 0, 7]);
    const expand = (label: string, bytes: number) =>
      new Uint8Array(hkdfSync(hash, BASE_KEY, "", Buffer.concat([Buffer.from(label), name, tail]), bytes));
    const { key, salt } = await keyFor(suite);
    expect(key).toEqual(expand("MOQ 1.0 Secure Objects Secret key ", keyBytes));
    expect(salt).toEqual(expand("MOQ 1.0 Secret salt ", 12));
  });

  it("encrypts to what another implementation encrypts to, and opens it", async () => {
    const { key } = await keyFor(suite);
    const cipher = await cipherOf(suite, key);
    const sealed = await cipher.seal(NONCE, AAD, PLAIN);
    expect(sealed).toEqual(new Uint8Array(reference(suite, key)));
    expect(await cipher.open(NONCE, AAD, sealed)).toEqual(PLAIN);
    expect(await cipher.open(NONCE, AAD, await cipher.seal(NONCE, AAD, new Uint8Array(0)))).toHaveLength(0);
  });

  it("refuses what was altered anywhere, cut short, or made for another place or key", async () => {
    const { key } = await keyFor(suite);
    const cipher = await cipherOf(suite, key);
    const sealed = await cipher.seal(NONCE, AAD, PLAIN);
    const refused = (promise: Promise<unknown>) =>
      expect(promise).rejects.toMatchObject({ code: "decryption-failed" });
    for (const at of [0, PLAIN.length - 1, PLAIN.length, sealed.length - 1])
      await refused(cipher.open(NONCE, AAD, sealed.with(at, sealed[at]! ^ 1)));
    for (const length of [0, 3, sealed.length - 1])
      await refused(cipher.open(NONCE, AAD, sealed.subarray(0, length)));
    await refused(cipher.open(NONCE.with(11, 6), AAD, sealed));
    await refused(cipher.open(NONCE, AAD.subarray(1), sealed));
    const other = await deriveKey(suite, BASE_KEY, 8, TRACK);
    await refused((await cipherOf(suite, other.key)).open(NONCE, AAD, sealed));
    await expect(cipherOf(suite, key.subarray(1))).rejects.toMatchObject({ code: "invalid-options" });
  });
});

describe("the nonce", () => {
  it("is the salt changed by group and object id, different for every place", () => {
    const salt = new Uint8Array(12).fill(0xff);
    expect([...nonceFor(salt, 1, 2)]).toEqual([255, 255, 255, 255, 255, 255, 255, 254, 255, 255, 255, 253]);
    const top = nonceFor(new Uint8Array(12), 2n ** 64n - 1n, 0xffff_ffff);
    expect(top.every((byte) => byte === 255)).toBe(true);
  });

  it("does not exist for an object id of more than 32 bits", () => {
    for (const object of [2 ** 32, 2n ** 60n]) {
      let code: unknown;
      try {
        nonceFor(new Uint8Array(12), 0, object);
      } catch (thrown) {
        code = (thrown as { code?: unknown }).code;
      }
      expect(code).toBe("malformed-track");
    }
  });
});

it("keeps tracks apart whose names differ only in where their fields end", () => {
  const a = serializedTrackName(trackOf(namespaceOf("ab", "c"), "d"));
  const b = serializedTrackName(trackOf(namespaceOf("a", "bc"), "d"));
  expect(a).not.toEqual(b);
});
