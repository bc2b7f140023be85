import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReplayStep } from "./replay-reader.ts";
import { replay } from "./replay-reader.ts";
import type { Available, Wanted } from "./resume-plan.ts";

/** A failure prints its seed; FC_SEED runs that again. */
const seed = process.env["FC_SEED"];
const parameters = { numRuns: 1_000, verbose: true, ...(seed !== undefined && { seed: Number(seed) }) };

const WIDTH = 24;
const group = fc.nat(WIDTH - 1);
const groups = fc.uniqueArray(group, { maxLength: WIDTH });

interface World {
  readonly stored: readonly number[];
  readonly fetchable: readonly number[];
  readonly liveFrom: number | undefined;
  /** What happens at each question, in order: a group goes from everywhere, comes into the store, live moves on. */
  readonly events: readonly { readonly what: "lose" | "store" | "nothing"; readonly group: number }[];
  readonly wanted: Wanted;
}

const worlds: fc.Arbitrary<World> = fc.record({
  stored: groups,
  fetchable: groups,
  liveFrom: fc.option(group, { nil: undefined }),
  events: fc.array(fc.record({ what: fc.constantFrom("lose", "store", "nothing" as const), group }), {
    maxLength: 30,
  }),
  wanted: fc.record({ first: fc.nat(WIDTH + 3), last: fc.option(fc.nat(WIDTH + 3), { nil: undefined }) }),
});

const asRanges = (ids: Iterable<number>) => [...ids].map((id) => ({ first: id, last: id }));

/** Runs a world. `shown` of what is said to be there and is not, by group: what a floor that moved in between looks like. */
async function run(world: World, vanishing: ReadonlySet<number> = new Set()) {
  const stored = new Set(world.stored);
  const fetchable = new Set(world.fetchable);
  let step = 0;
  const tick = (): void => {
    const event = world.events[step++];
    if (event?.what === "lose") {
      stored.delete(event.group);
      fetchable.delete(event.group);
    } else if (event?.what === "store") stored.add(event.group);
  };
  const available = async (): Promise<Available> => {
    tick();
    return { stored: asRanges(stored), fetchable: asRanges(fetchable), liveFrom: world.liveFrom };
  };
  const read = async (from: "store" | "fetch", id: number | bigint): Promise<string | undefined> => {
    // Between the plan and the reading more may happen.
    tick();
    const has = (from === "store" ? stored : fetchable).has(Number(id)) && !vanishing.has(Number(id));
    return has ? `${from} ${id}` : undefined;
  };
  const steps: ReplayStep<string>[] = [];
  for await (const each of replay(world.wanted, { available, read })) steps.push(each);
  return steps;
}

describe("replay", () => {
  it("hands out or names every group from the start it told on, once and in order, however floors move", async () => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.uniqueArray(group), async (world, vanishing) => {
        const steps = await run(world, new Set(vanishing));
        const final = steps.at(-1);
        expect(["live", "end"]).toContain(final?.type);
        const [start] = steps;
        if (start?.type !== "start") {
          expect(steps).toEqual([{ type: "end", last: undefined }]);
          return;
        }
        expect(start.clamped).toBe(start.start !== world.wanted.first);
        let next = Number(start.start);
        let last: number | undefined;
        for (const step of steps.slice(1)) {
          if (step.type === "group") {
            expect(step.group).toBe(next);
            last = next++;
            expect(step.value).toBe(`${step.from} ${step.group}`);
          } else if (step.type === "hole") {
            expect(step.first).toBe(next);
            next = Number(step.last) + 1;
          } else if (step.type === "live") expect(step.first).toBe(next);
          else if (step.type === "end") expect(step.last).toBe(last);
        }
        if (world.wanted.last !== undefined && final?.type === "end")
          expect(next).toBeLessThanOrEqual(Number(world.wanted.last) + 1);
      }),
      parameters,
    );
  });

  it("tells the start that it serves: what comes first is that group, or live from it", async () => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.uniqueArray(group), async (world, vanishing) => {
        const [start, first] = await run(world, new Set(vanishing));
        if (start?.type !== "start") return;
        expect(first?.type === "group" || first?.type === "live").toBe(true);
        if (first?.type === "group") expect(first.group).toBe(start.start);
        if (first?.type === "live") expect(first.first).toBe(start.start);
      }),
      parameters,
    );
  });

  it("agrees with a simple model when nothing moves", async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { stored, fetchable, liveFrom, wanted } = world;
        const steps = await run({ ...world, events: [] });
        const seen = steps.flatMap((step) => (step.type === "group" ? [`${step.from} ${step.group}`] : []));
        const have = (id: number): string | undefined =>
          stored.includes(id) ? `store ${id}` : fetchable.includes(id) ? `fetch ${id}` : undefined;
        const ids = Array.from({ length: WIDTH }, (_, id) => id);
        const beforeLive = ids.filter((id) => liveFrom === undefined || id < liveFrom);
        const from = ids.find(
          (id) => id >= Number(wanted.first) && (have(id) !== undefined || id === liveFrom),
        );
        const start = from ?? liveFrom ?? ids.filter((id) => have(id) !== undefined).at(-1);
        const expected = beforeLive
          .filter((id) => start !== undefined && id >= start)
          .filter((id) => wanted.last === undefined || id <= Number(wanted.last))
          .flatMap((id) => have(id) ?? []);
        expect(seen).toEqual(expected);
      }),
      parameters,
    );
  });

  it("throws an error of a read where it happens, and never takes it for a hole", async () => {
    const failing = replay(
      { first: 1, last: undefined },
      {
        available: async () => ({ stored: [{ first: 1, last: 5 }], fetchable: [], liveFrom: undefined }),
        read: async (_from, id) => {
          if (id === 3) throw new RangeError("the disk");
          return id;
        },
      },
    );
    const seen: unknown[] = [];
    await expect(
      (async () => {
        for await (const step of failing) seen.push(step.type === "group" ? step.group : step.type);
      })(),
    ).rejects.toThrow("the disk");
    expect(seen).toEqual(["start", 1, 2]);
  });
});
