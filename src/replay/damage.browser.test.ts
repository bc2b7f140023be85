import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8Encode } from "../utf8.ts";
import type { ReplayDatabase } from "./schema.ts";
import type { Bench } from "./store-workbench.browser.ts";
import { closeBench, openBench, put, read, TRACK, under } from "./store-workbench.browser.ts";

let bench: Bench;

/** Group 7 with objects 0..9 of 30,000 bytes, sealed; group 8 as its sound neighbour. */
beforeEach(async () => {
  bench = await openBench();
  const { store } = bench;
  for (const group of [7, 8]) {
    await put(store, group, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 30_000);
    store.seal(TRACK, group, [utf8Encode("evidence")], true);
  }
  await store.flush();
  expect(await read(store, 7)).toBe("0,1,2,3,4,5,6,7,8,9 complete");
});

afterEach(() => closeBench(bench));

async function trackIdOf(database: ReplayDatabase): Promise<number> {
  return (await database.getKeyFromIndex("tracks", "key", TRACK)) as number;
}

/** Changes one byte of one record of group 7. */
async function flip(part: number, position: number): Promise<void> {
  await under(bench.name, async (database) => {
    const key: [number, number, number] = [await trackIdOf(database), 7, part];
    const bytes = new Uint8Array((await database.get("parts", key))!);
    bytes[position]! ^= 1;
    await database.put("parts", bytes.buffer, key);
  });
}

const reported = (): string[] =>
  bench.heard.corrupt.map(
    ({ group, objects, error }) =>
      `${error.code} ${group}: ${objects.map(({ first, last }) => `${first}-${last}`).join(",")}`,
  );

describe("an object altered on disk is never served", () => {
  it("drops it, names it, and says that the group is no longer complete", async () => {
    await flip(0, 40_000);
    expect(await read(bench.store, 7)).toBe("0,2,3,4,5,6,7,8,9");
    expect(reported()).toEqual(["store-corrupt 7: 1-1"]);
    expect(await read(bench.store, 8)).toBe("0,1,2,3,4,5,6,7,8,9 complete");
  });

  it("reports it once, keeps the count right, and takes the object again from the next who has it", async () => {
    const before = (await bench.store.estimate()).bytes;
    await flip(0, 40_000);
    await read(bench.store, 7);
    expect(await read(bench.store, 7)).toBe("0,2,3,4,5,6,7,8,9");
    expect(reported()).toHaveLength(1);
    await put(bench.store, 7, [1], 30_000);
    await bench.store.flush();
    expect(await read(bench.store, 7)).toBe("0,1,2,3,4,5,6,7,8,9 complete");
    expect(Math.abs((await bench.store.estimate()).bytes - before)).toBeLessThan(1_000);
  });

  it("misses a record that is gone, or that is something else now", async () => {
    await under(bench.name, async (database) => {
      const id = await trackIdOf(database);
      await database.delete("parts", [id, 7, 1]);
      await database.put("parts", "not a buffer" as unknown as ArrayBuffer, [id, 8, 0]);
    });
    expect(await read(bench.store, 7)).toBe("0,1,5,6,7,8,9");
    expect(await read(bench.store, 8)).toBe("3,4,5,6,7,8,9");
    expect(reported()).toEqual(["store-corrupt 7: 2-4", "store-corrupt 8: 0-2"]);
  });
});

describe("damage to what describes a group is found too", () => {
  it("serves no evidence that was altered, and asks for it again by not being complete", async () => {
    await under(bench.name, async (database) => {
      const key: [number, number] = [await trackIdOf(database), 7];
      const row = (await database.get("groups", key))!;
      new Uint8Array(row.evidence)[14]! ^= 1;
      await database.put("groups", row, key);
    });
    const stored = await bench.store.group(TRACK, 7);
    expect(stored).toMatchObject({ complete: false, evidence: [] });
    expect(stored?.objects).toHaveLength(10);
    expect(reported()).toEqual(["store-corrupt 7: "]);
    bench.store.seal(TRACK, 7, [utf8Encode("evidence")], true);
    await bench.store.flush();
    expect(await read(bench.store, 7)).toBe("0,1,2,3,4,5,6,7,8,9 complete");
  });

  it("reports a group whose row is gone, instead of calling it never stored, and corrects the ranges", async () => {
    await under(bench.name, async (database) => database.delete("groups", [await trackIdOf(database), 7]));
    expect(await bench.store.ranges(TRACK)).toEqual([{ first: 7, last: 8 }]);
    expect(await read(bench.store, 7)).toBe("nothing");
    expect(reported()).toEqual(["store-corrupt 7: "]);
    expect(await bench.store.ranges(TRACK)).toEqual([{ first: 8, last: 8 }]);
    expect(await read(bench.store, 7)).toBe("nothing");
    expect(reported()).toHaveLength(1);
  });

  it("begins a group anew whose row cannot be read, when reading and when writing", async () => {
    const ruin = (group: number) =>
      under(bench.name, async (database) => {
        const key: [number, number] = [await trackIdOf(database), group];
        const row = (await database.get("groups", key))!;
        await database.put("groups", { ...row, objects: [5, 1] }, key);
      });
    await ruin(7);
    expect(await read(bench.store, 7)).toBe("nothing");
    await ruin(8);
    await put(bench.store, 8, [3]);
    await bench.store.flush();
    expect(await read(bench.store, 8)).toBe("3");
    expect(reported()).toEqual(["store-corrupt 7: ", "store-corrupt 8: "]);
    expect(await bench.store.ranges(TRACK)).toEqual([{ first: 8, last: 8 }]);
  });
});
