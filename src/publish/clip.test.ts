import { expect, test } from "vitest";
import { type ClipTrack, createClip } from "./clip.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const clip = syntheticClip({ seconds: 8 });
const video = clip.tracks[0] as ClipTrack;
const audio = clip.tracks[1] as ClipTrack;

test("a clip is as long as each of its tracks", () => {
  expect(clip.durationTicks).toBe(8 * 48_000);
  expect(video.samples).toHaveLength(200);
  expect(audio.samples).toHaveLength(375);
});

test("tracks of unequal length are refused, because the loop would have a gap", () => {
  expect(() => createClip([video, { ...audio, samples: audio.samples.slice(1) }])).toThrow(
    expect.objectContaining({ code: "invalid-options", message: expect.stringContaining("gap") }),
  );
});

test("a track that does not begin with a keyframe is refused", () => {
  const samples = [...video.samples.slice(1), video.samples[0]!];
  expect(() => createClip([{ ...video, samples }])).toThrow(/keyframe/);
});

test("an input without tracks, an empty track and two tracks of one name are refused", () => {
  expect(() => createClip([])).toThrow(expect.objectContaining({ code: "invalid-options" }));
  expect(() => createClip([{ ...video, samples: [] }])).toThrow(/no samples/);
  expect(() => createClip([video, video])).toThrow(/named "video"/);
});

test("a sample without a positive whole duration is refused", () => {
  for (const durationTicks of [0, -1, 1.5, Number.NaN]) {
    const samples = [{ ...video.samples[0]!, durationTicks }, ...video.samples.slice(1)];
    expect(() => createClip([{ ...video, samples }])).toThrow(
      expect.objectContaining({ code: "invalid-options" }),
    );
  }
});
