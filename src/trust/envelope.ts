/**
 * The envelope of everything that is signed here: a COSE_Sign1 of a strict shape.
 *
 * Protected header: algorithm and key id, nothing else. The unprotected header may carry statements about keys; other labels in it are ignored, since
 * anyone on the way can add them. The **statement** is the SHA-256 of what the signature covers: it names what was said regardless of
 * unprotected headers and of which valid signature came with it, so hash chains and duplicate detection use it.
 */
import { CountersignError } from "../errors.ts";
import { utf8Encode } from "../utf8.ts";
import { type CborMap, type CborValue, isArray, isBytes } from "./cbor.ts";
import { decodeSign1, encodeSign1, HEADER_KID, malformed, sigStructure, sigStructureDigest } from "./cose.ts";
import { KID_BYTES, type SignatureAlgorithm, type SigningKey, type VerificationKey } from "./keys.ts";
import {
  MAX_DELEGATIONS_PER_ENVELOPE,
  MAX_REVOCATIONS_PER_ENVELOPE,
  MAX_SUCCESSIONS_PER_ENVELOPE,
} from "./limits.ts";

/** External AAD per kind of statement. Another format version is another string, so that neither can pass for the other. */
export const MANIFEST_AAD = "countersign/manifest/1";
export const DELEGATION_AAD = "countersign/delegation/1";

export const REVOCATION_AAD = "countersign/revocation/1";
export const SUCCESSION_AAD = "countersign/succession/1";

/** What roots say about keys. Each is an envelope of its own; the kind decides which external AAD it was signed with. */
export type KeyStatementKind = "succession" | "delegation" | "revocation";

interface KindOfStatement {
  readonly aad: string;
  /** Unprotected header with such envelopes; private-use labels (RFC 9052 §11.1: integers below -65536). */
  readonly label: number;
  /** More than an honest signer sends: then none of them is looked at. */
  readonly most: number;
}

export const KEY_STATEMENT: Readonly<Record<KeyStatementKind, KindOfStatement>> = {
  delegation: { aad: DELEGATION_AAD, label: -70_001, most: MAX_DELEGATIONS_PER_ENVELOPE },
  revocation: { aad: REVOCATION_AAD, label: -70_002, most: MAX_REVOCATIONS_PER_ENVELOPE },
  succession: { aad: SUCCESSION_AAD, label: -70_003, most: MAX_SUCCESSIONS_PER_ENVELOPE },
};

/** Statements about keys as they travel: envelopes by kind, in an order in which they can be believed one after the other. */
export type KeyStatements = Readonly<Record<KeyStatementKind, readonly Uint8Array[]>>;

/** Read, not yet believed. */
export interface Envelope {
  readonly algorithm: SignatureAlgorithm;
  readonly kid: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** What the signature covers besides the payload. */
  readonly protectedBytes: Uint8Array;
  readonly externalAad: Uint8Array;
  /** SHA-256 of all that the signature covers. */
  readonly statement: Uint8Array;
  /** Statements about keys that ride along; not covered by the signature. */
  readonly keyStatements: KeyStatements;
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function openEnvelope(bytes: Uint8Array, aad: string): Envelope {
  const { algorithm, protectedBytes, protectedHeader, unprotected, payload, signature } = decodeSign1(bytes);
  const kid = protectedHeader.get(HEADER_KID);
  // Size 2: decodeSign1 has found the algorithm.
  if (protectedHeader.size !== 2 || !isBytes(kid, KID_BYTES)) {
    throw malformed("its protected header is not exactly algorithm and key id");
  }
  const externalAad = encodedAad(aad);
  return {
    algorithm,
    kid,
    payload,
    signature,
    protectedBytes,
    externalAad,
    statement: sigStructureDigest(protectedBytes, externalAad, payload),
    keyStatements: unprotected.size === 0 ? NO_KEY_STATEMENTS : keyStatementsIn(unprotected),
  };
}

const NO_KEY_STATEMENTS: KeyStatements = { succession: [], delegation: [], revocation: [] };

const MANIFEST_AAD_BYTES = utf8Encode(MANIFEST_AAD);

/** Encoding the text anew costs as much as hashing does, and nearly every envelope is a manifest's. */
function encodedAad(aad: string): Uint8Array {
  return aad === MANIFEST_AAD ? MANIFEST_AAD_BYTES : utf8Encode(aad);
}

function keyStatementsIn(unprotected: CborMap): KeyStatements {
  return {
    succession: statementsIn(unprotected, "succession"),
    delegation: statementsIn(unprotected, "delegation"),
    revocation: statementsIn(unprotected, "revocation"),
  };
}

function statementsIn(unprotected: CborMap, kind: KeyStatementKind): readonly Uint8Array[] {
  const { label, most } = KEY_STATEMENT[kind];
  const value = unprotected.get(label);
  // Of no weight unless a root signed them, so a wrong shape is ignored like any other unprotected junk.
  if (!isArray(value) || value.length > most) return [];
  return value.filter((item) => isBytes(item));
}

/** Whether `key` signed it. */
export function signedBy(envelope: Envelope, key: VerificationKey): Promise<boolean> {
  if (key.algorithm !== envelope.algorithm) return Promise.resolve(false);
  const { protectedBytes, externalAad, payload } = envelope;
  // Built here and not when it was opened: most manifests are vouched for by the chain, and nobody looks at their signature.
  return key.verify(envelope.signature, sigStructure(protectedBytes, externalAad, payload));
}

/** Whether anything about keys rides in it. */
export function carriesKeyStatements({ keyStatements }: Envelope): boolean {
  const { succession, delegation, revocation } = keyStatements;
  return succession.length + delegation.length + revocation.length > 0;
}

/** Signs `payload` and wraps it up. Rejects with "invalid-options" when the result is over MAX_ENVELOPE_BYTES, or carries more statements than readers look at. */
export async function sealEnvelope(
  key: SigningKey,
  aad: string,
  payload: Uint8Array,
  keyStatements: Partial<KeyStatements> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const unprotected = new Map<number, CborValue>();
  for (const [kind, envelopes] of Object.entries(keyStatements)) {
    const { label, most } = KEY_STATEMENT[kind as KeyStatementKind];
    if (envelopes.length > most) {
      const message = `${envelopes.length} statements of kind ${kind} are more than the ${most} that readers look at.`;
      throw new CountersignError("invalid-options", message);
    }
    if (envelopes.length > 0) unprotected.set(label, envelopes);
  }
  return encodeSign1({ key, externalAad: aad, payload, unprotected });
}
