/**
 * The cipher suites of draft-ietf-moq-secure-objects-01, by WebCrypto.
 *
 * AES-GCM is WebCrypto's own. AES-CTR with HMAC is the compound of RFC 9605 §4.5.1: encrypt in counter mode, then authenticate nonce, associated data and ciphertext with
 * a truncated HMAC-SHA256. Tags are compared without a branch on what they are; and whoever sends a wrong one has a signer's manifest for it, or we would not be here.
 */
import { CountersignError } from "../../errors.ts";
import { subtleCrypto, unshared } from "../keys.ts";
import { undecipherable } from "./framing.ts";

/** Names of the draft's registry. */
export type CipherSuite =
  | "AES_128_CTR_HMAC_SHA256_80"
  | "AES_128_CTR_HMAC_SHA256_64"
  | "AES_128_CTR_HMAC_SHA256_32"
  | "AES_128_GCM_SHA256_128"
  | "AES_256_GCM_SHA512_128";

export interface SuiteParameters {
  /** The 2-byte number that goes into key derivation. */
  readonly id: number;
  readonly hash: "SHA-256" | "SHA-512";
  /** Bytes of the cipher's key; for the compound suites those before the authentication key. */
  readonly cipherKeyBytes: number;
  /** Bytes of the authentication key; 0 for AES-GCM. */
  readonly authKeyBytes: number;
  readonly tagBytes: number;
  /** What catalogs call it: MSF's table of cipher suites, continued in its own manner for the two that it leaves out. */
  readonly catalogName: string;
}

export const NONCE_BYTES = 12;

function ctrHmac(id: number, tagBytes: number): SuiteParameters {
  const catalogName = `aes-128-ctr-hmac-sha256-${tagBytes * 8}`;
  return { id, hash: "SHA-256", cipherKeyBytes: 16, authKeyBytes: 32, tagBytes, catalogName };
}

export const CIPHER_SUITES: Readonly<Record<CipherSuite, SuiteParameters>> = {
  AES_128_CTR_HMAC_SHA256_80: ctrHmac(1, 10),
  AES_128_CTR_HMAC_SHA256_64: ctrHmac(2, 8),
  AES_128_CTR_HMAC_SHA256_32: ctrHmac(3, 4),
  AES_128_GCM_SHA256_128: {
    id: 4,
    hash: "SHA-256",
    cipherKeyBytes: 16,
    authKeyBytes: 0,
    tagBytes: 16,
    catalogName: "aes-128-gcm-sha256",
  },
  AES_256_GCM_SHA512_128: {
    id: 5,
    hash: "SHA-512",
    cipherKeyBytes: 32,
    authKeyBytes: 0,
    tagBytes: 16,
    catalogName: "aes-256-gcm-sha512",
  },
};

/** The suite that a catalog names; undefined when it is none of ours. */
export function suiteByCatalogName(name: string | undefined): CipherSuite | undefined {
  const suites = Object.keys(CIPHER_SUITES) as CipherSuite[];
  return suites.find((suite) => CIPHER_SUITES[suite].catalogName === name?.toLowerCase());
}

export interface SuiteCipher {
  /** Ciphertext with its tag at the end. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** Rejects with "decryption-failed" for anything that seal() did not make with this key, nonce and associated data. */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}

/** The cipher for a key of cipherKeyBytes + authKeyBytes. */
export async function cipherOf(suite: CipherSuite, key: Uint8Array): Promise<SuiteCipher> {
  const { cipherKeyBytes, authKeyBytes, tagBytes } = CIPHER_SUITES[suite];
  if (key.byteLength !== cipherKeyBytes + authKeyBytes)
    throw new CountersignError("invalid-options", `A key of ${key.byteLength} bytes does not fit ${suite}.`);
  const cipherKey = unshared(key.subarray(0, cipherKeyBytes));
  if (authKeyBytes === 0) return galoisCipher(cipherKey);
  return compoundCipher(cipherKey, unshared(key.subarray(cipherKeyBytes)), tagBytes);
}

async function galoisCipher(bytes: Uint8Array<ArrayBuffer>): Promise<SuiteCipher> {
  const subtle = subtleCrypto();
  const key = await subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
  const params = (nonce: Uint8Array, aad: Uint8Array) => ({
    name: "AES-GCM",
    iv: unshared(nonce),
    additionalData: unshared(aad),
  });
  return {
    seal: async (nonce, aad, plaintext) =>
      new Uint8Array(await subtle.encrypt(params(nonce, aad), key, unshared(plaintext))),
    async open(nonce, aad, ciphertext) {
      try {
        return new Uint8Array(await subtle.decrypt(params(nonce, aad), key, unshared(ciphertext)));
      } catch {
        throw notDecrypted();
      }
    },
  };
}

async function compoundCipher(
  cipherBytes: Uint8Array<ArrayBuffer>,
  authBytes: Uint8Array<ArrayBuffer>,
  tagBytes: number,
): Promise<SuiteCipher> {
  const subtle = subtleCrypto();
  const hmac: HmacKeyGenParams = { name: "HMAC", hash: "SHA-256" };
  const cipherKey = await subtle.importKey("raw", cipherBytes, "AES-CTR", false, ["encrypt", "decrypt"]);
  const authKey = await subtle.importKey("raw", authBytes, hmac, false, ["sign"]);
  // RFC 9605 §4.5.1: the nonce, then a block counter of 32 bits from 0.
  const params = (nonce: Uint8Array) => {
    const counter = new Uint8Array(16);
    counter.set(nonce);
    return { name: "AES-CTR", counter, length: 32 };
  };
  const tagOf = async (...parts: readonly Uint8Array[]) =>
    new Uint8Array(await subtle.sign("HMAC", authKey, joined(parts))).subarray(0, tagBytes);
  const tagged = (nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array) => {
    const lengths = new Uint8Array(24);
    const view = new DataView(lengths.buffer);
    view.setBigUint64(0, BigInt(aad.byteLength));
    view.setBigUint64(8, BigInt(ciphertext.byteLength));
    view.setBigUint64(16, BigInt(tagBytes));
    return tagOf(lengths, nonce, aad, ciphertext);
  };
  return {
    async seal(nonce, aad, plaintext) {
      const sealed = new Uint8Array(plaintext.byteLength + tagBytes);
      sealed.set(new Uint8Array(await subtle.encrypt(params(nonce), cipherKey, unshared(plaintext))));
      const ciphertext = sealed.subarray(0, plaintext.byteLength);
      sealed.set(await tagged(nonce, aad, ciphertext), plaintext.byteLength);
      return sealed;
    },
    async open(nonce, aad, sealed) {
      const length = sealed.byteLength - tagBytes;
      if (length < 0) throw notDecrypted();
      const ciphertext = sealed.subarray(0, length);
      const claimed = sealed.subarray(length);
      // Both at once: they are independent, and nothing is handed out before the tag is right.
      const [tag, plaintext] = await Promise.all([
        tagged(nonce, aad, ciphertext),
        subtle.decrypt(params(nonce), cipherKey, unshared(ciphertext)),
      ]);
      // The reference implementation, and so the draft's test vectors, leave out the lengths that the RFC puts in front, and order differently.
      const right = sameTag(tag, claimed) || sameTag(await tagOf(aad, nonce, ciphertext), claimed);
      if (!right) throw notDecrypted();
      return new Uint8Array(plaintext);
    },
  };
}

/** WebCrypto's HMAC takes one buffer, so the parts are copied once. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.byteLength ^ b.byteLength;
  for (let i = 0; i < a.byteLength; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

function notDecrypted(): CountersignError {
  return undecipherable("the key does not open it");
}
