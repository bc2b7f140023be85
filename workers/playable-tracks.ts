/** Which tracks of a catalog are played, and as what. */
import {
  fullTrackName,
  initDataOf,
  manifestTrackFor,
  mediaTracks,
  timelineTracksFor,
} from "../src/catalog/lookup.ts";
import {
  type Catalog,
  type CatalogTrack,
  SECURE_OBJECTS_SCHEME,
  type TrackEncryption,
} from "../src/catalog/types.ts";
import { CountersignError } from "../src/errors.ts";
import { readInitSegment } from "../src/playback/init-segment.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { suiteByCatalogName } from "../src/trust/secure-objects/suites.ts";
import { type Namespace, namespaceKey } from "../src/wire/names.ts";

/** Length of a group assumed when the catalog does not say. */
const DEFAULT_GROUP_MS = 1000;

/** Tracks of another namespace are another publisher's: this broadcast's signer does not speak for them. */
function isOwn(track: CatalogTrack, namespace: Namespace): boolean {
  return namespaceKey(fullTrackName(namespace, track).namespace) === namespaceKey(namespace);
}

function playable(catalog: Catalog, track: CatalogTrack, namespace: Namespace): PlayableTrack | undefined {
  const initSegment = initDataOf(catalog, track);
  const role = track.role ?? (track.mimeType?.startsWith("audio") ? "audio" : "video");
  const signed = manifestTrackFor(catalog, track.name, track.namespace) !== undefined;
  if (track.packaging !== "cmaf" || !initSegment || !signed || track.codec === undefined) return undefined;
  if (!isOwn(track, namespace)) return undefined;
  if (role !== "video" && role !== "audio") return undefined;
  return {
    name: track.name,
    role,
    codec: track.codec,
    mimeType: track.mimeType ?? `${role}/mp4`,
    initSegment,
    timescale: track.timescale ?? readInitSegment(initSegment).timescale,
    bitrate: track.bitrate,
    width: track.width,
    height: track.height,
    framerate: track.framerate,
    lang: track.lang,
    ...(track.encryption && { encryption: encryptionOf(track.name, track.encryption) }),
  };
}

function encryptionOf(
  name: string,
  { scheme, cipherSuite, keyId }: TrackEncryption,
): NonNullable<PlayableTrack["encryption"]> {
  const suite = scheme === SECURE_OBJECTS_SCHEME ? suiteByCatalogName(cipherSuite) : undefined;
  if (suite) return { suite, catalogKeyId: keyId };
  throw new CountersignError(
    "encryption-unsupported",
    `Track "${name}" is encrypted with ${cipherSuite ?? "no cipher suite"} of ${scheme}, which this player does not know.`,
    { hint: `Publish it with ${SECURE_OBJECTS_SCHEME} and, for example, aes-128-gcm-sha256.` },
  );
}

/**
 * The first video and the first audio track that are signed and packaged as CMAF. Throws CountersignError `media-unsupported` when there is neither, `encryption-unsupported`, `catalog-malformed` or
 * `media-error` when one of them contradicts itself.
 */
export function choosePlayableTracks(catalog: Catalog, namespace: Namespace): readonly PlayableTrack[] {
  const candidates = mediaTracks(catalog)
    .map((track) => playable(catalog, track, namespace))
    .filter((track) => track !== undefined);
  const chosen = (["video", "audio"] as const)
    .map((role) => candidates.find((track) => track.role === role))
    .filter((track) => track !== undefined);
  if (chosen.length === 0) {
    throw new CountersignError(
      "media-unsupported",
      "The broadcast has no signed track that can be played here.",
      {
        hint: "Publish H.264 or HEVC video and AAC audio as CMAF, each with a manifest track.",
      },
    );
  }
  return chosen;
}

/** The name of the first timeline track of a played track; undefined: there is none that is signed, and what is not signed is not read. */
export function timelineTrackOf(catalog: Catalog, name: string, namespace: Namespace): string | undefined {
  const track = mediaTracks(catalog).find((media) => media.name === name && isOwn(media, namespace));
  const timelines = track === undefined ? [] : timelineTracksFor(catalog, track);
  return timelines.find(
    (timeline) => manifestTrackFor(catalog, timeline.name, timeline.namespace) !== undefined,
  )?.name;
}

export interface BroadcastTimes {
  /** Wall clock of media time 0, in ms since 1970. */
  readonly epochMs: number;
  /** The catalog says so; else that is a guess, good enough to count from. */
  readonly isClocked: boolean;
  readonly groupMs: number;
  /** Group g covers media time [g, g + 1) times groupMs. */
  readonly regular: boolean;
}

export function timesOf(catalog: Catalog): BroadcastTimes {
  const { broadcast } = catalog;
  return {
    isClocked: broadcast !== undefined,
    epochMs: broadcast?.epochMs ?? catalog.generatedAt ?? 0,
    groupMs: broadcast?.groupDurationMs ?? DEFAULT_GROUP_MS,
    regular: broadcast?.regularGroups ?? false,
  };
}
