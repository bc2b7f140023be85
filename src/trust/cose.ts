/**
 * COSE_Sign1 (RFC 9052 §4.2): one payload, one signature, and headers that say by which key.
 *
 * What is signed is the Sig_structure (§4.4): a context string, the protected header as its exact bytes, data that both sides know without
 * sending it (external AAD: here the name of the format, so that a signature made for one purpose never counts for another), and the payload.
 * Only the tagged form (tag 18) in deterministic CBOR is read and written.
 */
import { CountersignError } from "../errors.ts";
import { utf8Encode } from "../utf8.ts";
import { type CborMap, type CborValue, decodeCbor, isArray, isBytes, isMap } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { SIGNATURE_BYTES, type SignatureAlgorithm, type SigningKey, type VerificationKey } from "./keys.ts";
import { MAX_ENVELOPE_BYTES } from "./limits.ts";
import { sha256 } from "./short-sha256.ts";

/** Header labels (RFC 9052 §3.1). */
export const HEADER_ALG = 1;
export const HEADER_CRIT = 2;
export const HEADER_KID = 4;

/** Tag 18, COSE_Sign1, as its one byte. */
const TAG_SIGN1 = 0xd2;

/** COSE algorithm numbers (RFC 9053 §2). */
const COSE_ALGORITHM: Readonly<Record<SignatureAlgorithm, number>> = { EdDSA: -8, ES256: -7 };

export interface Sign1 {
  readonly algorithm: SignatureAlgorithm;
  readonly protectedBytes: Uint8Array;
  readonly protectedHeader: CborMap;
  /** Not covered by the signature: whoever carries the envelope can change it. */
  readonly unprotected: CborMap;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export function malformed(what: string, section?: string): CountersignError {
  return new CountersignError(
    "manifest-malformed",
    `An envelope is malformed: ${what}.`,
    section === undefined ? {} : { section },
  );
}

function algorithmFrom(value: CborValue | undefined): SignatureAlgorithm {
  if (value === COSE_ALGORITHM.EdDSA) return "EdDSA";
  if (value === COSE_ALGORITHM.ES256) return "ES256";
  throw malformed("its algorithm is neither EdDSA nor ES256", "RFC 9053 §2");
}

/** Reads an envelope without believing it. For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeSign1(bytes: Uint8Array): Sign1 {
  if (bytes.byteLength > MAX_ENVELOPE_BYTES)
    throw malformed(`${bytes.byteLength} bytes are more than ${MAX_ENVELOPE_BYTES}`);
  if (bytes[0] !== TAG_SIGN1) throw malformed("it is no tagged COSE_Sign1", "RFC 9052 §4.2");
  const parts = decodeCbor(bytes.subarray(1));
  if (!isArray(parts) || parts.length !== 4) throw malformed("COSE_Sign1 has four parts", "RFC 9052 §4.2");
  const [protectedBytes, unprotected, payload, signature] = parts;
  // A detached payload (nil) is not CBOR of ours and never gets here.
  if (
    !isBytes(protectedBytes) ||
    !isMap(unprotected) ||
    !isBytes(payload) ||
    !isBytes(signature, SIGNATURE_BYTES)
  ) {
    throw malformed("a part of COSE_Sign1 has the wrong type or length", "RFC 9052 §4.2");
  }
  if (protectedBytes.byteLength === 0) throw malformed("the algorithm is not protected", "RFC 9052 §3.1");
  const protectedHeader = decodeCbor(protectedBytes);
  if (!isMap(protectedHeader)) throw malformed("the protected header is not a map", "RFC 9052 §3");
  for (const label of protectedHeader.keys()) {
    if (unprotected.has(label)) throw malformed("a header is both protected and unprotected", "RFC 9052 §3");
  }
  // "crit" lists headers that must be understood; none beyond the ones read here are.
  if (protectedHeader.has(HEADER_CRIT) || unprotected.has(HEADER_CRIT))
    throw malformed("it has critical headers", "RFC 9052 §3.1");
  const algorithm = algorithmFrom(protectedHeader.get(HEADER_ALG));
  return { algorithm, protectedBytes, protectedHeader, unprotected, payload, signature };
}

/** The Sig_structure (RFC 9052 §4.4), the bytes that a COSE_Sign1 signature covers. */
export function sigStructure(
  protectedBytes: Uint8Array,
  externalAad: Uint8Array,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(structureBytes(protectedBytes, externalAad, payload));
  writeStructure(bytes, protectedBytes, externalAad, payload);
  return bytes;
}

/** Room for the Sig_structure of a manifest of a few objects; longer ones get a buffer of their own. */
const scratch = new Uint8Array(1_024);

/** SHA-256 of the {@link sigStructure}, which most envelopes need and nothing else of it. */
export function sigStructureDigest(
  protectedBytes: Uint8Array,
  externalAad: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  const size = structureBytes(protectedBytes, externalAad, payload);
  if (size > scratch.byteLength) return sha256(sigStructure(protectedBytes, externalAad, payload));
  writeStructure(scratch, protectedBytes, externalAad, payload);
  return sha256(scratch.subarray(0, size));
}

function structureBytes(protectedBytes: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): number {
  return (
    SIGNATURE1.byteLength +
    headBytes(protectedBytes.byteLength) +
    protectedBytes.byteLength +
    headBytes(externalAad.byteLength) +
    externalAad.byteLength +
    headBytes(payload.byteLength) +
    payload.byteLength
  );
}

function writeStructure(
  into: Uint8Array,
  protectedBytes: Uint8Array,
  externalAad: Uint8Array,
  payload: Uint8Array,
): void {
  into.set(SIGNATURE1);
  let pos = writeByteString(into, SIGNATURE1.byteLength, protectedBytes);
  pos = writeByteString(into, pos, externalAad);
  writeByteString(into, pos, payload);
}

/** Array of 4, and the context string (RFC 9052 §4.4). By hand, since it is built for every envelope that arrives; held to encodeCbor by a test. */
const SIGNATURE1 = encodeCbor(["Signature1", 0, 0, 0]).subarray(0, -3);

/** How many bytes stand before the content of a byte string (RFC 8949 §3.1). */
function headBytes(length: number): number {
  if (length < 24) return 1;
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 5;
}

/** A byte string (RFC 8949 §3.1) at `pos`; returns where it ends. */
function writeByteString(into: Uint8Array, pos: number, content: Uint8Array): number {
  const { byteLength } = content;
  const head = headBytes(byteLength);
  if (head === 1) into[pos] = 0x40 | byteLength;
  else {
    into[pos] = head === 2 ? 0x58 : head === 3 ? 0x59 : 0x5a;
    for (let i = 1; i < head; i++) into[pos + i] = byteLength >>> (8 * (head - 1 - i));
  }
  into.set(content, pos + head);
  return pos + head + byteLength;
}

/** True when `key` made the signature. A key of another algorithm than the header names never did. */
export async function verifySign1(
  sign1: Sign1,
  key: VerificationKey,
  externalAad: Uint8Array,
): Promise<boolean> {
  if (key.algorithm !== sign1.algorithm) return false;
  return key.verify(sign1.signature, sigStructure(sign1.protectedBytes, externalAad, sign1.payload));
}

export interface Sign1Options {
  readonly key: SigningKey;
  readonly externalAad: Uint8Array | string;
  readonly payload: Uint8Array;
  readonly unprotected?: CborMap;
}

/** Signs. The protected header is the algorithm and the key id, nothing else. */
export async function encodeSign1(options: Sign1Options): Promise<Uint8Array<ArrayBuffer>> {
  const { key, payload, unprotected = new Map() } = options;
  const externalAad =
    typeof options.externalAad === "string" ? utf8Encode(options.externalAad) : options.externalAad;
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [HEADER_ALG, COSE_ALGORITHM[key.algorithm]],
      [HEADER_KID, key.kid],
    ]),
  );
  const signature = await key.sign(sigStructure(protectedBytes, externalAad, payload));
  const untagged = encodeCbor([protectedBytes, unprotected, payload, signature]);
  const envelope = new Uint8Array(untagged.byteLength + 1);
  envelope[0] = TAG_SIGN1;
  envelope.set(untagged, 1);
  if (envelope.byteLength > MAX_ENVELOPE_BYTES) {
    throw new CountersignError(
      "invalid-options",
      `An envelope of ${envelope.byteLength} bytes is over the limit of ${MAX_ENVELOPE_BYTES}.`,
    );
  }
  return envelope;
}
