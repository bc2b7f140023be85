/** Verified objects as trust would hand them over, for tests of this room. */
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { TrackWindow, type TrackWindowOptions } from "./track-window.ts";
import type { PlayableTrack } from "./types.ts";

/** 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000;

export const cutter = new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 });

export function playableTrack(name: "video" | "audio", over: Partial<PlayableTrack> = {}): PlayableTrack {
  const { clipTrack, initSegment } = cutter.tracks.find((track) => track.clipTrack.name === name)!;
  const video = name === "video";
  return {
    name,
    role: name,
    codec: clipTrack.codec,
    mimeType: `${name}/mp4`,
    initSegment,
    timescale: 48_000,
    bitrate: video ? 500_000 : 96_000,
    width: video ? 640 : undefined,
    height: video ? 360 : undefined,
    framerate: video ? 25 : undefined,
    lang: undefined,
    ...over,
  };
}

export function verified(group: VarInt, object: VarInt, payload: Uint8Array): Verified<MoqObject> {
  const plain: MoqObject = {
    group,
    object,
    subgroup: 0,
    priority: 0,
    status: "normal",
    properties: new Uint8Array(),
    payload,
  };
  // Only trust/ makes these; a test of playback has to pretend.
  return plain as Verified<MoqObject>;
}

/** The objects of a group as the cutter makes them; with `id`, as if the group had that number. */
export function objectsOf(name: "video" | "audio", group: number, id: VarInt = group): Verified<MoqObject>[] {
  return cutter.group(name, group).map(({ objectId, payload }) => verified(id, objectId, payload));
}

export function windowOf(name: "video" | "audio", options?: TrackWindowOptions): TrackWindow {
  return new TrackWindow(playableTrack(name), options);
}

/** Appends whole groups, first to last. */
export function feed(window: TrackWindow, first: number, last: number): void {
  for (let group = first; group <= last; group++) {
    for (const object of objectsOf(window.track.name as "video" | "audio", group)) window.append(object);
    window.complete(group);
  }
}
