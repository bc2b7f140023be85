/**
 * A signer whose word cannot be used: it publishes a catalog with its manifest, again and again, and one of the two is bad.
 *
 * `--lie malformed-catalog`: signs, properly, a document that is no catalog. `--lie bad-signature`: the right document, under a signature with one
 * bit changed.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { loadClip } from "../../demo/peers/input/load-clip.ts";

import { dial } from "../../demo/peers/webtransport/client.ts";
import { manifestTrackName } from "../../src/catalog/build.ts";
import { CATALOG_TRACK_NAME } from "../../src/catalog/types.ts";
import { systemClock } from "../../src/clock.ts";
import { broadcastCatalog } from "../../src/publish/broadcast-catalog.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";
import { generateStreamId, type SignedManifest, TrackSigner } from "../../src/publish/signer.ts";
import { TrackServer } from "../../src/publish/track-server.ts";
import { connect } from "../../src/transport/connect.ts";
import { importSeed } from "../../src/trust/keys.ts";
import { namespaceOf, trackKey, trackOf } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";

const INTERVAL_MS = 500;
const NOTHING = new Uint8Array(0);
const FLAGS = { endOfGroup: true, firstObject: true, priority: undefined } as const;

function objectOf(group: number, payload: Uint8Array): MoqObject {
  return {
    group,
    object: 0,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: NOTHING,
    payload,
  };
}

await runPeer(async (stop) => {
  const { values } = parseArgs({
    options: {
      relay: { type: "string", default: "" },
      "cert-hash": { type: "string", default: "" },
      broadcast: { type: "string", default: "" },
      seed: { type: "string", default: "" },
      lie: { type: "string", default: "" },
    },
  });
  const namespace = namespaceOf(...values.broadcast.split("/"));
  const cutter = new GroupCutter((await loadClip()).clip, { objectMs: 200 });
  const malformed = values.lie === "malformed-catalog";
  const catalog = malformed
    ? new TextEncoder().encode('{"version": 1, "tracks": "none"}')
    : broadcastCatalog(cutter, { epochMs: Date.now() });

  const track = trackOf(namespace, CATALOG_TRACK_NAME);
  const catalogs = new TrackServer({ track });
  const manifests = new TrackServer({ track: trackOf(namespace, manifestTrackName(CATALOG_TRACK_NAME)) });
  const servers = new Map([catalogs, manifests].map((server) => [trackKey(server.track), server]));
  const refuse = { errorCode: 0x10, reason: "no such track" };
  const connection = await connect(
    dial,
    {
      url: values.relay,
      certificateHashes: [new Uint8Array(Buffer.from(values["cert-hash"], "hex"))],
      signal: stop,
    },
    {
      subscribe(request) {
        const server = servers.get(trackKey(request.track));
        if (server) server.subscribe(request);
        else request.reject(refuse);
      },
      fetch(request) {
        const server = servers.get(trackKey(request.track));
        if (server) void server.fetch(request);
        else request.reject(refuse);
      },
    },
  );
  const signer = new TrackSigner({
    key: await importSeed(new Uint8Array(Buffer.from(readFileSync(values.seed, "utf8").trim(), "hex"))),
    track,
    streamId: generateStreamId(),
    clock: systemClock,
    publish: ({ group, object, envelope }: SignedManifest) => {
      const payload = envelope.slice();
      // COSE_Sign1 ends with the signature.
      if (!malformed) payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1;
      manifests.publish({ ...objectOf(Number(group), payload), object }, FLAGS);
      manifests.endSubgroup(group, 0, { clean: true, endOfGroup: true });
    },
  });
  await connection.publishNamespace(namespace);
  report({ type: "ready" });
  for (let group = 0; !stop.aborted; group++) {
    await signer.add({ group, object: 0, payload: catalog, last: true });
    catalogs.publish(objectOf(group, catalog), FLAGS);
    catalogs.endSubgroup(group, 0, { clean: true, endOfGroup: true });
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
  connection.close(0, "done lying");
});
