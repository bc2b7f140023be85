/** What the worker's half of playback (window, playlists) is given, and by whom. The page's half sees only rpc/protocol.ts. */
import type { CipherSuite } from "../trust/secure-objects/suites.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/** A track that can be played, as the verified catalog describes it. */
export interface PlayableTrack {
  readonly name: string;
  readonly role: "video" | "audio" | "muxed";
  readonly codec: string;
  readonly mimeType: string;
  readonly initSegment: Uint8Array;
  /** Ticks per second of the media's own time. */
  readonly timescale: number;
  readonly bitrate: number | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly framerate: number | undefined;
  readonly lang: string | undefined;
  /** Absent: the objects are media as they are. */
  readonly encryption?: {
    readonly suite: CipherSuite;
    /** What the catalog calls the key, where it does. */
    readonly catalogKeyId: string | undefined;
  };
}

/** One part: a verified object with its place in media time, read from its own moof. */
export interface Part {
  readonly group: VarInt;
  readonly object: VarInt;
  /** Since the broadcast's epoch. */
  readonly startTicks: number;
  readonly durationTicks: number;
  /** Begins with a keyframe. */
  readonly independent: boolean;
  readonly payload: Verified<MoqObject>["payload"];
}
