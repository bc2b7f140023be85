/**
 * Two statements of a root about a key and a time.
 *
 * **Revocation**: nothing that this key signs with a time of issue from `fromMs` on counts. Since a thief can write any time into a manifest, the root chooses
 * `fromMs`: the last moment at which the key was surely its owner's, 0 for a key that never was to be trusted.
 *
 * **Succession**: from `fromMs` on this key is root in the place of the one that signs. So roots rotate without a release of the app, and an app that pins an old root
 * follows the line to the newest.
 *
 * Both are envelopes with an external AAD of their own and travel like delegations.
 */
import { CountersignError } from "../errors.ts";
import { type CborValue, decodeCbor, isBytes, isCount, isMap } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { REVOCATION_AAD, SUCCESSION_AAD, sealEnvelope } from "./envelope.ts";
import type { SigningKey } from "./keys.ts";

export interface KeyChange {
  /** Raw public key: the one that ends, or the one that begins. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970, compared with a manifest's time of issue. */
  readonly fromMs: number;
}

const KEY = { version: 1, publicKey: 2, fromMs: 3 } as const;
const KEY_COUNT = 3;

function encodeKeyChange({ publicKey, fromMs }: KeyChange): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(fromMs) || fromMs < 0) {
    throw new CountersignError(
      "invalid-options",
      `${fromMs} is no time: whole milliseconds since 1970 are expected.`,
    );
  }
  return encodeCbor(
    new Map<number, CborValue>([
      [KEY.version, 1],
      [KEY.publicKey, publicKey],
      [KEY.fromMs, fromMs],
    ]),
  );
}

/** A root ends `change.publicKey`: a key that it (or a root before it in its line) delegated to, a root before it, or itself. Rejects with "invalid-options". */
export async function signRevocation(root: SigningKey, change: KeyChange): Promise<Uint8Array<ArrayBuffer>> {
  return sealEnvelope(root, REVOCATION_AAD, encodeKeyChange(change));
}

/** A root names its successor. Rejects with "invalid-options". */
export async function signSuccession(root: SigningKey, change: KeyChange): Promise<Uint8Array<ArrayBuffer>> {
  return sealEnvelope(root, SUCCESSION_AAD, encodeKeyChange(change));
}

/** The payload of either. For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeKeyChange(payload: Uint8Array): KeyChange {
  const map = decodeCbor(payload);
  if (!isMap(map) || map.size !== KEY_COUNT || map.get(KEY.version) !== 1)
    throw malformed("it is not of version 1");
  const publicKey = map.get(KEY.publicKey);
  const fromMs = map.get(KEY.fromMs);
  if (!isBytes(publicKey)) throw malformed("it names no key");
  if (!isCount(fromMs)) throw malformed("it has no time");
  return { publicKey, fromMs };
}

function malformed(what: string): CountersignError {
  return new CountersignError("manifest-malformed", `A statement about a key is malformed: ${what}.`);
}
