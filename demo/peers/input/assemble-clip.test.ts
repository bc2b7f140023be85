import fc from "fast-check";
import { expect, test } from "vitest";
import { type AudioClipTrack, trackDurationTicks, type VideoClipTrack } from "../../../src/publish/clip.ts";
import { GroupCutter } from "../../../src/publish/group-cutter.ts";
import { syntheticClip } from "../../../src/publish/synthetic-clip.ts";
import { assembleClip, type InputPacket, type InputTrackPackets } from "./assemble-clip.ts";

const [videoTrack, audioTrack] = syntheticClip({ seconds: 8 }).tracks as [VideoClipTrack, AudioClipTrack];
const frame = (presentationSeconds: number, durationSeconds: number, keyframe = true): InputPacket => ({
  data: Uint8Array.of(1),
  presentationSeconds,
  durationSeconds,
  keyframe,
});

function video(packets: InputPacket[]): InputTrackPackets<VideoClipTrack> {
  const { samples: _, ...describe } = videoTrack;
  return { describe, packets };
}
function audio(packets: InputPacket[]): InputTrackPackets<AudioClipTrack> {
  const { samples: _, ...describe } = audioTrack;
  return { describe, packets };
}
const frames = (count: number, rate = 25, key = 25, offset = 0) =>
  video(Array.from({ length: count }, (_, i) => frame(offset + i / rate, 1 / rate, i % key === 0)));
const sounds = (count: number, rate = 48_000, offset = 0) =>
  audio(Array.from({ length: count }, (_, i) => frame(offset + (i * 1024) / rate, 1024 / rate)));

test("tracks that end together are looped as they are", () => {
  const { clip, seam } = assembleClip(frames(200), sounds(375));
  expect(seam).toBeUndefined();
  expect(clip.durationTicks).toBe(8 * 48_000);
  expect(clip.tracks.map((track) => track.samples.length)).toEqual([200, 375]);
});

test("audio that is longer than the video is cut, and its last frame made to end with it", () => {
  const { clip, seam } = assembleClip(frames(190), sounds(375)); // 7.6 s is 356.25 audio frames
  expect(clip.durationTicks).toBe(7.6 * 48_000);
  expect(clip.tracks[1]?.samples).toHaveLength(356);
  expect(clip.tracks[1]?.samples.at(-1)?.durationTicks).toBe(1280);
  expect(seam).toBe("the last audio frame is declared 5.3 ms longer than it is");
});

test("video that is longer than the audio is cut back to it", () => {
  const { clip, seam } = assembleClip(frames(200), sounds(300)); // 6.4 s
  expect(clip.durationTicks).toBe(6.4 * 48_000);
  expect(clip.tracks[0]?.samples).toHaveLength(160);
  expect(seam).toMatch(/40 video frames are left out/);
});

/** Marks packet i with the number i, to be found again. */
const numbered = <T extends InputTrackPackets<VideoClipTrack> | InputTrackPackets<AudioClipTrack>>(
  track: T,
): T => ({
  ...track,
  packets: track.packets.map((packet, i) => ({ ...packet, data: Uint8Array.of(i >> 8, i & 0xff) })),
});
const numberOf = (data: Uint8Array | undefined) => ((data?.[0] ?? 0) << 8) | (data?.[1] ?? 0);

test("whichever track begins earlier loses its head, and the two stay in step", () => {
  const firsts = (late: number) =>
    assembleClip(numbered(frames(200)), numbered(sounds(375, 48_000, late))).clip.tracks.map((track) =>
      numberOf(track.samples[0]?.data),
    );
  expect(firsts(0)).toEqual([0, 0]);
  expect(firsts(-0.5)).toEqual([0, 23]); // 23 x 1024 / 48000 = 0.491 s
  expect(firsts(1.5)).toEqual([50, 23]); // video from its keyframe at 2 s, audio from 1.5 + 0.491 s
  expect(firsts(0.01)).toEqual([0, 0]); // half an audio frame is not worth a GOP
});

test("what both tracks are late by is taken off", () => {
  const { clip } = assembleClip(frames(200, 25, 25, 10), sounds(375, 48_000, 10));
  expect(clip.durationTicks).toBe(8 * 48_000);
  expect(clip.tracks[0]?.samples[0]?.compositionOffsetTicks).toBe(0);
  // The encoder's priming frame lies before the video and is dropped.
  const primed = assembleClip(frames(200), sounds(376, 48_000, -1024 / 48_000));
  expect(primed.seam).toBeUndefined();
  expect(primed.clip.tracks[1]?.samples).toHaveLength(375);
});

test("a capture that begins in mid-GOP loses what cannot be decoded", () => {
  const packets = [
    frame(0, 0.04, false),
    frame(0.16, 0.04),
    frame(0.08, 0.04, false),
    frame(0.12, 0.04, false),
  ];
  const { clip } = assembleClip(video([...packets, frame(0.2, 0.04, false)]), undefined);
  expect(clip.tracks[0]?.samples.map((s) => s.keyframe)).toEqual([true, false]);
  expect(clip.durationTicks).toBe(0.08 * 48_000);
});

test("reordered frames keep their presentation times, and a cut never falls between a frame and one shown before it", () => {
  // Decode order I P B B | I P B B: shown 0 3 1 2 | 4 7 5 6
  const shown = [0, 3, 1, 2, 4, 7, 5, 6];
  const packets = shown.map((at) => frame(at / 25, 1 / 25, at % 4 === 0));
  const whole = assembleClip(video(packets), undefined).clip.tracks[0]!;
  let decodeTicks = 0;
  const presented = whole.samples.map((sample) => {
    const at = (decodeTicks + sample.compositionOffsetTicks) / 1920;
    decodeTicks += sample.durationTicks;
    return at;
  });
  expect(presented).toEqual(shown);
  // Audio for 6 frames: a cut there would lose a frame shown earlier than one that stays; after the fifth it loses none.
  const cut = assembleClip(video(packets), sounds(11)).clip;
  expect(cut.tracks[0]?.samples).toHaveLength(5);
  expect(cut.durationTicks).toBe(5 * 1920);
});

test("29.97 fps and 44.1 kHz do not drift: rounding never adds up", () => {
  const rate = 30_000 / 1001;
  const { clip } = assembleClip(frames(3000, rate, 30), sounds(4500, 44_100));
  const starts = clip.tracks.map((track) => {
    let at = 0;
    return track.samples.map((sample) => {
      const start = at;
      at += sample.durationTicks;
      return start;
    });
  });
  for (const [i, start] of starts[0]?.entries() ?? []) {
    expect(Math.abs(start - (i * 48_000) / rate)).toBeLessThanOrEqual(0.5);
  }
  for (const [i, start] of starts[1]?.entries() ?? []) {
    expect(Math.abs(start - (i * 1024 * 48_000) / 44_100)).toBeLessThanOrEqual(0.5);
  }
});

test("audio without durations, as Matroska has it, lasts from frame to frame", () => {
  const packets = sounds(375).packets.map((packet) => ({
    ...packet,
    durationSeconds: 0,
    presentationSeconds: Math.round(packet.presentationSeconds * 1000) / 1000,
  }));
  const { clip } = assembleClip(frames(200), audio(packets));
  expect(clip.tracks[1]?.samples).toHaveLength(375);
  expect(clip.durationTicks).toBe(8 * 48_000);
});

test("an input with one track only is that track", () => {
  expect(assembleClip(undefined, sounds(375)).clip.tracks.map((t) => t.name)).toEqual(["audio"]);
  expect(assembleClip(frames(50), undefined).clip.tracks.map((t) => t.name)).toEqual(["video"]);
});

test("nothing usable is an error with a code", () => {
  expect(() => assembleClip(undefined, undefined)).toThrow(
    expect.objectContaining({ code: "invalid-options" }),
  );
  expect(() => assembleClip(video([frame(0, 0.04, false)]), undefined)).toThrow(
    expect.objectContaining({ code: "invalid-options" }),
  );
});

test("whatever the lengths and rates, the tracks end together and can be cut", () => {
  fc.assert(
    fc.property(
      fc.record({
        count: fc.integer({ min: 2, max: 200 }),
        rate: fc.constantFrom(24_000 / 1001, 24, 25, 30_000 / 1001, 50, 60),
        key: fc.integer({ min: 1, max: 60 }),
        offset: fc.double({ min: 0, max: 100, noNaN: true }),
        soundCount: fc.integer({ min: 2, max: 300 }),
        soundRate: fc.constantFrom(32_000, 44_100, 48_000),
        late: fc.double({ min: -0.5, max: 0.5, noNaN: true }),
      }),
      ({ count, rate, key, offset, soundCount, soundRate, late }) => {
        const { clip } = assembleClip(
          frames(count, rate, key, offset),
          sounds(soundCount, soundRate, offset + late),
        );
        for (const track of clip.tracks) expect(trackDurationTicks(track)).toBe(clip.durationTicks);
        const cutter = new GroupCutter(clip, { objectMs: 200 });
        expect(cutter.group("video", 0)[0]?.mediaStartTicks).toBe(0);
      },
    ),
  );
});
