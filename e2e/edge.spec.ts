/** Edges between viewers and origins: each track is pulled once, whoever dies above is replaced, and nothing is pulled for nobody. */
import type { RelayHandle } from "../demo/peers/cluster/cluster.ts";
import { expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

/** Video and audio. */
const TRACKS = 2;

const subscribers = async (relay: RelayHandle): Promise<number> => (await relay.stats()).subscribers;

test.describe("two edges and two origins", { tag: "@edge" }, () => {
  test("serve two viewers from one pull per edge, survive the death of the origin in use, and let go of it when nobody watches", async ({
    ownCluster,
    demo,
    page,
  }) => {
    test.setTimeout(150_000);
    const cluster = await ownCluster({ edges: ["E", "F"], named: ["E", "F"] });
    const truth = await Truth.of(cluster.epochMs);
    const [a, b, e, f] = (["A", "B", "E", "F"] as const).map((name) => cluster.relay(name)) as [
      RelayHandle,
      RelayHandle,
      RelayHandle,
      RelayHandle,
    ];

    await demo.play();
    for (const edge of [e, f])
      await demo.waitForSource(
        edge.url,
        "sends",
        ({ state, score }) => state === "active" && score.good + score.duplicate > 0,
      );
    const pulled = async (): Promise<number> => (await subscribers(a)) + (await subscribers(b));
    // An edge may ask for the tracks of the catalog's names only: two per edge, whichever origin it chose for each.
    expect(await pulled()).toBe(2 * TRACKS);

    const second = await page.context().newPage();
    await second.goto(page.url());
    await expect.poll(() => subscribers(e), { timeout: 20_000 }).toBe(2 * TRACKS);
    expect(await pulled()).toBe(2 * TRACKS);
    await second.close();

    // Silently, as a power cut would: nothing tells the edges but the silence itself.
    const used = (await subscribers(a)) > 0 ? a : b;
    const other = used === a ? b : a;
    await demo.waitForDelivery(2);
    await used.process.kill();
    await expect
      .poll(() => subscribers(other), { timeout: 30_000, message: "the edges read from the other origin" })
      .toBe(2 * TRACKS);
    await demo.waitForProgress(3, 40_000);
    expect(await demo.state()).toBe("live");
    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
    expectOnlySignedMedia((await demo.probed()).media, truth);

    await page.goto("about:blank");
    await expect
      .poll(() => subscribers(other), { timeout: 60_000, message: "nothing is pulled for nobody" })
      .toBe(0);
  });
});
