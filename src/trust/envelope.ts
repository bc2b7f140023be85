/**
 * The envelope of everything that is signed here: a COSE_Sign1 of a strict shape.
 *
 * Protected header: algorithm and key id, nothing else. The unprotected header may carry delegations; other labels in it are ignored, since
 * anyone on the way can add them. The **statement** is the SHA-256 of what the signature covers: it names what was said regardless of
 * unprotected headers and of which valid signature came with it, so hash chains and duplicate detection use it.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8Encode } from "../utf8.ts";
import { type CborMap, type CborValue, isArray, isBytes } from "./cbor.ts";
import { decodeSign1, encodeSign1, HEADER_KID, malformed, sigStructure } from "./cose.ts";
import { KID_BYTES, type SignatureAlgorithm, type SigningKey, type VerificationKey } from "./keys.ts";
import { MAX_DELEGATIONS_PER_ENVELOPE } from "./limits.ts";

/** External AAD per kind of statement. Another format version is another string, so that neither can pass for the other. */
export const MANIFEST_AAD = "countersign/manifest/1";
export const DELEGATION_AAD = "countersign/delegation/1";

/** Unprotected header with delegation envelopes; a private-use label (RFC 9052 §11.1: integers below -65536). */
export const HEADER_DELEGATIONS = -70_001;

/** Read, not yet believed. */
export interface Envelope {
  readonly algorithm: SignatureAlgorithm;
  readonly kid: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** What the signature covers. */
  readonly signed: Uint8Array;
  /** SHA-256 of `signed`. */
  readonly statement: Uint8Array;
  /** Delegation envelopes that ride along; not covered by the signature. */
  readonly delegations: readonly Uint8Array[];
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function openEnvelope(bytes: Uint8Array, aad: string): Envelope {
  const { algorithm, protectedBytes, protectedHeader, unprotected, payload, signature } = decodeSign1(bytes);
  const kid = protectedHeader.get(HEADER_KID);
  // Size 2: decodeSign1 has found the algorithm.
  if (protectedHeader.size !== 2 || !isBytes(kid, KID_BYTES)) {
    throw malformed("its protected header is not exactly algorithm and key id");
  }
  const signed = sigStructure(protectedBytes, utf8Encode(aad), payload);
  return {
    algorithm,
    kid,
    payload,
    signature,
    signed,
    statement: sha256(signed),
    delegations: delegationsIn(unprotected),
  };
}

function delegationsIn(unprotected: CborMap): readonly Uint8Array[] {
  const value = unprotected.get(HEADER_DELEGATIONS);
  // Of no weight unless a root signed them, so a wrong shape is ignored like any other unprotected junk.
  if (!isArray(value) || value.length > MAX_DELEGATIONS_PER_ENVELOPE) return [];
  return value.filter((item) => isBytes(item));
}

/** Whether `key` signed it. */
export function signedBy(envelope: Envelope, key: VerificationKey): Promise<boolean> {
  if (key.algorithm !== envelope.algorithm) return Promise.resolve(false);
  return key.verify(envelope.signature, envelope.signed);
}

/** Signs `payload` and wraps it up. Rejects with "invalid-options" when the result is over MAX_ENVELOPE_BYTES. */
export function sealEnvelope(
  key: SigningKey,
  aad: string,
  payload: Uint8Array,
  delegations: readonly Uint8Array[] = [],
): Promise<Uint8Array<ArrayBuffer>> {
  const unprotected = new Map<number, CborValue>();
  if (delegations.length > 0) unprotected.set(HEADER_DELEGATIONS, delegations);
  return encodeSign1({ key, externalAad: aad, payload, unprotected });
}
