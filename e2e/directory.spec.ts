/** A player that is told of one relay finds the others, follows them as they come and go, and says when there is nobody to find. */
import { expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

test.describe("a relay that knows of others", { tag: "@directory" }, () => {
  test("leads a player to them; playback goes on when it dies, and a relay that stops serving is let go at once", async ({
    ownCluster,
    demo,
  }) => {
    test.slow();
    const cluster = await ownCluster({ directory: true, named: ["A"] });
    const truth = await Truth.of(cluster.epochMs);
    const [a, b] = [cluster.relay("A"), cluster.relay("B")];
    expect(cluster.playerOptions.objects.map(({ url }) => url)).toEqual([a.url]);

    await demo.play();
    await demo.waitForSource(
      b.url,
      "was found and sends",
      ({ found, state, score }) => found && state === "active" && score.good + score.duplicate > 0,
    );
    expect((await demo.source(a.url))?.found).toBe(false);

    await a.process.kill();
    await demo.waitForProgress(3);
    expect(await demo.state()).toBe("live");
    await a.process.start();
    await demo.waitForSource(a.url, "is back", ({ state }) => state === "active", 45_000);

    await cluster.process("publisher-B").stop();
    await expect.poll(() => demo.source(b.url), { timeout: 20_000, message: "B is let go" }).toBeUndefined();
    await demo.waitForProgress(2);
    await cluster.process("publisher-B").start();
    await demo.waitForSource(b.url, "is found again", ({ state }) => state === "active", 30_000);
    await demo.waitForProgress(1);

    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("says that nobody serves the broadcast, until somebody does", async ({ ownCluster, demo, page }) => {
    test.slow();
    const cluster = await ownCluster({
      directory: true,
      named: ["A"],
      hold: ["publisher-A", "publisher-B"],
    });
    await demo.open();
    await demo.waitForState("blocked", 40_000);
    await expect(page.locator("#notice-code")).toHaveText("broadcast-unknown", { timeout: 20_000 });
    await cluster.process("publisher-B").start();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(1);
  });
});
