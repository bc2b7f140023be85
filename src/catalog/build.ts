/** Writing a catalog, for publishers. */
import { utf8Encode } from "../utf8.ts";
import {
  BROADCAST_FIELD,
  type BroadcastInfo,
  type JsonObject,
  type JsonValue,
  MANIFEST_PACKAGING,
  SECURE_OBJECTS_SCHEME,
} from "./types.ts";

/** A media track as a publisher describes it. Units as in {@link CatalogTrack}. */
export interface MediaTrackDescription {
  readonly name: string;
  readonly packaging: "cmaf" | "loc" | "m2ts";
  readonly role: "video" | "audio";
  readonly codec: string;
  readonly mimeType: string;
  /** The initialization segment; leave out where the packaging has none. */
  readonly initData?: Uint8Array;
  readonly timescale: number;
  readonly bitrate: number;
  readonly avgBitrate?: number;
  readonly width?: number;
  readonly height?: number;
  readonly framerate?: number;
  readonly samplerate?: number;
  readonly channelConfig?: string;
  readonly lang?: string;
  readonly label?: string;
  readonly altGroup?: number;
  readonly targetLatency?: number;
  /** The objects are MoQ Secure Objects. Base keys never stand in a catalog: whoever reads it could decrypt. */
  readonly encryption?: {
    /** As MSF names it, e.g. "aes-128-gcm-sha256". */
    readonly cipherSuite: string;
    /** What the publisher's key system calls the key. The Key ID that counts is the one that each object carries. */
    readonly keyId: string;
  };
  readonly maxGroupDuration?: number;
  /** `[media ms, step, [group, object], [step, step], clock ms, step]`, see TimelineTemplate. */
  readonly template?: readonly [
    number,
    number,
    readonly [number, number],
    readonly [number, number],
    number,
    number,
  ];
}

export interface CatalogDescription {
  readonly broadcast: BroadcastInfo;
  /** Milliseconds since 1970. Give a value that all publishers share, or leave it out: the bytes depend on it. */
  readonly generatedAt?: number;
  readonly tracks: readonly MediaTrackDescription[];
  /** Add a manifest track `<name>.manifest` beside every track. Default true. */
  readonly signed?: boolean;
  /** Name of the media track that the track `timeline` lists the groups of; absent: there is no such track. */
  readonly timelineOf?: string;
}

/** The name of the media timeline track where this publisher has one. */
export const TIMELINE_TRACK_NAME = "timeline";

/** The name of the track that carries the manifests of `trackName`; also for the catalog itself, which is signed the same way. */
export function manifestTrackName(trackName: string): string {
  return `${trackName}.manifest`;
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** In this order whatever the order of the description's keys, because the bytes are signed. */
const FIELD_ORDER = [
  "name",
  "packaging",
  "role",
  "codec",
  "mimeType",
  "timescale",
  "bitrate",
  "avgBitrate",
  "width",
  "height",
  "framerate",
  "samplerate",
  "channelConfig",
  "lang",
  "label",
  "altGroup",
  "targetLatency",
  "maxGroupDuration",
  "template",
] as const satisfies readonly (keyof MediaTrackDescription)[];

function trackObject(track: MediaTrackDescription): JsonObject {
  const fields: Record<string, JsonValue> = { isLive: true, renderGroup: 1 };
  for (const name of FIELD_ORDER) {
    const value = track[name];
    if (value !== undefined) fields[name] = value;
  }
  if (track.encryption) {
    fields["encryptionScheme"] = SECURE_OBJECTS_SCHEME;
    fields["cipherSuite"] = track.encryption.cipherSuite;
    fields["keyId"] = track.encryption.keyId;
  }
  // Last, for whoever reads the document with their eyes.
  if (track.initData !== undefined) fields["initData"] = base64(track.initData);
  return fields;
}

/** MSF "Media Timeline Catalog requirements". */
function timelineObject(trackName: string): JsonObject {
  return {
    name: TIMELINE_TRACK_NAME,
    packaging: "mediatimeline",
    isLive: true,
    role: "mediatimeline",
    mimeType: "application/json",
    depends: [trackName],
  };
}

function manifestObject(trackName: string): JsonObject {
  return {
    name: manifestTrackName(trackName),
    packaging: MANIFEST_PACKAGING,
    isLive: true,
    role: "data",
    depends: [trackName],
  };
}

/**
 * A whole catalog as the payload of object 0 of a group. A pure function: equal descriptions give equal bytes, so that a
 * signer and another publisher of the broadcast agree on them. All media tracks are one render group, to be played together.
 */
export function buildCatalog(description: CatalogDescription): Uint8Array<ArrayBuffer> {
  const { broadcast, generatedAt, tracks, signed = true, timelineOf } = description;
  const all = [
    ...tracks.map((track) => ({ name: track.name, fields: trackObject(track) })),
    ...(timelineOf === undefined ? [] : [{ name: TIMELINE_TRACK_NAME, fields: timelineObject(timelineOf) }]),
  ];
  const document: JsonObject = {
    version: "draft-01",
    ...(generatedAt !== undefined && { generatedAt }),
    tracks: all.flatMap(({ name, fields }) => [fields, ...(signed ? [manifestObject(name)] : [])]),
    [BROADCAST_FIELD]: {
      v: broadcast.v,
      epochMs: broadcast.epochMs,
      groupDurationMs: broadcast.groupDurationMs,
      regularGroups: broadcast.regularGroups,
      objectDurationMs: broadcast.objectDurationMs,
    },
  };
  return utf8Encode(JSON.stringify(document));
}
