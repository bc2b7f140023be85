/**
 * A file signed like a track: its bytes are the objects of a track laid end to end, and beside it lies a small file of manifests.
 *
 * Each group closes with its one manifest, which names the size of every object; so the manifests say how the file is cut, and nothing else is needed to check it. A last manifest, of
 * a group without objects, says where the recording ends: a part of one passes as a part, never as the whole.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { type FullTrackName, trackKey } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { addVarInt, type VarInt } from "../wire/varint.ts";
import { verifyStoredGroup } from "./archive.ts";
import { equalBytes } from "./bytes.ts";
import { type CborValue, decodeCbor, isArray, isBytes, isMap } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { type KeyStatements, MANIFEST_AAD, openEnvelope, sealEnvelope } from "./envelope.ts";
import type { KeyRing } from "./key-ring.ts";
import type { SigningKey } from "./keys.ts";
import { objectLeaf } from "./leaf.ts";
import { MAX_ENTRIES_PER_MANIFEST, MAX_SIGNED_OBJECT_BYTES } from "./limits.ts";
import { decodeManifest, encodeManifest } from "./manifest.ts";
import { merkleRoot } from "./merkle.ts";
import type { Manifest, SignedEntry } from "./types.ts";

/** Small enough to name a damaged place, large enough that the manifests take under a tenth of a percent. */
export const DEFAULT_OBJECT_BYTES = 65_536;

const KEY = { version: 1, manifests: 2 } as const;

export interface SignRecordingOptions {
  readonly key: SigningKey;
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
  /** ms since 1970. */
  readonly issuedAtMs: number;
  readonly keyStatements?: Partial<KeyStatements>;
  /** Default DEFAULT_OBJECT_BYTES. */
  readonly objectBytes?: number;
}

export interface RecordingVerdict {
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
  readonly issuedAtMs: number;
  readonly groups: number;
  readonly objects: number;
  /** Bytes of the file that are proven: all of it. */
  readonly bytes: number;
  /** The signer said that it ends here; false: it may go on. */
  readonly whole: boolean;
}

/** The manifests of `file`, as the file that lies beside it. Rejects with "invalid-options". */
export async function signRecording(
  file: Uint8Array,
  options: SignRecordingOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { objectBytes = DEFAULT_OBJECT_BYTES } = options;
  if (!Number.isSafeInteger(objectBytes) || objectBytes < 1 || objectBytes > MAX_SIGNED_OBJECT_BYTES) {
    throw new CountersignError("invalid-options", `Objects of ${objectBytes} bytes cannot be signed.`);
  }
  const groupBytes = objectBytes * MAX_ENTRIES_PER_MANIFEST;
  const envelopes: Uint8Array[] = [];
  let previous: Uint8Array | undefined;
  // One more than there are: the empty group at the end.
  for (let group = 0; group <= Math.ceil(file.byteLength / groupBytes); group++) {
    const bytes = file.subarray(group * groupBytes, (group + 1) * groupBytes);
    const sizes = sizesOf(bytes.byteLength, objectBytes);
    const entries = await Promise.all(cut(bytes, group, sizes).map(entryOf));
    const manifest = recordedManifest(group, previous, entries, options);
    const envelope = await sealEnvelope(
      options.key,
      MANIFEST_AAD,
      encodeManifest(manifest),
      options.keyStatements,
    );
    previous = openEnvelope(envelope, MANIFEST_AAD).statement;
    envelopes.push(envelope);
  }
  return encodeManifests(envelopes);
}

/**
 * Checks `file` against its manifests. Rejects with CountersignError: the reason why a manifest does not count, "manifest-broken-chain" when one is missing in between or out of order,
 * or "object-mismatch" when the file is not what was signed, with the place.
 */
export async function verifyRecording(
  file: Uint8Array,
  manifests: Uint8Array,
  keyRing: KeyRing,
): Promise<RecordingVerdict> {
  const envelopes = decodeManifests(manifests);
  let previous: { readonly manifest: Manifest; readonly statement: Uint8Array } | undefined;
  let position = 0;
  let objects = 0;
  let whole = false;
  for (const bytes of envelopes) {
    const { payload, statement } = openEnvelope(bytes, MANIFEST_AAD);
    const manifest = decodeManifest(payload);
    checkPlace(manifest, previous, whole);
    const { group, entries } = manifest;
    const sizes = entries.map(({ size }) => size);
    const groupBytes = sizes.reduce((sum, size) => sum + size, 0);
    const evidence = { group, evidence: [bytes], objects: cut(file.subarray(position), group, sizes) };
    const verdict = await verifyStoredGroup(evidence, {
      track: manifest.track,
      keyRing,
      streamId: manifest.streamId,
    });
    if (!verdict.complete) throw notAsSigned(verdict.error, position, entries, verdict.failed);
    position += groupBytes;
    objects += entries.length;
    whole = entries.length === 0;
    previous = { manifest, statement };
  }
  if (previous === undefined) throw new CountersignError("manifest-malformed", "There is no manifest.");
  if (position !== file.byteLength) {
    const message = `The file has ${file.byteLength} bytes; ${position} are signed.`;
    throw new CountersignError("object-mismatch", message);
  }
  const { track, streamId, issuedAtMs } = previous.manifest;
  return { track, streamId, issuedAtMs, groups: envelopes.length, objects, bytes: position, whole };
}

export function encodeManifests(envelopes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<number, CborValue>([
      [KEY.version, 1],
      [KEY.manifests, envelopes],
    ]),
  );
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeManifests(bytes: Uint8Array): readonly Uint8Array[] {
  const map = decodeCbor(bytes);
  const list =
    isMap(map) && map.size === 2 && map.get(KEY.version) === 1 ? map.get(KEY.manifests) : undefined;
  if (!isArray(list) || !list.every((item) => isBytes(item))) {
    throw new CountersignError("manifest-malformed", "This is no file of manifests.");
  }
  return list as readonly Uint8Array[];
}

function sizesOf(bytes: number, objectBytes: number): number[] {
  const sizes: number[] = [];
  for (let at = 0; at < bytes; at += objectBytes) sizes.push(Math.min(objectBytes, bytes - at));
  return sizes;
}

/** Objects of these sizes, laid end to end; fewer and shorter ones when the bytes run out. */
function cut(bytes: Uint8Array, group: VarInt, sizes: readonly number[]): MoqObject[] {
  let position = 0;
  return sizes.map((size, object) => {
    const payload = bytes.subarray(position, position + size);
    position += size;
    const properties = new Uint8Array(0);
    return { group, object, subgroup: 0, priority: undefined, status: "normal", properties, payload };
  });
}

async function entryOf(object: MoqObject): Promise<SignedEntry> {
  return { object: object.object, size: object.payload.byteLength, leaf: await objectLeaf(object) };
}

function recordedManifest(
  group: number,
  previous: Uint8Array | undefined,
  entries: readonly SignedEntry[],
  { streamId, track, issuedAtMs }: SignRecordingOptions,
): Manifest {
  return {
    version: 1,
    streamId,
    track,
    sequence: group,
    previous,
    group,
    entries,
    completion: { objectCount: entries.length, root: merkleRoot(entries.map(({ leaf }) => leaf)) },
    issuedAtMs,
    // A recording does not go stale.
    freshForMs: Number.MAX_SAFE_INTEGER,
    catalogDigest: undefined,
  };
}

function checkPlace(
  manifest: Manifest,
  before: { readonly manifest: Manifest; readonly statement: Uint8Array } | undefined,
  ended: boolean,
): void {
  const expected = before === undefined ? 0 : addVarInt(before.manifest.sequence, 1);
  const follows =
    manifest.sequence === expected &&
    (before === undefined ||
      (trackKey(manifest.track) === trackKey(before.manifest.track) &&
        equalBytes(manifest.streamId, before.manifest.streamId) &&
        equalBytes(manifest.previous!, before.statement)));
  const inOrder = manifest.entries.every(({ object }, i) => object === i);
  if (follows && inOrder && !ended) return;
  const message = `Manifest ${manifest.sequence} does not follow the one before it.`;
  throw new CountersignError("manifest-broken-chain", message);
}

function notAsSigned(
  cause: CountersignError | undefined,
  start: number,
  entries: readonly SignedEntry[],
  failed: readonly VarInt[],
): CountersignError {
  // Why a manifest does not count is the better answer; "store-corrupt" is about the bytes.
  if (cause !== undefined && cause.code !== "store-corrupt") return cause;
  const [first = 0] = failed;
  const before = entries.slice(0, Number(first)).reduce((sum, { size }) => sum + size, 0);
  return toCountersignError(
    new Error(
      `The file is not what was signed: the first difference is in the object at byte ${start + before}.`,
    ),
    "object-mismatch",
  );
}
