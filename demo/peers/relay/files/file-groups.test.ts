import { appendFile, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/clock.ts";
import {
  contractGroups,
  contractObject,
  groupSourceContract,
} from "../../../../src/replay/group-source.contract.ts";
import { FakeClock } from "../../../../src/testing/fake-clock.ts";
import { FileGroups, type FileGroupsOptions } from "./file-groups.ts";

const TRACK = "example.2ecom-live--video";
const HOUR_MS = 3_600_000;
let folder: string;
let opened: FileGroups[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "countersign-files-"));
});

afterEach(async () => {
  for (const files of opened) await files.close();
  opened = [];
  await rm(folder, { recursive: true, force: true });
});

function files(options: Partial<FileGroupsOptions> = {}): FileGroups {
  const made = new FileGroups({ folder, clock: systemClock, ...options });
  opened.push(made);
  return made;
}

const whole = (group: number, bytes = 40) => ({
  group,
  complete: true,
  evidence: [],
  objects: [contractObject(group, 0, bytes), contractObject(group, 1, bytes)],
});

describe("groups in files keep the contract of a source", () => {
  for (const { name, run } of groupSourceContract({
    track: TRACK,
    open: async () => {
      const written = files();
      for (const group of contractGroups()) await written.write(TRACK, group);
      await written.close();
      // As after a restart: nothing but the files.
      return files();
    },
  }))
    it(name, run);
});

describe("groups in files", () => {
  it("are found again after a crash; what was half written is cut off, and writing goes on behind it", async () => {
    const before = files();
    await before.write(TRACK, whole(1));
    await before.write(TRACK, whole(2));
    await before.close();
    const path = join(folder, TRACK, "1.groups");
    const { size } = await stat(path);
    const file = await open(path, "r+");
    await file.truncate(size - 5);
    await file.close();
    const after = files();
    expect(await after.ranges(TRACK)).toEqual([{ first: 1, last: 1 }]);
    expect((await stat(path)).size).toBe(size / 2);
    await after.write(TRACK, whole(3));
    expect(await after.group(TRACK, 3)).toEqual(whole(3));
    await after.close();
    expect(await files().ranges(TRACK)).toEqual([
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ]);
  });

  it("that were altered are an error once, then no longer offered", async () => {
    const before = files();
    for (const group of [1, 2]) await before.write(TRACK, whole(group));
    await before.close();
    const file = await open(join(folder, TRACK, "1.groups"), "r+");
    await file.write(new Uint8Array([0xaa]), 0, 1, 60);
    await file.close();
    const after = files();
    await expect(after.group(TRACK, 1)).rejects.toMatchObject({ code: "store-corrupt" });
    expect(await after.group(TRACK, 1)).toBeUndefined();
    expect(await after.ranges(TRACK)).toEqual([{ first: 2, last: 2 }]);
    expect(await after.group(TRACK, 2)).toEqual(whole(2));
  });

  it("are written once, and anew when more of them has come", async () => {
    const source = files();
    const [half] = whole(1).objects;
    await source.write(TRACK, { ...whole(1), complete: false, objects: [half!] });
    await source.write(TRACK, whole(1));
    await source.write(TRACK, whole(1));
    await source.write(TRACK, { ...whole(1), complete: false, objects: [half!] });
    expect(await source.group(TRACK, 1)).toEqual(whole(1));
    await source.close();
    expect(await files().group(TRACK, 1)).toEqual(whole(1));
    const frame = 27 + 2 * (26 + 40);
    expect((await stat(join(folder, TRACK, "1.groups"))).size).toBe(frame + frame - 66);
  });

  it("go when their track's retention is over, each track by its own", async () => {
    const clock = new FakeClock(Date.now());
    const source = files({
      clock,
      segmentBytes: 200,
      retentionMs: (track) => (track === TRACK ? 72 * HOUR_MS : HOUR_MS),
    });
    for (let group = 0; group < 5; group++) {
      await source.write(TRACK, whole(group));
      await source.write("other", whole(group));
      await clock.run(HOUR_MS);
    }
    await source.sweep();
    expect(await source.ranges(TRACK)).toEqual([{ first: 0, last: 4 }]);
    expect(await source.ranges("other")).toEqual([{ first: 4, last: 4 }]);
    await clock.run(70 * HOUR_MS);
    await source.sweep();
    expect(await source.oldest(TRACK)).toBe(2);
    expect(await source.group(TRACK, 1)).toBeUndefined();
    expect(await readdir(join(folder, "other"))).toEqual(["track"]);
  });

  it("of any track name have a folder of their own, and strange files in it do no harm", async () => {
    const source = files();
    const keys = ["..", "a/b", `${"x".repeat(300)}--y`, "a--b"];
    for (const key of keys) await source.write(key, whole(7));
    await appendFile(join(folder, "a--b", "notes.txt"), "hello");
    expect((await source.tracks()).sort()).toEqual([...keys].sort());
    for (const key of keys) expect(await source.group(key, 7)).toEqual(whole(7));
  });
});
