/** Verified objects as trust would hand them over, for tests of this room. The tests bring the cutter: what ships here may not know publish/. */
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { TrackWindow, type TrackWindowOptions } from "./track-window.ts";
import type { PlayableTrack } from "./types.ts";

/** 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000;

type TrackName = "video" | "audio";

/** What is used of a GroupCutter. */
export interface Cutter {
  readonly tracks: readonly {
    readonly clipTrack: { readonly name: string; readonly codec: string };
    readonly initSegment: Uint8Array;
  }[];
  group(
    trackName: string,
    group: number,
  ): readonly { readonly objectId: number; readonly payload: Uint8Array }[];
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

export function fixtureOf(cutter: Cutter) {
  function playableTrack(name: TrackName, over: Partial<PlayableTrack> = {}): PlayableTrack {
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

  /** The objects of a group as the cutter makes them; with `id`, as if the group had that number. */
  function objectsOf(name: TrackName, group: number, id: VarInt = group): Verified<MoqObject>[] {
    return cutter.group(name, group).map(({ objectId, payload }) => verified(id, objectId, payload));
  }

  function windowOf(name: TrackName, options?: TrackWindowOptions): TrackWindow {
    return new TrackWindow(playableTrack(name), options);
  }

  /** Appends whole groups, first to last. */
  function feed(window: TrackWindow, first: number, last: number): void {
    for (let group = first; group <= last; group++) {
      for (const object of objectsOf(window.track.name as TrackName, group)) window.append(object);
      window.complete(group);
    }
  }

  return { playableTrack, objectsOf, windowOf, feed };
}
