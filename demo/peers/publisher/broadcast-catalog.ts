/** The catalog of a looped clip: the same bytes in every process that shares clip, epoch and object duration. */
import { buildCatalog, type MediaTrackDescription } from "../../../src/catalog/build.ts";
import { type ClipTrack, MEDIA_TIMESCALE } from "../../../src/publish/clip.ts";
import type { CutterTrack, GroupCutter } from "../../../src/publish/group-cutter.ts";

/** Bits per second of a track, by its own samples, rounded up to whole kilobits. */
function bitrateOf(track: ClipTrack, durationTicks: number): number {
  let bytes = 0;
  for (const sample of track.samples) bytes += sample.data.byteLength;
  return Math.ceil((bytes * 8 * MEDIA_TIMESCALE) / durationTicks / 1000) * 1000;
}

function describe({ clipTrack, initSegment }: CutterTrack, cutter: GroupCutter): MediaTrackDescription {
  const common = {
    name: clipTrack.name,
    packaging: "cmaf",
    role: clipTrack.kind,
    codec: clipTrack.codec,
    mimeType: `${clipTrack.kind}/mp4`,
    initData: initSegment,
    timescale: MEDIA_TIMESCALE,
    bitrate: bitrateOf(clipTrack, cutter.clip.durationTicks),
  } as const;
  if (clipTrack.kind === "audio") {
    return { ...common, samplerate: clipTrack.sampleRate, channelConfig: String(clipTrack.channels) };
  }
  const seconds = cutter.clip.durationTicks / MEDIA_TIMESCALE;
  const framerate = Math.round((clipTrack.samples.length / seconds) * 1000) / 1000;
  return { ...common, width: clipTrack.width, height: clipTrack.height, framerate };
}

export function catalogOf(cutter: GroupCutter, epochMs: number): Uint8Array<ArrayBuffer> {
  return buildCatalog({
    broadcast: {
      v: 1,
      epochMs,
      groupDurationMs: cutter.plan.maxGroupTicks / (MEDIA_TIMESCALE / 1000),
      regularGroups: cutter.plan.regularGroupMs !== undefined,
      objectDurationMs: cutter.objectMs,
    },
    tracks: cutter.tracks.map((track) => describe(track, cutter)),
  });
}
