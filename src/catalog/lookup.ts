/** What players ask of a catalog. */
import { type FullTrackName, type Namespace, namespaceOf, trackOf } from "../wire/names.ts";
import {
  type Catalog,
  type CatalogTrack,
  MANIFEST_PACKAGING,
  MAX_INIT_DATA_BYTES,
  malformed,
} from "./types.ts";

/** Packagings whose objects are media: CMSF, LOC (MSF), and MPEG-TS (draft-gregoire-moq-msfts). */
const MEDIA_PACKAGINGS: ReadonlySet<string> = new Set(["cmaf", "loc", "m2ts"]);

/** The tracks that carry media, in the order of the catalog. */
export function mediaTracks(catalog: Catalog): readonly CatalogTrack[] {
  return catalog.tracks.filter((track) => MEDIA_PACKAGINGS.has(track.packaging));
}

/** The track of this name; `namespace` as the catalog writes it, undefined for the catalog's own. */
export function findTrack(catalog: Catalog, name: string, namespace?: string): CatalogTrack | undefined {
  return catalog.tracks.find((track) => track.name === name && track.namespace === namespace);
}

/**
 * The track with the signed manifests of `trackName`, in the same namespace (dependencies never cross one). Undefined when that
 * track is not signed. The first one counts: a second manifest track of one track would be another truth.
 */
export function manifestTrackFor(
  catalog: Catalog,
  trackName: string,
  namespace?: string,
): CatalogTrack | undefined {
  return catalog.tracks.find(
    (track) =>
      track.packaging === MANIFEST_PACKAGING &&
      track.namespace === namespace &&
      track.depends.includes(trackName),
  );
}

/** The tracks with a media timeline that covers `track`, for seeking (MSF "Media Timeline track"). */
export function timelineTracksFor(catalog: Catalog, track: CatalogTrack): readonly CatalogTrack[] {
  return catalog.tracks.filter(
    (other) =>
      other.packaging === "mediatimeline" &&
      other.namespace === track.namespace &&
      other.depends.includes(track.name),
  );
}

/**
 * Where to subscribe to a track. A track without a namespace is in that of the catalog; a written one is a tuple of what
 * stands between slashes, as all examples of MSF have it (its text does not say how a tuple becomes a string).
 */
export function fullTrackName(catalogNamespace: Namespace, track: CatalogTrack): FullTrackName {
  const namespace =
    track.namespace === undefined
      ? catalogNamespace
      : namespaceOf(...track.namespace.split("/").filter((field) => field !== ""));
  if (namespace.length === 0)
    throw malformed(`the namespace of track ${JSON.stringify(track.name.slice(0, 80))} is empty`);
  return trackOf(namespace, track.name);
}

function decodeBase64(text: string, track: CatalogTrack): Uint8Array<ArrayBuffer> {
  // Four characters give three bytes; measured before anything is decoded.
  if (text.length > (MAX_INIT_DATA_BYTES / 3) * 4 + 4) {
    throw malformed(
      `the initialization data of track ${JSON.stringify(track.name.slice(0, 80))} is too long`,
    );
  }
  let binary: string;
  try {
    binary = atob(text);
  } catch (error) {
    throw malformed(
      `the initialization data of track ${JSON.stringify(track.name.slice(0, 80))} is not base64`,
      error,
    );
  }
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

/**
 * The initialization data that the catalog itself carries for a track: inline (`initData` of CMSF) or by reference (`initRef` of MSF).
 * Undefined when there is none here, which includes data that come as a property of the track or of its objects.
 * Throws CountersignError `catalog-malformed` for a reference to nothing, bad base64, or more than {@link MAX_INIT_DATA_BYTES}.
 */
export function initDataOf(catalog: Catalog, track: CatalogTrack): Uint8Array<ArrayBuffer> | undefined {
  if (track.initData !== undefined) return decodeBase64(track.initData, track);
  if (track.initRef === undefined) return undefined;
  const entry = catalog.initDataList.find((candidate) => candidate.id === track.initRef);
  if (entry === undefined)
    throw malformed(`track ${JSON.stringify(track.name.slice(0, 80))} refers to no initialization data`);
  return entry.type === "inline" ? decodeBase64(entry.data, track) : undefined;
}
