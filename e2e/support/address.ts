/** Addresses of the demo page that name their peers themselves. */
import type { Cluster } from "../../demo/peers/cluster/cluster.ts";

/** Port 9 (discard): reserved, and nobody's. */
export const NOBODY = "https://127.0.0.1:9/";

/** As demo/config.ts reads it from the address, with something else in place of some of it. */
export function addressOf(
  { playerOptions }: Cluster,
  other: Record<string, string> = {},
): Record<string, string> {
  const { broadcast, objects, manifests, trust } = playerOptions;
  const urls = (peers: typeof objects): string => peers.map(({ url }) => url).join();
  return {
    broadcast,
    objects: urls(objects),
    manifests: urls(manifests),
    root: trust.roots.join(),
    hash: [...objects, ...manifests].flatMap(({ certificateHashes }) => certificateHashes).join(),
    ...other,
  };
}
