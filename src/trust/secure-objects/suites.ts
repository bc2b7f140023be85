/**
 * The cipher suites of draft-ietf-moq-secure-objects, by WebCrypto.
 *
 * AES-GCM is WebCrypto's own. AES-CTR with HMAC is the compound of RFC 9605 §4.5.1: encrypt in counter mode, then authenticate nonce, associated data and ciphertext with
 * a truncated HMAC-SHA256; the tag is compared by HMAC itself (over both tags, under a key of the moment), so that how far two tags agree takes no measurable time.
 */
import { CountersignError } from "../../errors.ts";
import { subtleCrypto, unshared } from "../keys.ts";

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
}

export const NONCE_BYTES = 12;

export const CIPHER_SUITES: Readonly<Record<CipherSuite, SuiteParameters>> = {
  AES_128_CTR_HMAC_SHA256_80: {
    id: 1,
    hash: "SHA-256",
    cipherKeyBytes: 16,
    authKeyBytes: 32,
    tagBytes: 10,
  },
  AES_128_CTR_HMAC_SHA256_64: { id: 2, hash: "SHA-256", cipherKeyBytes: 16, authKeyBytes: 32, tagBytes: 8 },
  AES_128_CTR_HMAC_SHA256_32: { id: 3, hash: "SHA-256", cipherKeyBytes: 16, authKeyBytes: 32, tagBytes: 4 },
  AES_128_GCM_SHA256_128: { id: 4, hash: "SHA-256", cipherKeyBytes: 16, authKeyBytes: 0, tagBytes: 16 },
  AES_256_GCM_SHA512_128: { id: 5, hash: "SHA-512", cipherKeyBytes: 32, authKeyBytes: 0, tagBytes: 16 },
};

export interface SuiteCipher {
  /** Ciphertext with its tag at the end. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** Rejects with "object-mismatch" for anything that seal() did not make with this key, nonce and associated data. */
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
  const tagOf = async (nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array) => {
    const data = new Uint8Array(24 + nonce.byteLength + aad.byteLength + ciphertext.byteLength);
    const view = new DataView(data.buffer);
    view.setBigUint64(0, BigInt(aad.byteLength));
    view.setBigUint64(8, BigInt(ciphertext.byteLength));
    view.setBigUint64(16, BigInt(tagBytes));
    data.set(nonce, 24);
    data.set(aad, 24 + nonce.byteLength);
    data.set(ciphertext, 24 + nonce.byteLength + aad.byteLength);
    return new Uint8Array(await subtle.sign("HMAC", authKey, data)).subarray(0, tagBytes);
  };
  return {
    async seal(nonce, aad, plaintext) {
      const sealed = new Uint8Array(plaintext.byteLength + tagBytes);
      sealed.set(new Uint8Array(await subtle.encrypt(params(nonce), cipherKey, unshared(plaintext))));
      const ciphertext = sealed.subarray(0, plaintext.byteLength);
      sealed.set(await tagOf(nonce, aad, ciphertext), plaintext.byteLength);
      return sealed;
    },
    async open(nonce, aad, sealed) {
      const length = sealed.byteLength - tagBytes;
      if (length < 0) throw notDecrypted();
      const ciphertext = sealed.subarray(0, length);
      const tag = await tagOf(nonce, aad, ciphertext);
      const once = await subtle.generateKey(hmac, false, ["sign", "verify"]);
      const claimed = await subtle.sign("HMAC", once, unshared(sealed.subarray(length)));
      if (!(await subtle.verify("HMAC", once, claimed, tag))) throw notDecrypted();
      return new Uint8Array(await subtle.decrypt(params(nonce), cipherKey, unshared(ciphertext)));
    },
  };
}

function notDecrypted(): CountersignError {
  return new CountersignError("object-mismatch", "An encrypted object is not what was encrypted.", {
    section: "draft-ietf-moq-secure-objects, Decryption",
  });
}
