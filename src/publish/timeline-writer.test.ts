import { expect, test } from "vitest";
import { parseMediaTimeline, type TimelineRecord } from "../catalog/media-timeline.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type TimelineObject, TimelineWriter } from "./timeline-writer.ts";

const recordOf = (group: number): TimelineRecord => ({
  mediaMs: group * 1700,
  group,
  object: 0,
  wallclockMs: 1_800_000_000_000 + group * 1700,
});

function write(writer: TimelineWriter, from: number, to: number): TimelineObject[] {
  return Array.from({ length: to - from }, (_, index) => writer.add(recordOf(from + index)));
}

test("whoever joins at any group of the track has every record, each once, in order", () => {
  const objects = write(new TimelineWriter(new FakeClock()), 0, 1000);
  const groups = [...new Set(objects.map(({ group }) => group))];
  expect(groups.length).toBeGreaterThan(10);
  for (const group of groups) {
    const read = objects.filter((object) => object.group === group);
    expect(read.map(({ object }) => object)).toEqual(read.map((_, index) => index));
    const records = read.flatMap(({ payload }) => parseMediaTimeline(payload));
    expect(records).toEqual(records.map((_, index) => recordOf(index)));
  }
  // All is written again ever more rarely: the bytes grow with the records, not with their square.
  const bytes = objects.reduce((sum, { payload }) => sum + payload.byteLength, 0);
  expect(bytes).toBeLessThan(30 * 1000 * 40);
});

test("past its cap the oldest records go, and a restarted publisher goes on in later groups", () => {
  const clock = new FakeClock();
  const first = write(new TimelineWriter(clock, 20), 0, 100);
  const last = first.findLast(({ object }) => object === 0)!;
  expect(parseMediaTimeline(last.payload).length).toBe(20);
  clock.advance(60_000);
  const [again] = write(new TimelineWriter(clock), 100, 101);
  expect(again!.group).toBeGreaterThan(first.at(-1)!.group);
});
