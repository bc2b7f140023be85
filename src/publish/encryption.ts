/**
 * Encrypting what a publisher cut, before it is signed and sent: signer and chunk publishers share keys and plan, and so agree on every byte of ciphertext
 * without talking to each other, as they do on the media.
 */
import { CountersignError } from "../errors.ts";
import type { BaseKey } from "../trust/secure-objects/derive.ts";
import { ObjectCipher, type SealedObject } from "../trust/secure-objects/object-cipher.ts";
import { CIPHER_SUITES, type CipherSuite } from "../trust/secure-objects/suites.ts";
import { type Namespace, trackOf } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";

/**
 * Which key each group is encrypted with. A base key must not serve two broadcasts of one name whose media differ (a restart with another epoch is one):
 * the same key and location would then encrypt two payloads, which gives both away. Make new base keys for every broadcast session.
 */
export interface EncryptionPlan {
  readonly suite: CipherSuite;
  readonly keys: readonly { readonly keyId: VarInt; readonly baseKey: BaseKey }[];
  /** Groups after which the next of `keys` takes over, the first again after the last. Absent: the first serves for ever. */
  readonly rotateGroups?: number;
}

export class BroadcastEncryption {
  readonly #namespace: Namespace;
  readonly #plan: EncryptionPlan;
  readonly #ciphers = new Map<string, Promise<ObjectCipher>>();
  /** By track: objects come out in the order in which they went in. */
  readonly #lines = new Map<string, Promise<unknown>>();

  /** Throws "invalid-options" for a plan without keys. */
  constructor(namespace: Namespace, plan: EncryptionPlan) {
    if (plan.keys.length === 0 || (plan.rotateGroups !== undefined && !(plan.rotateGroups >= 1)))
      throw new CountersignError(
        "invalid-options",
        "An encryption plan needs a key, and to rotate after whole groups.",
      );
    this.#namespace = namespace;
    this.#plan = plan;
  }

  /** For the catalog. */
  get described(): { readonly cipherSuite: string; readonly keyId: string } {
    return {
      cipherSuite: CIPHER_SUITES[this.#plan.suite].catalogName,
      keyId: String(this.#plan.keys[0]!.keyId),
    };
  }

  /** Calls of one track settle in order. Rejects as {@link ObjectCipher.seal} does. */
  seal(trackName: string, group: number, object: number, payload: Uint8Array): Promise<SealedObject> {
    const before = this.#lines.get(trackName);
    const sealed = this.#cipher(trackName, group).then((cipher) => cipher.seal(group, object, payload));
    const inOrder = (async () => {
      await before?.catch(() => undefined);
      return await sealed;
    })();
    // Whoever asked is told of a failure; the line goes on.
    sealed.catch(() => undefined);
    this.#lines.set(
      trackName,
      inOrder.catch(() => undefined),
    );
    return inOrder;
  }

  #cipher(trackName: string, group: number): Promise<ObjectCipher> {
    const { keys, suite, rotateGroups = Number.POSITIVE_INFINITY } = this.#plan;
    const { keyId, baseKey } = keys[Math.floor(group / rotateGroups) % keys.length]!;
    const key = `${keyId} ${trackName}`;
    let cipher = this.#ciphers.get(key);
    if (!cipher) {
      cipher = ObjectCipher.create(suite, baseKey, keyId, trackOf(this.#namespace, trackName));
      this.#ciphers.set(key, cipher);
    }
    return cipher;
  }
}
