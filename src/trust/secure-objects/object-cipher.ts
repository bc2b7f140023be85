/** One key at work: seals and opens the objects of a track under one key id (draft-ietf-moq-secure-objects-01, "Encryption", "Decryption"). */
import { CountersignError } from "../../errors.ts";
import type { FullTrackName } from "../../wire/names.ts";
import type { MoqObject } from "../../wire/objects.ts";
import type { VarInt } from "../../wire/varint.ts";
import { type BaseKey, deriveKey, nonceFor } from "./derive.ts";
import {
  additionalData,
  DEFAULT_PRIORITY,
  encryptedObjectProperties,
  framePlaintext,
  keyIdIn,
  payloadIn,
} from "./framing.ts";
import { type CipherSuite, cipherOf, type SuiteCipher } from "./suites.ts";

/**
 * AES blocks that one derived key may process: 2^36, a tebibyte. With it the advantage of whoever tells ciphertext from noise stays below 2^-57, the figure of
 * draft-irtf-cfrg-aead-limits for AES-GCM ((blocks + 1)^2 / 2^129); counter mode has the same bound. At 16 Mb/s that is six days. Past it nothing is sealed or opened.
 */
export const MAX_BLOCKS_PER_KEY: number = 2 ** 36;

const BLOCK_BYTES = 16;

/** An object as it leaves the publisher: what relays carry and what the signer signs. */
export interface SealedObject {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** For {@link MoqObject.properties}. */
  readonly properties: Uint8Array<ArrayBuffer>;
  /** The value of the Immutable Properties among them, for the signer. */
  readonly immutableProperties: Uint8Array;
}

export class ObjectCipher {
  readonly keyId: VarInt;
  readonly #cipher: SuiteCipher;
  readonly #salt: Uint8Array;
  readonly #maxBlocks: number;
  #blocks = 0;
  /** The priority that the publisher authenticated, once an object showed it. */
  #priority: number | undefined;
  /** Every priority was tried on an object, and none was right: this key is no key of these objects. */
  #searched = false;

  private constructor(keyId: VarInt, cipher: SuiteCipher, salt: Uint8Array, maxBlocks: number) {
    this.keyId = keyId;
    this.#cipher = cipher;
    this.#salt = salt;
    this.#maxBlocks = maxBlocks;
  }

  /** Rejects with "invalid-options" when the base key cannot be used. */
  static async create(
    suite: CipherSuite,
    baseKey: BaseKey,
    keyId: VarInt,
    track: FullTrackName,
    maxBlocks: number = MAX_BLOCKS_PER_KEY,
  ): Promise<ObjectCipher> {
    const { key, salt } = await deriveKey(suite, baseKey, keyId, track);
    try {
      return new ObjectCipher(keyId, await cipherOf(suite, key), salt, maxBlocks);
    } finally {
      key.fill(0);
    }
  }

  /**
   * Seal each location once only: a second payload under the same key and location would give both away. Rejects with "malformed-track" for object ids above 2^32 - 1,
   * "limit-exceeded" when the key is used up.
   */
  async seal(group: VarInt, object: VarInt, payload: Uint8Array): Promise<SealedObject> {
    this.#count(payload.byteLength);
    const properties = encryptedObjectProperties(this.keyId);
    const { immutable } = keyIdIn(properties);
    const nonce = nonceFor(this.#salt, group, object);
    const aad = additionalData(group, object, DEFAULT_PRIORITY, immutable);
    const sealed = await this.#cipher.seal(nonce, aad, framePlaintext(payload));
    return { payload: sealed, properties, immutableProperties: immutable };
  }

  /**
   * The payload that was sealed: a view of the plaintext. Rejects with "decryption-failed", or as {@link seal} does.
   *
   * The publisher's priority is authenticated, and the relay that brought the object is the one who says what it was. A relay that lies about it would make a good
   * object unreadable, so what it says is only the first guess: all 256 are tried before the key is blamed, once.
   */
  async open(object: MoqObject, immutable: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    this.#count(object.payload.byteLength);
    const nonce = nonceFor(this.#salt, object.group, object.object);
    const attempt = async (priority: number): Promise<Uint8Array<ArrayBuffer>> => {
      const aad = additionalData(object.group, object.object, priority, immutable);
      const plaintext = await this.#cipher.open(nonce, aad, object.payload);
      this.#priority = priority;
      return payloadIn(plaintext);
    };
    const told = object.priority ?? DEFAULT_PRIORITY;
    const guesses = new Set([this.#priority ?? told, told, DEFAULT_PRIORITY]);
    let failure: unknown;
    for (const priority of guesses) {
      try {
        return await attempt(priority);
      } catch (thrown) {
        failure = thrown;
      }
    }
    if (this.#priority === undefined && !this.#searched) {
      this.#searched = true;
      for (let priority = 0; priority <= 255; priority++) {
        const found = guesses.has(priority) ? undefined : await attempt(priority).catch(() => undefined);
        if (found) return found;
      }
    }
    throw failure;
  }

  #count(bytes: number): void {
    this.#blocks += Math.ceil(bytes / BLOCK_BYTES) + 1;
    if (this.#blocks <= this.#maxBlocks) return;
    throw new CountersignError("limit-exceeded", `Key ${this.keyId} has been used for too many objects.`, {
      section: "draft-ietf-moq-secure-objects-01, AEAD Invocation Limits",
      hint: "Publish with a new key id and base key: under this one secrecy is no longer certain.",
    });
  }
}
