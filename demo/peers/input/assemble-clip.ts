/** From the packets of a file to a clip that can be repeated: where each sample starts, and what happens at the seam. */
import {
  type AudioClipTrack,
  type Clip,
  type ClipSample,
  createClip,
  MEDIA_TIMESCALE,
  TICKS_PER_MS,
  type VideoClipTrack,
} from "../../../src/publish/clip.ts";

/** One encoded sample as a demuxer gives it, in decode order. */
export interface InputPacket {
  readonly data: Uint8Array;
  readonly presentationSeconds: number;
  /** As the container has it; 0 when it does not say. */
  readonly durationSeconds: number;
  readonly keyframe: boolean;
}

export interface InputTrackPackets<T extends VideoClipTrack | AudioClipTrack> {
  readonly describe: Omit<T, "samples">;
  readonly packets: readonly InputPacket[];
}

export interface AssembledClip {
  readonly clip: Clip;
  /** What is not perfect where the end meets the beginning, for people; undefined when nothing is. */
  readonly seam: string | undefined;
}

interface TimedSample {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  readonly decodeTicks: number;
  readonly presentationTicks: number;
}

const ticks = (seconds: number): number => Math.round(seconds * MEDIA_TIMESCALE);

interface TimedVideo {
  readonly samples: readonly TimedSample[];
  readonly endTicks: number;
}

/**
 * Decode times by the usual rule: the presentation times, sorted. The offset between the two is then negative for some reordered frames, but the
 * first frame is shown at the time it is decoded and the track begins at 0, whatever delay the source had.
 */
function timeVideo(packets: readonly InputPacket[], zeroTicks: number): TimedVideo {
  const presentation = packets.map((packet) => ticks(packet.presentationSeconds) - zeroTicks);
  const decode = [...presentation].sort((a, b) => a - b);
  const lastTicks = decode.at(-1) ?? 0;
  const lastStepTicks = lastTicks - (decode.at(-2) ?? lastTicks - MEDIA_TIMESCALE / 25);
  return {
    samples: packets.map((packet, i) => ({
      data: packet.data,
      keyframe: packet.keyframe,
      decodeTicks: decode[i] ?? 0,
      presentationTicks: presentation[i] ?? 0,
    })),
    endTicks: lastTicks + (ticks(packets.at(-1)?.durationSeconds ?? 0) || lastStepTicks),
  };
}

/**
 * From the first keyframe that has sound (the first of all when none has), without the frames right behind it that are shown
 * before it and need what is gone.
 */
function fromFirstKeyframe(
  packets: readonly InputPacket[],
  soundFromSeconds: number,
): readonly InputPacket[] {
  const withSound = packets.findIndex(
    (packet) => packet.keyframe && packet.presentationSeconds >= soundFromSeconds,
  );
  const first = withSound >= 0 ? withSound : packets.findIndex((packet) => packet.keyframe);
  const keyframe = packets[first];
  if (keyframe === undefined) return [];
  let next = first + 1;
  for (; next < packets.length; next++) {
    const packet = packets[next];
    if (packet === undefined || packet.presentationSeconds >= keyframe.presentationSeconds) break;
  }
  return [keyframe, ...packets.slice(next)];
}

/** The latest place to cut, at or before `limitTicks`, such that no frame before the cut is shown after one behind it. */
function cleanCut(video: TimedVideo, limitTicks: number): number {
  let latestShown = -1;
  let cut = 0;
  const startTicks = [...video.samples.map((sample) => sample.decodeTicks), video.endTicks];
  for (const [i, sample] of video.samples.entries()) {
    latestShown = Math.max(latestShown, sample.presentationTicks);
    const boundaryTicks = startTicks[i + 1] ?? video.endTicks;
    // Decode times are the sorted presentation times: what is shown before the boundary is exactly what is decoded before it.
    if (latestShown < boundaryTicks && boundaryTicks <= limitTicks) cut = i + 1;
  }
  return cut === 0 ? video.samples.length : cut;
}

function closeLoop(samples: readonly TimedSample[], endTicks: number): ClipSample[] {
  return samples.map((sample, i) => ({
    data: sample.data,
    keyframe: sample.keyframe,
    durationTicks: (samples[i + 1]?.decodeTicks ?? endTicks) - sample.decodeTicks,
    compositionOffsetTicks: sample.presentationTicks - sample.decodeTicks,
  }));
}

/** With a duration for every packet: the container's, or the time to the next packet where it has none. */
function withDurations(packets: readonly InputPacket[]): InputPacket[] {
  return packets.map((packet, i) => {
    if (packet.durationSeconds > 0) return packet;
    const next = packets[i + 1];
    const before = packets[i - 1];
    const durationSeconds =
      next !== undefined
        ? next.presentationSeconds - packet.presentationSeconds
        : packet.presentationSeconds - (before?.presentationSeconds ?? 0);
    return { ...packet, durationSeconds };
  });
}

interface TimedAudio {
  readonly samples: readonly TimedSample[];
  readonly endTicks: number;
}

/** Audio frames in a row: each starts where the one before it ends, the first at 0. A hole in the source is closed by that. */
function timeAudio(packets: readonly InputPacket[], zeroTicks: number): TimedAudio {
  const zeroSeconds = zeroTicks / MEDIA_TIMESCALE;
  const usable = withDurations(packets).filter(
    ({ presentationSeconds, durationSeconds }) => presentationSeconds + durationSeconds / 2 >= zeroSeconds,
  );
  let seconds = 0;
  const samples = usable.map((packet): TimedSample => {
    const atTicks = ticks(seconds);
    seconds += packet.durationSeconds;
    return { data: packet.data, keyframe: true, decodeTicks: atTicks, presentationTicks: atTicks };
  });
  return { samples, endTicks: ticks(seconds) };
}

/** Frames whose greater part lies before `endTicks`: the last one is made to end there, at most half a frame off. */
function audioUntil(audio: TimedAudio, endTicks: number): TimedSample[] {
  return audio.samples.filter(
    (sample, i) =>
      (sample.decodeTicks + (audio.samples[i + 1]?.decodeTicks ?? audio.endTicks)) / 2 <= endTicks,
  );
}

/**
 * A clip from at most one video and one audio track.
 *
 * The loop is as long as the video, cut back to where the audio ends if that is earlier. Where that is no whole number of audio frames the last
 * one is declared longer or shorter by up to half a frame, so timestamps still meet exactly: the price of the seam is a crackle of
 * about 10 ms once per loop, never a gap in time. Whichever begins before the other loses its head
 * (video up to the next keyframe), so that the two stay in step to within half an audio frame.
 *
 * Throws CountersignError `invalid-options` when nothing usable remains.
 */
export function assembleClip(
  video: InputTrackPackets<VideoClipTrack> | undefined,
  audio: InputTrackPackets<AudioClipTrack> | undefined,
): AssembledClip {
  const firstSound = audio?.packets[0];
  const soundFromSeconds =
    firstSound === undefined ? 0 : firstSound.presentationSeconds - firstSound.durationSeconds / 2;
  const videoPackets = fromFirstKeyframe(video?.packets ?? [], soundFromSeconds);
  const shown = videoPackets.map((packet) => ticks(packet.presentationSeconds));
  const audioZero =
    audio?.packets.find((packet) => packet.presentationSeconds >= 0)?.presentationSeconds ?? 0;
  const zeroTicks = shown.length > 0 ? shown.reduce((a, b) => Math.min(a, b)) : ticks(audioZero);
  const timedAudio = timeAudio(audio?.packets ?? [], zeroTicks);

  if (video === undefined) {
    const samples = closeLoop(timedAudio.samples, timedAudio.endTicks);
    return { clip: createClip(audio === undefined ? [] : [{ ...audio.describe, samples }]), seam: undefined };
  }
  const timedVideo = timeVideo(videoPackets, zeroTicks);
  if (audio === undefined || timedAudio.samples.length === 0) {
    const samples = closeLoop(timedVideo.samples, timedVideo.endTicks);
    return { clip: createClip([{ ...video.describe, samples }]), seam: undefined };
  }
  const lastAudioTicks = timedAudio.endTicks - (timedAudio.samples.at(-1)?.decodeTicks ?? 0);
  const cut = cleanCut(timedVideo, timedAudio.endTicks + lastAudioTicks / 2);
  const keptVideo = timedVideo.samples.slice(0, cut);
  const endTicks = timedVideo.samples[cut]?.decodeTicks ?? timedVideo.endTicks;
  const keptAudio = audioUntil(timedAudio, endTicks);
  const clip = createClip([
    { ...video.describe, samples: closeLoop(keptVideo, endTicks) },
    { ...audio.describe, samples: closeLoop(keptAudio, endTicks) },
  ]);

  const imperfections: string[] = [];
  if (cut < timedVideo.samples.length)
    imperfections.push(
      `${timedVideo.samples.length - cut} video frames are left out at the end, where there is no audio`,
    );
  const audioEnd = timedAudio.samples[keptAudio.length]?.decodeTicks ?? timedAudio.endTicks;
  if (audioEnd !== endTicks) {
    const ms = Math.abs(endTicks - audioEnd) / TICKS_PER_MS;
    const change = audioEnd < endTicks ? "longer" : "shorter";
    imperfections.push(`the last audio frame is declared ${ms.toFixed(1)} ms ${change} than it is`);
  }
  return { clip, seam: imperfections.length === 0 ? undefined : imperfections.join("; ") };
}
