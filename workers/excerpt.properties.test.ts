/** Whatever there is and lacks: what is played is what can be, in order, and all that is not is told. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Archive } from "./excerpt.fixture.ts";
import { Excerpt } from "./excerpt.ts";

/** A failure prints its seed; FC_SEED runs that again. */
const seed = process.env["FC_SEED"];

const GROUPS = 60;
/** As in excerpt.ts: a longer hole ends an excerpt. */
const LONGEST_GAP = 10;

const sets = fc.array(fc.constantFrom("stored", "fetchable", "damaged", "none"), {
  minLength: GROUPS,
  maxLength: GROUPS,
});

interface Model {
  /** Groups that play, before the excerpt ends. */
  readonly played: readonly number[];
}

/** From the first group at or behind `target` that can be read, up to the first run of unknown groups that is too long. */
function model(kinds: readonly string[], target: number): Model | undefined {
  const reads = (group: number): boolean => kinds[group] === "stored" || kinds[group] === "fetchable";
  const exists = (group: number): boolean => kinds[group] !== "none" && kinds[group] !== undefined;
  let start = target;
  while (start < GROUPS && !reads(start)) start += 1;
  if (start >= GROUPS) return undefined;
  const played: number[] = [];
  for (let group = start; group < GROUPS; group++) {
    if (!exists(group)) {
      let end = group;
      while (end < GROUPS && !exists(end)) end += 1;
      if (end === GROUPS || end - group > LONGEST_GAP) break;
      group = end - 1;
      continue;
    }
    if (reads(group)) played.push(group);
  }
  return { played };
}

test("an excerpt plays exactly what can be read, and tells every hole on the way", async () => {
  await fc.assert(
    fc.asyncProperty(sets, fc.nat({ max: GROUPS - 1 }), async (kinds, target) => {
      const archive = new Archive();
      const groupsOf = (...wanted: string[]) =>
        kinds.flatMap((kind, group) => (wanted.includes(kind) ? [{ first: group, last: group }] : []));
      // Ranges are normalized, as a store gives them.
      archive.stored = joined(groupsOf("stored", "damaged"));
      archive.fetchable = joined(groupsOf("fetchable"));
      kinds.forEach((kind, group) => {
        if (kind === "damaged") archive.damaged.add(group);
      });
      const expected = model(kinds, target);
      const excerpt = await Excerpt.open(archive.options, { targetMs: target * 1000 + 300, onlyAfter: true });
      if (!expected) {
        expect(excerpt).toBeUndefined();
        return;
      }
      if (!excerpt) throw new Error("there is something to play");
      const [first = -1] = expected.played;
      // The start that is told is the start that is served.
      expect(excerpt.startMs).toBe(first === target ? target * 1000 + 300 : first * 1000);
      const listed = new Set<number>();
      let ended = false;
      for (let ms = first * 1000; ms < GROUPS * 1000 && !ended; ms += 500) {
        excerpt.playhead(Math.min(ms, excerpt.range.endMs));
        for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
        const answer = await excerpt.presentation.resource({ id: ms, path: "video/live.m3u8" });
        const text = answer.kind === "playlist" ? answer.text : "";
        for (const [, group] of text.matchAll(/^(\d+)(?:-\d+)?\.m4s$/gm)) listed.add(Number(group));
        ended = text.includes("#EXT-X-ENDLIST");
      }
      excerpt.close();
      expect([...listed].sort((a, b) => a - b)).toEqual(expected.played);
      const last = expected.played.at(-1) ?? first;
      for (let group = target; group < last; group++) {
        if (listed.has(group)) continue;
        const told = archive.holes.some(
          ({ startMs, endMs }) => startMs <= group * 1000 && (group + 1) * 1000 <= endMs,
        );
        expect(told, `group ${group} is missing and nobody said so`).toBe(true);
      }
      for (const { startMs, endMs, track } of archive.holes) {
        for (let group = startMs / 1000; group < endMs / 1000; group++)
          expect(track === "video" && listed.has(group), `group ${group} plays and was called missing`).toBe(
            false,
          );
      }
    }),
    { numRuns: 60, ...(seed !== undefined && { seed: Number(seed) }) },
  );
});

function joined(ranges: readonly { first: number; last: number }[]): { first: number; last: number }[] {
  const all: { first: number; last: number }[] = [];
  for (const range of ranges) {
    const before = all.at(-1);
    if (before && before.last + 1 === range.first) before.last = range.last;
    else all.push({ ...range });
  }
  return all;
}
