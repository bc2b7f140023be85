/**
 * Watches a broadcast at a relay and throws away what comes: a relay that mixes broadcasts can only do so with one that it carries.
 * `foreign-viewer.ts --broadcast NAME --relay URL --cert-hash HEX`
 */
import { parseArgs } from "node:util";
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { dial } from "../../demo/peers/webtransport/client.ts";
import { connect } from "../../src/transport/connect.ts";
import { namespaceOf, trackOf } from "../../src/wire/names.ts";

await runPeer(async (stop) => {
  const { values } = parseArgs({
    options: { broadcast: { type: "string" }, relay: { type: "string" }, "cert-hash": { type: "string" } },
  });
  const { broadcast = "", relay = "", "cert-hash": hash = "" } = values;
  const connection = await connect(dial, {
    url: relay,
    certificateHashes: [new Uint8Array(Buffer.from(hash, "hex"))],
    signal: stop,
  });
  const namespace = namespaceOf(...broadcast.split("/"));
  let seen = new Set<string>();
  for (const name of ["video", "audio"]) {
    await connection.subscribe(
      { track: trackOf(namespace, name) },
      {
        object() {
          if (seen.size === 2) return;
          seen = new Set([...seen, name]);
          if (seen.size === 2) report({ type: "ready" });
        },
      },
    );
  }
  stop.addEventListener("abort", () => connection.close(0, "seen enough"));
  await connection.closed;
});
