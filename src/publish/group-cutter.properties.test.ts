import fc from "fast-check";
import { BufferSource, EncodedPacketSink, Input, MP4 } from "mediabunny";
import { expect, test } from "vitest";
import { concatBytes } from "./boxes.ts";
import { type Clip, type ClipSample, type ClipTrack, createClip } from "./clip.ts";
import { type CutObject, GroupCutter } from "./group-cutter.ts";
import { groupAt, groupSpan } from "./group-plan.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const [video, audio] = syntheticClip({ seconds: 8 }).tracks as [ClipTrack, ClipTrack];

/** `total` ticks in pieces of `piece`, the last one taking what is left: clips whose tracks end together, in odd frame lengths. */
function samplesOf(total: number, piece: number, keyEvery: number, salt: number): ClipSample[] {
  const samples: ClipSample[] = [];
  for (let at = 0; at < total; ) {
    const left = total - at;
    const durationTicks = left < 2 * piece ? left : piece;
    const i = samples.length;
    samples.push({
      data: Uint8Array.of(salt, i & 0xff, i >> 8),
      durationTicks,
      keyframe: i % keyEvery === 0,
      compositionOffsetTicks: 0,
    });
    at += durationTicks;
  }
  return samples;
}

const anyClip: fc.Arbitrary<Clip> = fc
  .record({
    total: fc.integer({ min: 48_000, max: 48_000 * 4 }),
    videoTicks: fc.integer({ min: 800, max: 4800 }),
    audioTicks: fc.integer({ min: 960, max: 2048 }),
    keyEvery: fc.integer({ min: 1, max: 70 }),
  })
  .map(({ total, videoTicks, audioTicks, keyEvery }) =>
    createClip([
      { ...video, samples: samplesOf(total, videoTicks, keyEvery, 1) },
      { ...audio, samples: samplesOf(total, audioTicks, 1, 2) },
    ]),
  );
const anyOptions = fc.record({
  objectMs: fc.integer({ min: 1, max: 1500 }),
  groupMs: fc.integer({ min: 100, max: 2500 }),
});
const anyGroup = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 2_000_000_000 }));
const anyTrack = fc.constantFrom("video", "audio");

function run(cutter: GroupCutter, track: string, from: number, count: number): CutObject[] {
  return Array.from({ length: count }, (_, i) => cutter.group(track, from + i)).flat();
}

test("two cutters agree byte for byte, whatever each of them cut before", () => {
  fc.assert(
    fc.property(anyClip, anyOptions, anyTrack, anyGroup, anyGroup, (clip, options, track, group, other) => {
      const joined = new GroupCutter(clip, options).group(track, group);
      const running = new GroupCutter(structuredClone(clip), options);
      running.group(track, other);
      running.group("video", 0);
      expect(running.group(track, group)).toEqual(joined);
    }),
  );
});

test("objects meet exactly, within groups, from group to group and over the ends of the loop", () => {
  fc.assert(
    fc.property(anyClip, anyOptions, anyTrack, anyGroup, (clip, options, track, group) => {
      const cutter = new GroupCutter(clip, options);
      const perLoop = cutter.plan.startsTicks.length;
      const objects = run(cutter, track, group, perLoop + 2);
      for (const [i, object] of objects.entries()) {
        const next = objects[i + 1];
        if (next !== undefined)
          expect(object.mediaStartTicks + object.durationTicks).toBe(next.mediaStartTicks);
        expect(object.durationTicks).toBeGreaterThan(0);
        expect(object.availableAtMs * 48).toBeGreaterThanOrEqual(
          object.mediaStartTicks + object.durationTicks,
        );
      }
    }),
  );
});

test("every sample of the clip is in exactly one object of each loop, in its order", () => {
  fc.assert(
    fc.asyncProperty(anyClip, anyOptions, anyTrack, async (clip, options, trackName) => {
      const cutter = new GroupCutter(clip, options);
      const track = cutter.tracks.find((t) => t.clipTrack.name === trackName)!;
      const loops = 2;
      const objects = run(cutter, trackName, 0, loops * cutter.plan.startsTicks.length);
      const bytes = concatBytes([track.initSegment, ...objects.map((object) => object.payload)]);
      const input = new Input({ formats: [MP4], source: new BufferSource(bytes) });
      const [found] = await input.getTracks();
      const data: Uint8Array[] = [];
      const ticks: number[] = [];
      for await (const packet of new EncodedPacketSink(found!).packets()) {
        data.push(packet.data);
        ticks.push(Math.round(packet.timestamp * 48_000));
      }
      const { samples } = track.clipTrack;
      const wanted = [...samples, ...samples];
      expect(data).toEqual(wanted.map((sample) => sample.data));
      let at = 0;
      expect(ticks).toEqual(
        wanted.map((sample) => {
          const start = at;
          at += sample.durationTicks;
          return start;
        }),
      );
    }),
    { numRuns: 30 },
  );
});

test("samples stand in the group, and the object slot, in which they start", () => {
  fc.assert(
    fc.property(anyClip, anyOptions, anyTrack, anyGroup, (clip, options, track, group) => {
      const cutter = new GroupCutter(clip, options);
      const { startTicks, endTicks } = cutter.span(group);
      const slots = cutter.group(track, group).map((object) => {
        expect(object.mediaStartTicks).toBeGreaterThanOrEqual(startTicks);
        expect(object.mediaStartTicks).toBeLessThan(endTicks);
        return Math.floor((object.mediaStartTicks - startTicks) / (options.objectMs * 48));
      });
      expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b));
    }),
  );
});

test("every group of video begins with an independent object and ends with the one marked last", () => {
  fc.assert(
    fc.property(anyClip, anyOptions, anyGroup, (clip, options, group) => {
      const objects = new GroupCutter(clip, options).group("video", group);
      expect(objects[0]?.independent).toBe(true);
      expect(objects.map((object) => object.last)).toEqual(objects.map((_, i) => i === objects.length - 1));
      expect(objects.map((object) => object.objectId)).toEqual(objects.map((_, i) => i));
    }),
  );
});

test("the group at a time is the one whose span holds it", () => {
  fc.assert(
    fc.property(anyClip, anyOptions, fc.integer({ min: 0, max: 10 ** 12 }), (clip, options, ticks) => {
      const { plan } = new GroupCutter(clip, options);
      const { startTicks, endTicks } = groupSpan(plan, groupAt(plan, ticks));
      expect(startTicks).toBeLessThanOrEqual(ticks);
      expect(endTicks).toBeGreaterThan(ticks);
    }),
  );
});

test("mfhd sequence numbers rise by group and object", () => {
  fc.assert(
    fc.property(
      anyClip,
      anyOptions,
      anyTrack,
      fc.integer({ min: 0, max: 50 }),
      (clip, options, track, group) => {
        const numbers = run(new GroupCutter(clip, options), track, group, 3).map(({ payload }) =>
          new DataView(payload.buffer).getUint32(20),
        );
        for (let i = 1; i < numbers.length; i++) expect(numbers[i]).toBeGreaterThan(numbers[i - 1]!);
      },
    ),
  );
});
