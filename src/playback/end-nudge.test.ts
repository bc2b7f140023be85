import { expect, test } from "vitest";
import { EndNudge, type NudgedElement } from "./end-nudge.ts";

const HAVE_CURRENT_DATA = 2;
const HAVE_FUTURE_DATA = 3;

function element(over: Partial<NudgedElement> & { readonly bufferedTo?: number } = {}): NudgedElement {
  const { bufferedTo = 3, ...given } = over;
  return {
    duration: 3,
    currentTime: 2.8,
    ended: false,
    paused: false,
    seeking: false,
    readyState: HAVE_CURRENT_DATA,
    buffered: { length: 1, start: () => 0, end: () => bufferedTo },
    ...given,
  };
}

function nudges(video: NudgedElement, ticks = 50): number[] {
  const nudge = new EndNudge();
  return Array.from({ length: ticks }, () => nudge.check(video)).filter((to) => to !== undefined);
}

test("a picture that waits at the end itself is sought there, once", () => {
  expect(nudges(element({ currentTime: 2.995 }))).toEqual([3]);
});

test("a picture that stands shortly before the end, with the rest buffered, is sought a little on, once", () => {
  const [to, ...more] = nudges(element());
  expect(to).toBeGreaterThan(2.8);
  expect(to).toBeLessThan(2.81);
  expect(more).toEqual([]);
});

test("one that stands anew somewhere else is helped again", () => {
  const nudge = new EndNudge();
  const sought: (number | undefined)[] = [];
  for (const currentTime of [2.8, 2.9]) {
    for (let tick = 0; tick < 20; tick++) sought.push(nudge.check(element({ currentTime })));
  }
  expect(sought.filter((to) => to !== undefined)).toHaveLength(2);
});

test.each<[string, Parameters<typeof element>[0]]>([
  ["that goes on for ever", { duration: Number.POSITIVE_INFINITY }],
  ["that has ended", { ended: true }],
  ["that is paused", { paused: true }],
  ["that is being sought", { seeking: true }],
  ["that has what it needs and only decodes", { readyState: HAVE_FUTURE_DATA }],
  ["whose rest is not there yet", { bufferedTo: 2.9 }],
])("a picture %s is left alone", (_, over) => {
  expect(nudges(element(over))).toEqual([]);
});

test("a picture that moves is left alone, however slowly", () => {
  const nudge = new EndNudge();
  for (let tick = 0; tick < 100; tick++)
    expect(nudge.check(element({ currentTime: 2 + tick / 1000 }))).toBeUndefined();
});
