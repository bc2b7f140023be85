/** The signer's side comes late, goes and returns: nothing plays without it, and nothing has to be reloaded for it. */
import { expectExactlyOnce } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

test.describe("a manifest peer", { tag: "@manifest" }, () => {
  test("that comes late is waited for, with nothing played meanwhile, and starts playback without a reload", async ({
    ownCluster,
    demo,
  }) => {
    const cluster = await ownCluster({ hold: ["M", "signer"] });
    const truth = await Truth.of(cluster.epochMs);
    await demo.open();
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is connected", ({ state }) => state === "active");
    expect(await demo.state()).toBe("connecting");
    expect(await demo.frames()).toBe(0);
    expect((await demo.probed()).media).toEqual([]);

    // A peer without a signer is no more than an address that answers.
    await cluster.manifestPeer.process.start();
    await demo.waitForState("waiting", 30_000);
    await demo.expectNotice("broadcast-unknown");
    expect((await demo.probed()).media).toEqual([]);

    await cluster.signer.start();
    await demo.waitForState("live", 30_000);
    await demo.waitForProgress(2);
    await expectExactlyOnce(demo, truth);
    await expect(demo.page.locator("#notice")).toBeHidden();
  });

  test("that goes lets playback reach the last verified object, says that it is stale, and goes on when it returns", async ({
    cluster,
    demo,
    truth,
  }) => {
    test.slow();
    await demo.play();
    await cluster.manifestPeer.process.kill();
    await demo.waitForState("stale", 40_000);
    await demo.expectNotice("manifest-expired");

    // Everything that was verified is played, and nothing beyond it.
    const edgeMs = (await demo.stats()).edgeMs ?? 0;
    await expect
      .poll(() => demo.page.evaluate(() => globalThis.player.positionMs), { timeout: 15_000 })
      .toBeGreaterThan(edgeMs - 250);
    const deliveries = (await demo.deliveries()).length;
    const shown = await demo.frames();
    // The relays go on sending: this many objects per relay would be five seconds' worth of both tracks.
    const received = (await demo.stats()).bytes.received;
    await expect
      .poll(async () => (await demo.stats()).bytes.received, { timeout: 15_000 })
      .toBeGreaterThan(received + 50_000);
    expect((await demo.deliveries()).length).toBe(deliveries);
    expect(await demo.frames()).toBe(shown);
    expect((await demo.stats()).edgeMs).toBe(edgeMs);

    await cluster.manifestPeer.process.start();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(2, 30_000);
    const { deliveries: all, media } = await demo.probed();
    const names = all.filter(({ type }) => type === "delivered").map(({ digest }) => digest);
    expect(new Set(names).size, "objects delivered twice").toBe(names.length);
    expect(
      media.filter(({ kind, digest }) => kind === "chunk" && truth.placeOf(digest) === undefined),
    ).toEqual([]);
  });
});
