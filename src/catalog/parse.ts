/** Catalog objects from bytes that nobody vouches for. */
import { utf8Decode } from "../utf8.ts";
import { FieldReader, isArray, isObject } from "./fields.ts";
import { parseTrack, trackIdentity } from "./track.ts";
import {
  BROADCAST_FIELD,
  type BroadcastInfo,
  type Catalog,
  type CatalogDelta,
  type CatalogTrack,
  type DeltaOperation,
  type InitDataEntry,
  type JsonObject,
  type JsonValue,
  KNOWN_VERSIONS,
  MAX_CATALOG_BYTES,
  MAX_CATALOG_TRACKS,
  malformed,
} from "./types.ts";

const ROOT = "the catalog";
/** Root fields of -00 that mean an operation; a document is applied in the order in which it has them. */
const OPERATIONS_OF_DRAFT_00: Readonly<Record<string, DeltaOperation["op"]>> = {
  addTracks: "add",
  removeTracks: "remove",
  cloneTracks: "clone",
};

function parseDocument(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength > MAX_CATALOG_BYTES) {
    throw malformed(`it has ${bytes.byteLength} bytes, over the limit of ${MAX_CATALOG_BYTES}`);
  }
  const text = utf8Decode(bytes);
  if (text === undefined) throw malformed("it is not UTF-8 text");
  let document: JsonValue;
  try {
    document = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw malformed("it is not JSON", error);
  }
  if (!isObject(document)) throw malformed("it is not a JSON object");
  return document;
}

/** Throws when there are too many tracks or two of one name in one namespace. */
export function checkTracks(tracks: readonly CatalogTrack[]): void {
  if (tracks.length > MAX_CATALOG_TRACKS) {
    throw malformed(`it has ${tracks.length} tracks, over the limit of ${MAX_CATALOG_TRACKS}`);
  }
  const seen = new Set<string>();
  for (const track of tracks) {
    const identity = trackIdentity(track);
    if (seen.has(identity))
      throw malformed(`track ${JSON.stringify(track.name.slice(0, 80))} is there twice`);
    seen.add(identity);
  }
}

function versionOf(reader: FieldReader): string {
  const value = reader.raw("version");
  const version = typeof value === "number" ? String(value) : value;
  if (typeof version === "string" && KNOWN_VERSIONS.includes(version)) return version;
  throw reader.wrong("version", `one of ${KNOWN_VERSIONS.join(", ")}`);
}

function initDataListOf(reader: FieldReader): readonly InitDataEntry[] {
  const entries = (reader.objects("initDataList") ?? []).map((fields): InitDataEntry => {
    const entry = new FieldReader(fields, "an entry of initDataList");
    return {
      id: entry.requiredText("id"),
      type: entry.requiredText("type"),
      data: entry.requiredText("data"),
    };
  });
  if (new Set(entries.map((entry) => entry.id)).size !== entries.length) {
    throw malformed("two entries of initDataList have one id");
  }
  return entries;
}

function broadcastOf(root: FieldReader): BroadcastInfo | undefined {
  const fields = root.object(BROADCAST_FIELD);
  if (fields === undefined) return undefined;
  const reader = new FieldReader(fields, `"${BROADCAST_FIELD}"`);
  const required = (name: string, least: number): number => {
    const value = reader.count(name);
    if (value === undefined || value < least) throw reader.wrong(name, `a whole number of at least ${least}`);
    return value;
  };
  return {
    v: required("v", 1),
    epochMs: required("epochMs", 0),
    groupDurationMs: required("groupDurationMs", 1),
    regularGroups: reader.flag("regularGroups") ?? true,
    objectDurationMs: required("objectDurationMs", 1),
  };
}

function catalogOf(document: JsonObject): Catalog {
  const reader = new FieldReader(document, ROOT);
  const version = versionOf(reader);
  const trackFields = reader.objects("tracks");
  if (trackFields === undefined) throw reader.wrong("tracks", "an array of objects");
  if (trackFields.length > MAX_CATALOG_TRACKS) {
    throw malformed(`it has ${trackFields.length} tracks, over the limit of ${MAX_CATALOG_TRACKS}`);
  }
  const tracks = trackFields.map(parseTrack);
  checkTracks(tracks);
  const { tracks: _, ...fields } = document;
  return {
    version,
    generatedAt: reader.amount("generatedAt"),
    isComplete: reader.flag("isComplete") ?? false,
    tracks,
    initDataList: initDataListOf(reader),
    broadcast: broadcastOf(reader),
    fields,
  };
}

function operationsOf(document: JsonObject, reader: FieldReader): DeltaOperation[] {
  const value = document["deltaUpdate"];
  if (value === true) {
    return Object.keys(document).flatMap((name): DeltaOperation[] => {
      const op = Object.hasOwn(OPERATIONS_OF_DRAFT_00, name) ? OPERATIONS_OF_DRAFT_00[name] : undefined;
      return op === undefined ? [] : [{ op, tracks: reader.objects(name) ?? [] }];
    });
  }
  if (!isArray(value)) throw reader.wrong("deltaUpdate", "an array of operations");
  return value.map((operation): DeltaOperation => {
    if (!isObject(operation)) throw reader.wrong("deltaUpdate", "an array of operations");
    const inner = new FieldReader(operation, "an operation of the delta");
    const op = inner.text("op");
    if (op !== "add" && op !== "remove" && op !== "clone" && op !== "update") {
      throw inner.wrong("op", "add, remove, clone or update");
    }
    const tracks = inner.objects("tracks");
    if (tracks === undefined) throw inner.wrong("tracks", "an array of objects");
    return { op, tracks };
  });
}

function deltaOf(document: JsonObject): CatalogDelta {
  const reader = new FieldReader(document, ROOT);
  if (Object.hasOwn(document, "tracks") || Object.hasOwn(document, "version")) {
    throw malformed("it is a delta and a whole catalog at once");
  }
  const operations = operationsOf(document, reader);
  if (operations.length === 0) throw malformed("its delta has no operation");
  return { generatedAt: reader.amount("generatedAt"), operations };
}

function isDelta(document: JsonObject): boolean {
  return Object.hasOwn(document, "deltaUpdate") && document["deltaUpdate"] !== false;
}

/**
 * A whole ("independent") catalog from the payload of a catalog object; unknown fields are kept aside and ignored.
 * Throws CountersignError `catalog-malformed` for anything else: over {@link MAX_CATALOG_BYTES}, not UTF-8, not JSON, an unknown version
 * (MSF forbids guessing), a required field that is missing, a known field of the wrong type, a delta.
 */
export function parseCatalog(bytes: Uint8Array): Catalog {
  const document = parseDocument(bytes);
  if (isDelta(document)) throw malformed("it is a delta where a whole catalog has to be");
  return catalogOf(document);
}

/**
 * A delta from the payload of a catalog object with an id above 0, in the form of -00 (`addTracks` and so on) or of later texts
 * (`deltaUpdate` with operations). Throws CountersignError `catalog-malformed`.
 */
export function parseDelta(bytes: Uint8Array): CatalogDelta {
  const document = parseDocument(bytes);
  if (!isDelta(document)) throw malformed("it is a whole catalog where a delta has to be");
  return deltaOf(document);
}
