import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixedTimeline, LearntTimeline } from "./media-range.ts";

describe("fixedTimeline", () => {
  const timeline = fixedTimeline(2_000);

  it("maps groups to times and back, the end excluded", () => {
    expect(timeline.timeOf(3)).toEqual({ startMs: 6_000, endMs: 8_000 });
    expect([5_999, 6_000, 7_999, 8_000].map((timeMs) => timeline.groupAt(timeMs))).toEqual([2, 3, 3, 4]);
    expect(timeline.groupAt(-1)).toBeUndefined();
  });

  it("maps ranges of groups to ranges of time and back", () => {
    const ranges = [
      { first: 1, last: 3 },
      { first: 7, last: 7 },
    ];
    const times = timeline.timesOf(ranges);
    expect(times).toEqual([
      { startMs: 2_000, endMs: 8_000 },
      { startMs: 14_000, endMs: 16_000 },
    ]);
    expect(times.flatMap((time) => timeline.groupsIn(time))).toEqual(ranges);
    expect(timeline.groupsIn({ startMs: 1_999, endMs: 2_001 })).toEqual([{ first: 0, last: 1 }]);
    expect(timeline.groupsIn({ startMs: 5, endMs: 5 })).toEqual([]);
  });

  it("refuses a length that is none", () => {
    for (const length of [0, -1, Number.NaN]) expect(() => fixedTimeline(length)).toThrow(RangeError);
  });
});

describe("LearntTimeline", () => {
  it("answers what it has seen and nothing else, in whatever order it saw it", () => {
    const seed = process.env["FC_SEED"];
    const lengths = fc.array(
      fc.record({
        skip: fc.nat(2),
        gapMs: fc.constantFrom(0, 0, 500),
        ms: fc.constantFrom(1_000, 1_000, 960),
      }),
    );
    fc.assert(
      fc.property(lengths, fc.infiniteStream(fc.nat()), (steps, random) => {
        let group = 0;
        let startMs = 0;
        const truth = steps.map(({ skip, gapMs, ms }) => {
          group += skip + 1;
          startMs += gapMs;
          const entry = { group, range: { startMs, endMs: startMs + ms } };
          startMs += ms;
          return entry;
        });
        const shuffled = truth
          .map((entry) => ({ entry, key: random.next().value }))
          .sort((a, b) => a.key - b.key);
        const timeline = new LearntTimeline();
        for (const { entry } of shuffled) expect(timeline.learn(entry.group, entry.range)).toBe(true);
        const known = new Map(truth.map((entry) => [entry.group, entry.range]));
        for (let id = 0; id <= group + 1; id++) expect(timeline.timeOf(id)).toEqual(known.get(id));
        for (let timeMs = 0; timeMs < startMs + 1_000; timeMs += 330) {
          const expected = truth.find(({ range }) => range.startMs <= timeMs && timeMs < range.endMs);
          expect(timeline.groupAt(timeMs)).toBe(expected?.group);
          const within = { startMs: timeMs, endMs: timeMs + 2_000 };
          const groups = truth.filter(
            ({ range }) => range.startMs < within.endMs && range.endMs > within.startMs,
          );
          const listed = timeline
            .groupsIn(within)
            .flatMap(({ first, last }) =>
              Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i),
            );
          expect(listed).toEqual(groups.map((entry) => entry.group));
        }
        const covered = timeline
          .timesOf([{ first: 0, last: group }])
          .reduce((sum, time) => sum + time.endMs - time.startMs, 0);
        expect(covered).toBe(truth.reduce((sum, { range }) => sum + range.endMs - range.startMs, 0));
      }),
      { numRuns: 200, ...(seed !== undefined && { seed: Number(seed) }) },
    );
  });

  it("ignores what contradicts it: a lower group later, an overlap, a length that is none", () => {
    const timeline = new LearntTimeline();
    timeline.learn(10, { startMs: 10_000, endMs: 11_000 });
    expect(timeline.learn(9, { startMs: 10_500, endMs: 11_500 })).toBe(false);
    expect(timeline.learn(11, { startMs: 10_900, endMs: 11_900 })).toBe(false);
    expect(timeline.learn(10, { startMs: 10_000, endMs: 11_000 })).toBe(false);
    expect(timeline.learn(12, { startMs: 13_000, endMs: 13_000 })).toBe(false);
    expect(timeline.timesOf([{ first: 0, last: 100 }])).toEqual([{ startMs: 10_000, endMs: 11_000 }]);
  });
});
