import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../utf8.ts";
import {
  encodeMediaTimeline,
  MAX_TIMELINE_BYTES,
  MAX_TIMELINE_RECORDS,
  parseMediaTimeline,
  type TimelineRecord,
} from "./media-timeline.ts";

const parse = (text: string) => parseMediaTimeline(utf8Encode(text));
const unusable = expect.objectContaining({ code: "timeline-unusable" });

test("reads the example of the draft", () => {
  const records = parse("[[0,[0,0],1759924158381],[2002,[1,0],1759924160383],[4004,[2,0],1759924162385]]");
  expect(records.map(({ group }) => group)).toEqual([0, 1, 2]);
  expect(records[1]).toEqual({ mediaMs: 2002, group: 1, object: 0, wallclockMs: 1759924160383 });
});

test("what is written is what is read", () => {
  const steps = fc.array(
    fc.record({ ms: fc.integer({ min: 0, max: 9_000 }), groups: fc.nat(3), clock: fc.nat() }),
  );
  fc.assert(
    fc.property(steps, (all) => {
      let group = 0;
      let mediaMs = 0;
      const records = all.map(({ ms, groups, clock }, object): TimelineRecord => {
        group += groups;
        mediaMs += ms;
        return { mediaMs, group, object, wallclockMs: clock };
      });
      expect(parseMediaTimeline(encodeMediaTimeline(records))).toEqual(records);
    }),
  );
});

describe("refuses with timeline-unusable", () => {
  test.each([
    ["what is not JSON", "[[0,[0,0],0]"],
    ["a document that is no array", '{"0":[0,[0,0],0]}'],
    ["a record that lacks its wall clock", "[[0,[0,0]]]"],
    ["a record with more than there is", "[[0,[0,0],0,1]]"],
    ["a location that is none", "[[0,[0],0]]"],
    ["a group below 0", "[[0,[-1,0],0]]"],
    ["a group that is no whole number", "[[0,[0.5,0],0]]"],
    ["a time below 0", "[[-1,[0,0],0]]"],
    ["a time that is none", "[[1e999,[0,0],0]]"],
    ["a group that comes twice", "[[0,[4,0],0],[1,[4,0],0]]"],
    ["groups that go back", "[[0,[4,0],0],[1,[3,0],0]]"],
    ["time that goes back", "[[5,[4,0],0],[4,[5,0],0]]"],
  ])("%s", (_, text) => {
    expect(() => parse(text)).toThrow(unusable);
  });

  test("what is larger than any timeline, before it is parsed, and more records than are kept", () => {
    expect(() => parseMediaTimeline(new Uint8Array(MAX_TIMELINE_BYTES + 1))).toThrow(unusable);
    const many = Array.from({ length: MAX_TIMELINE_RECORDS + 1 }, (_, group) => `[${group},[${group},0],0]`);
    expect(() => parse(`[${many.join()}]`)).toThrow(unusable);
  });

  test("bytes that are not UTF-8", () => {
    expect(() => parseMediaTimeline(Uint8Array.of(0x5b, 0xff, 0x5d))).toThrow(unusable);
  });
});
