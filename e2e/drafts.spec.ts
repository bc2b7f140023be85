/** Relays that speak older drafts of MOQT: the whole demo over them, publishers, signer, relays and player. */
import { expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

test.describe("a broadcast over an older draft", { tag: "@drafts" }, () => {
  // biome-ignore lint/suspicious/noSkippedTests: nothing here is Chromium's own; it has only not been seen to pass in Firefox yet
  test.skip(({ browserName }) => browserName !== "chromium", "seen to pass in Chromium so far");

  for (const draft of ["moqt-16", "moqt-14"]) {
    test(`plays in ${draft}, verified, from both relays`, async ({ ownCluster, demo, page }) => {
      test.setTimeout(90_000);
      const cluster = await ownCluster({ draft });
      const truth = await Truth.of(cluster.epochMs);
      await demo.play();
      await demo.waitForProgress(2);
      for (const relay of cluster.relays)
        await demo.waitForSource(relay.url, "is active", ({ state }) => state === "active");
      const stats = await demo.stats();
      expect(stats).toMatchObject({ trust: "verified", objects: { rejected: 0, holes: 0 } });
      expectOnlySignedMedia((await demo.probed()).media, truth);
      await expect(page.locator("#notice")).toBeHidden();
    });
  }

  test("is found by trying where nothing is negotiated: one relay speaks 16, one 14, the signer's 18", async ({
    ownCluster,
    demo,
  }) => {
    test.setTimeout(90_000);
    const cluster = await ownCluster({
      flags: {
        A: ["--draft", "moqt-16"],
        "publisher-A": ["--draft", "moqt-16"],
        B: ["--draft", "moqt-14"],
        "publisher-B": ["--draft", "moqt-14"],
        M: ["--draft", "moqt-18"],
      },
    });
    await demo.play();
    for (const relay of cluster.relays)
      await demo.waitForSource(
        relay.url,
        "sends",
        ({ state, score }) => state === "active" && score.good + score.duplicate > 0,
      );
    expect((await demo.stats()).trust).toBe("verified");
  });
});
