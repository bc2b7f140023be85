/** What was verified once stays: over reloads, behind the live edge, and with every peer gone. */

import { addressOf, NOBODY } from "./support/address.ts";
import { expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { forgeStore, readStore } from "./support/store.ts";

/** Stored media in ms, as the page says. */
const storedMs = (ranges: readonly { startMs: number; endMs: number }[]): number =>
  ranges.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);

test.describe("a page that is loaded again", { tag: "@replay" }, () => {
  test("joins live at once and rewinds into what the visit before it stored", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.slow();
    void cluster;
    await demo.play();
    await expect
      .poll(async () => storedMs((await demo.stats()).stored), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(3000);
    const before = (await demo.stats()).stored;
    const firstMs = before[0]?.startMs ?? 0;

    await page.reload();
    await demo.waitForState("live");
    await demo.waitForProgress(0.5);
    await expect
      .poll(async () => storedMs((await demo.stats()).stored), { timeout: 30_000 })
      .toBeGreaterThan(storedMs(before));
    expect((await demo.stats()).stored[0]?.startMs).toBe(firstMs);

    // Back to where only the store has been: the first visit.
    const target = await page.evaluate(() => {
      const [oldest] = globalThis.player.seekable;
      if (!oldest) throw new Error("nothing can be sought");
      globalThis.player.seekToMediaTime(oldest.startMs + 200);
      return oldest.startMs + 200;
    });
    expect(target).toBeLessThan(before.at(-1)?.endMs ?? 0);
    await demo.waitForState("rewound");
    await demo.waitForProgress(1);
    const position = (await page.evaluate(() => globalThis.player.positionMs)) ?? 0;
    expect(position).toBeGreaterThan(target);
    expect(position).toBeLessThan((await demo.stats()).edgeMs ?? 0);

    await page.getByRole("button", { name: "Go live" }).click();
    await demo.waitForState("live");
    await demo.waitForProgress(1);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("plays what is stored when every peer is gone, says that it is offline, and goes live when they return", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.slow();
    await demo.play();
    await expect
      .poll(async () => storedMs((await demo.stats()).stored), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(5000);
    for (const relay of [...cluster.relays, cluster.manifestPeer]) await relay.process.kill();

    await page.reload();
    // From the first moment on: what is stored is short, and then it is over.
    await Promise.all([demo.waitForProgress(2, 40_000), demo.waitForState("offline", 40_000)]);
    await expect(page.locator("#state")).toHaveText("Offline");
    await expect(page.locator("#notice-title")).not.toBeEmpty();
    const { media, deliveries } = await demo.probed();
    expectOnlySignedMedia(media, truth);
    expect(deliveries).toEqual([]);
    expect((await demo.stats()).stored.length).toBeGreaterThan(0);

    for (const relay of [...cluster.relays, cluster.manifestPeer]) await relay.process.start();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(1);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("plays nothing that somebody wrote into the store, though all digests there agree", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    await demo.play();
    await expect
      .poll(async () => storedMs((await demo.stats()).stored), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(5000);
    await page.evaluate(() => globalThis.player.destroy());
    const forged = await forgeStore(page);
    const written = (await readStore(page)).filter(({ group }) => group === forged);
    expect(written.length).toBeGreaterThan(0);
    expect(written.filter(({ digest }) => truth.placeOf(digest) !== undefined)).toEqual([]);

    await demo.open({ query: addressOf(cluster, { objects: NOBODY, manifests: NOBODY }) });
    await demo.waitForProgress(1, 40_000);
    await expect.poll(() => demo.events("warning"), { timeout: 20_000 }).not.toEqual([]);
    expect((await demo.events("warning")).map(({ detail }) => detail["code"])).toContain("store-corrupt");
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });
});
