/**
 * Keys: raw public keys and signatures by WebCrypto.
 *
 * A public key is its raw bytes: 32 for Ed25519 (RFC 8032 §5.1.5), 65 for an uncompressed P-256 point (ES256, RFC 9053 §2.1). Its
 * key id (`kid`) is the first 8 bytes of the SHA-256 of those bytes: a hint for finding the key, never a proof of it; where two keys share
 * a kid both are tried. An Ed25519 signing key is its 32-byte seed, any 32 random bytes, so files and flags hold 64 hex digits.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { CountersignError, toCountersignError } from "../errors.ts";
import { ownCopy } from "./bytes.ts";

/** "EdDSA" means Ed25519, as COSE's -8 does here. */
export type SignatureAlgorithm = "EdDSA" | "ES256";

/** Bytes of a signature, of either algorithm. */
export const SIGNATURE_BYTES = 64;
export const KID_BYTES = 8;

export interface VerificationKey {
  readonly algorithm: SignatureAlgorithm;
  readonly publicKey: Uint8Array;
  readonly kid: Uint8Array;
  /** True when `signature` of `data` is by this key. Does not reject for any signature or data. */
  verify(signature: Uint8Array, data: Uint8Array): Promise<boolean>;
}

/** Signs. An app can bring its own, backed by whatever holds its key. */
export interface SigningKey {
  readonly algorithm: SignatureAlgorithm;
  readonly publicKey: Uint8Array;
  readonly kid: Uint8Array;
  sign(data: Uint8Array): Promise<Uint8Array>;
}

const ED25519_KEY_BYTES = 32;
const P256_POINT_BYTES = 65;
const UNCOMPRESSED = 0x04;

const ED25519_PARAMS = { name: "Ed25519" } as const;
const ES256_PARAMS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * y coordinates of the Ed25519 points of small order, with the encodings of them that are not reduced (RFC 8032 §5.1.3). With such a "public key" a
 * signature can be made without any secret. WebCrypto implementations differ in whether they refuse them, so it is done here, once, for all.
 */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** PKCS #8 wrapping of an Ed25519 seed (RFC 8410 §7): everything before the 32 bytes is constant. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** WebCrypto, or the typed error for where it is missing. Browsers hide it from pages that are not secure contexts. */
export function subtleCrypto(): SubtleCrypto {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle as SubtleCrypto | undefined;
  if (subtle !== undefined) return subtle;
  throw new CountersignError("crypto-unavailable", "This page has no WebCrypto.", {
    hint: "Serve the page over https:// or from http://localhost.",
  });
}

/** Like TypeScript's DOM types, WebCrypto takes no shared memory; no buffer here is shared, but the types of views do not say so. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

export function kidOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).subarray(0, KID_BYTES);
}

function algorithmOf(publicKey: Uint8Array): SignatureAlgorithm {
  if (publicKey.byteLength === ED25519_KEY_BYTES) return "EdDSA";
  if (publicKey.byteLength === P256_POINT_BYTES && publicKey[0] === UNCOMPRESSED) return "ES256";
  throw new CountersignError(
    "invalid-options",
    `A public key of ${publicKey.byteLength} bytes is neither Ed25519 nor P-256.`,
    {
      hint: "Pass the raw public key: 32 bytes for Ed25519, or 65 bytes beginning with 4 for P-256.",
    },
  );
}

function isSmallOrder(publicKey: Uint8Array): boolean {
  let text = "";
  publicKey.forEach((byte, i) => {
    // The top bit is the sign of x.
    text += (i === ED25519_KEY_BYTES - 1 ? byte & 0x7f : byte).toString(16).padStart(2, "0");
  });
  return SMALL_ORDER.has(text);
}

function keyError(thrown: unknown, algorithm: SignatureAlgorithm): CountersignError {
  // DOMException by name: the class itself differs between hosts.
  if ((thrown as { readonly name?: unknown }).name === "NotSupportedError" || thrown instanceof TypeError) {
    return new CountersignError("crypto-unavailable", `This browser cannot check ${algorithm} signatures.`, {
      hint: "Ed25519 needs Chrome or Edge 137, Firefox 129 or Safari 17 or newer; ES256 signers work in older ones.",
      cause: thrown,
    });
  }
  return toCountersignError(thrown, "invalid-options", { hint: "The key is not a point of its curve." });
}

/**
 * A key to check signatures with, from its raw bytes. Rejects with CountersignError "invalid-options" for bytes that are no key (or an
 * Ed25519 point of small order), "crypto-unavailable" where WebCrypto or the algorithm is missing.
 */
export async function importPublicKey(raw: Uint8Array): Promise<VerificationKey> {
  const subtle = subtleCrypto();
  const algorithm = algorithmOf(raw);
  if (algorithm === "EdDSA" && isSmallOrder(raw)) {
    throw new CountersignError(
      "invalid-options",
      "The public key is a point of small order, for which anyone can sign.",
    );
  }
  const publicKey = ownCopy(raw);
  const params = algorithm === "EdDSA" ? ED25519_PARAMS : ES256_PARAMS;
  let key: CryptoKey;
  try {
    key = await subtle.importKey("raw", publicKey, params, false, ["verify"]);
  } catch (thrown) {
    throw keyError(thrown, algorithm);
  }
  return {
    algorithm,
    publicKey,
    kid: kidOf(publicKey),
    async verify(signature, data) {
      if (signature.byteLength !== SIGNATURE_BYTES) return false;
      try {
        return await subtle.verify(params, key, unshared(signature), unshared(data));
      } catch {
        // Some hosts throw for an R that is no point of the curve where others answer false.
        return false;
      }
    },
  };
}

/** 32 random bytes: a new Ed25519 signing key. Keep them secret. */
export function generateSeed(): Uint8Array<ArrayBuffer> {
  subtleCrypto();
  return crypto.getRandomValues(new Uint8Array(ED25519_KEY_BYTES));
}

/** The Ed25519 signing key of a seed. Rejects with "invalid-options" or "crypto-unavailable". */
export async function importSeed(seed: Uint8Array): Promise<SigningKey> {
  const subtle = subtleCrypto();
  if (seed.byteLength !== ED25519_KEY_BYTES) {
    throw new CountersignError("invalid-options", `An Ed25519 seed has 32 bytes, not ${seed.byteLength}.`);
  }
  const pkcs8 = new Uint8Array(PKCS8_PREFIX.byteLength + ED25519_KEY_BYTES);
  pkcs8.set(PKCS8_PREFIX);
  pkcs8.set(seed, PKCS8_PREFIX.byteLength);
  try {
    const privateKey = await subtle.importKey("pkcs8", pkcs8, ED25519_PARAMS, true, ["sign"]);
    // WebCrypto gives the public half of a private key only in its JWK.
    const { x = "" } = await subtle.exportKey("jwk", privateKey);
    return signingKey(privateKey, "EdDSA", fromBase64Url(x));
  } catch (thrown) {
    throw keyError(thrown, "EdDSA");
  } finally {
    pkcs8.fill(0);
  }
}

/** A signing key from a WebCrypto key pair, Ed25519 or ECDSA with P-256; the public key must be extractable. */
export async function signingKeyOf(pair: CryptoKeyPair): Promise<SigningKey> {
  const publicKey = new Uint8Array(await subtleCrypto().exportKey("raw", pair.publicKey));
  return signingKey(pair.privateKey, algorithmOf(publicKey), publicKey);
}

function signingKey(privateKey: CryptoKey, algorithm: SignatureAlgorithm, publicKey: Uint8Array): SigningKey {
  const subtle = subtleCrypto();
  const params = algorithm === "EdDSA" ? ED25519_PARAMS : ES256_PARAMS;
  return {
    algorithm,
    publicKey,
    kid: kidOf(publicKey),
    sign: async (data) => new Uint8Array(await subtle.sign(params, privateKey, unshared(data))),
  };
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
