/**
 * The catalog: the one track whose name everybody knows, which says what else a broadcast has.
 *
 * It is a JSON document on the MOQT track `catalog`. The first object of a group is a whole catalog, later ones of the group are deltas that
 * add, remove, clone or update tracks. Countersign reads MSF (draft-ietf-moq-msf, the media format over MOQT) with the CMAF
 * packaging of CMSF (draft-ietf-moq-cmsf), as published in -00 and as edited since (there called "draft-01"), and adds two things of
 * its own under names that no draft will use: the packaging `org.countersign.manifest` for tracks that carry signatures, and the root field
 * `org.countersign` with the broadcast's time base.
 *
 * Nothing here trusts or fetches anything: bytes in, values or a `catalog-malformed` error out. Field names are the draft's, so that a
 * reader with the draft open finds them; durations named there without a unit are milliseconds.
 */
import { CountersignError } from "../errors.ts";

/** A JSON value as JSON.parse gives it. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Name of the catalog track in every MSF broadcast (draft-ietf-moq-msf "Catalog"). */
export const CATALOG_TRACK_NAME = "catalog";
/** Packaging of a track whose objects are signed manifests for the one track named in `depends`. */
export const MANIFEST_PACKAGING = "org.countersign.manifest";
/** Root field with the broadcast's time base. */
export const BROADCAST_FIELD = "org.countersign";

/**
 * Most bytes of one catalog object. A hundred renditions with their headers are below 200 KB; past it the object is refused, so that a hostile
 * catalog costs one buffer and no parse.
 */
export const MAX_CATALOG_BYTES: number = 1024 * 1024;
/** Most tracks in a catalog, after any delta. Every track may become a subscription; past it the catalog is refused. */
export const MAX_CATALOG_TRACKS = 1024;
/** Most bytes of initialization data per track, decoded. Real headers have 0.5 to 4 KB; past it the track is refused. */
export const MAX_INIT_DATA_BYTES: number = 64 * 1024;

/** Versions of MSF that this room reads: -00 wrote a number, later texts write the draft's name. */
export const KNOWN_VERSIONS: readonly string[] = ["1", "draft-00", "draft-01"];

/** MSF "Recommended encryption scheme": the one that there is. */
export const SECURE_OBJECTS_SCHEME = "moq-secure-objects";

/** How a track is encrypted (MSF "Content protection"); the key itself comes from the app. */
export interface TrackEncryption {
  readonly scheme: string;
  readonly cipherSuite: string | undefined;
  readonly keyId: string | undefined;
}

/**
 * A rule from which media time, location and wall clock of every group follow (MSF "Media Timeline Template"):
 * entry n is at `start + n * delta` for each of the three.
 */
export interface TimelineTemplate {
  readonly startMediaMs: number;
  readonly deltaMediaMs: number;
  readonly startLocation: readonly [group: number, object: number];
  readonly deltaLocation: readonly [group: number, object: number];
  readonly startWallclockMs: number;
  readonly deltaWallclockMs: number;
}

/** Forward buffer that the publisher asks players to keep, in milliseconds. */
export interface TargetBuffers {
  readonly target?: number;
  readonly min?: number;
  readonly max?: number;
}

/** One track of the catalog. Fields that the catalog lacks are undefined. */
export interface CatalogTrack {
  readonly name: string;
  /** As written; undefined when the track is in the catalog's own namespace. {@link fullTrackName} resolves it. */
  readonly namespace: string | undefined;
  readonly packaging: string;
  /** False once no more objects will be added. Taken as true when a publisher leaves it out, as one of the draft's own examples does. */
  readonly isLive: boolean;
  readonly role: string | undefined;
  readonly label: string | undefined;
  readonly lang: string | undefined;
  readonly renderGroup: number | undefined;
  readonly altGroup: number | undefined;
  /** Names of tracks in the same namespace. */
  readonly depends: readonly string[];
  readonly codec: string | undefined;
  readonly mimeType: string | undefined;
  readonly eventType: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly displayWidth: number | undefined;
  readonly displayHeight: number | undefined;
  readonly framerate: number | undefined;
  readonly samplerate: number | undefined;
  readonly channelConfig: string | undefined;
  /** Maximum, bits per second. */
  readonly bitrate: number | undefined;
  /** Average, bits per second. */
  readonly avgBitrate: number | undefined;
  /** Ticks per second. */
  readonly timescale: number | undefined;
  readonly temporalId: number | undefined;
  readonly spatialId: number | undefined;
  /** Milliseconds. */
  readonly targetLatency: number | undefined;
  readonly buffers: TargetBuffers | undefined;
  /** Milliseconds. */
  readonly maxGopDuration: number | undefined;
  /** Milliseconds. */
  readonly maxGroupDuration: number | undefined;
  /** Milliseconds. */
  readonly trackDuration: number | undefined;
  readonly maxGrpSapStartingType: number | undefined;
  readonly maxObjSapStartingType: number | undefined;
  readonly template: TimelineTemplate | undefined;
  readonly encryption: TrackEncryption | undefined;
  /** Base64, as -00 and CMSF have it; {@link initDataOf} decodes it or follows `initRef`. */
  readonly initData: string | undefined;
  readonly initRef: string | undefined;
  /** Everything as it was written, fields that we do not know included. Deltas are applied to this. */
  readonly fields: JsonObject;
}

/** Initialization data that tracks refer to by `initRef`. */
export interface InitDataEntry {
  readonly id: string;
  /** `inline` (base64 in `data`), `track-property` or `object-property` (a property type in hex). */
  readonly type: string;
  readonly data: string;
}

/** Countersign's own root field: how group ids and media time hang together with the wall clock. */
export interface BroadcastInfo {
  /** Version of this field; later versions may add to it and change nothing. */
  readonly v: number;
  /** Wall clock, in ms since 1970, of media time 0. */
  readonly epochMs: number;
  /** The length of a group. Group g covers media time [g, g + 1) times this, if `regularGroups`. */
  readonly groupDurationMs: number;
  /** False when groups vary in length and `groupDurationMs` is that of the longest. */
  readonly regularGroups: boolean;
  /** Media time per object; the last one of a group may be shorter. */
  readonly objectDurationMs: number;
}

export interface Catalog {
  /** One of {@link KNOWN_VERSIONS}. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly generatedAt: number | undefined;
  /** The broadcast is over: no track will be added, no object published. */
  readonly isComplete: boolean;
  readonly tracks: readonly CatalogTrack[];
  readonly initDataList: readonly InitDataEntry[];
  /** Undefined when the broadcast was not made by a Countersign publisher. */
  readonly broadcast: BroadcastInfo | undefined;
  /** Root fields as they were written, without `tracks`. */
  readonly fields: JsonObject;
}

/** One step of a delta; track objects as they were written. */
export interface DeltaOperation {
  readonly op: "add" | "remove" | "clone" | "update";
  readonly tracks: readonly JsonObject[];
}

export interface CatalogDelta {
  readonly generatedAt: number | undefined;
  /** To be applied in this order. */
  readonly operations: readonly DeltaOperation[];
}

/** The error that everything in this room ends in when the catalog is at fault. */
export function malformed(what: string, cause?: unknown): CountersignError {
  return new CountersignError("catalog-malformed", `The catalog cannot be used: ${what}.`, {
    hint: "The publisher of this broadcast has to repair its catalog.",
    section: "draft-ietf-moq-msf Catalog",
    ...(cause !== undefined && { cause }),
  });
}
