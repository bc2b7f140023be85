import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import { FetchFloor } from "./fetch-floor.ts";

const LATER_MS = 60_000;

/** A relay that has the groups from `floor` to `newest`, and counts what it is asked. */
function relay() {
  const clock = new FakeClock(1_000_000);
  const floors = new FetchFloor(clock);
  let asked = 0;
  return {
    async ask(floor: number | undefined, newest: number) {
      asked = 0;
      const found = await floors.of("track", newest, undefined, async (group) => {
        asked++;
        return floor !== undefined && group >= floor && group <= newest;
      });
      await clock.run(LATER_MS);
      return { found, asked };
    },
  };
}

it("finds the floor of a cache that moves along with live, and then asks four questions at most", async () => {
  const { ask } = relay();
  const first = await ask(200_000, 200_060);
  expect(first.found).toBe(200_000);
  const second = await ask(200_060, 200_120);
  expect(second).toEqual({ found: 200_060, asked: expect.any(Number) });
  expect(second.asked).toBeLessThanOrEqual(4);
  expect(second.asked).toBeLessThan(first.asked);
});

it("asks two questions of an archive that keeps all it has, one when that is everything there ever was", async () => {
  const { ask } = relay();
  await ask(500, 900);
  expect(await ask(500, 960)).toEqual({ found: 500, asked: 2 });
  const whole = relay();
  await whole.ask(0, 900);
  expect(await whole.ask(0, 960)).toEqual({ found: 0, asked: 1 });
});

it("finds the floor again wherever it went: risen, fallen, gone or begun anew", async () => {
  const newest = fc.integer({ min: 0, max: 100_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(newest, fc.option(fc.nat(1000), { nil: undefined })), { minLength: 2, maxLength: 6 }),
      async (steps) => {
        const { ask } = relay();
        for (const [edge, depth] of steps) {
          const floor = depth === undefined ? undefined : Math.max(0, edge - depth);
          expect((await ask(floor, edge)).found).toBe(floor);
        }
      },
    ),
  );
});
