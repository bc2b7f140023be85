import { describe, expect, test } from "vitest";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { decodeTimeOf, fileHeader, renumber, timescaleOf, trackIdOf } from "./mp4-file.ts";

const cutter = new GroupCutter(syntheticClip({ seconds: 16, framesPerSecond: 25 }), { objectMs: 200 });
const [video, audio] = cutter.tracks;
if (!video || !audio) throw new Error("a clip has a picture and sound");

function object(group: number, index: number): Uint8Array<ArrayBuffer> {
  const payload = cutter.group("video", group)[index]?.payload;
  if (!payload) throw new Error("no such object");
  return Uint8Array.from(payload);
}

describe("chunks in a file", () => {
  test("get the file's number and time, and are as before when that is undone", () => {
    const before = object(90, 2);
    const chunk = before.slice();
    expect(decodeTimeOf(chunk)).toBe(90.4 * 48_000);
    renumber(chunk, { fromTrackId: 1, toTrackId: 7, addTicks: -90 * 48_000 });
    expect(decodeTimeOf(chunk)).toBe(0.4 * 48_000);
    expect(chunk).not.toEqual(before);
    renumber(chunk, { fromTrackId: 7, toTrackId: 1, addTicks: 90 * 48_000 });
    expect(chunk).toEqual(before);
  });

  test("of another track are refused, and so is a time before the file begins", () => {
    expect(() => renumber(object(90, 0), { fromTrackId: 2, toTrackId: 1, addTicks: 0 })).toThrowError(
      expect.objectContaining({ code: "media-error" }),
    );
    expect(() =>
      renumber(object(90, 0), { fromTrackId: 1, toTrackId: 1, addTicks: -91 * 48_000 }),
    ).toThrowError(expect.objectContaining({ code: "media-error" }));
  });

  test("cut short anywhere end in a typed error, whatever is left of them", () => {
    const whole = object(90, 0);
    const moofBytes = new DataView(whole.buffer).getUint32(0);
    for (let length = 1; length < moofBytes; length++) {
      const cut = whole.slice(0, length);
      expect(
        () => renumber(cut, { fromTrackId: 1, toTrackId: 2, addTicks: 0 }),
        `${length} bytes`,
      ).toThrowError(expect.objectContaining({ code: "media-error" }));
    }
  });
});

describe("a file's header", () => {
  test("has every track with the number it is given, and the length", () => {
    const header = fileHeader(
      [
        { initSegment: video.initSegment, trackId: 2 },
        { initSegment: audio.initSegment, trackId: 1 },
      ],
      12_345,
    );
    const text = Buffer.from(header).toString("latin1");
    expect(text.match(/trak/g)).toHaveLength(2);
    expect(text.match(/trex/g)).toHaveLength(2);
    expect(text).toContain("mehd");
    // The first track of the header is read by the same readers as an initialization segment.
    expect(trackIdOf(header)).toBe(2);
    expect(timescaleOf(header)).toBe(48_000);
    expect(new DataView(header.buffer).getUint32(text.indexOf("mehd") + 8)).toBe(12_345);
  });

  test("is refused for what is no initialization segment", () => {
    expect(() => fileHeader([{ initSegment: new Uint8Array(40), trackId: 1 }], 0)).toThrowError(
      expect.objectContaining({ code: "media-error" }),
    );
    expect(() => trackIdOf(object(90, 0))).toThrowError(expect.objectContaining({ code: "media-error" }));
  });
});
