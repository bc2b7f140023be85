/** One track object of a catalog (MSF "Track Object Fields"; CMSF "Catalog description"). */
import { FieldReader, isArray, isLocation } from "./fields.ts";
import type { CatalogTrack, JsonObject, TargetBuffers, TimelineTemplate, TrackEncryption } from "./types.ts";

function templateOf(reader: FieldReader): TimelineTemplate | undefined {
  const value = reader.raw("template");
  if (value === undefined) return undefined;
  const wanted =
    "[media start, media step, [group, object], [group step, object step], clock start, clock step]";
  if (!isArray(value) || value.length !== 6) throw reader.wrong("template", wanted);
  const [startMediaMs, deltaMediaMs, startLocation, deltaLocation, startWallclockMs, deltaWallclockMs] =
    value;
  if (
    typeof startMediaMs !== "number" ||
    typeof deltaMediaMs !== "number" ||
    !isLocation(startLocation) ||
    !isLocation(deltaLocation) ||
    typeof startWallclockMs !== "number" ||
    typeof deltaWallclockMs !== "number" ||
    ![startMediaMs, deltaMediaMs, startWallclockMs, deltaWallclockMs].every(
      (ms) => Number.isFinite(ms) && ms >= 0,
    )
  ) {
    throw reader.wrong("template", wanted);
  }
  return { startMediaMs, deltaMediaMs, startLocation, deltaLocation, startWallclockMs, deltaWallclockMs };
}

function buffersOf(reader: FieldReader, where: string): TargetBuffers | undefined {
  const fields = reader.object("buffers");
  if (fields === undefined) return undefined;
  const inner = new FieldReader(fields, `the buffers of ${where}`);
  const [target, min, max] = [inner.amount("target"), inner.amount("min"), inner.amount("max")];
  return {
    ...(target !== undefined && { target }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

function encryptionOf(reader: FieldReader): TrackEncryption | undefined {
  const scheme = reader.text("encryptionScheme");
  if (scheme === undefined) return undefined;
  return { scheme, cipherSuite: reader.text("cipherSuite"), keyId: reader.text("keyId") };
}

/** A track object as a typed value. Throws CountersignError `catalog-malformed`, naming the field. */
export function parseTrack(fields: JsonObject): CatalogTrack {
  const name = new FieldReader(fields, "a track").requiredText("name");
  const where = `track ${JSON.stringify(name.slice(0, 80))}`;
  const reader = new FieldReader(fields, where);
  return {
    name,
    namespace: reader.text("namespace"),
    packaging: reader.requiredText("packaging"),
    isLive: reader.flag("isLive") ?? true,
    role: reader.text("role"),
    label: reader.text("label"),
    lang: reader.text("lang"),
    renderGroup: reader.count("renderGroup"),
    altGroup: reader.count("altGroup"),
    depends: reader.texts("depends"),
    codec: reader.text("codec"),
    mimeType: reader.text("mimeType"),
    eventType: reader.text("eventType"),
    width: reader.count("width"),
    height: reader.count("height"),
    displayWidth: reader.count("displayWidth"),
    displayHeight: reader.count("displayHeight"),
    framerate: reader.amount("framerate"),
    samplerate: reader.count("samplerate"),
    channelConfig: reader.text("channelConfig"),
    bitrate: reader.amount("bitrate"),
    avgBitrate: reader.amount("avgBitrate"),
    timescale: reader.count("timescale"),
    temporalId: reader.count("temporalId"),
    spatialId: reader.count("spatialId"),
    targetLatency: reader.amount("targetLatency"),
    buffers: buffersOf(reader, where),
    maxGopDuration: reader.amount("maxGopDuration"),
    maxGroupDuration: reader.amount("maxGroupDuration"),
    trackDuration: reader.amount("trackDuration"),
    maxGrpSapStartingType: reader.count("maxGrpSapStartingType"),
    maxObjSapStartingType: reader.count("maxObjSapStartingType"),
    template: templateOf(reader),
    encryption: encryptionOf(reader),
    initData: reader.text("initData"),
    initRef: reader.text("initRef"),
    fields,
  };
}

/** Identity of a track within a catalog: names are unique per namespace. */
export function trackIdentity(track: {
  readonly name: string;
  readonly namespace: string | undefined;
}): string {
  return JSON.stringify([track.namespace ?? null, track.name]);
}
