import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { fixtureOf, verified } from "./fixture.test-data.ts";
import { measureGroup } from "./measure-group.ts";
import { MAX_PARTS_PER_SEGMENT, TrackWindow } from "./track-window.ts";

const { feed, objectsOf, playableTrack, windowOf } = fixtureOf(
  new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 }),
);

const shape = (window: TrackWindow) =>
  window.segments.map(
    ({ kind, sequence, group, parts, open }) =>
      `${kind} ${sequence} g${group} ${parts.length}${open ? " open" : ""}`,
  );

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (thrown) {
    return thrown instanceof CountersignError ? thrown.code : String(thrown);
  }
}

describe("a track window", () => {
  test("makes a part of each object at once, and a segment of each group", () => {
    const window = windowOf("video");
    const [first, second] = objectsOf("video", 7);
    expect(window.append(first!)).toMatchObject({
      startTicks: 7 * 48_000,
      durationTicks: 9600,
      independent: true,
    });
    expect(window.append(second!).independent).toBe(false);
    expect(shape(window)).toEqual(["media 8 g7 2 open"]);
    feed(window, 8, 8);
    expect(shape(window)).toEqual(["media 8 g7 2", "gap 9 g7 0", "media 10 g8 5"]);
  });

  test("tells of every change, in the call that made it", () => {
    const window = windowOf("video");
    const versions: number[] = [];
    window.onChange(() => versions.push(window.segments.length));
    feed(window, 0, 1);
    expect(versions).toEqual([1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
  });

  test("goes on without a gap over group boundaries, for audio too, whose frames straddle them", () => {
    for (const name of ["video", "audio"] as const) {
      const window = windowOf(name);
      feed(window, 14, 18);
      expect(window.segments.every(({ kind, discontinuity }) => kind === "media" && !discontinuity)).toBe(
        true,
      );
      for (const [i, segment] of window.segments.entries()) {
        const next = window.segments[i + 1];
        if (next) expect(segment.startTicks + segment.durationTicks).toBe(next.startTicks);
      }
    }
  });

  test("shows lost groups as gaps of the length of the others, and keeps the line of time", () => {
    const window = windowOf("video");
    feed(window, 0, 1);
    feed(window, 5, 5);
    expect(shape(window)).toEqual([
      "media 1 g0 5",
      "media 2 g1 5",
      "gap 3 g1 0",
      "gap 4 g1 0",
      "gap 5 g1 0",
      "media 6 g5 5",
    ]);
    expect(window.segments.map(({ startTicks }) => startTicks / 48_000)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("shows what is lost inside a group as a gap, and goes on in a segment of its own", () => {
    const window = windowOf("audio");
    const objects = objectsOf("audio", 3);
    window.append(objects[0]!);
    window.hole({ group: 3, objectEnd: 2 });
    window.append(objects[3]!);
    expect(shape(window)).toEqual(["media 4 g3 1", "gap 5 g3 0", "media 6 g3 1 open"]);
    expect(window.segments.at(-1)).toMatchObject({
      firstObject: 3,
      startTicks: objects.length > 0 ? window.endTicks! - window.segments.at(-1)!.durationTicks : 0,
    });
    expect(window.find(3, 0)?.sequence).toBe(4);
    expect(window.find(3, 4)?.sequence).toBe(6);
  });

  test("closes a group of which the rest will not come", () => {
    const window = windowOf("video");
    window.append(objectsOf("video", 3)[0]!);
    window.hole({ group: 3, objectEnd: undefined });
    expect(shape(window)).toEqual(["media 4 g3 1"]);
  });

  test("begins anew, with a discontinuity, behind a gap too long to show and when time runs backwards", () => {
    const window = windowOf("video");
    feed(window, 0, 1);
    feed(window, 500, 500);
    expect(window.segments.at(-1)).toMatchObject({ kind: "media", sequence: 3, discontinuity: true });
    for (const object of objectsOf("video", 20, 501)) window.append(object);
    expect(window.segments.at(-1)).toMatchObject({ kind: "media", sequence: 4, discontinuity: true });
  });

  test("takes group ids that jump for what they are when the media go on", () => {
    const window = windowOf("video");
    for (const object of objectsOf("video", 0, 1000)) window.append(object);
    for (const object of objectsOf("video", 1, 2000)) window.append(object);
    expect(shape(window)).toEqual(["media 1001 g1000 5", "media 1002 g2000 5 open"]);
  });

  test("numbers groups with 64-bit ids", () => {
    const window = windowOf("video");
    const id = 2n ** 63n;
    for (const object of objectsOf("video", 4, id)) window.append(object);
    for (const object of objectsOf("video", 5, id + 1n)) window.append(object);
    const [first, second] = window.segments;
    expect(Number.isSafeInteger(first!.sequence)).toBe(true);
    expect(second!.sequence).toBe(first!.sequence + 1);
    expect(window.find(id + 1n, 3)).toBe(second);
  });

  test("refuses objects out of order, and forgives one that is no CMAF", () => {
    const window = windowOf("video");
    const [first, second, third] = objectsOf("video", 3);
    window.append(second!);
    expect(codeOf(() => window.append(first!))).toBe("internal");
    expect(codeOf(() => window.append(second!))).toBe("internal");
    expect(codeOf(() => window.append(verified(3, 2, new Uint8Array(50))))).toBe("media-error");
    window.append(third!);
    expect(shape(window)).toEqual(["media 4 g3 2 open"]);
  });

  test("refuses a catalog that contradicts the initialization segment", () => {
    expect(codeOf(() => new TrackWindow(playableTrack("video", { timescale: 90_000 })))).toBe("media-error");
  });

  test("takes nothing after its end", () => {
    const window = windowOf("video");
    feed(window, 0, 0);
    window.end();
    expect(window.ended).toBe(true);
    expect(codeOf(() => window.append(objectsOf("video", 1)[0]!))).toBe("internal");
  });
});

describe("the caps of a window", () => {
  test("the oldest segments leave, and the others keep their numbers", () => {
    const window = windowOf("video", { maxSegments: 4 });
    feed(window, 0, 9);
    expect(window.segments.map(({ sequence }) => sequence)).toEqual([7, 8, 9, 10]);
    expect(window.startTicks).toBe(6 * 48_000);
  });

  test("bytes count as well as segments", () => {
    const size = objectsOf("video", 0).reduce((sum, { payload }) => sum + payload.byteLength, 0);
    const window = windowOf("video", { maxPayloadBytes: size * 3.5 });
    feed(window, 0, 9);
    expect(window.segments).toHaveLength(3);
  });

  test("a list never begins with a gap", () => {
    const window = windowOf("video", { maxSegments: 4 });
    feed(window, 0, 1);
    feed(window, 4, 6);
    expect(window.segments[0]!.kind).toBe("media");
  });

  test("discontinuities that left are counted", () => {
    const window = windowOf("video", { maxSegments: 3 });
    feed(window, 0, 0);
    feed(window, 500, 504);
    expect(window.discontinuitiesGone).toBe(1);
  });

  test("a group without end is cut into segments", () => {
    const window = windowOf("video");
    const count = MAX_PARTS_PER_SEGMENT + 3;
    let object = 0;
    for (let group = 0; object < count; group++) {
      for (const { payload } of objectsOf("video", group)) {
        window.append(verified(77, object, payload));
        object += 1;
      }
    }
    expect(window.segments.map(({ parts }) => parts.length)[0]).toBe(MAX_PARTS_PER_SEGMENT);
    expect(window.segments[1]).toMatchObject({ group: 77, firstObject: MAX_PARTS_PER_SEGMENT });
  });
});

describe("stored groups", () => {
  const stored = (from: number, to: number) =>
    Array.from(
      { length: to - from + 1 },
      (_, i) => measureGroup(playableTrack("video"), from + i, objectsOf("video", from + i))!,
    );

  test("stand in front without renumbering what is there", () => {
    const window = windowOf("video");
    feed(window, 10, 11);
    window.prepend(stored(7, 9));
    expect(shape(window)).toEqual([
      "media 8 g7 0",
      "media 9 g8 0",
      "media 10 g9 0",
      "media 11 g10 5",
      "media 12 g11 5",
    ]);
  });

  test("have gaps between them where some are missing", () => {
    const window = windowOf("video");
    feed(window, 10, 10);
    window.prepend([...stored(3, 4), ...stored(7, 8)]);
    expect(window.segments.map(({ kind, startTicks }) => `${kind} ${startTicks / 48_000}`)).toEqual([
      "media 3",
      "media 4",
      "gap 5",
      "gap 6",
      "media 7",
      "media 8",
      "gap 9",
      "media 10",
    ]);
    expect(window.segments.map(({ sequence }) => sequence)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test("come alone when nothing is live", () => {
    const window = windowOf("video");
    window.prepend(stored(3, 5));
    window.end();
    expect(shape(window)).toEqual(["media 4 g3 0", "media 5 g4 0", "media 6 g5 0"]);
  });

  test("are left out, oldest first, where the list is full", () => {
    const window = windowOf("video", { maxSegments: 5 });
    feed(window, 10, 11);
    window.prepend(stored(2, 9));
    expect(window.segments.map(({ group }) => group)).toEqual([7, 8, 9, 10, 11]);
  });

  test("that are not older are refused", () => {
    const window = windowOf("video");
    feed(window, 10, 10);
    expect(codeOf(() => window.prepend(stored(10, 10)))).toBe("internal");
  });

  test("are measured from their objects", () => {
    expect(measureGroup(playableTrack("video"), 3, objectsOf("video", 3))).toEqual({
      group: 3,
      startTicks: 144_000,
      durationTicks: 48_000,
    });
    expect(measureGroup(playableTrack("video"), 3, [])).toBeUndefined();
  });
});
