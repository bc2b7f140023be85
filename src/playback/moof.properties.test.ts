import fc from "fast-check";
import { expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { readInitSegment } from "./init-segment.ts";
import { readChunkTiming } from "./moof.ts";

const cutter = new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 });
const [track] = cutter.tracks;
const chunk = cutter.group("video", 5)[0]!.payload;
const { defaults } = readInitSegment(track!.initSegment);

/** A value, or CountersignError `media-error`: nothing else may come of it. */
function judge(read: () => unknown): "value" | "refused" {
  try {
    read();
    return "value";
  } catch (thrown) {
    if (thrown instanceof CountersignError && thrown.code === "media-error") return "refused";
    throw thrown;
  }
}

/** Some bytes changed, and cut: near enough to the real thing to get deep into the parser. */
const damaged = (bytes: Uint8Array) =>
  fc
    .record({
      changes: fc.array(fc.tuple(fc.nat(Math.min(bytes.length, 700) - 1), fc.integer({ min: 0, max: 255 })), {
        maxLength: 6,
      }),
      length: fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length)),
    })
    .map(({ changes, length }) => {
      const copy = bytes.slice(0, length);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });

test("any bytes give a chunk's timing or media-error, and a timing that is finite", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), damaged(chunk)), (bytes) => {
      if (judge(() => readChunkTiming(bytes, defaults)) === "refused") return;
      const timing = readChunkTiming(bytes, defaults);
      expect(Number.isSafeInteger(timing.baseDecodeTimeTicks + timing.durationTicks)).toBe(true);
      expect(timing.durationTicks).toBeGreaterThan(0);
    }),
    { numRuns: 3000, verbose: 1 },
  );
});

test("any bytes give an initialization segment or media-error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), damaged(track!.initSegment)), (bytes) => {
      judge(() => readInitSegment(bytes));
    }),
    { numRuns: 3000, verbose: 1 },
  );
});
