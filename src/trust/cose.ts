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
  const heads = [protectedBytes, externalAad, payload].map(({ byteLength }) => byteStringHead(byteLength));
  const size =
    SIGNATURE1.byteLength + protectedBytes.byteLength + externalAad.byteLength + payload.byteLength;
  const bytes = new Uint8Array(heads.reduce((sum, head) => sum + head.length, size));
  bytes.set(SIGNATURE1);
  let pos = SIGNATURE1.byteLength;
  for (const [i, part] of [protectedBytes, externalAad, payload].entries()) {
    bytes.set(heads[i]!, pos);
    bytes.set(part, pos + heads[i]!.length);
    pos += heads[i]!.length + part.byteLength;
  }
  return bytes;
}

/** Array of 4, and the context string (RFC 9052 §4.4). By hand, since it is built for every envelope that arrives; held to encodeCbor by a test. */
const SIGNATURE1 = encodeCbor(["Signature1", 0, 0, 0]).subarray(0, -3);

/** Initial bytes of a byte string (RFC 8949 §3.1); {@link MAX_ENVELOPE_BYTES} keeps the length in 16 bits. */
function byteStringHead(length: number): readonly number[] {
  if (length < 24) return [0x40 | length];
  if (length < 0x100) return [0x58, length];
  if (length < 0x1_0000) return [0x59, length >> 8, length & 0xff];
  return [0x5a, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff];
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
