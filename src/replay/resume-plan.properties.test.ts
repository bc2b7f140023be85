import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Available, PieceSource, PlanPiece } from "./resume-plan.ts";
import { endOf, holesOf, nextAfter, planResume, replanFrom } from "./resume-plan.ts";

/** A failure prints its seed; FC_SEED runs that again. */
const seed = process.env["FC_SEED"];
const parameters = { numRuns: 2_000, ...(seed !== undefined && { seed: Number(seed) }) };

/** Groups 0..29 exist or not; live, when there is any, begins below 30 and is looked at up to 39. */
const WIDTH = 30;
const HORIZON = 40;
const group = fc.nat(WIDTH - 1);
const ranges = fc.array(
  fc.tuple(group, fc.nat(6)).map(([first, length]) => ({ first, last: Math.min(first + length, WIDTH - 1) })),
  { maxLength: 5 },
);
const available: fc.Arbitrary<Available> = fc.record({
  stored: ranges,
  fetchable: ranges,
  liveFrom: fc.option(group, { nil: undefined }),
});
const wanted = fc
  .tuple(fc.nat(HORIZON), fc.option(fc.nat(HORIZON), { nil: undefined }))
  .map(([first, length]) => ({ first, last: length === undefined ? undefined : first + length }));

/** The model: one group at a time. */
function sourceOf(id: number, { stored, fetchable, liveFrom }: Available): PieceSource {
  const has = (list: Available["stored"]): boolean =>
    list.some(({ first, last }) => first <= id && id <= last);
  if (liveFrom !== undefined && id >= Number(liveFrom)) return "live";
  if (has(stored)) return "store";
  return has(fetchable) ? "fetch" : "unavailable";
}

/** Exists now: of live, only the group it begins with. */
function exists(id: number, have: Available): boolean {
  const source = sourceOf(id, { ...have, liveFrom: undefined });
  return source !== "unavailable" || id === have.liveFrom;
}

function modelStart(first: number, have: Available): number | undefined {
  const existing = Array.from({ length: WIDTH }, (_, id) => id).filter((id) => exists(id, have));
  return existing.find((id) => id >= first) ?? (have.liveFrom as number | undefined) ?? existing.at(-1);
}

function expand(pieces: readonly PlanPiece[]): [number, PieceSource][] {
  return pieces.flatMap(({ from, first, last }) => {
    const groups: [number, PieceSource][] = [];
    for (let id = Number(first); id <= Number(last ?? HORIZON); id++) groups.push([id, from]);
    return groups;
  });
}

describe("planResume", () => {
  it("covers start to end once, each group from the source the model says, with no hole and no overlap", () => {
    fc.assert(
      fc.property(wanted, available, (want, have) => {
        const plan = planResume(want, have);
        const start = modelStart(want.first, have);
        if (start === undefined || (want.last !== undefined && start > want.last)) {
          expect(plan).toEqual({ start: undefined, clamped: true, pieces: [] });
          return;
        }
        expect(plan.start).toBe(start);
        expect(plan.clamped).toBe(start !== want.first);
        const end = want.last ?? (have.liveFrom === undefined ? lastOf(have) : HORIZON);
        const expected: [number, PieceSource][] = [];
        for (let id = start; id <= end; id++) expected.push([id, sourceOf(id, have)]);
        expect(expand(plan.pieces)).toEqual(expected);
      }),
      parameters,
    );
  });

  it("announces the start it serves: the first piece begins there and is never a hole", () => {
    fc.assert(
      fc.property(wanted, available, (want, have) => {
        const { start, pieces } = planResume(want, have);
        expect(pieces[0]?.first).toBe(start);
        expect(pieces[0]?.from).not.toBe("unavailable");
      }),
      parameters,
    );
  });

  it("joins what belongs together: neighbours differ in source and touch, and only the last may have no end", () => {
    fc.assert(
      fc.property(wanted, available, (want, have) => {
        const { pieces } = planResume(want, have);
        for (const [index, next] of pieces.slice(1).entries()) {
          const before = pieces[index]!;
          expect(before.from).not.toBe(next.from);
          expect(nextAfter(before)).toBe(next.first);
        }
      }),
      parameters,
    );
  });

  it("names exactly the groups that nobody has", () => {
    fc.assert(
      fc.property(wanted, available, (want, have) => {
        const { pieces } = planResume(want, have);
        const missing = expand(pieces).filter(([, from]) => from === "unavailable");
        const named = holesOf(pieces).flatMap(({ first, last }) =>
          expand([{ from: "unavailable", first, last }]),
        );
        expect(named).toEqual(missing);
      }),
      parameters,
    );
  });

  it("says as the end the last group that can be handed out", () => {
    fc.assert(
      fc.property(wanted, available, (want, have) => {
        const { pieces } = planResume(want, have);
        if (pieces.at(-1)?.last === undefined) return;
        const served = expand(pieces).filter(([, from]) => from !== "unavailable");
        expect(endOf(pieces)).toBe(served.at(-1)?.[0]);
      }),
      parameters,
    );
  });
});

describe("replanFrom", () => {
  it("read step by step while floors move, hands out or names every group from the announced start on, once, in order", () => {
    const moves = fc.array(available, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(WIDTH), moves, (first, states) => {
        const last = HORIZON - 1;
        const plan = planResume({ first, last }, states[0]!);
        if (plan.start === undefined) return;
        const walked: number[] = [];
        let next = Number(plan.start);
        for (let step = 0; next <= last; step++) {
          const pieces = replanFrom(next, last, states[step % states.length]!);
          expect(pieces[0]?.first).toBe(next);
          // Only the first piece is used before looking again; of a hole too, only what is certain now.
          for (const [id] of expand(pieces.slice(0, 1))) walked.push(id);
          next = walked.at(-1)! + 1;
        }
        expect(walked).toEqual(
          Array.from({ length: last - Number(plan.start) + 1 }, (_, i) => Number(plan.start) + i),
        );
      }),
      parameters,
    );
  });

  it("names what went since as a hole, instead of moving on in silence", () => {
    const stored = [{ first: 10, last: 20 }];
    expect(planResume({ first: 5, last: undefined }, { stored, fetchable: [], liveFrom: 25 }).pieces).toEqual(
      [
        { from: "store", first: 10, last: 20 },
        { from: "unavailable", first: 21, last: 24 },
        { from: "live", first: 25, last: undefined },
      ],
    );
    const evicted = { stored: [{ first: 14, last: 20 }], fetchable: [{ first: 12, last: 22 }], liveFrom: 25 };
    expect(replanFrom(11, undefined, evicted)).toEqual([
      { from: "unavailable", first: 11, last: 11 },
      { from: "fetch", first: 12, last: 13 },
      { from: "store", first: 14, last: 20 },
      { from: "fetch", first: 21, last: 22 },
      { from: "unavailable", first: 23, last: 24 },
      { from: "live", first: 25, last: undefined },
    ]);
  });

  it("ends where the stored range ends when there is no live", () => {
    const offline = { stored: [{ first: 3, last: 9 }], fetchable: [], liveFrom: undefined };
    expect(replanFrom(7, undefined, offline)).toEqual([{ from: "store", first: 7, last: 9 }]);
    expect(replanFrom(10, undefined, offline)).toEqual([]);
  });

  it("works at the far end of 64 bits", () => {
    const top = 2n ** 64n - 1n;
    const plan = planResume(
      { first: top - 5n, last: top },
      {
        stored: [{ first: top - 2n, last: top }],
        fetchable: [{ first: top - 4n, last: top - 3n }],
        liveFrom: undefined,
      },
    );
    expect(plan).toEqual({
      start: top - 4n,
      clamped: true,
      pieces: [
        { from: "fetch", first: top - 4n, last: top - 3n },
        { from: "store", first: top - 2n, last: top },
      ],
    });
    expect(nextAfter(plan.pieces[1]!)).toBeUndefined();
  });
});

function lastOf({ stored, fetchable }: Available): number {
  return Math.max(...[...stored, ...fetchable].map(({ last }) => Number(last)));
}
