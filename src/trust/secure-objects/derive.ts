/** Key, salt and nonce of one track and key id (draft-ietf-moq-secure-objects-01, "Key and Salt Derivation", "Nonce Formation"). */
import { CountersignError } from "../../errors.ts";
import { utf8Encode } from "../../utf8.ts";
import type { FullTrackName } from "../../wire/names.ts";
import type { VarInt } from "../../wire/varint.ts";
import { finish, newWriter, writeBytes, writeSizedBytes, writeVi64 } from "../../wire/writer.ts";
import { subtleCrypto, unshared } from "../keys.ts";
import { CIPHER_SUITES, type CipherSuite, NONCE_BYTES } from "./suites.ts";

const KEY_LABEL = utf8Encode("MOQ 1.0 Secure Objects Secret key ");
const SALT_LABEL = utf8Encode("MOQ 1.0 Secret salt ");
/** The counter has 32 bits for the object id; beyond it the draft forbids to encrypt or decrypt. */
const MAX_OBJECT_ID = 0xffff_ffff;

/** A track_base_key: its bytes, or a WebCrypto key for HKDF that may derive bits and need not be extractable. */
export type BaseKey = Uint8Array | CryptoKey;

export interface DerivedKey {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly salt: Uint8Array<ArrayBuffer>;
}

/** Namespace and name as they are encoded on the wire (draft-ietf-moq-transport-18 §2.4.1). */
export function serializedTrackName({ namespace, name }: FullTrackName): Uint8Array<ArrayBuffer> {
  const writer = newWriter();
  writeVi64(writer, namespace.length);
  for (const field of namespace) writeSizedBytes(writer, field);
  writeSizedBytes(writer, name);
  return finish(writer);
}

/** What `baseKey` becomes for this suite, key id and track. Rejects with "invalid-options" when it is no key for HKDF. */
export async function deriveKey(
  suite: CipherSuite,
  baseKey: BaseKey,
  keyId: VarInt,
  track: FullTrackName,
): Promise<DerivedKey> {
  const { hash, id, cipherKeyBytes, authKeyBytes } = CIPHER_SUITES[suite];
  const subtle = subtleCrypto();
  const secret =
    baseKey instanceof Uint8Array
      ? await subtle.importKey("raw", unshared(baseKey), "HKDF", false, ["deriveBits"])
      : baseKey;
  const name = serializedTrackName(track);
  const expand = async (label: Uint8Array, bytes: number) => {
    const writer = newWriter();
    writeBytes(writer, label);
    writeBytes(writer, name);
    const tail = new Uint8Array(10);
    new DataView(tail.buffer).setUint16(0, id);
    new DataView(tail.buffer).setBigUint64(2, BigInt(keyId));
    writeBytes(writer, tail);
    const params = { name: "HKDF", hash, salt: new Uint8Array(0), info: finish(writer) };
    try {
      return new Uint8Array(await subtle.deriveBits(params, secret, bytes * 8));
    } catch (cause) {
      throw new CountersignError("invalid-options", "A base key cannot be used with HKDF.", {
        hint: 'Give its bytes, or a CryptoKey of algorithm "HKDF" with the usage "deriveBits".',
        cause,
      });
    }
  };
  return {
    key: await expand(KEY_LABEL, cipherKeyBytes + authKeyBytes),
    salt: await expand(SALT_LABEL, NONCE_BYTES),
  };
}

/** Group id in 64 bits, object id in 32, by exclusive or with the salt. Throws "malformed-track" for an object id that does not fit. */
export function nonceFor(salt: Uint8Array, group: VarInt, object: VarInt): Uint8Array<ArrayBuffer> {
  if (object > MAX_OBJECT_ID) {
    throw new CountersignError("malformed-track", `Object ${object} has too large an id to be encrypted.`, {
      section: "draft-ietf-moq-secure-objects-01, Nonce Formation",
    });
  }
  const nonce = new Uint8Array(NONCE_BYTES);
  const view = new DataView(nonce.buffer);
  view.setBigUint64(0, BigInt(group));
  view.setUint32(8, Number(object));
  for (let i = 0; i < NONCE_BYTES; i++) nonce[i]! ^= salt[i]!;
  return nonce;
}
