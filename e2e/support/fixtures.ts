/**
 * What every spec of the demo needs: relays, publishers and a signer as processes, the page's server, and a page with a probe in it.
 *
 * Processes cost seconds to start, so one cluster serves all tests of a Playwright worker; whatever a test stops or corrupts is mended after it. A test
 * that needs other processes starts a cluster of its own with `startCluster`.
 */
import { test as base } from "@playwright/test";
import type { Cluster, ClusterOptions, RelayHandle } from "../../demo/peers/cluster/cluster.ts";
import { startCluster } from "../../demo/peers/cluster/cluster.ts";
import { DemoPage } from "./demo-page.ts";
import type { Site } from "./site.ts";
import { startSite } from "./site.ts";
import { Truth } from "./truth.ts";

/** The other broadcast that the relays carry: of the same clip, an hour ahead, so that none of its objects has the bytes of ours. */
export const FOREIGN_BROADCAST = "countersign/foreign";
const FOREIGN_HEAD_START_MS = 3_600_000;

interface WorkerFixtures {
  readonly site: Site;
  readonly sharedCluster: Cluster;
}

interface Fixtures {
  /** Relays A and B, manifest peer M, a signer and publishers, all honest when a test begins. */
  readonly cluster: Cluster;
  /** The demo page of `cluster`, not opened yet. */
  readonly demo: DemoPage;
  readonly truth: Truth;
  /** Starts a cluster for this test alone and points the page's server at it. */
  readonly ownCluster: (options: ClusterOptions) => Promise<Cluster>;
}

async function mend(relay: RelayHandle): Promise<void> {
  if (!relay.process.running) await relay.process.start();
  relay.setFault("none");
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are used from here
    async ({}, use) => {
      const site = await startSite();
      await use(site);
      await site.close();
    },
    { scope: "worker" },
  ],
  sharedCluster: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => {
      const epochMs = Math.floor(Date.now() / 1000) * 1000;
      const ahead = ["--epoch", String(epochMs - FOREIGN_HEAD_START_MS)];
      const cluster = await startCluster({
        epochMs,
        foreignBroadcast: FOREIGN_BROADCAST,
        flags: { "foreign-A": ahead, "foreign-B": ahead },
      });
      await use(cluster);
      await cluster.stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  cluster: async ({ sharedCluster, site }, use) => {
    site.show(sharedCluster);
    await use(sharedCluster);
    await Promise.all([...sharedCluster.relays, sharedCluster.manifestPeer].map(mend));
  },
  demo: async ({ page, site }, use) => {
    await use(new DemoPage(page, site.url));
  },
  truth: async ({ cluster }, use) => {
    await use(await Truth.of(cluster.epochMs));
  },
  ownCluster: async ({ site }, use) => {
    const started: Cluster[] = [];
    await use(async (options) => {
      const cluster = await startCluster(options);
      started.push(cluster);
      site.show(cluster);
      return cluster;
    });
    await Promise.all(started.map((cluster) => cluster.stop()));
  },
});

export { expect } from "@playwright/test";
