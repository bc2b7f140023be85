/** Clips made of numbers instead of pictures, for tests and benchmarks: every sample is different and none can be decoded. */
import { type Clip, createClip, MEDIA_TIMESCALE } from "./clip.ts";

export interface SyntheticClipOptions {
  readonly seconds: number;
  readonly framesPerSecond?: number;
  /** Frames from keyframe to keyframe. */
  readonly gopFrames?: number;
  readonly videoBytesPerFrame?: number;
  readonly audioBytesPerFrame?: number;
  /** Ticks per audio frame; 1024 as in AAC at 48 kHz. `seconds` has to be a whole number of them. */
  readonly audioFrameTicks?: number;
}

/** Bytes that depend on track, sample and position, from a small generator (the constants are those of Numerical Recipes). */
function noise(seed: number, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let state = seed >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

/** The avcC of the bundled clip (x264, main profile, level 3.0): readers parse it, so it has to be a real one. */
const AVC_CONFIG = Uint8Array.from(
  "014d401effe1001d674d401ed890280bfe5c05a808080a000003000200000300651e2c5c4c01000668e88c172c80".match(
    /../g,
  ) ?? [],
  (hex) => Number.parseInt(hex, 16),
);
/** AAC-LC, 48 kHz, stereo (ISO/IEC 14496-3 §1.6.2.1). */
const AAC_CONFIG = Uint8Array.of(0x11, 0x90);

/** A clip with tracks `video` and `audio`. Throws CountersignError `invalid-options` when the two cannot end together. */
export function syntheticClip(options: SyntheticClipOptions): Clip {
  const { seconds, framesPerSecond = 25, audioFrameTicks = 1024 } = options;
  const { gopFrames = framesPerSecond, videoBytesPerFrame = 400, audioBytesPerFrame = 100 } = options;
  const frameTicks = MEDIA_TIMESCALE / framesPerSecond;
  const video = Array.from({ length: seconds * framesPerSecond }, (_, i) => ({
    data: noise(i, videoBytesPerFrame + (i % 7)),
    durationTicks: frameTicks,
    keyframe: i % gopFrames === 0,
    compositionOffsetTicks: 0,
  }));
  const audio = Array.from({ length: (seconds * MEDIA_TIMESCALE) / audioFrameTicks }, (_, i) => ({
    data: noise(0x4000_0000 + i, audioBytesPerFrame + (i % 5)),
    durationTicks: audioFrameTicks,
    keyframe: true,
    compositionOffsetTicks: 0,
  }));
  return createClip([
    {
      kind: "video",
      name: "video",
      codec: "avc1.4d401e",
      width: 640,
      height: 360,
      decoderConfig: AVC_CONFIG,
      samples: video,
    },
    {
      kind: "audio",
      name: "audio",
      codec: "mp4a.40.2",
      sampleRate: MEDIA_TIMESCALE,
      channels: 2,
      decoderConfig: AAC_CONFIG,
      samples: audio,
    },
  ]);
}
