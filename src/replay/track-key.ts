/** The names under which tracks are stored. */
import type { FullTrackName } from "../wire/names.ts";
import { trackKey } from "../wire/names.ts";
import type { TrackKey } from "./types.ts";

/**
 * `<stream id in hex>/<track>`: the key of one track of one broadcast.
 *
 * The stream id is 16 random bytes made when the broadcast was (Manifest.streamId). It goes first so that a whole broadcast can be
 * forgotten by its prefix; "/" occurs in neither part (draft-18 §1.5 renders names with letters, digits, "_", "." and "-").
 */
export function storedTrackKey(streamId: Uint8Array, track: FullTrackName): TrackKey {
  return `${streamPrefix(streamId)}${trackKey(track)}`;
}

/** What the keys of all tracks of a broadcast begin with; for ReplayStore.forget(). */
export function streamPrefix(streamId: Uint8Array): string {
  let text = "";
  for (const byte of streamId) text += byte.toString(16).padStart(2, "0");
  return `${text}/`;
}
