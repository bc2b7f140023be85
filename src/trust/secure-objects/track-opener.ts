/** From verified ciphertext to verified media, object by object. */
import { CountersignError } from "../../errors.ts";
import type { MoqObject } from "../../wire/objects.ts";
import type { Verified } from "../types.ts";
import { markVerified } from "../verified.ts";
import { keyIdIn } from "./framing.ts";
import { TrackKeys, type TrackKeysOptions } from "./track-keys.ts";

export class TrackOpener {
  readonly #keys: TrackKeys;

  constructor(options: TrackKeysOptions) {
    this.#keys = new TrackKeys(options);
  }

  /**
   * The same object with its media as payload. It stays verified: the signer signed the ciphertext, and the key that opens it is the app's. Rejects with
   * "key-unavailable" (see {@link TrackKeys.cipher}), "decryption-failed", "malformed-track" or "limit-exceeded".
   */
  async open(object: Verified<MoqObject>): Promise<Verified<MoqObject>> {
    const { keyId, immutable } = keyIdIn(object.properties);
    const cipher = await this.#keys.cipher(keyId);
    try {
      const payload = await cipher.open(object, immutable);
      this.#keys.opened(cipher, true);
      return markVerified({ ...object, payload });
    } catch (thrown) {
      if (thrown instanceof CountersignError && thrown.code === "decryption-failed")
        this.#keys.opened(cipher, false);
      throw thrown;
    }
  }
}
