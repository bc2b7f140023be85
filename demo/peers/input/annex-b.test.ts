import { expect, test } from "vitest";
import { readAdts } from "./adts.ts";
import { avcCodecString, avcConfigOf, lengthPrefixed, nalUnits } from "./annex-b.ts";

// NAL headers by ITU-T H.264 table 7-1: 0x67 SPS, 0x68 PPS, 0x65 IDR slice, 0x41 other slice, 0x09 delimiter.
const sps = [0x67, 0x4d, 0x40, 0x1e, 0xaa];
const pps = [0x68, 0xee];
const idr = [0x65, 1, 2, 0, 0, 3, 1];
const slice = [0x41, 7];
const bytes = (...parts: (number | number[])[]) => Uint8Array.from(parts.flat());
const long = [0, 0, 0, 1];
const short = [0, 0, 1];

test("NAL units are found behind start codes of three and four bytes", () => {
  const unit = bytes(long, sps, short, pps, long, idr, 0, 0);
  expect([...nalUnits(unit)].map((nal) => [...nal])).toEqual([sps, pps, idr]);
});

test("no start code gives no NAL unit, nor does nothing", () => {
  expect([...nalUnits(bytes(1, 2, 3))]).toEqual([]);
  expect([...nalUnits(new Uint8Array())]).toEqual([]);
});

test("slices get lengths; delimiters and parameter sets are left out", () => {
  const out = lengthPrefixed(bytes(long, [0x09, 0xf0], long, sps, short, pps, short, idr, short, slice));
  expect([...out]).toEqual([0, 0, 0, idr.length, ...idr, 0, 0, 0, slice.length, ...slice]);
});

test("the avcC has profile, level and both parameter sets", () => {
  const config = avcConfigOf(bytes(long, sps, long, pps, long, idr))!;
  expect([...config]).toEqual([
    1,
    0x4d,
    0x40,
    0x1e,
    0xff,
    0xe1,
    0,
    sps.length,
    ...sps,
    1,
    0,
    pps.length,
    ...pps,
  ]);
  expect(avcCodecString(config)).toBe("avc1.4d401e");
});

test("an access unit without parameter sets has no avcC", () => {
  expect(avcConfigOf(bytes(long, idr))).toBeUndefined();
  expect(avcConfigOf(bytes(long, sps, long, idr))).toBeUndefined();
});

test("an ADTS header becomes the configuration that means the same", () => {
  // AAC-LC, 44.1 kHz (index 4), mono, no checksum; fields of ISO/IEC 13818-7 table 8.
  const frame = readAdts(bytes(0xff, 0xf1, 0x50, 0x40, 0x01, 0x3f, 0xfc, 9, 8, 7))!;
  expect([...frame.config]).toEqual([0x12, 0x08]);
  expect(frame.objectType).toBe(2);
  expect([...frame.data]).toEqual([9, 8, 7]);
});

test("a header with a checksum is two bytes longer, and raw access units are left alone", () => {
  const frame = readAdts(bytes(0xff, 0xf0, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 1, 2, 9));
  expect([...frame!.data]).toEqual([9]);
  expect([...frame!.config]).toEqual([0x11, 0x90]);
  expect(readAdts(bytes(0x21, 0x10, 4, 5, 6, 7, 8))).toBeUndefined();
});
