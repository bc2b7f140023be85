/**
 * A delegation: a root key says that a signer key may sign manifests, for which namespaces and for which time.
 *
 * It is an envelope like a manifest, with an external AAD of its own. It travels in the unprotected header of manifests, so that keys rotate without
 * another channel and without a release of the app.
 */
import { CountersignError } from "../errors.ts";
import type { Namespace } from "../wire/names.ts";
import { canonical, type VarInt } from "../wire/varint.ts";
import { type CborValue, decodeCbor, isArray, isBytes, isCount, isMap, isUnsigned } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { DELEGATION_AAD, sealEnvelope } from "./envelope.ts";
import type { SigningKey } from "./keys.ts";

export interface Delegation {
  /** Raw public key of the signer: 32 bytes Ed25519 or 65 bytes P-256. */
  readonly publicKey: Uint8Array;
  /** The signer may sign for this namespace and all below it; empty: for all. */
  readonly namespacePrefix: Namespace;
  /** Milliseconds since 1970: it covers manifests with notBeforeMs <= issuedAtMs < notAfterMs. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Of delegations of one root for one prefix, the one with the highest serial holds from its notBeforeMs on. */
  readonly serial: VarInt;
}

const KEY = {
  version: 1,
  publicKey: 2,
  namespacePrefix: 3,
  notBeforeMs: 4,
  notAfterMs: 5,
  serial: 6,
} as const;
const KEY_COUNT = 6;

function malformed(what: string): CountersignError {
  return new CountersignError("manifest-malformed", `A delegation is malformed: ${what}.`);
}

/** A root signs `delegation`. Rejects with "invalid-options" when the window is empty. */
export async function signDelegation(
  root: SigningKey,
  delegation: Delegation,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!(delegation.notBeforeMs < delegation.notAfterMs)) {
    throw new CountersignError("invalid-options", "A delegation must end after it begins.");
  }
  const payload = encodeCbor(
    new Map<number, CborValue>([
      [KEY.version, 1],
      [KEY.publicKey, delegation.publicKey],
      [KEY.namespacePrefix, delegation.namespacePrefix],
      [KEY.notBeforeMs, delegation.notBeforeMs],
      [KEY.notAfterMs, delegation.notAfterMs],
      [KEY.serial, delegation.serial],
    ]),
  );
  return sealEnvelope(root, DELEGATION_AAD, payload);
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeDelegation(payload: Uint8Array): Delegation {
  const map = decodeCbor(payload);
  if (!isMap(map) || map.size !== KEY_COUNT || map.get(KEY.version) !== 1)
    throw malformed("it is not of version 1");
  const publicKey = map.get(KEY.publicKey);
  const prefix = map.get(KEY.namespacePrefix);
  const notBeforeMs = map.get(KEY.notBeforeMs);
  const notAfterMs = map.get(KEY.notAfterMs);
  const serial = map.get(KEY.serial);
  if (!isBytes(publicKey)) throw malformed("it has no key");
  if (!isArray(prefix) || !prefix.every((field) => isBytes(field)))
    throw malformed("its namespace prefix is none");
  if (!isCount(notBeforeMs) || !isCount(notAfterMs) || notBeforeMs >= notAfterMs)
    throw malformed("it has no time of validity");
  if (!isUnsigned(serial)) throw malformed("it has no serial");
  return {
    publicKey,
    namespacePrefix: prefix as Namespace,
    notBeforeMs,
    notAfterMs,
    serial: typeof serial === "bigint" ? canonical(serial) : serial,
  };
}
