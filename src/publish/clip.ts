/**
 * What a publisher starts from: encoded samples in memory, to be repeated for as long as the broadcast lasts.
 *
 * A publisher of Countersign has to be predictable to the byte. The signer signs the digest of every object and never sends one;
 * the chunk publishers send objects and never saw the signature; they do not talk to each other. So both start from the same
 * {@link Clip} and the same epoch, and everything in this room that leads from there to bytes is a pure function: no
 * clock, no random number, no state that depends on when a process was started. Only `broadcast-schedule.ts` knows the time, and
 * it decides *when* an object is handed out, never what is in it.
 */
import { CountersignError } from "../errors.ts";

/**
 * Ticks per second of every track we write. 48000 holds a frame of 24, 25, 30, 50 and 60 fps video and of 48 kHz AAC as whole
 * numbers, so audio and video end at exactly the same instant where they should; players that compare floating-point range
 * ends have stalled on less.
 */
export const MEDIA_TIMESCALE = 48_000;
export const TICKS_PER_MS: number = MEDIA_TIMESCALE / 1000;

/** One encoded frame (video) or access unit (audio), in decode order. */
export interface ClipSample {
  readonly data: Uint8Array;
  /** Time to the next sample of the track in decode order, in ticks; above 0. */
  readonly durationTicks: number;
  /** Whether decoding can start here. Always true for audio. */
  readonly keyframe: boolean;
  /** Presentation time less decode time, in ticks; negative where frames are reordered. */
  readonly compositionOffsetTicks: number;
}

interface ClipTrackBase {
  /** The MOQT track name, e.g. `video`. */
  readonly name: string;
  /** RFC 6381 codec string as MSE wants it, e.g. `avc1.4d401e`, `mp4a.40.2`. */
  readonly codec: string;
  readonly samples: readonly ClipSample[];
}

export interface VideoClipTrack extends ClipTrackBase {
  readonly kind: "video";
  readonly width: number;
  readonly height: number;
  /** The content of the codec's configuration box: AVCDecoderConfigurationRecord (`avcC`) or the HEVC one (`hvcC`). */
  readonly decoderConfig: Uint8Array;
}

export interface AudioClipTrack extends ClipTrackBase {
  readonly kind: "audio";
  readonly sampleRate: number;
  readonly channels: number;
  /** The AudioSpecificConfig of ISO/IEC 14496-3. */
  readonly decoderConfig: Uint8Array;
}

export type ClipTrack = VideoClipTrack | AudioClipTrack;

/** Tracks that play together. Every track is exactly `durationTicks` long, so a loop ends for all of them at once. */
export interface Clip {
  readonly tracks: readonly ClipTrack[];
  readonly durationTicks: number;
}

/** The sum of a track's sample durations, in ticks. */
export function trackDurationTicks(track: Pick<ClipTrack, "samples">): number {
  let total = 0;
  for (const sample of track.samples) total += sample.durationTicks;
  return total;
}

function refuse(message: string): never {
  throw new CountersignError("invalid-options", message, {
    hint: "Use another input, or convert it with ffmpeg to H.264 and AAC.",
  });
}

function checkTrack(track: ClipTrack, durationTicks: number): void {
  const first = track.samples[0];
  if (first === undefined) refuse(`Track "${track.name}" of the input has no samples.`);
  if (!first.keyframe) refuse(`Track "${track.name}" of the input does not begin with a keyframe.`);
  for (const sample of track.samples) {
    if (!Number.isSafeInteger(sample.durationTicks) || sample.durationTicks <= 0) {
      refuse(`Track "${track.name}" of the input has a sample of ${sample.durationTicks} ticks.`);
    }
    if (!Number.isSafeInteger(sample.compositionOffsetTicks)) {
      refuse(
        `Track "${track.name}" of the input has a composition offset of ${sample.compositionOffsetTicks} ticks.`,
      );
    }
  }
  const total = trackDurationTicks(track);
  if (total !== durationTicks) {
    refuse(
      `Track "${track.name}" lasts ${total} ticks in a clip of ${durationTicks}: the loop would have a gap.`,
    );
  }
}

/**
 * A clip whose tracks are known to fit together.
 * Throws CountersignError `invalid-options` when there are no tracks, two share a name, one is empty, starts without a keyframe, or
 * differs in length from the others.
 */
export function createClip(tracks: readonly ClipTrack[]): Clip {
  const [first] = tracks;
  if (first === undefined) refuse("The input has no track that can be published.");
  const durationTicks = trackDurationTicks(first);
  const names = new Set<string>();
  for (const track of tracks) {
    if (names.has(track.name)) refuse(`Two tracks of the input are named "${track.name}".`);
    names.add(track.name);
    checkTrack(track, durationTicks);
  }
  return { tracks: [...tracks], durationTicks };
}
