/** The demo page's server, started once per Playwright worker and pointed at the cluster of whichever test runs. */
import type { Cluster } from "../../demo/peers/cluster/cluster.ts";
import type { DemoServer } from "../../demo/peers/serve.ts";
import { serveDemo } from "../../demo/peers/serve.ts";

export interface Site extends DemoServer {
  show(cluster: Cluster): void;
}

export async function startSite(): Promise<Site> {
  let shown: Cluster | undefined;
  const current = new Proxy({} as Cluster, {
    get(_target, property) {
      if (shown === undefined) throw new Error("No cluster is shown on this site yet.");
      return Reflect.get(shown, property, shown) as unknown;
    },
  });
  const server = await serveDemo(current, { port: 0, quiet: true, watch: false });
  return {
    ...server,
    show(cluster) {
      shown = cluster;
    },
  };
}
