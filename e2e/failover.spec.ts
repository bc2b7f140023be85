/** A relay dies in mid-group and comes back: the viewer sees nothing of it. */
import { expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";

test.describe("a relay that is killed in mid-group", { tag: "@failover" }, () => {
  test("costs the viewer no object, and is taken back when it returns; then the other one may go", async ({
    cluster,
    demo,
    truth,
  }) => {
    test.slow();
    const [a, b] = [cluster.relay("A"), cluster.relay("B")];
    await demo.play();
    for (const relay of [a, b])
      await demo.waitForSource(relay.url, "is active", ({ state }) => state === "active");

    // Object 2 of 5: its group is open.
    await demo.waitForDelivery(2);
    await a.process.kill();
    await demo.waitForProgress(3);
    expect(await demo.state()).toBe("live");

    await a.process.start();
    const before = (await demo.source(a.url))?.score;
    await demo.waitForSource(
      a.url,
      "is back and sends",
      ({ state, score }) =>
        state === "active" && score.good + score.duplicate > (before?.good ?? 0) + (before?.duplicate ?? 0),
      45_000,
    );

    await demo.waitForDelivery(2);
    await b.process.kill();
    await demo.waitForProgress(3);
    expect(await demo.state()).toBe("live");

    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });
});
