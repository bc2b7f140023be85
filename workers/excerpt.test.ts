import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Archive } from "./excerpt.fixture.ts";
import { Excerpt } from "./excerpt.ts";

let archive: Archive;
let excerpt: Excerpt | undefined;
let requests = 0;

beforeEach(() => {
  archive = new Archive();
});

afterEach(() => {
  excerpt?.close();
  excerpt = undefined;
});

async function open(targetMs: number, onlyAfter = false): Promise<Excerpt> {
  excerpt = await Excerpt.open(archive.options, { targetMs, onlyAfter });
  if (!excerpt) throw new Error("there is nothing");
  return excerpt;
}

async function list(path = "video/live.m3u8"): Promise<string> {
  requests += 1;
  const answer = await excerpt?.presentation.resource({ id: requests, path });
  return answer?.kind === "playlist" ? answer.text : "";
}

/** Groups listed as media, in order. */
async function listed(): Promise<number[]> {
  const lines = (await list()).split("\n");
  return lines.flatMap((line) => {
    const [, group] = /^(\d+)(?:-\d+)?\.m4s$/.exec(line) ?? [];
    return group === undefined ? [] : [Number(group)];
  });
}

describe("an excerpt", () => {
  test("begins with the group that plays at the target, and playback within it: the start told is the start served", async () => {
    archive.stored = [{ first: 100, last: 400 }];
    const { startMs, range } = await open(250_300);
    expect(startMs).toBe(250_300);
    expect(range.startMs).toBe(250_000);
    expect(await list("main.m3u8")).toContain("#EXT-X-START:TIME-OFFSET=0.3,PRECISE=YES");
    expect((await listed())[0]).toBe(250);
    expect(archive.read[0]).toBe(250);
    expect(archive.holes).toEqual([]);
  });

  test("starts at the next group there is when nobody has the target, and tells the hole", async () => {
    archive.stored = [
      { first: 100, last: 120 },
      { first: 300, last: 400 },
    ];
    expect((await open(200_500)).startMs).toBe(300_000);
    expect(archive.holes).toEqual([
      { type: "hole", track: "video", startMs: 200_000, endMs: 300_000, cause: "unavailable" },
    ]);
  });

  test("past everything starts at the last group, unless only what follows is wanted", async () => {
    archive.stored = [{ first: 100, last: 120 }];
    expect((await open(500_000)).startMs).toBe(120_000);
    expect(await Excerpt.open(archive.options, { targetMs: 500_000, onlyAfter: true })).toBeUndefined();
  });

  test("reads and lists a little ahead of the picture and no more, however long the archive is", async () => {
    archive.stored = [{ first: 0, last: 259_199 }];
    const opened = await open(86_400_000);
    await expect.poll(listed).toHaveLength(20);
    expect(archive.read).toHaveLength(20);
    // A picture that stands still costs nothing.
    opened.playhead(86_400_000);
    await list();
    expect(archive.read).toHaveLength(20);
    for (let ms = 86_400_000; ms < 86_500_000; ms += 1000) {
      opened.playhead(ms);
      await expect.poll(() => opened.range.endMs).toBeGreaterThanOrEqual(ms + 20_000);
    }
    expect((await listed()).length).toBeLessThanOrEqual(60);
    expect(archive.read.length).toBe(new Set(archive.read).size);
  });

  test("asks nobody for ranges as long as the store has what comes next", async () => {
    archive.stored = [{ first: 0, last: 1000 }];
    const opened = await open(500_000);
    await expect.poll(() => opened.range.endMs).toBe(520_000);
    expect(archive.asked).toBe(0);
  });

  test("goes on from the store into what relays have", async () => {
    archive.stored = [{ first: 100, last: 104 }];
    archive.fetchable = [{ first: 105, last: 200 }];
    const opened = await open(100_000);
    await expect.poll(() => opened.range.endMs).toBe(120_000);
    expect(await listed()).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
    expect(archive.holes).toEqual([]);
  });

  test("makes a short hole a gap in the list, and tells it", async () => {
    archive.stored = [
      { first: 100, last: 103 },
      { first: 106, last: 300 },
    ];
    const opened = await open(100_000);
    await expect.poll(() => opened.range.endMs).toBeGreaterThanOrEqual(120_000);
    expect((await list()).match(/#EXT-X-GAP/g)).toHaveLength(2);
    expect(archive.holes.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([[104_000, 106_000]]);
  });

  test("ends at a long hole, so that playback goes on behind it in an excerpt of its own", async () => {
    archive.stored = [
      { first: 100, last: 103 },
      { first: 200, last: 300 },
    ];
    await open(100_000);
    await expect.poll(list).toContain("#EXT-X-ENDLIST");
    expect(await listed()).toEqual([100, 101, 102, 103]);
    excerpt?.close();
    expect((await open(104_100, true)).startMs).toBe(200_000);
    expect(archive.holes.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([[104_000, 200_000]]);
  });

  test("lists no group that cannot be proven: a damaged one is a hole with its cause, and what follows plays", async () => {
    archive.stored = [{ first: 100, last: 300 }];
    archive.damaged.add(104);
    const opened = await open(100_000);
    await expect.poll(() => opened.range.endMs).toBeGreaterThanOrEqual(120_000);
    expect(await listed()).not.toContain(104);
    expect(await listed()).toContain(105);
    expect(archive.holes.map(({ track, startMs, cause }) => [track, startMs, cause])).toEqual([
      ["video", 104_000, "rejected"],
      ["audio", 104_000, "rejected"],
    ]);
  });

  test("passes over a damaged start to the next group that is whole", async () => {
    archive.stored = [{ first: 100, last: 300 }];
    archive.damaged.add(150).add(151);
    expect((await open(150_700)).startMs).toBe(152_000);
    expect(archive.holes.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([[150_000, 152_000]]);
  });

  test("ends with what is stored when nothing is live, and goes on with what live brings when something is", async () => {
    archive.stored = [{ first: 100, last: 105 }];
    archive.newest = 105;
    const opened = await open(100_000);
    await expect.poll(() => opened.range.endMs).toBe(106_000);
    expect(await list()).not.toContain("#EXT-X-ENDLIST");
    archive.stored = [{ first: 100, last: 108 }];
    archive.newest = 108;
    await expect
      .poll(() => {
        archive.clock.advance(500);
        return opened.range.endMs;
      })
      .toBe(109_000);
    archive.newest = undefined;
    await expect
      .poll(() => {
        archive.clock.advance(500);
        return list();
      })
      .toContain("#EXT-X-ENDLIST");
  });

  test("waits for a group that is still on its way into the store", async () => {
    archive.stored = [{ first: 100, last: 105 }];
    archive.newest = 104;
    const opened = await open(100_000);
    await expect.poll(() => opened.range.endMs).toBe(105_000);
    expect(archive.read).not.toContain(105);
    expect(archive.holes).toEqual([]);
  });
});
