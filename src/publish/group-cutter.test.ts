import { expect, test } from "vitest";
import { GroupCutter } from "./group-cutter.ts";
import { groupAt, planGroups } from "./group-plan.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const clip = syntheticClip({ seconds: 8 });

test("a second of 25 fps video in 200 ms objects is five objects of five frames, the first independent", () => {
  const objects = new GroupCutter(clip, { objectMs: 200 }).group("video", 3);
  expect(objects.map((o) => o.objectId)).toEqual([0, 1, 2, 3, 4]);
  expect(objects.map((o) => o.independent)).toEqual([true, false, false, false, false]);
  expect(objects.map((o) => o.last)).toEqual([false, false, false, false, true]);
  expect(objects.map((o) => o.mediaStartTicks)).toEqual([144_000, 153_600, 163_200, 172_800, 182_400]);
  expect(objects.map((o) => o.availableAtMs)).toEqual([3200, 3400, 3600, 3800, 4000]);
});

test("40 ms objects hold one video frame each", () => {
  const objects = new GroupCutter(clip, { objectMs: 40 }).group("video", 0);
  expect(objects).toHaveLength(25);
  expect(new Set(objects.map((o) => o.durationTicks))).toEqual(new Set([1920]));
});

test("an audio frame belongs to the group in which it starts", () => {
  const cutter = new GroupCutter(clip, { objectMs: 200 });
  const firstGroup = cutter.group("audio", 0);
  const lastObject = firstGroup.at(-1)!;
  const end = lastObject.mediaStartTicks + lastObject.durationTicks;
  expect(end).toBe(47 * 1024); // 48128: the 47th frame starts 896 ticks before the boundary at 48000
  expect(cutter.group("audio", 1)[0]?.mediaStartTicks).toBe(end);
  expect(lastObject.availableAtMs).toBe(1003);
});

test("the last object of a group is shorter when the object duration does not divide it", () => {
  const objects = new GroupCutter(clip, { objectMs: 300 }).group("video", 0);
  // Frames start every 40 ms: 8 starts below 300 ms, 7 below 600, 8 below 900, 2 left.
  expect(objects.map((o) => o.durationTicks / 1920)).toEqual([8, 7, 8, 2]);
});

test("objects shorter than an audio frame leave no holes in the object ids", () => {
  const objects = new GroupCutter(clip, { objectMs: 5 }).group("audio", 2);
  expect(objects.map((o) => o.objectId)).toEqual(objects.map((_, i) => i));
  expect(new Set(objects.map((o) => o.durationTicks))).toEqual(new Set([1024]));
});

test("the loop's last group is followed by its first one with later timestamps and the same media", () => {
  const cutter = new GroupCutter(clip, { objectMs: 1000 });
  const [first] = cutter.group("video", 0);
  const [again] = cutter.group("video", 8);
  expect(again?.mediaStartTicks).toBe(8 * 48_000);
  const mediaOf = (bytes: Uint8Array) => bytes.subarray(bytes.byteLength - 25 * 400);
  expect(mediaOf(again!.payload)).toEqual(mediaOf(first!.payload));
  expect(again!.payload).not.toEqual(first!.payload); // tfdt and sequence number differ
});

test("groups are numbered by time since the epoch", () => {
  const cutter = new GroupCutter(clip, { objectMs: 200 });
  expect([-5, 0, 999, 1000, 7999, 8000, 123_456].map((ms) => cutter.groupAt(ms))).toEqual([
    0, 0, 0, 1, 7, 8, 123,
  ]);
  expect(cutter.plan.regularGroupMs).toBe(1000);
});

test("keyframes rarer than the wanted group make longer groups, more frequent ones are gathered", () => {
  expect(planGroups(syntheticClip({ seconds: 8, gopFrames: 50 }), 1000).regularGroupMs).toBe(2000);
  expect(planGroups(syntheticClip({ seconds: 8, gopFrames: 5 }), 1000).regularGroupMs).toBe(1000);
  expect(planGroups(syntheticClip({ seconds: 8, gopFrames: 20 }), 1000).regularGroupMs).toBe(1600);
});

test("irregular groups are found by time and say that they are irregular", () => {
  const plan = planGroups(syntheticClip({ seconds: 8, gopFrames: 75 }), 1000); // 3 s, 3 s, 2 s
  expect(plan.startsTicks).toEqual([0, 144_000, 288_000]);
  expect(plan.regularGroupMs).toBeUndefined();
  expect([0, 143_999, 144_000, 383_999, 384_000, 528_000].map((ticks) => groupAt(plan, ticks))).toEqual([
    0, 0, 1, 2, 3, 4,
  ]);
});

test("what cannot be cut is refused with a code", () => {
  for (const objectMs of [0, -1, 12.5, Number.NaN]) {
    expect(() => new GroupCutter(clip, { objectMs })).toThrow(
      expect.objectContaining({ code: "invalid-options" }),
    );
  }
  expect(() => new GroupCutter(clip, { objectMs: 200, groupMs: 0 })).toThrow(
    expect.objectContaining({ code: "invalid-options" }),
  );
  const cutter = new GroupCutter(clip, { objectMs: 200 });
  expect(() => cutter.group("subtitles", 0)).toThrow(expect.objectContaining({ code: "track-unknown" }));
  for (const group of [-1, 0.5, Number.NaN]) expect(() => cutter.group("video", group)).toThrow(RangeError);
});
