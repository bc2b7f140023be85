/** Keys change while the viewer watches: nothing is reloaded, nothing is missed, and what was signed before stays true. */
import { changeKeys, delegate } from "../demo/peers/cluster/signing.ts";
import { signRevocation, signSuccession } from "../src/trust/key-change.ts";
import { generateSeed, importSeed } from "../src/trust/keys.ts";
import { type DemoPage, expectExactlyOnce } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

const BROADCAST = "countersign/demo";

/** Time for a statement to reach everybody before it takes effect. */
const NOTICE_MS = 2_000;

/** Until what was cut this long after `wallMs` is verified and can be played. */
async function waitForMediaOf(demo: DemoPage, wallMs: number): Promise<void> {
  await expect
    .poll(
      async () => {
        const { edgeMs = 0, epochMs = 0 } = await demo.stats();
        return epochMs + edgeMs;
      },
      { timeout: 30_000, message: "media that were signed after the change" },
    )
    .toBeGreaterThan(wallMs + 2_000);
}

test.describe("keys", { tag: ["@trust", "@keys"] }, () => {
  test("a signer's key is replaced and revoked, and then the root by its successor, in mid-stream and without a glitch", async ({
    ownCluster,
    demo,
  }) => {
    test.setTimeout(120_000);
    const cluster = await ownCluster({ delegated: true });
    const truth = await Truth.of(cluster.epochMs);
    await demo.play();
    const { signer, root } = cluster;
    const [secondSeed, rootSeed, thirdSeed] = [generateSeed(), generateSeed(), generateSeed()];
    const second = await importSeed(secondSeed);

    let fromMs = Date.now() + NOTICE_MS;
    const toSecond = await delegate(root, second.publicKey, BROADCAST, 2, fromMs);
    changeKeys(signer, { seed: secondSeed, delegations: [toSecond], fromMs });
    await waitForMediaOf(demo, fromMs);

    // The new root's signer takes over; the second one's right ends at the same instant.
    fromMs = Date.now() + NOTICE_MS;
    const newRoot = await importSeed(rootSeed);
    const third = await importSeed(thirdSeed);
    const succession = await signSuccession(root, { publicKey: newRoot.publicKey, fromMs });
    const revocation = await signRevocation(root, { publicKey: second.publicKey, fromMs });
    const toThird = await delegate(newRoot, third.publicKey, BROADCAST, 1, fromMs);
    changeKeys(signer, {
      seed: thirdSeed,
      successions: [succession],
      delegations: [toSecond, toThird],
      revocations: [revocation],
      fromMs,
    });
    await waitForMediaOf(demo, fromMs);
    await demo.waitForProgress(1);

    expect(await demo.state()).toBe("live");
    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
    expect(await demo.events("rejected")).toEqual([]);
    expect((await demo.stats()).sources.find(({ kind }) => kind === "manifests")?.score.junk).toBe(0);

    // Whoever comes now knows the first root only, and finds the way to the newest from what rides along.
    await demo.page.reload();
    await demo.waitForState("live");
    await demo.waitForProgress(1);
  });

  test("a revoked key is believed no more: the picture stops, and says why, until the signer has a new one", async ({
    ownCluster,
    demo,
  }) => {
    test.setTimeout(120_000);
    const cluster = await ownCluster({ delegated: true });
    await demo.play();
    const { signer, root } = cluster;
    const fromMs = Date.now() + NOTICE_MS;
    const seed = generateSeed();
    const key = await importSeed(seed);
    const statement = await delegate(root, key.publicKey, BROADCAST, 2, fromMs);
    // The right to sign goes to a key that the signer has not got: a thief's position, seen from the viewer.
    const stolen = generateSeed();
    changeKeys(signer, { seed: stolen, delegations: [statement], fromMs });
    await demo.waitForState("stale", 30_000);
    const { edgeMs = 0, epochMs = 0 } = await demo.stats();
    expect(epochMs + edgeMs).toBeLessThan(fromMs + 2_000);
    // The state is told at once, figures twice a second.
    await expect
      .poll(async () => (await demo.stats()).trustRanges.some(({ state }) => state === "stale"))
      .toBe(true);

    changeKeys(signer, { seed, delegations: [statement] });
    await demo.waitForState("live", 30_000);
    await demo.waitForProgress(1);
  });

  test("a viewer's clock that is four minutes wrong is no hindrance; ten minutes are told as what they are", async ({
    cluster,
    demo,
    context,
    site,
  }) => {
    void cluster;
    await demo.play({ preludes: ["/e2e/preludes/clock-ahead.ts"] });
    const other = new (demo.constructor as typeof DemoPage)(await context.newPage(), site.url);
    // With nothing of what the first page stored: that was verified, and would play.
    await other.open({ query: { replay: "off" }, preludes: ["/e2e/preludes/clock-behind.ts"] });
    await other.expectNotice("manifest-fast-forward");
    expect(await other.frames()).toBe(0);
  });
});
