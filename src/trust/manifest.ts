/**
 * The payload of a manifest: a CBOR map with small integer keys. docs/manifest-format.md has the CDDL and the reasons.
 *
 * Reading is strict: an unknown key, a missing one or a value out of its bounds refuses the whole manifest. A later format gets another version and
 * another external AAD, so nothing has to be skipped over here.
 */
import { CountersignError } from "../errors.ts";
import type { FullTrackName } from "../wire/names.ts";
import { canonical, type VarInt } from "../wire/varint.ts";
import {
  type CborMap,
  type CborValue,
  decodeCbor,
  isArray,
  isBytes,
  isCount,
  isMap,
  isUnsigned,
} from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { MAX_ENTRIES_PER_MANIFEST, MAX_OBJECTS_PER_GROUP, MAX_SIGNED_OBJECT_BYTES } from "./limits.ts";
import type { GroupCompletion, Manifest, SignedEntry } from "./types.ts";

export const STREAM_ID_BYTES = 16;
export const DIGEST_BYTES = 32;
/** draft-ietf-moq-transport-18 §2.4.1: fields of a namespace, and bytes of a full track name. */
const MAX_NAMESPACE_FIELDS = 32;
const MAX_TRACK_NAME_BYTES = 4_096;

const KEY = {
  version: 1,
  streamId: 2,
  namespace: 3,
  name: 4,
  sequence: 5,
  previous: 6,
  group: 7,
  entries: 8,
  completion: 9,
  issuedAtMs: 10,
  freshForMs: 11,
  catalogDigest: 12,
} as const;

const LAST_KEY = KEY.catalogDigest;

function malformed(what: string): CountersignError {
  return new CountersignError("manifest-malformed", `A manifest is malformed: ${what}.`);
}

/** The first rule that a manifest breaks, or undefined. */
function fault(manifest: Manifest): string | undefined {
  const { track, entries, completion } = manifest;
  if (!isBytes(manifest.streamId, STREAM_ID_BYTES)) return "the stream id is not 16 bytes";
  const fields = track.namespace;
  if (fields.length === 0 || fields.length > MAX_NAMESPACE_FIELDS)
    return "the namespace does not have 1 to 32 fields";
  if (fields.some((field) => field.byteLength === 0)) return "a namespace field is empty";
  const nameBytes = fields.reduce((sum, field) => sum + field.byteLength, track.name.byteLength);
  if (nameBytes > MAX_TRACK_NAME_BYTES) return "the track name is too long";
  if ((manifest.sequence === 0) !== (manifest.previous === undefined)) {
    return "the digest of the previous manifest must be there exactly when there is one";
  }
  if (manifest.previous !== undefined && !isBytes(manifest.previous, DIGEST_BYTES))
    return "the previous digest is not 32 bytes";
  if (manifest.catalogDigest !== undefined && !isBytes(manifest.catalogDigest, DIGEST_BYTES)) {
    return "the catalog digest is not 32 bytes";
  }
  if (!Number.isSafeInteger(manifest.issuedAtMs) || manifest.issuedAtMs < 0)
    return "the time of issue is no time";
  if (!Number.isSafeInteger(manifest.freshForMs) || manifest.freshForMs <= 0)
    return "the freshness is not a positive time";
  if (entries.length > MAX_ENTRIES_PER_MANIFEST)
    return `it names more than ${MAX_ENTRIES_PER_MANIFEST} objects`;
  let previousId: VarInt | undefined;
  for (const { object, size, leaf } of entries) {
    if (previousId !== undefined && object <= previousId) return "its objects are not in ascending order";
    if (!Number.isSafeInteger(size) || size < 0 || size > MAX_SIGNED_OBJECT_BYTES)
      return `object ${object} has an impossible size`;
    if (!isBytes(leaf, DIGEST_BYTES)) return `the leaf of object ${object} is not 32 bytes`;
    previousId = object;
  }
  if (completion !== undefined) {
    const { objectCount, root } = completion;
    if (
      !Number.isSafeInteger(objectCount) ||
      objectCount < entries.length ||
      objectCount > MAX_OBJECTS_PER_GROUP
    ) {
      return "its object count is impossible";
    }
    if (!isBytes(root, DIGEST_BYTES)) return "the Merkle root is not 32 bytes";
  }
  return undefined;
}

/** The payload to sign. Throws CountersignError "invalid-options" for a manifest that a reader would refuse. */
export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const wrong = fault(manifest);
  if (wrong !== undefined)
    throw new CountersignError("invalid-options", `This manifest cannot be signed: ${wrong}.`);
  const map = new Map<number, CborValue>([
    [KEY.version, manifest.version],
    [KEY.streamId, manifest.streamId],
    [KEY.namespace, manifest.track.namespace],
    [KEY.name, manifest.track.name],
    [KEY.sequence, manifest.sequence],
    [KEY.group, manifest.group],
    [KEY.entries, manifest.entries.map(({ object, size, leaf }) => [object, size, leaf])],
    [KEY.issuedAtMs, manifest.issuedAtMs],
    [KEY.freshForMs, manifest.freshForMs],
  ]);
  if (manifest.previous !== undefined) map.set(KEY.previous, manifest.previous);
  if (manifest.completion !== undefined)
    map.set(KEY.completion, [manifest.completion.objectCount, manifest.completion.root]);
  if (manifest.catalogDigest !== undefined) map.set(KEY.catalogDigest, manifest.catalogDigest);
  return encodeCbor(map);
}

/**
 * The manifest in a payload, structurally sound; whether it is signed, and by whom, is not decided here. Byte strings may be views of `payload`.
 * For any bytes it returns or throws CountersignError "manifest-malformed".
 */
export function decodeManifest(payload: Uint8Array): Manifest {
  const map = decodeCbor(payload);
  if (!isMap(map)) throw malformed("it is not a map");
  for (const key of map.keys()) {
    if (typeof key !== "number" || key < KEY.version || key > LAST_KEY)
      throw malformed(`the key ${key} is unknown`);
  }
  if (map.get(KEY.version) !== 1) throw malformed("its version is not 1");
  const manifest: Manifest = {
    version: 1,
    streamId: readBytes(map, KEY.streamId, "stream id"),
    track: readTrack(map),
    sequence: readVarInt(map.get(KEY.sequence), "sequence"),
    previous: map.has(KEY.previous) ? readBytes(map, KEY.previous, "previous digest") : undefined,
    group: readVarInt(map.get(KEY.group), "group"),
    entries: readEntries(map.get(KEY.entries)),
    completion: map.has(KEY.completion) ? readCompletion(map.get(KEY.completion)) : undefined,
    issuedAtMs: readCount(map.get(KEY.issuedAtMs), "time of issue"),
    freshForMs: readCount(map.get(KEY.freshForMs), "freshness"),
    catalogDigest: map.has(KEY.catalogDigest)
      ? readBytes(map, KEY.catalogDigest, "catalog digest")
      : undefined,
  };
  const wrong = fault(manifest);
  if (wrong !== undefined) throw malformed(wrong);
  return manifest;
}

function readBytes(map: CborMap, key: number, what: string): Uint8Array {
  const value = map.get(key);
  if (!isBytes(value)) throw malformed(`the ${what} is not a byte string`);
  return value;
}

function readVarInt(value: CborValue | undefined, what: string): VarInt {
  if (!isUnsigned(value)) throw malformed(`the ${what} is not an unsigned integer`);
  return typeof value === "bigint" ? canonical(value) : value;
}

function readCount(value: CborValue | undefined, what: string): number {
  if (!isCount(value)) throw malformed(`the ${what} is not a small unsigned integer`);
  return value;
}

function readTrack(map: CborMap): FullTrackName {
  const fields = map.get(KEY.namespace);
  if (!isArray(fields)) throw malformed("the namespace is not an array");
  const namespace = fields.map((field) => {
    if (!isBytes(field)) throw malformed("a namespace field is not a byte string");
    return field;
  });
  return { namespace, name: readBytes(map, KEY.name, "track name") };
}

function readEntries(value: CborValue | undefined): SignedEntry[] {
  if (!isArray(value)) throw malformed("its entries are not an array");
  return value.map((item) => {
    if (!isArray(item) || item.length !== 3) throw malformed("an entry is not [object, size, leaf]");
    const [object, size, leaf] = item;
    if (!isBytes(leaf)) throw malformed("a leaf is not a byte string");
    return { object: readVarInt(object, "object id"), size: readCount(size, "size"), leaf };
  });
}

function readCompletion(value: CborValue | undefined): GroupCompletion {
  if (!isArray(value) || value.length !== 2) throw malformed("its completion is not [object count, root]");
  const [objectCount, root] = value;
  if (!isBytes(root)) throw malformed("the Merkle root is not a byte string");
  return { objectCount: readCount(objectCount, "object count"), root };
}
