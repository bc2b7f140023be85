import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains } from "./group-ranges.ts";
import { LayeredTimeline, ListedTimeline } from "./listed-timeline.ts";
import { LearntTimeline } from "./media-range.ts";

/** Some groups with their lengths; some are not listed. */
const groupsOf = fc.array(fc.record({ lengthMs: fc.integer({ min: 1, max: 5_000 }), listed: fc.boolean() }), {
  minLength: 1,
  maxLength: 40,
});
const FIRST = 100;

function placed(groups: readonly { readonly lengthMs: number; readonly listed: boolean }[]) {
  let startMs = 10_000;
  return groups.map(({ lengthMs, listed }, index) => {
    const group = { group: FIRST + index, startMs, endMs: startMs + lengthMs, listed };
    startMs += lengthMs;
    return group;
  });
}

describe("ListedTimeline", () => {
  test("answers as a look through all groups does, those listed whose successor is listed too", () => {
    fc.assert(
      fc.property(groupsOf, fc.nat(220_000), fc.nat(20_000), (groups, fromMs, lengthMs) => {
        const all = placed(groups);
        const timeline = new ListedTimeline();
        const listed = all.filter((group) => group.listed);
        timeline.replace(listed.slice(0, 3));
        expect(timeline.append(listed.slice(3))).toBe(true);
        const known = all.filter((group, index) => group.listed && all[index + 1]?.listed);
        for (const { group, startMs, endMs } of all) {
          const isKnown = known.some((other) => other.group === group);
          expect(timeline.timeOf(group)).toEqual(isKnown ? { startMs, endMs } : undefined);
          expect(timeline.groupAt(startMs)).toBe(isKnown ? group : undefined);
          expect(timeline.groupAt(endMs - 1)).toBe(isKnown ? group : undefined);
        }
        const range = { startMs: fromMs, endMs: fromMs + lengthMs };
        const within = timeline.groupsIn(range);
        for (const { group, startMs, endMs } of all) {
          const isKnown = known.some((other) => other.group === group);
          const plays = startMs < range.endMs && endMs > range.startMs;
          expect(contains(within, group)).toBe(isKnown && plays);
        }
        const asked = { first: FIRST + 3, last: FIRST + 12 };
        const times = timeline.timesOf([asked]);
        for (const { group, startMs } of all) {
          const isIn = known.some((other) => other.group === group) && contains([asked], group);
          expect(times.some((time) => time.startMs <= startMs && startMs < time.endMs)).toBe(isIn);
        }
        expect(times.every((time, index) => index === 0 || times[index - 1]!.endMs < time.startMs)).toBe(
          true,
        );
      }),
    );
  });

  test("an update that goes back, in group or in time, is refused as a whole", () => {
    const timeline = new ListedTimeline();
    timeline.replace([{ group: 4, startMs: 100 }]);
    expect(timeline.append([{ group: 4, startMs: 200 }])).toBe(false);
    expect(timeline.append([{ group: 5, startMs: 100 }])).toBe(false);
    expect(timeline.size).toBe(1);
    expect(timeline.append([])).toBe(true);
  });

  test("a group beyond 2^53 is of no list", () => {
    const timeline = new ListedTimeline();
    timeline.replace([
      { group: 4, startMs: 100 },
      { group: 5, startMs: 200 },
    ]);
    expect(timeline.timeOf(2n ** 60n)).toBeUndefined();
    expect(timeline.timesOf([{ first: 0, last: 2n ** 60n }])).toEqual([{ startMs: 100, endMs: 200 }]);
  });
});

describe("LayeredTimeline", () => {
  test("what is not listed is as it was learnt, and the two join where they touch", () => {
    const learnt = new LearntTimeline();
    for (const group of [12, 13, 14])
      learnt.learn(group, { startMs: group * 1000 + 0.4, endMs: (group + 1) * 1000 + 0.4 });
    const timeline = new LayeredTimeline(learnt);
    timeline.listed.replace([10, 11, 12].map((group) => ({ group, startMs: group * 1000 })));
    expect(timeline.timeOf(11)).toEqual({ startMs: 11_000, endMs: 12_000 });
    expect(timeline.timeOf(13)).toEqual({ startMs: 13_000.4, endMs: 14_000.4 });
    expect(timeline.groupAt(10_500)).toBe(10);
    expect(timeline.groupAt(14_900)).toBe(14);
    expect(timeline.timesOf([{ first: 0, last: 99 }])).toEqual([{ startMs: 10_000, endMs: 15_000.4 }]);
    expect(timeline.groupsIn({ startMs: 11_500, endMs: 13_100 })).toEqual([{ first: 11, last: 13 }]);
  });
});
