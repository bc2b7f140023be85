/**
 * The rules by which several origins become one track, with real relays and sessions: each holds at the relay, whose streams the page counts, and at the client's merger in
 * the page. docs/sources.md has them beside their tests in simulation.
 */
import type { Page } from "@playwright/test";
import { test as base, expect } from "./support/fixtures.ts";
import { type Seen, Stage, seenBy } from "./support/stage.ts";

/** Objects of a whole group. */
const OBJECTS = 4;

/** What must not come has this long to come: far more than a stream takes on loopback. */
const NOTHING_MORE_MS = 700;

interface Fixtures {
  /** Starts relays by name, each with the number of groups that its cache holds. */
  readonly stage: (relays: Readonly<Record<string, number>>) => Promise<Stage>;
  /** A page without scripts of its own that can load the client's modules. */
  readonly blank: Page;
}

const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are used from here
  stage: async ({}, use) => {
    const started: Stage[] = [];
    await use(async (relays) => {
      const stage = await Stage.start(relays);
      started.push(stage);
      return stage;
    });
    for (const stage of started) await stage.stop();
  },
  blank: async ({ page, site }, use) => {
    // A page that the server itself sends: one that a test fulfils counts as a stranger's to Chromium, which lets none of those dial loopback.
    await page.goto(new URL("/src/clock.ts", site.url).href);
    await use(page);
  },
});

/** Locations of whole groups from `first` to `last`. */
function groups(first: number, last: number): string[] {
  return Array.from(
    { length: (last - first + 1) * OBJECTS },
    (_, at) => `${first + Math.floor(at / OBJECTS)}/${at % OBJECTS}`,
  );
}

/** Streams overtake each other on a network: compared as sets whose members may be there once. */
const sorted = (list: readonly string[]): readonly string[] => [...list].sort();

/** Waits until so many objects were received, by all sessions together, and a while longer for what must not come. */
async function received(page: Page, objects: number): Promise<Seen> {
  await expect.poll(async () => (await seenBy(page)).received.length).toBeGreaterThanOrEqual(objects);
  await page.waitForTimeout(NOTHING_MORE_MS);
  return await seenBy(page);
}

/** Each session got each of these once, on one stream for each group; the merger passed each on once. */
function expectOnce(seen: Seen, sessions: number, locations: readonly string[]): void {
  const of = (list: readonly string[]) =>
    sorted(Array.from({ length: sessions }, (_, session) => list.map((each) => `${session} ${each}`)).flat());
  expect(sorted(seen.received)).toEqual(of(locations));
  expect(sorted(seen.delivered)).toEqual(sorted(locations));
  expect(sorted(seen.streams)).toEqual(of([...new Set(locations.map((each) => each.split("/")[0] ?? ""))]));
}

test.describe("several origins of one track", { tag: "@merge" }, () => {
  test("that send the same: every subscriber gets every object once, on one stream for each group", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 10 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b", at: "r" });
    await on.watch(blank, ["r", "r"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" });
    for (let group = 0; group < 6; group++) await on.air(["a", "b"], group);
    const seen = await received(blank, 2 * 6 * OBJECTS);
    expectOnce(seen, 2, groups(0, 5));
    expect(sorted(seen.ends)).toEqual(
      sorted([0, 1].flatMap((session) => [0, 1, 2, 3, 4, 5].map((group) => `${session} ${group} fin`))),
    );
  });

  test("whose streams do not overlap in time: nothing of the second comes twice", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 10, s: 10 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b at s", at: "s" });
    await on.watch(blank, ["r", "s"]);
    for (let group = 0; group < 4; group++) await on.air(["a"], group);
    await on.act(
      { do: "arrived", at: "r", objects: 4 * OBJECTS },
      { do: "leave", who: "a" },
      { do: "join", who: "b", at: "r" },
      { do: "read", who: "b" },
    );
    // Against the relay's memory, and, by way of another relay, against the client's.
    for (let group = 0; group < 6; group++) await on.air(["b", "b at s"], group);
    expectOnce(await received(blank, 2 * 6 * OBJECTS), 2, groups(0, 5));
  });

  test("one of which lags further than the relay's cache: nothing of it comes twice", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 3, s: 3 });
    await on.act(
      { do: "join", who: "a", at: "r" },
      { do: "join", who: "b", at: "r" },
      { do: "join", who: "b at s", at: "s" },
    );
    await on.watch(blank, ["r", "s"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" });
    for (let group = 0; group < 40; group++) {
      await on.air(["a"], group);
      // In step, as a publisher is with its clock: a stream that waits for 40 others would be another test.
      await on.act({ do: "arrived", at: "r", objects: (group + 1) * OBJECTS });
    }
    // To the relay, and by way of another one to the client, which has no cache.
    for (let group = 0; group < 41; group++) {
      await on.air(["b", "b at s"], group);
      await on.act({ do: "arrived", at: "s", objects: (group + 1) * OBJECTS });
    }
    expectOnce(await received(blank, 2 * 41 * OBJECTS), 2, groups(0, 40));
  });

  test("one of which dies in mid-group, and one that refuses: the stream goes on, for every subscriber", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 10 });
    await on.act(
      { do: "join", who: "a", at: "r" },
      { do: "join", who: "b", at: "r" },
      { do: "join", who: "c", at: "r", refuses: true },
    );
    await on.watch(blank, ["r", "r"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" });
    await on.air(["a", "b"], 0);
    await on.act(
      { do: "put", by: ["a"], group: 1, objects: [0, 1] },
      { do: "arrived", at: "r", objects: OBJECTS + 2 },
      { do: "leave", who: "a" },
    );
    await on.air(["b"], 1);
    await on.air(["b"], 2);
    const seen = await received(blank, 2 * 3 * OBJECTS);
    expectOnce(seen, 2, groups(0, 2));
    expect(seen.ends.filter((end) => end.endsWith("reset"))).toEqual([]);
  });

  test("that each have a part: the track is the union", async ({ stage, blank }) => {
    const on = await stage({ r: 10 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b", at: "r" });
    await on.watch(blank, ["r"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" });
    for (let group = 0; group < 6; group++) await on.air([group % 2 === 0 ? "a" : "b"], group);
    // And parts of one group: the beginning from one, the rest from the other, on the stream that there is.
    await on.act(
      { do: "put", by: ["a"], group: 6, objects: [0, 1] },
      { do: "arrived", at: "r", objects: 6 * OBJECTS + 2 },
    );
    await on.air(["b"], 6, [2, 3]);
    expectOnce(await received(blank, 7 * OBJECTS), 1, groups(0, 6));
  });

  test("at two relays: what both have and what one of them has fans in, at a third relay and at the client", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ a: 10, b: 10, near: 10 });
    await on.act(
      { do: "join", who: "pa", at: "a" },
      { do: "join", who: "pb", at: "b" },
      { do: "feed", from: "a", to: "near" },
      { do: "feed", from: "b", to: "near" },
    );
    await on.watch(blank, ["near", "a", "b"]);
    await on.act({ do: "watched", at: "a", by: 2 }, { do: "watched", at: "b", by: 2 });
    for (let group = 0; group < 9; group++)
      await on.air([["pa", "pb"], ["pa"], ["pb"]][group % 3] ?? [], group);
    const seen = await received(blank, (9 + 6 + 6) * OBJECTS);
    expect(sorted(seen.delivered)).toEqual(sorted(groups(0, 8)));
    const ofNear = (list: readonly string[]) => sorted(list.filter((each) => each.startsWith("0 ")));
    expect(ofNear(seen.received)).toEqual(sorted(groups(0, 8).map((each) => `0 ${each}`)));
    expect(ofNear(seen.streams)).toEqual(Array.from({ length: 9 }, (_, group) => `0 ${group}`));
  });

  test("end a subgroup with FIN if one of them did, and reset it only if all did", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 10 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b", at: "r" });
    await on.watch(blank, ["r"]);
    await on.act(
      { do: "read", who: "a" },
      { do: "read", who: "b" },
      { do: "put", by: ["a", "b"], group: 0, objects: [0, 1] },
      { do: "put", by: ["a", "b"], group: 1, objects: [0, 1] },
      { do: "arrived", at: "r", objects: 4 },
      { do: "end", by: ["a"], group: 0, how: "reset" },
      { do: "end", by: ["a"], group: 1, how: "reset" },
    );
    await received(blank, 4);
    expect((await seenBy(blank)).ends).toEqual([]);
    await on.air(["b"], 0, [2, 3]);
    await on.act({ do: "end", by: ["b"], group: 1, how: "reset" });
    const seen = await received(blank, 6);
    expect(sorted(seen.ends)).toEqual(["0 0 fin", "0 1 reset"]);
    expectOnce(seen, 1, [...groups(0, 0), "1/0", "1/1"]);
  });

  test("bring the rest of a subgroup long after its stream was reset: no second stream, but FETCH has it", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 60 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b", at: "r" });
    await on.watch(blank, ["r"]);
    await on.act(
      { do: "read", who: "a" },
      { do: "read", who: "b" },
      { do: "put", by: ["a"], group: 0, objects: [0, 1] },
      { do: "arrived", at: "r", objects: 2 },
      { do: "end", by: ["a"], group: 0, how: "reset" },
    );
    // B could carry it on, and is waited for; it does not.
    await expect.poll(async () => (await seenBy(blank)).ends).toEqual(["0 0 reset"]);
    for (let group = 1; group <= 20; group++) await on.air(["a"], group);
    await on.act({ do: "arrived", at: "r", objects: 2 + 20 * OBJECTS });
    await on.air(["b"], 0);
    await on.act({ do: "arrived", at: "r", objects: 21 * OBJECTS });
    expectOnce(await received(blank, 2 + 20 * OBJECTS), 1, ["0/0", "0/1", ...groups(1, 20)]);
    expect(await blank.evaluate(() => globalThis.__stage.fetch(0, 0, 0))).toEqual(groups(0, 0));
  });

  test("bring a late object of the oldest of 32 groups: it is passed on; of an older one it is not", async ({
    stage,
    blank,
  }) => {
    const on = await stage({ r: 60, s: 60 });
    await on.act(
      { do: "join", who: "a", at: "r" },
      { do: "join", who: "b", at: "r" },
      { do: "join", who: "b at s", at: "s" },
    );
    await on.watch(blank, ["r", "s"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" }, { do: "read", who: "b at s" });
    const late = ["b", "b at s"];
    // Group 0 stays open, so that no ended stream stands in the way.
    await on.act({ do: "put", by: ["a"], group: 0, objects: [0] }, { do: "arrived", at: "r", objects: 1 });
    for (let group = 1; group <= 31; group++) await on.air(["a"], group);
    await received(blank, 1 + 31 * OBJECTS);
    await on.act({ do: "put", by: late, group: 0, objects: [1] });
    await received(blank, 3 + 31 * OBJECTS);
    await on.air(["a"], 32);
    await received(blank, 3 + 32 * OBJECTS);
    await on.act({ do: "put", by: late, group: 0, objects: [2] });
    const { received: all, delivered } = await received(blank, 4 + 32 * OBJECTS);
    const passedOn = ["0/0", "0/1", ...groups(1, 32)];
    // Relay s has seen nothing but these: to it group 0 is the newest.
    expect(sorted(all)).toEqual(sorted([...passedOn.map((each) => `0 ${each}`), "1 0/1", "1 0/2"]));
    expect(sorted(delivered)).toEqual(sorted(passedOn));
  });

  test("whose ids need all 64 bits: told apart, in order, once", async ({ stage, blank }) => {
    const on = await stage({ r: 10 });
    await on.act({ do: "join", who: "a", at: "r" }, { do: "join", who: "b", at: "r" });
    await on.watch(blank, ["r"]);
    await on.act({ do: "read", who: "a" }, { do: "read", who: "b" });
    // One and the same as doubles.
    const ids = ["18446744073709551613", "18446744073709551614"] as const;
    for (const group of ids) await on.air(["a", "b"], group, ids);
    const locations = ids.flatMap((group) => ids.map((object) => `${group}/${object}`));
    const seen = await received(blank, locations.length);
    expectOnce(seen, 1, locations);
    for (const group of ids)
      expect(seen.received.filter((each) => each.startsWith(`0 ${group}/`))).toEqual(
        ids.map((object) => `0 ${group}/${object}`),
      );
  });
});
