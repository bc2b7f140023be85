import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import { utf8Encode } from "../utf8.ts";
import { contractObject, replayStoreContract } from "./group-source.contract.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Evicted } from "./types.ts";

const digest = new Uint8Array(32);
const open = (budgetBytes: number): { store: MemoryStore; evicted: Evicted[] } => {
  const store = new MemoryStore({ budgetBytes });
  const evicted: Evicted[] = [];
  store.on("evicted", (event) => evicted.push(event));
  return { store, evicted };
};

describe("MemoryStore keeps the contract of a replay store", () => {
  for (const { name, run } of replayStoreContract({
    open: async () => new MemoryStore(),
    leafDigest: async () => digest,
  }))
    it(name, run);
});

describe("MemoryStore is bounded", () => {
  it("lets the oldest groups go, over all tracks, and says so", async () => {
    const { store, evicted } = open(5_000);
    for (const group of [1, 2, 3])
      for (const track of ["video", "audio"]) store.put(track, contractObject(group, 0, 1_000), digest);
    expect(evicted.map(({ track, first }) => `${track} ${first}`)).toEqual(["video 1", "audio 1"]);
    expect(await store.ranges("video")).toEqual([{ first: 2, last: 3 }]);
    expect(await store.group("audio", 1)).toBeUndefined();
    expect((await store.estimate()).bytes).toBeLessThanOrEqual(5_000);
  });

  it("spares what is kept, as long as there is anything else", async () => {
    const { store, evicted } = open(3_000);
    store.keep("video", [{ first: 1, last: 1 }]);
    for (const group of [1, 2, 3]) store.put("video", contractObject(group, 0, 1_000), digest);
    expect(evicted.map(({ first }) => first)).toEqual([2]);
    store.keep("video", [{ first: 0, last: 9 }]);
    store.put("video", contractObject(4, 0, 1_000), digest);
    expect(await store.ranges("video")).toEqual([{ first: 3, last: 4 }]);
  });

  it("lets groups go at their age: by when they were on, for those that came late", async () => {
    const clock = new FakeClock(1_700_000_000_000);
    const store = new MemoryStore({ clock, maxAgeMs: 60_000 });
    const evicted: Evicted[] = [];
    store.on("evicted", (event) => evicted.push(event));
    const add = (group: number, ageMs?: number): void => {
      store.put("video", contractObject(group, 0), digest);
      store.seal("video", group, [digest], true, ageMs === undefined ? undefined : clock.now() - ageMs);
    };
    add(100);
    // Filled in behind it: one that is too old already, one that has ten seconds left.
    add(30, 70_000);
    add(50, 50_000);
    expect(evicted).toMatchObject([{ first: 30, last: 30, cause: "age" }]);
    clock.advance(11_000);
    add(101);
    expect(evicted.at(-1)).toMatchObject({ first: 50, cause: "age" });
    expect(await store.ranges("video")).toEqual([{ first: 100, last: 101 }]);
    store.keep("video", [{ first: 100, last: 100 }]);
    clock.advance(61_000);
    add(102);
    expect(await store.ranges("video")).toEqual([
      { first: 100, last: 100 },
      { first: 102, last: 102 },
    ]);
  });

  it("counts evidence and empty objects, so that neither fills memory for free", async () => {
    const { store } = open(10_000);
    for (let group = 0; group < 1_000; group++) {
      store.put("video", contractObject(group, 0, 0), digest);
      store.seal("video", group, [utf8Encode("x".repeat(100))], true);
    }
    const [range] = await store.ranges("video");
    expect(999 - Number(range?.first)).toBeLessThan(50);
  });

  it("does not call a group complete whose beginning was evicted, nor one it took over in the middle", async () => {
    const { store } = open(2_500);
    store.put("video", contractObject(1, 0, 2_000), digest);
    store.put("video", contractObject(1, 1, 2_000), digest);
    store.put("video", contractObject(1, 2, 1_000), digest);
    store.seal("video", 1, [], true);
    expect((await store.group("video", 1))?.complete).toBe(false);

    const successor = new MemoryStore({ takesOver: true });
    for (const group of [7, 8]) {
      successor.put("video", contractObject(group, 3), digest);
      successor.seal("video", group, [], true);
    }
    expect((await successor.group("video", 7))?.complete).toBe(false);
    expect((await successor.group("video", 8))?.complete).toBe(true);
  });
});
