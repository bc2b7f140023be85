/** The signer's side misbehaves, or its carriers do. */
import { expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

test.describe("two manifest peers", { tag: ["@trust"] }, () => {
  test("of which one falls silent cost the viewer nothing", async ({ ownCluster, demo }) => {
    const cluster = await ownCluster({ manifestPeers: ["M", "M2"] });
    const truth = await Truth.of(cluster.epochMs);
    await demo.play();
    const [first, second] = cluster.manifestPeers;
    for (const { url } of cluster.manifestPeers)
      await demo.waitForSource(url, "carries manifests", ({ score }) => score.good + score.duplicate > 0);
    await first!.process.kill();
    await demo.waitForSource(first!.url, "is gone", ({ state }) => state !== "active", 30_000);
    await demo.waitForProgress(3);
    expect(await demo.state()).toBe("live");
    expect(await demo.source(second!.url)).toMatchObject({ state: "active", score: { junk: 0 } });
    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
  });
});

test.describe("a signer that is restarted", { tag: ["@trust"] }, () => {
  test("begins a new stream, which the viewer follows without a reload", async ({ ownCluster, demo }) => {
    test.setTimeout(120_000);
    const cluster = await ownCluster({});
    const truth = await Truth.of(cluster.epochMs);
    await demo.play();
    await cluster.signer.kill();
    await demo.waitForState("stale", 30_000);
    await cluster.signer.start();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(2, 30_000);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });
});

test.describe("a relay that leaves objects out", { tag: ["@trust", "@repair"] }, () => {
  test("while the other one stands by: what lacks is fetched from that one, and nothing is missed", async ({
    cluster,
    demo,
    truth,
  }) => {
    const [a, b] = cluster.relays;
    a!.setFault("skip");
    await demo.play({ query: { redundancy: "1" } });
    await demo.waitForProgress(4);
    // Every fifth object is B's or nobody's.
    await demo.waitForSource(b!.url, "repaired", ({ score }) => score.good > 0);
    expect(await demo.events("hole")).toEqual([]);
    await expectExactlyOnce(demo, truth);
  });
});
