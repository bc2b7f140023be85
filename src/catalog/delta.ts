/** Applying a delta to the catalog it changes (MSF "Delta updates"). */
import { FieldReader } from "./fields.ts";
import { checkTracks } from "./parse.ts";
import { parseTrack, trackIdentity } from "./track.ts";
import { type Catalog, type CatalogDelta, type CatalogTrack, type JsonObject, malformed } from "./types.ts";

/** Tracks by identity, in the order of the catalog. */
type Tracks = Map<string, CatalogTrack>;

const IN_DELTA = "a track of the delta";

interface TrackPointer {
  readonly name: string;
  readonly namespace: string | undefined;
}

function declared(tracks: Tracks, pointer: TrackPointer, doing: string): CatalogTrack {
  const track = tracks.get(trackIdentity(pointer));
  if (track === undefined) {
    throw malformed(
      `its delta ${doing} track ${JSON.stringify(pointer.name.slice(0, 80))}, which is not there`,
    );
  }
  return track;
}

function insert(tracks: Tracks, track: CatalogTrack): void {
  const identity = trackIdentity(track);
  if (tracks.has(identity)) {
    throw malformed(
      `its delta adds track ${JSON.stringify(track.name.slice(0, 80))}, which is there already`,
    );
  }
  tracks.set(identity, track);
}

function pointerOf(fields: JsonObject): TrackPointer {
  const reader = new FieldReader(fields, IN_DELTA);
  return { name: reader.requiredText("name"), namespace: reader.text("namespace") };
}

/** What `parentName` and `parentNamespace` point at; undefined when the former is missing. */
function parentOf(fields: JsonObject): TrackPointer | undefined {
  const reader = new FieldReader(fields, IN_DELTA);
  const name = reader.text("parentName");
  return name === undefined ? undefined : { name, namespace: reader.text("parentNamespace") };
}

function withoutParent(fields: JsonObject): JsonObject {
  const { parentName: _name, parentNamespace: _namespace, ...own } = fields;
  return own;
}

function clone(tracks: Tracks, fields: JsonObject): void {
  const parent = parentOf(fields);
  if (parent === undefined) throw malformed("its delta clones a track without naming the parent");
  pointerOf(fields); // the clone must have a name of its own, not the parent's
  insert(tracks, parseTrack({ ...declared(tracks, parent, "clones").fields, ...withoutParent(fields) }));
}

function update(tracks: Tracks, fields: JsonObject): void {
  // The text of the draft points with parentName, its example with name. Either does; name and namespace stay what they are.
  const pointer = parentOf(fields) ?? pointerOf(fields);
  const before = declared(tracks, pointer, "updates");
  const { name: _name, namespace: _namespace, ...changed } = withoutParent(fields);
  const after = parseTrack({ ...before.fields, ...changed });
  if (after.isLive && !before.isLive) {
    throw malformed(`its delta brings track ${JSON.stringify(before.name.slice(0, 80))} back to life`);
  }
  tracks.set(trackIdentity(before), after);
}

/**
 * The catalog after the delta; the one given is not changed. All operations apply, in order, or none does.
 * Throws CountersignError `catalog-malformed` when the delta removes, clones or updates a track that is not there, adds one that is, makes
 * a field wrong, revives an ended track, or leads over the limit of tracks.
 */
export function applyDelta(catalog: Catalog, delta: CatalogDelta): Catalog {
  const tracks: Tracks = new Map(catalog.tracks.map((track) => [trackIdentity(track), track]));
  for (const operation of delta.operations) {
    for (const fields of operation.tracks) {
      switch (operation.op) {
        case "add":
          insert(tracks, parseTrack(fields));
          break;
        case "remove": {
          const pointer = pointerOf(fields);
          declared(tracks, pointer, "removes");
          tracks.delete(trackIdentity(pointer));
          break;
        }
        case "clone":
          clone(tracks, fields);
          break;
        case "update":
          update(tracks, fields);
          break;
      }
    }
  }
  const after = [...tracks.values()];
  checkTracks(after);
  return { ...catalog, generatedAt: delta.generatedAt ?? catalog.generatedAt, tracks: after };
}
