/** The catalog of a broadcast, from the clip and the way it is cut: every process that shares those writes the same bytes. */
import { buildCatalog, type MediaTrackDescription } from "../catalog/build.ts";
import { type ClipTrack, MEDIA_TIMESCALE, TICKS_PER_MS } from "./clip.ts";
import type { CutterTrack, GroupCutter } from "./group-cutter.ts";

export interface BroadcastCatalogOptions {
  /** Wall clock, in ms since 1970, of media time 0. */
  readonly epochMs: number;
  /** What players are asked to aim at, in milliseconds; left to them when not given. */
  readonly targetLatencyMs?: number;
  /** How the media tracks are encrypted; absent: not. */
  readonly encryption?: MediaTrackDescription["encryption"];
  /** Whether manifest tracks are announced. Default true. */
  readonly signed?: boolean;
  /** Whether there is a track that lists when groups play; see TimelineWriter. Default false. */
  readonly timeline?: boolean;
}

interface Bitrates {
  /** Of the group that has the highest, headers included, in bits per second. */
  readonly bitrate: number;
  readonly avgBitrate: number;
}

/** Over one loop, which stands for all. */
function bitratesOf(cutter: GroupCutter, trackName: string): Bitrates {
  let totalBytes = 0;
  let bitrate = 0;
  for (let group = 0; group < cutter.plan.startsTicks.length; group++) {
    let bytes = 0;
    for (const { payload } of cutter.group(trackName, group)) bytes += payload.byteLength;
    const { startTicks, endTicks } = cutter.span(group);
    totalBytes += bytes;
    bitrate = Math.max(bitrate, Math.ceil((bytes * 8 * MEDIA_TIMESCALE) / (endTicks - startTicks)));
  }
  return { bitrate, avgBitrate: Math.round((totalBytes * 8 * MEDIA_TIMESCALE) / cutter.plan.durationTicks) };
}

function ownFields(track: ClipTrack): Partial<MediaTrackDescription> {
  if (track.kind === "audio") return { samplerate: track.sampleRate, channelConfig: String(track.channels) };
  let ticks = 0;
  for (const sample of track.samples) ticks += sample.durationTicks;
  const framerate = Math.round((track.samples.length * MEDIA_TIMESCALE * 1000) / ticks) / 1000;
  return { width: track.width, height: track.height, framerate };
}

function describeTrack(
  cutter: GroupCutter,
  { clipTrack, initSegment }: CutterTrack,
  { epochMs, targetLatencyMs, encryption }: BroadcastCatalogOptions,
): MediaTrackDescription {
  const { maxGroupTicks, regularGroupMs } = cutter.plan;
  return {
    name: clipTrack.name,
    packaging: "cmaf",
    role: clipTrack.kind,
    codec: clipTrack.codec,
    mimeType: `${clipTrack.kind}/mp4`,
    initData: initSegment,
    timescale: MEDIA_TIMESCALE,
    ...bitratesOf(cutter, clipTrack.name),
    ...ownFields(clipTrack),
    ...(encryption && { encryption }),
    ...(targetLatencyMs !== undefined && { targetLatency: targetLatencyMs }),
    maxGroupDuration: Math.ceil(maxGroupTicks / TICKS_PER_MS),
    // A template must be exact for the first sample of every group. Video begins where the group does; audio up to a frame later.
    ...(regularGroupMs !== undefined &&
      clipTrack.kind === "video" && {
        template: [0, regularGroupMs, [0, 0], [1, 0], epochMs, regularGroupMs],
      }),
  };
}

/**
 * The payload of the catalog object of a broadcast: all tracks of the cutter with their initialization segments, a manifest
 * track beside each, and the time base. A pure function of its arguments; `generatedAt` is left out because it would not be.
 */
export function broadcastCatalog(
  cutter: GroupCutter,
  options: BroadcastCatalogOptions,
): Uint8Array<ArrayBuffer> {
  const { maxGroupTicks, regularGroupMs } = cutter.plan;
  return buildCatalog({
    broadcast: {
      v: 1,
      epochMs: options.epochMs,
      groupDurationMs: regularGroupMs ?? Math.ceil(maxGroupTicks / TICKS_PER_MS),
      regularGroups: regularGroupMs !== undefined,
      objectDurationMs: cutter.objectMs,
    },
    tracks: cutter.tracks.map((track) => describeTrack(cutter, track, options)),
    ...(options.signed !== undefined && { signed: options.signed }),
    ...(options.timeline && cutter.leading && { timelineOf: cutter.leading.clipTrack.name }),
  });
}
