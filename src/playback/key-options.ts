/** Keys of encrypted broadcasts, as an app gives them, and the one function that the worker asks. */
import { CountersignError } from "../errors.ts";
import type { OpenOptions, PageApi } from "../rpc/protocol.ts";
import type { BaseKey } from "../trust/secure-objects/derive.ts";
import type { KeyRequest } from "../trust/secure-objects/track-keys.ts";

/** A base key: its bytes (at least 16), hexadecimal digits or base64url of them, or a CryptoKey for HKDF with the usage "deriveBits", extractable or not. */
export type KeyInput = string | Uint8Array | ArrayBuffer | CryptoKey;

export interface EncryptionOptions {
  /** Base keys by key id (in decimal), the same for all tracks of the broadcast. Give the next one before the publisher changes to it and nobody notices the change. */
  readonly keys?: Readonly<Record<string, KeyInput>>;
  /**
   * Asked for what `keys` does not have, once per track and key id. No key yet: answer undefined, or reject; it is asked again with growing pauses (0.5 s to 16 s), and also
   * when a key opens nothing.
   */
  readonly keyProvider?: (request: KeyRequest) => Promise<KeyInput | undefined> | KeyInput | undefined;
  /** How long keyProvider may take, in ms; default 10,000. */
  readonly keyTimeoutMs?: number;
}

export const DEFAULT_KEY_TIMEOUT_MS = 10_000;

/** A base key with less than this is no secret: the shortest of the cipher suites' keys. */
const MIN_KEY_BYTES = 16;

const HINT =
  "Pass encryption: { keys: { [keyId]: key } } or { keyProvider }, a key being bytes, hex, base64url or a CryptoKey for HKDF.";

function refuse(message: string): never {
  throw new CountersignError("invalid-options", message, { hint: HINT });
}

/** Throws `invalid-options`. */
export function parseEncryption(encryption: EncryptionOptions): NonNullable<OpenOptions["encryption"]> {
  if (typeof encryption !== "object" || encryption === null) refuse("encryption is no object.");
  const { keys, keyProvider, keyTimeoutMs = DEFAULT_KEY_TIMEOUT_MS } = encryption;
  if (!keys && !keyProvider) refuse("encryption has neither keys nor a keyProvider.");
  if (keyProvider !== undefined && typeof keyProvider !== "function")
    refuse("encryption.keyProvider is no function.");
  if (!(keyTimeoutMs > 0)) refuse(`encryption.keyTimeoutMs is ${keyTimeoutMs}.`);
  for (const [keyId, key] of Object.entries(keys ?? {})) {
    if (!/^\d{1,20}$/.test(keyId)) refuse(`"${keyId}" in encryption.keys is no key id: it is a number.`);
    parseKey(key, keyId);
  }
  return { keyTimeoutMs };
}

/** What the worker asks the app through. */
export function pageApiOf(encryption: EncryptionOptions): PageApi {
  const { keys = {}, keyProvider } = encryption;
  return {
    async key(request) {
      const own = Object.hasOwn(keys, request.keyId) ? keys[request.keyId] : undefined;
      const key = own ?? (await keyProvider?.(request));
      return key === undefined || key === null ? undefined : parseKey(key, request.keyId);
    },
  };
}

function parseKey(key: KeyInput, keyId: string): BaseKey {
  if (typeof CryptoKey === "function" && key instanceof CryptoKey) return key;
  const bytes =
    typeof key === "string" ? bytesOf(key) : key instanceof ArrayBuffer ? new Uint8Array(key) : key;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength < MIN_KEY_BYTES)
    refuse(`The base key ${keyId} is not a key of ${MIN_KEY_BYTES} bytes or more.`);
  return bytes;
}

/** An even number of hexadecimal digits is hex, everything else base64url or base64. */
function bytesOf(text: string): Uint8Array | undefined {
  if (/^(?:[0-9a-fA-F]{2})+$/.test(text))
    return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
