/** The replay store as a viewer meets it: filled behind them, damaged, cleared away, shared by two tabs, and in files. */
import type { Page } from "@playwright/test";
import { addressOf, NOBODY } from "./support/address.ts";
import { DemoPage, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { archiveOf, startArchive } from "./support/http-archive.ts";
import { readStore } from "./support/store.ts";

const storedMs = (ranges: readonly { startMs: number; endMs: number }[]): number =>
  ranges.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);

async function waitForStored(demo: DemoPage, ms: number): Promise<void> {
  await expect
    .poll(async () => storedMs((await demo.page.evaluate(() => globalThis.player?.stats?.stored)) ?? []), {
      timeout: 40_000,
    })
    .toBeGreaterThanOrEqual(ms);
}

/** Flips a byte in the middle of one stored record of the leading track, as a failing disk would; returns its group. */
async function damageRecord(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("countersign-replay");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("no database"));
    });
    const ask = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("failed"));
      });
    const transaction = database.transaction(["tracks", "parts"], "readwrite");
    const tracks = (await ask(transaction.objectStore("tracks").getAll())) as { id: number; key: string }[];
    const video = tracks.find(({ key }) => key.endsWith("--video"));
    if (video === undefined) throw new Error("no video is stored");
    const parts = transaction.objectStore("parts");
    const keys = (await ask(parts.getAllKeys(IDBKeyRange.bound([video.id], [video.id, []])))) as unknown as [
      number,
      number,
      number,
    ][];
    const groups = [...new Set(keys.map(([, group]) => group))];
    const group = groups[Math.floor(groups.length / 2)] ?? -1;
    const record = (await ask(parts.get([video.id, group, 0]))) as ArrayBuffer;
    const bytes = new Uint8Array(record);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    await ask(parts.put(record, [video.id, group, 0]));
    database.close();
    return group;
  });
}

test.describe("the store", { tag: "@store" }, () => {
  test("fills up behind a viewer who wants it, with what was on before they came", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.setTimeout(120_000);
    await demo.open({ query: { backfill: "1m" } });
    await demo.waitForState("live", 40_000);
    const joinedMs = (await demo.stats()).edgeMs ?? 0;
    // A minute, however long the relays of this run have been up already. And something has to have been on before: a broadcast that has just begun has no past.
    await expect.poll(() => Date.now() - cluster.epochMs, { timeout: 20_000 }).toBeGreaterThan(12_000);
    await expect.poll(async () => (await demo.stats()).backfill?.state, { timeout: 60_000 }).toBe("done");
    const { backfill, stored } = await demo.stats();
    expect(backfill?.fetchedGroups).toBeGreaterThan(0);
    expect(stored[0]?.startMs).toBeLessThan(joinedMs - 2000);
    await demo.waitForProgress(0.5);
    const written = await readStore(page);
    expect(written.filter(({ digest }) => truth.placeOf(digest) === undefined)).toEqual([]);
  });

  test("drops a record that was altered on disk, says so, and has it again from a relay", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.setTimeout(120_000);
    void cluster;
    await demo.play();
    await waitForStored(demo, 6000);
    await page.evaluate(() => globalThis.player.destroy());
    const whole = (await readStore(page)).filter(({ track }) => track.endsWith("--video"));
    const group = await damageRecord(page);

    await page.reload();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(0.5);
    await page.evaluate((startMs) => globalThis.player.seekToMediaTime(startMs), group * 1000 + 100);
    await expect.poll(() => demo.events("warning"), { timeout: 30_000 }).not.toEqual([]);
    expect((await demo.events("warning")).map(({ detail }) => detail["code"])).toContain("store-corrupt");
    await demo.waitForProgress(1);
    const idsOf = (objects: readonly { group: number; object: number }[]): number[] =>
      objects.filter((object) => object.group === group).map(({ object }) => object);
    await expect
      .poll(async () => idsOf((await readStore(page)).filter(({ track }) => track.endsWith("--video"))), {
        timeout: 20_000,
      })
      .toEqual(idsOf(whole));
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("spares what the viewer keeps, in the next visit too, while all around it goes", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.setTimeout(150_000);
    // Some 20 s of this broadcast.
    const query = { maxBytes: "3000000" };
    await demo.play({ query });
    await waitForStored(demo, 8000);
    const kept = await page.evaluate(() => {
      const { player } = globalThis;
      const startMs = player.stats?.stored[0]?.startMs ?? 0;
      return player.keep([{ startMs: startMs + 1000, endMs: startMs + 4000 }]);
    });
    expect(kept).toHaveLength(1);
    const [{ startMs, endMs } = { startMs: 0, endMs: 0 }] = kept;
    expect(endMs - startMs).toBe(3000);

    await page.reload();
    await demo.waitForState("live");
    await demo.waitForProgress(0.5);
    await expect.poll(async () => (await demo.stats()).kept, { timeout: 20_000 }).toEqual(kept);
    // What was stored beside it, before and after, has been pushed out by what came since.
    await expect
      .poll(async () => (await demo.stats()).stored.map((range) => range.startMs), { timeout: 60_000 })
      .toEqual([startMs, expect.any(Number)]);
    const [first, second] = (await demo.stats()).stored;
    expect(first).toEqual({ startMs, endMs });
    expect(second?.startMs).toBeGreaterThan(endMs);

    await page.evaluate((mediaMs) => globalThis.player.seekTo(mediaMs), startMs + 200);
    await demo.waitForState("rewound");
    await demo.waitForProgress(1);

    // With nobody to ask, what can be sought has a hole, and who goes there comes out behind it.
    await demo.open({ query: { ...addressOf(cluster, { objects: NOBODY, manifests: NOBODY }), ...query } });
    await demo.waitForState("offline", 40_000);
    // What was held for the picture while it was back there may have left a further hole behind it.
    await expect.poll(() => page.evaluate(() => globalThis.player.seekable.length)).toBeGreaterThanOrEqual(2);
    const inHole = await page.evaluate(async () => {
      const [before, behind] = globalThis.player.seekable;
      const outcome = await globalThis.player.seekTo((before?.endMs ?? 0) + 500);
      return { before, behind, ...outcome };
    });
    expect(inHole.before).toEqual({ startMs, endMs });
    expect(inHole).toMatchObject({ clamped: true, positionMs: inHole.behind?.startMs });
    await page.evaluate((mediaMs) => globalThis.player.seekTo(mediaMs), startMs + 200);
    await demo.waitForProgress(1);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("cleared away under a viewer costs them their past and nothing else", async ({
    cluster,
    demo,
    page,
    browserName,
    context,
  }) => {
    test.setTimeout(120_000);
    void cluster;
    await demo.play();
    await waitForStored(demo, 3000);
    const before = (await demo.stats()).stored[0]?.startMs ?? 0;
    if (browserName === "chromium") {
      // What "clear site data" in the browser's settings does.
      const session = await context.newCDPSession(page);
      const { origin } = new URL(page.url());
      await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
    } else await page.evaluate(() => void indexedDB.deleteDatabase("countersign-replay"));
    await expect
      .poll(async () => (await demo.events("warning")).map(({ detail }) => detail["code"]), {
        timeout: 20_000,
      })
      .toContain("storage-failed");
    await demo.waitForProgress(2);
    expect(await demo.state()).toBe("live");
    await expect
      .poll(async () => (await demo.stats()).stored[0]?.startMs ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(before);
    await waitForStored(demo, 1000);
  });

  test("is filled from an object store on the web, when the app names one", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.setTimeout(120_000);
    void cluster;
    const archive = await startArchive();
    try {
      await demo.play();
      await waitForStored(demo, 5000);
      await page.evaluate(() => globalThis.player.destroy());
      const { files, oldest } = await archiveOf(page);
      archive.put(files);
      await page.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const request = indexedDB.deleteDatabase("countersign-replay");
            request.onsuccess = resolve;
            request.onerror = reject;
          }),
      );

      const source = `/demo/examples/http-source.ts?base=${archive.url}`;
      await demo.open({ query: { source } });
      await demo.waitForState("live", 40_000);
      await demo.waitForProgress(0.5);
      await page.evaluate((mediaMs) => globalThis.player.seekTo(mediaMs), oldest * 1000 + 100);
      await demo.waitForState("rewound");
      await demo.waitForProgress(1);
      expect(archive.asked.filter((path) => path.endsWith(`--video/${oldest}.bin`))).not.toEqual([]);
      expectOnlySignedMedia((await demo.probed()).media, truth);
      // It is in the store now, and need not be asked for again.
      const written = await readStore(page);
      expect(written.filter(({ group }) => group === oldest)).not.toEqual([]);
    } finally {
      await archive.close();
    }
  });

  test("two tabs with the same broadcast add up, and neither disturbs the other", async ({
    cluster,
    demo,
    site,
    context,
    truth,
  }) => {
    test.setTimeout(120_000);
    void cluster;
    await demo.play();
    const other = new DemoPage(await context.newPage(), site.url);
    await other.play();
    await waitForStored(other, 4000);
    await demo.page.bringToFront();
    await demo.waitForProgress(1);
    const written = await readStore(demo.page);
    expect(written.filter(({ digest }) => truth.placeOf(digest) === undefined)).toEqual([]);
    const places = written.map(({ track, group, object }) => `${track} ${group}/${object}`);
    expect(new Set(places).size).toBe(places.length);
    for (const tab of [demo, other])
      expect((await tab.events("warning")).map(({ detail }) => detail["code"])).not.toContain(
        "store-corrupt",
      );
  });

  test("in files keeps what was on for when nobody can be reached", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.setTimeout(120_000);
    await demo.play({ query: { store: "opfs" } });
    await waitForStored(demo, 5000);
    expect((await demo.stats()).storage?.kind).toBe("opfs");
    await page.evaluate(() => globalThis.player.destroy());

    await demo.open({
      query: { ...addressOf(cluster, { objects: NOBODY, manifests: NOBODY }), store: "opfs" },
    });
    await demo.waitForState("offline", 40_000);
    await demo.waitForProgress(1, 40_000);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });
});
