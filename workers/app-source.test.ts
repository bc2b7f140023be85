import { expect, test } from "vitest";
import { contractGroups, groupSourceContract } from "../src/replay/group-source.contract.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { GroupSource } from "../src/replay/types.ts";
import { AppSource } from "./app-source.ts";

const TRACK = "0123/example--video";

async function filled(): Promise<GroupSource> {
  const store = new MemoryStore();
  for (const { group, objects, evidence, complete } of contractGroups()) {
    for (const object of objects)
      store.put(TRACK, object as Parameters<typeof store.put>[1], new Uint8Array(32));
    store.seal(TRACK, group, evidence, complete);
  }
  await store.flush();
  return store;
}

for (const [how, exported] of [
  ["an object", async () => filled()],
  ["a function that makes one", async () => () => filled()],
] as const)
  for (const { name, run } of groupSourceContract({
    track: TRACK,
    open: async () => {
      const value = await exported();
      return new AppSource("https://app.test/source.js", async () => ({ groupSource: value }));
    },
  }))
    test(`a module that exports ${how}: ${name}`, run);

test("a module that cannot be loaded is an error that names it, and is tried again", async () => {
  let tries = 0;
  const source = new AppSource("https://app.test/source.js", async () => {
    if (tries++ === 0) throw new TypeError("not found");
    return { groupSource: await filled() };
  });
  await expect(source.ranges(TRACK)).rejects.toMatchObject({
    code: "range-unavailable",
    hint: expect.stringContaining("https://app.test/source.js"),
  });
  expect(await source.oldest(TRACK)).toBe(5);
});

test("a module that exports something else is refused with what to do", async () => {
  const source = new AppSource("https://app.test/source.js", async () => ({ groupSource: { ranges: 1 } }));
  await expect(source.group(TRACK, 5)).rejects.toMatchObject({ code: "invalid-options" });
});

test("ranges that are neither sorted nor disjoint are put in order before anybody relies on them", async () => {
  const untidy: GroupSource = {
    ranges: async () => [
      { first: 9, last: 12 },
      { first: 1, last: 4 },
      { first: 3, last: 6 },
    ],
    oldest: async () => 1,
    group: async () => undefined,
  };
  const source = new AppSource("https://app.test/source.js", async () => ({ groupSource: untidy }));
  expect(await source.ranges(TRACK)).toEqual([
    { first: 1, last: 6 },
    { first: 9, last: 12 },
  ]);
});
