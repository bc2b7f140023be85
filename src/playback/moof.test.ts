import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { box, concatBytes, fullBox, u32, u64 } from "../publish/boxes.ts";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { readInitSegment } from "./init-segment.ts";
import { readChunkTiming } from "./moof.ts";

const NO_DEFAULTS = { sampleDurationTicks: undefined, sampleFlags: 0x1_0000 };
const cutter = new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 });

function moof(tfhd: Uint8Array, tfdt: Uint8Array, ...truns: Uint8Array[]): Uint8Array {
  return box("moof", fullBox("mfhd", 0, 0, u32(1)), box("traf", tfhd, tfdt, ...truns));
}

const plainTfhd = fullBox("tfhd", 0, 0x02_0000, u32(1));
const startAt = (ticks: number): Uint8Array => fullBox("tfdt", 1, 0, u64(ticks));
const mdat = box("mdat", new Uint8Array(4));

function refusal(bytes: Uint8Array): CountersignError {
  try {
    readChunkTiming(bytes, NO_DEFAULTS);
  } catch (thrown) {
    if (thrown instanceof CountersignError) return thrown;
    throw thrown;
  }
  throw new Error("the bytes were accepted");
}

describe("the timing of a chunk", () => {
  test("is what the publisher cut, for video and audio, at any place of the broadcast", () => {
    for (const { clipTrack, initSegment } of cutter.tracks) {
      const { defaults, timescale } = readInitSegment(initSegment);
      expect(timescale).toBe(48_000);
      for (const group of [0, 15, 16, 1_700_000_000]) {
        for (const object of cutter.group(clipTrack.name, group)) {
          expect(readChunkTiming(object.payload, defaults)).toMatchObject({
            baseDecodeTimeTicks: object.mediaStartTicks,
            durationTicks: object.durationTicks,
            independent: object.independent,
          });
        }
      }
    }
  });

  test("of several chunks in one object spans them all", () => {
    const objects = cutter.group("video", 3);
    const timing = readChunkTiming(concatBytes(objects.map((object) => object.payload)), NO_DEFAULTS);
    expect(timing).toEqual({
      baseDecodeTimeTicks: 3 * 48_000,
      durationTicks: 48_000,
      samples: 25,
      independent: true,
    });
  });

  test("takes durations and flags from where the standard says: run, fragment, then initialization segment", () => {
    const run = fullBox("trun", 0, 0x0, u32(3));
    const defaults = { sampleDurationTicks: 100, sampleFlags: 0 };
    const bytes = concatBytes([moof(plainTfhd, startAt(7), run), mdat]);
    expect(readChunkTiming(bytes, defaults)).toMatchObject({ durationTicks: 300, independent: true });

    const tfhd = fullBox("tfhd", 0, 0x02_0028, u32(1, 200, 0x1_0000));
    const fromFragment = concatBytes([moof(tfhd, startAt(7), run), mdat]);
    expect(readChunkTiming(fromFragment, defaults)).toMatchObject({ durationTicks: 600, independent: false });

    const own = fullBox("trun", 0, 0x0504, u32(2, 0, 10, 0x1_0000, 20, 0x1_0000));
    const fromRun = concatBytes([moof(tfhd, startAt(7), own), mdat]);
    expect(readChunkTiming(fromRun, defaults)).toMatchObject({ durationTicks: 30, independent: true });
  });

  test("passes over what may stand before a chunk", () => {
    const chunk = cutter.group("audio", 1)[0]!;
    const bytes = concatBytes([box("styp", u32(0)), box("prft", u32(0, 0)), chunk.payload]);
    expect(readChunkTiming(bytes, NO_DEFAULTS).baseDecodeTimeTicks).toBe(chunk.mediaStartTicks);
  });
});

describe("bytes that are no chunk", () => {
  const run = fullBox("trun", 0, 0x100, u32(1, 5));
  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["no moof", mdat],
    ["a moof without mdat", moof(plainTfhd, startAt(0), run)],
    [
      "two moofs for one mdat",
      concatBytes([moof(plainTfhd, startAt(0), run), moof(plainTfhd, startAt(0), run), mdat]),
    ],
    ["a box longer than the object", concatBytes([u32(1000), u32(0x6d6f6f66)])],
    ["a box shorter than its header", concatBytes([u32(4, 0x6d6f6f66), mdat])],
    [
      "a run that claims more samples than it has bytes",
      concatBytes([moof(plainTfhd, startAt(0), fullBox("trun", 0, 0x100, u32(900_000))), mdat]),
    ],
    [
      "four billion samples without bytes",
      concatBytes([
        moof(fullBox("tfhd", 0, 0x02_0008, u32(1, 1)), startAt(0), fullBox("trun", 0, 0, u32(0xffff_ffff))),
        mdat,
      ]),
    ],
    ["no duration", concatBytes([moof(plainTfhd, startAt(0), fullBox("trun", 0, 0, u32(3))), mdat])],
    [
      "a time beyond 2^53",
      concatBytes([moof(plainTfhd, fullBox("tfdt", 1, 0, u32(0xffff_ffff, 0xffff_ffff)), run), mdat]),
    ],
    ["two starts", concatBytes([box("moof", box("traf", plainTfhd, startAt(0), startAt(9), run)), mdat])],
    ["a thousand empty boxes", concatBytes([...Array.from({ length: 1000 }, () => box("free")), mdat])],
    [
      "chunks that run backwards",
      concatBytes([moof(plainTfhd, startAt(100), run), mdat, moof(plainTfhd, startAt(50), run), mdat]),
    ],
  ])("are refused with media-error: %s", (_name, bytes) => {
    const error = refusal(bytes);
    expect(error.code).toBe("media-error");
    expect(error.hint).toContain("publisher");
  });
});

describe("an initialization segment", () => {
  const [video] = cutter.tracks;

  test("tells timescale and codec", () => {
    expect(readInitSegment(video!.initSegment)).toMatchObject({ timescale: 48_000, sampleEntry: "avc1" });
  });

  test("of two tracks is refused", () => {
    const moov = video!.initSegment.slice(28 + 8);
    const doubled = box("moov", moov, moov);
    expect(() => readInitSegment(doubled)).toThrow(/2 tracks/);
  });

  test.each([0, 8, 40, 200, 600])("cut at byte %i is refused", (length) => {
    expect(() => readInitSegment(video!.initSegment.slice(0, length))).toThrow(CountersignError);
  });
});
