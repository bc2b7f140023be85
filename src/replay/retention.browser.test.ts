import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import { contractLeafDigest, contractObject } from "./group-source.contract.ts";
import { DEFAULT_MAX_AGE_MS } from "./indexeddb-store.ts";
import type { Bench } from "./store-workbench.browser.ts";
import { closeBench, openBench, put, read, TRACK, under, until } from "./store-workbench.browser.ts";

const HOUR_MS = 3_600_000;
const benches: Bench[] = [];

async function open(options: Parameters<typeof openBench>[0] = {}): Promise<Bench & { clock: FakeClock }> {
  const clock = new FakeClock(1_700_000_000_000);
  const bench = await openBench({ clock, ...options });
  benches.push(bench);
  return { ...bench, clock };
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await closeBench(bench);
});

/** Runs timers until the store has nothing more to evict. */
async function sweep(clock: FakeClock, done: () => boolean | Promise<boolean>): Promise<void> {
  await clock.run(60_000);
  await until(async () => {
    await clock.run(1_000);
    return done();
  });
}

async function rowCounts(name: string): Promise<Record<string, number>> {
  return under(name, async (database) => {
    const counts: Record<string, number> = {};
    for (const store of ["tracks", "groups", "parts", "index"] as const)
      counts[store] = await database.count(store);
    return counts;
  });
}

describe("age", () => {
  it("takes the groups written more than 72 hours ago, and leaves nothing of them behind", async () => {
    const { store, clock, heard, name } = await open();
    for (let group = 0; group < 4; group++) {
      await put(store, group, [0, 1]);
      await store.flush();
      await clock.run(HOUR_MS);
    }
    await clock.run(DEFAULT_MAX_AGE_MS - 3.5 * HOUR_MS);
    await sweep(clock, () => heard.evicted.length > 0);
    expect(heard.evicted.map(({ first, last, cause }) => [first, last, cause])).toEqual([[0, 0, "age"]]);
    expect(await store.ranges(TRACK)).toEqual([{ first: 1, last: 3 }]);
    expect(await read(store, 0)).toBe("nothing");
    await clock.run(4 * HOUR_MS);
    await sweep(clock, async () => (await store.estimate()).bytes === 0);
    expect(await rowCounts(name)).toEqual({ tracks: 0, groups: 0, parts: 0, index: 0 });
    expect(heard.corrupt).toEqual([]);
  });
});

describe("the age of what comes late", () => {
  it("counts from when it was on, not from when it was stored", async () => {
    const { store, clock, heard } = await open();
    const fetched = async (group: number, ageMs: number): Promise<void> => {
      await put(store, group, [0]);
      store.seal(TRACK, group, [new Uint8Array(8)], true, clock.now() - ageMs);
    };
    await put(store, 70, [0]);
    await fetched(10, DEFAULT_MAX_AGE_MS - HOUR_MS);
    await fetched(50, DEFAULT_MAX_AGE_MS - 3 * HOUR_MS);
    await store.flush();
    await clock.run(2 * HOUR_MS);
    await sweep(clock, () => heard.evicted.length > 0);
    expect(heard.evicted.map(({ first, last, cause }) => [first, last, cause])).toEqual([[10, 10, "age"]]);
    await clock.run(2 * HOUR_MS);
    await sweep(clock, () => heard.evicted.length > 1);
    expect(await store.ranges(TRACK)).toEqual([{ first: 70, last: 70 }]);
  });

  it("is never less than it was: a signer whose clock is ahead keeps nothing for longer", async () => {
    const { store, clock, heard } = await open();
    await put(store, 1, [0]);
    store.seal(TRACK, 1, [new Uint8Array(8)], true, clock.now() + 1_000 * HOUR_MS);
    await store.flush();
    await clock.run(DEFAULT_MAX_AGE_MS + HOUR_MS);
    await sweep(clock, () => heard.evicted.length > 0);
    expect(await store.ranges(TRACK)).toEqual([]);
  });
});

describe("the byte budget", () => {
  it("takes the oldest first, in small steps, tracks in step with each other", async () => {
    const budget = 3_000_000;
    const { store, clock, heard } = await open({ maxBytes: budget });
    const other = "0123/example--audio";
    for (let group = 0; group < 300; group++) {
      await put(store, group, [0], 15_000);
      const sound = contractObject(group, 0, 5_000);
      store.put(other, sound, await contractLeafDigest(sound));
      clock.advance(1_000);
      if (group % 5 === 4) await store.flush();
    }
    await sweep(clock, async () => (await store.estimate()).bytes <= budget);
    const [video] = await store.ranges(TRACK);
    const [audio] = await store.ranges(other);
    expect(video?.last).toBe(299);
    expect(audio?.last).toBe(299);
    expect(Math.abs(Number(video?.first) - Number(audio?.first))).toBeLessThanOrEqual(64);
    expect((await store.estimate()).bytes).toBeGreaterThan(budget / 2);
    for (const { first, last } of heard.evicted) expect(Number(last) - Number(first)).toBeLessThan(64);
    expect(new Set(heard.evicted.map(({ cause }) => cause))).toEqual(new Set(["budget"]));
  });

  it("spares what is kept, and goes on above it", async () => {
    const { store, clock } = await open({ maxBytes: 600_000 });
    store.keep(TRACK, [{ first: 2, last: 5 }]);
    for (let group = 0; group < 12; group++) {
      await put(store, group, [0], 100_000);
      await store.flush();
    }
    await sweep(clock, async () => (await store.estimate()).bytes <= 600_000);
    const ranges = await store.ranges(TRACK);
    expect(ranges[0]).toEqual({ first: 2, last: 5 });
    expect(ranges.at(-1)?.last).toBe(11);
    expect(ranges).toHaveLength(2);
  });

  it("still spares what a page that is gone kept, and what is being played, for as long as it is", async () => {
    const before = await open({ maxBytes: 600_000 });
    before.store.keep(TRACK, [{ first: 1, last: 2 }]);
    for (let group = 0; group < 4; group++) await put(before.store, group, [0], 100_000);
    await before.store.close();
    const { store, clock } = await open({ maxBytes: 600_000, databaseName: before.name });
    store.hold(TRACK, [{ first: 5, last: 5 }]);
    for (let group = 4; group < 14; group++) {
      await put(store, group, [0], 100_000);
      await store.flush();
    }
    await sweep(clock, async () => (await store.estimate()).bytes <= 600_000);
    const ranges = await store.ranges(TRACK);
    expect(ranges.slice(0, 2)).toEqual([
      { first: 1, last: 2 },
      { first: 5, last: 5 },
    ]);
    expect(await store.kept(TRACK)).toEqual([{ first: 1, last: 2 }]);
  });

  it("counts without scanning, and right: what the counters say is what the records weigh", async () => {
    const { store, clock, name } = await open({ maxBytes: 2_000_000 });
    for (let group = 0; group < 100; group++) {
      await put(store, group, [0, 1, 2], 9_000);
      store.seal(TRACK, group, [new Uint8Array(500)], true);
      if (group % 7 === 0) await store.flush();
    }
    await store.flush();
    await sweep(clock, async () => (await store.estimate()).bytes <= 2_000_000);
    const { bytes } = await store.estimate();
    await under(name, async (database) => {
      const [parts, groups, tracks] = await Promise.all([
        database.getAll("parts"),
        database.getAll("groups"),
        database.getAll("tracks"),
      ]);
      const records = parts.reduce((sum, part) => sum + part.byteLength, 0);
      const evidence = groups.reduce((sum, group) => sum + group.evidence.byteLength, 0);
      expect(evidence).toBeGreaterThan(500 * groups.length);
      expect(bytes).toBe(records + evidence + 256 * groups.length);
      expect(tracks[0]?.groups).toBe(groups.length);
    });
  });
});

describe("ids that jump", () => {
  it("are indexed in pages: ranges, oldest and eviction stay right when every group is a range of its own", async () => {
    const { store, clock, name, heard } = await open();
    const ids = Array.from({ length: 1_500 }, (_, index) => 1_700_000_000_000 + index * 1_000);
    // Backfill brings them newest first, in stretches.
    for (let start = ids.length - 100; start >= 0; start -= 100) {
      for (const id of ids.slice(start, start + 100)) await put(store, id, [0], 10);
      await store.flush();
    }
    expect(await store.ranges(TRACK)).toEqual(ids.map((id) => ({ first: id, last: id })));
    expect(await store.oldest(TRACK)).toBe(ids[0]);
    expect((await rowCounts(name))["index"]).toBeGreaterThan(3);
    await clock.run(DEFAULT_MAX_AGE_MS + 1);
    await sweep(clock, async () => (await store.estimate()).bytes === 0);
    expect(await store.ranges(TRACK)).toEqual([]);
    expect(heard.evicted.every(({ cause }) => cause === "age")).toBe(true);
    expect(await rowCounts(name)).toEqual({ tracks: 0, groups: 0, parts: 0, index: 0 });
  });
});
