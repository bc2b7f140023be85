/**
 * The keys of one encrypted track: asked of the app as objects name them, kept, asked again when they do not fit.
 *
 * The app is asked once for a key id, however many objects wait for it. An app that does not answer in time, rejects or has no such key is asked again, with growing
 * pauses; so is one whose key opens nothing.
 */
import type { Clock } from "../../clock.ts";
import { CountersignError } from "../../errors.ts";
import type { FullTrackName } from "../../wire/names.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { BaseKey } from "./derive.ts";
import { ObjectCipher } from "./object-cipher.ts";
import { CIPHER_SUITES, type CipherSuite } from "./suites.ts";

/** What the app is asked. Plain data. */
export interface KeyRequest {
  /** The broadcast's namespace, field by field. */
  readonly broadcast: readonly string[];
  readonly track: string;
  /** The Key ID that an object carries, in decimal: 64 bits do not fit a number. */
  readonly keyId: string;
  /** As MSF names it, e.g. "aes-128-gcm-sha256". */
  readonly cipherSuite: string;
  /** What the catalog says of the key, for key systems that go by it. */
  readonly catalogKeyId?: string;
}

/** Resolves with the track_base_key, or with undefined when there is none (yet). */
export type KeyProvider = (request: KeyRequest) => Promise<BaseKey | undefined>;

/** Keys kept per track: the present one, the next, and those of stored stretches that a viewer jumps between. Past it the one that was used least recently is asked for again. */
const MAX_KEYS = 16;

/** Pauses before the app is asked again: short at first, because a key that is late by a moment is the usual case. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 16_000;

export interface TrackKeysOptions {
  readonly track: FullTrackName;
  readonly suite: CipherSuite;
  readonly request: Pick<KeyRequest, "broadcast" | "track" | "catalogKeyId">;
  /** Undefined: the app has no keys to give. */
  readonly provider: KeyProvider | undefined;
  /** How long the app may take for an answer. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

interface Entry {
  cipher: ObjectCipher | undefined;
  asking: Promise<ObjectCipher> | undefined;
  /** Why there was no key when the app was asked last. */
  error: CountersignError | undefined;
  /** The cipher did not open what it should have. */
  doubted: boolean;
  /** Not asked again before. */
  retryAtMs: number;
  retryMs: number;
}

export class TrackKeys {
  readonly #options: TrackKeysOptions;
  /** In order of use, the least recent first. */
  readonly #entries = new Map<VarInt, Entry>();

  constructor(options: TrackKeysOptions) {
    this.#options = options;
  }

  /**
   * The cipher of a key id. Rejects with "key-unavailable"; its `retryAfterMs` says when to ask again, and is absent when that is no use.
   */
  async cipher(keyId: VarInt): Promise<ObjectCipher> {
    const entry = this.#entry(keyId);
    const mayAsk = this.#options.clock.now() >= entry.retryAtMs;
    if (entry.cipher && !(entry.doubted && mayAsk)) return entry.cipher;
    if (entry.asking) return entry.asking;
    if (entry.error && !mayAsk) throw this.#withPause(entry.error, entry);
    entry.asking = this.#ask(keyId, entry).finally(() => {
      entry.asking = undefined;
    });
    return entry.asking;
  }

  /** `cipher` opened an object that the signer signed, or did not. */
  opened(cipher: ObjectCipher, well: boolean): void {
    const entry = this.#entries.get(cipher.keyId);
    if (entry?.cipher !== cipher) return;
    if (well) {
      entry.doubted = false;
      entry.retryMs = FIRST_RETRY_MS;
    } else if (!entry.doubted) {
      entry.doubted = true;
      this.#pause(entry);
    }
  }

  #entry(keyId: VarInt): Entry {
    let entry = this.#entries.get(keyId);
    if (entry) this.#entries.delete(keyId);
    entry ??= {
      cipher: undefined,
      asking: undefined,
      error: undefined,
      doubted: false,
      retryAtMs: Number.NEGATIVE_INFINITY,
      retryMs: FIRST_RETRY_MS,
    };
    this.#entries.set(keyId, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_KEYS) break;
      this.#entries.delete(oldest);
    }
    return entry;
  }

  async #ask(keyId: VarInt, entry: Entry): Promise<ObjectCipher> {
    const { track, suite } = this.#options;
    try {
      const key = await this.#answer(keyId);
      const cipher = await ObjectCipher.create(suite, key, keyId, track);
      entry.cipher = cipher;
      entry.error = undefined;
      entry.doubted = false;
      return cipher;
    } catch (thrown) {
      const error = this.#unavailable(keyId, thrown);
      entry.error = error;
      this.#pause(entry);
      // One that is doubted is better than none: the next object may be right.
      if (entry.cipher) return entry.cipher;
      throw this.#withPause(error, entry);
    }
  }

  async #answer(keyId: VarInt): Promise<BaseKey> {
    const { provider, request, suite, clock, timeoutMs } = this.#options;
    if (!provider) throw new Error("the app was started without keys");
    let cancel: (() => void) | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.setTimer(timeoutMs, () =>
        reject(new Error(`the app did not answer within ${timeoutMs} ms`)),
      );
    });
    try {
      const { catalogName: cipherSuite } = CIPHER_SUITES[suite];
      const key = await Promise.race([provider({ ...request, keyId: String(keyId), cipherSuite }), late]);
      if (key === undefined) throw new Error("the app has none");
      return key;
    } finally {
      cancel?.();
    }
  }

  #unavailable(keyId: VarInt, thrown: unknown): CountersignError {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const { track } = this.#options.request;
    return new CountersignError("key-unavailable", `Track "${track}" needs key ${keyId}: ${why}.`, {
      hint: this.#options.provider
        ? "Give it in the option encryption.keys or from encryption.keyProvider; it is asked for again."
        : "The broadcast is encrypted: pass its keys in the option encryption of createPlayer.",
      cause: thrown,
    });
  }

  #pause(entry: Entry): void {
    entry.retryAtMs = this.#options.clock.now() + entry.retryMs;
    entry.retryMs = Math.min(2 * entry.retryMs, MAX_RETRY_MS);
  }

  /** A new error each time: how long there is to wait changes. */
  #withPause(error: CountersignError, entry: Entry): CountersignError {
    if (!this.#options.provider) return error;
    const retryAfterMs = Math.max(1, entry.retryAtMs - this.#options.clock.now());
    return CountersignError.fromData({ ...error.toData(), retryAfterMs });
  }
}
