/** Relays that lie: beside an honest one the viewer notices nothing; alone they are shown to nobody, and the page says why. */
import type { Cluster } from "../demo/peers/cluster/cluster.ts";
import { PeerProcess } from "../demo/peers/cluster/peer-process.ts";
import type { FaultName } from "../demo/peers/faults/fault.ts";
import type { SourceStats } from "../src/index.ts";
import { expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, FOREIGN_BROADCAST, test } from "./support/fixtures.ts";
import { readStore } from "./support/store.ts";

/** How the viewer's figures name a fault, where bytes prove it. Cut and reset streams are no lie: a network does that, too. */
const caughtLying = ({ score, state }: SourceStats): boolean =>
  score.junk + score.unsigned > 0 || state === "banned";
const EVIDENCE: Partial<Readonly<Record<FaultName, (source: SourceStats) => boolean>>> = {
  alter: caughtLying,
  "junk-first": caughtLying,
  move: caughtLying,
  replay: caughtLying,
  foreign: caughtLying,
  unsigned: caughtLying,
  endless: caughtLying,
  withhold: ({ score }) => score.good + score.duplicate === 0,
};

/** Bytes that a sender may get rid of before it is stopped: the windows of streams and connections, and some. */
const MOST_OF_AN_ENDLESS_OBJECT = 4 * 1024 * 1024;

const FAULTS: readonly FaultName[] = [
  "alter",
  "junk-first",
  "move",
  "replay",
  "foreign",
  "unsigned",
  "endless",
  "truncate",
  "reset",
  "withhold",
];

/** Makes the relay carry the other broadcast, too, so that it has something to mix in. */
async function carryForeign(cluster: Cluster, name: string): Promise<PeerProcess> {
  const relay = cluster.relay(name);
  const viewer = new PeerProcess({
    name: `viewer of the foreign broadcast at ${name}`,
    program: "../../e2e/support/foreign-viewer.ts",
    args: ["--broadcast", FOREIGN_BROADCAST, "--relay", relay.url, "--cert-hash", relay.certificateHash],
  });
  await viewer.start();
  return viewer;
}

test.describe("beside an honest relay", { tag: "@tamper" }, () => {
  for (const fault of FAULTS) {
    test(`a relay of the kind "${fault}" changes nothing of what is played`, async ({
      cluster,
      demo,
      truth,
      browserName,
    }) => {
      const a = cluster.relay("A");
      const viewer = fault === "foreign" ? await carryForeign(cluster, "A") : undefined;
      a.setFault(fault);
      await demo.play();
      const evidence = EVIDENCE[fault];
      if (evidence) await demo.waitForSource(a.url, "is seen through", evidence);
      await demo.waitForProgress(2);
      await viewer?.stop();
      if (fault === "endless") {
        // Nobody reads a terabyte: it is refused on its length alone. Firefox reads no further but does not tell the sender, which then meets
        // the window that the browser grants a stream.
        const endless = async () => (await a.stats()).endless;
        if (browserName === "chromium")
          await expect.poll(async () => (await endless()).refused).toBeGreaterThan(0);
        const { begun, bytes } = await endless();
        expect(bytes / begun).toBeLessThan(MOST_OF_AN_ENDLESS_OBJECT);
      }

      expect(await demo.state()).toBe("live");
      await expectExactlyOnce(demo, truth);
      expectOnlySignedMedia((await demo.probed()).media, truth);
      expect(await demo.events("hole")).toEqual([]);
      // Nobody is blamed for what another did.
      expect(await demo.source(cluster.relay("B").url)).toMatchObject({
        state: "active",
        score: { junk: 0, unsigned: 0 },
      });
    });
  }

  test("a relay that begins to lie while it plays is found out, and taken back when it is honest again", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.slow();
    const a = cluster.relay("A");
    await demo.play();
    await demo.waitForSource(a.url, "is active", ({ state }) => state === "active");
    await page.getByLabel("How relay A behaves").selectOption("alter");
    await demo.waitForSource(a.url, "is banned", ({ state }) => state === "banned");
    await expect(page.locator(".source[data-peer=A] .problem")).toBeVisible();
    await page.getByLabel("How relay A behaves").selectOption("none");
    await demo.waitForSource(a.url, "is active again", ({ state }) => state === "active", 45_000);
    await expectExactlyOnce(demo, truth);
    expect(await demo.events("hole")).toEqual([]);
  });
});

test.describe("with a liar beside an honest relay", { tag: "@tamper" }, () => {
  test("the store keeps only what was signed", async ({ cluster, demo, page, truth }) => {
    cluster.relay("A").setFault("junk-first");
    await demo.play();
    await demo.waitForProgress(3);
    // The worker writes what it holds before it goes.
    await page.evaluate(() => globalThis.player.destroy());
    const stored = await readStore(page);
    expect(stored.length).toBeGreaterThan(10);
    const wrong = stored.filter(({ digest, group, object }) => {
      const place = truth.placeOf(digest);
      return place?.group !== group || place.object !== object;
    });
    expect(wrong).toEqual([]);
  });
});

test.describe("when every relay lies", { tag: "@tamper" }, () => {
  for (const fault of ["alter", "replay", "foreign", "move"] as const) {
    test(`("${fault}") nothing is played, nothing is stored, and the page says why`, async ({
      cluster,
      demo,
      page,
    }) => {
      const viewers =
        fault === "foreign" ? await Promise.all(["A", "B"].map((name) => carryForeign(cluster, name))) : [];
      for (const relay of cluster.relays) relay.setFault(fault);
      await demo.open();
      await demo.waitForState("blocked", 30_000);
      await demo.expectNotice("all-relays-lie");
      await Promise.all(viewers.map((viewer) => viewer.stop()));

      expect(await demo.frames()).toBe(0);
      const probe = await demo.probed();
      expect(probe.media).toEqual([]);
      expect(probe.deliveries).toEqual([]);
      await page.evaluate(() => globalThis.player.destroy());
      expect(await readStore(page)).toEqual([]);
    });
  }
});
