/** Two sources, one track: every object once, whoever brings it. */
import { DemoPage, expectExactlyOnce } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";

test.describe("two relays that both deliver", { tag: "@merge" }, () => {
  test("give the viewer every object exactly once, as the signer signed it", async ({
    cluster,
    demo,
    truth,
  }) => {
    await demo.play();
    for (const relay of cluster.relays) {
      await demo.waitForSource(
        relay.url,
        "sends what counts",
        ({ score }) => score.good + score.duplicate >= 20,
      );
    }
    await demo.waitForProgress(2);

    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
    expect(await demo.events("rejected")).toEqual([]);

    const { objects, sources } = await demo.stats();
    expect(objects.duplicate).toBeGreaterThan(0);
    // What was delivered is what the relays' first copies were: no object counts for both.
    const relays = sources.filter(({ kind }) => kind === "objects");
    expect(relays.reduce((sum, { score }) => sum + score.good, 0)).toBe(objects.delivered);
  });

  test("serve a second viewer as well as the first", async ({ cluster, demo, context, site, truth }) => {
    void cluster;
    const second = new DemoPage(await context.newPage(), site.url);
    await demo.play();
    await second.play();
    // A page in the background may be slowed down by its browser; both are asked while they are in front.
    for (const viewer of [demo, second]) {
      await viewer.page.bringToFront();
      await viewer.waitForProgress(1.5);
      await expectExactlyOnce(viewer, truth);
      expect((await viewer.stats()).objects.duplicate).toBeGreaterThan(0);
    }
  });
});
