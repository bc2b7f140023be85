/** Encrypted broadcasts: relays, caches and the store see ciphertext, the picture needs the app's key. */
import type { Cluster } from "../demo/peers/cluster/cluster.ts";
import { addressOf } from "./support/address.ts";
import { expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { readStore } from "./support/store.ts";
import { Truth } from "./support/truth.ts";

const keysOf = ({ keys }: Cluster): string =>
  Object.entries(keys ?? {})
    .map(([id, hex]) => `${id}:${hex}`)
    .join();

test.describe("an encrypted broadcast", { tag: "@encrypted" }, () => {
  test.slow();

  test("plays with the app's keys, over a change of keys without a stall, and the relays have ciphertext", async ({
    demo,
    ownCluster,
  }) => {
    const cluster = await ownCluster({ encryption: { keys: 2, rotateGroups: 2 } });
    const truth = await Truth.of(cluster.epochMs);
    await demo.play({ query: addressOf(cluster, { key: keysOf(cluster), target: "1500" }) });
    const { stalls } = (await demo.stats()).playback;
    // At least two changes.
    await demo.waitForProgress(5);
    expect((await demo.stats()).playback.stalls).toBe(stalls);
    expect(await demo.events("hole")).toEqual([]);
    const { media, deliveries } = await demo.probed();
    expectOnlySignedMedia(media, truth);
    expect(deliveries.length).toBeGreaterThan(0);
    expect(deliveries.filter(({ digest }) => truth.placeOf(digest) !== undefined)).toEqual([]);
  });

  test("with a wrong key tells the viewer so, and gives not one byte to the element", async ({
    demo,
    ownCluster,
    page,
  }) => {
    const cluster = await ownCluster({ encryption: {} });
    await demo.open({ query: addressOf(cluster, { key: `1:${"5a".repeat(32)}` }) });
    await demo.expectNotice("decryption-failed", 30_000);
    await expect(page.locator("#state")).toHaveText("Locked");
    await expect.poll(async () => (await demo.stats()).objects.delivered).toBeGreaterThan(20);
    const { media } = await demo.probed();
    expect(media.filter(({ kind }) => kind !== "init")).toEqual([]);
    expect(await demo.frames()).toBe(0);
    // Nobody is blamed for it: the relays carried what was signed.
    const { sources } = await demo.stats();
    expect(sources.map(({ state }) => state)).not.toContain("banned");
    expect(await demo.events("rejected")).toEqual([]);
  });

  test("without a key tells the viewer so", async ({ demo, ownCluster }) => {
    const cluster = await ownCluster({ encryption: {} });
    await demo.open({ query: addressOf(cluster) });
    await demo.expectNotice("key-unavailable", 30_000);
    expect(await demo.frames()).toBe(0);
  });

  test("plays as soon as a key provider that failed has the key", async ({ demo, ownCluster, page }) => {
    const cluster = await ownCluster({
      encryption: { cipherSuite: "aes-128-ctr-hmac-sha256-80" },
    });
    const truth = await Truth.of(cluster.epochMs);
    let asked = 0;
    await page.route("**/demo/key?*", async (route) => {
      asked += 1;
      if (asked <= 4) await route.fulfill({ status: 503, body: "" });
      else await route.continue();
    });
    await demo.open();
    await demo.expectNotice("key-unavailable", 30_000);
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(1);
    expect(asked).toBeGreaterThan(4);
    await expect(page.locator("#notice")).toBeHidden();
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("is stored as ciphertext, and plays from the store when every peer is gone", async ({
    demo,
    ownCluster,
    page,
  }) => {
    const cluster = await ownCluster({
      encryption: { cipherSuite: "aes-256-gcm-sha512", keys: 2, rotateGroups: 2 },
    });
    const truth = await Truth.of(cluster.epochMs);
    await demo.play();
    await expect
      .poll(
        async () => (await demo.stats()).stored.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0),
        { timeout: 30_000 },
      )
      .toBeGreaterThanOrEqual(5000);
    for (const relay of [...cluster.relays, cluster.manifestPeer]) await relay.process.kill();
    await page.route("**/demo/key?*", (route) => route.abort());

    await page.reload();
    await Promise.all([demo.waitForProgress(2, 40_000), demo.waitForState("offline", 40_000)]);
    const { media, deliveries } = await demo.probed();
    expectOnlySignedMedia(media, truth);
    expect(deliveries).toEqual([]);
    const stored = await readStore(page);
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.filter(({ digest }) => truth.placeOf(digest) !== undefined)).toEqual([]);
  });
});
