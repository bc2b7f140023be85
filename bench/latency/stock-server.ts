/**
 * The same broadcast as low-latency HLS over HTTP, for a stock hls.js: the reference.
 *
 * The clip is cut by the same cutter on the same clock, and the lists are written by the same room as the player's, so what differs is what is measured:
 * no relay and no verification here, but HTTP, and hls.js as it comes.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { loadClip } from "../../demo/peers/input/load-clip.ts";
import { parseCatalog } from "../../src/catalog/parse.ts";
import { systemClock } from "../../src/clock.ts";
import { toCountersignError } from "../../src/errors.ts";
import { Presentation } from "../../src/playback/presentation.ts";
import { TrackWindow } from "../../src/playback/track-window.ts";
import { broadcastCatalog } from "../../src/publish/broadcast-catalog.ts";
import { scheduleBroadcast } from "../../src/publish/broadcast-schedule.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";
import type { Verified } from "../../src/trust/types.ts";
import { namespaceOf } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";
import { choosePlayableTracks } from "../../workers/playable-tracks.ts";

export interface StockServer {
  /** The multivariant playlist. */
  readonly url: string;
  close(): Promise<void>;
}

const NAMESPACE = namespaceOf("countersign", "bench");
const EMPTY = new Uint8Array(0);

export async function serveStock(objectMs: number): Promise<StockServer> {
  const { clip } = await loadClip(undefined);
  const cutter = new GroupCutter(clip, { objectMs });
  const epochMs = Math.floor(Date.now() / 1000) * 1000;
  const catalog = parseCatalog(broadcastCatalog(cutter, { epochMs }));
  const windows = new Map(
    choosePlayableTracks(catalog, NAMESPACE).map((track) => [track.name, new TrackWindow(track)]),
  );
  const presentation = new Presentation({ epochMs, windows: [...windows.values()] });
  const stop = new AbortController();

  const publishing = (async () => {
    for await (const { trackName, group, objectId, payload, last } of scheduleBroadcast(cutter, {
      epochMs,
      clock: systemClock,
      signal: stop.signal,
    })) {
      const object: MoqObject = {
        group,
        object: objectId,
        subgroup: 0,
        priority: undefined,
        status: "normal",
        properties: EMPTY,
        payload,
      };
      // Nobody verified it, and nobody has to: we have just cut it ourselves.
      windows.get(trackName)?.append(object as Verified<MoqObject>);
      if (last) windows.get(trackName)?.complete(group);
    }
  })();

  let requests = 0;
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    const id = requests++;
    response.once("close", () => presentation.cancel(id));
    try {
      const resource = await presentation.resource({ id, path });
      response.writeHead(200, {
        "access-control-allow-origin": "*",
        "content-type": resource.kind === "playlist" ? "application/vnd.apple.mpegurl" : "video/mp4",
      });
      response.end(resource.kind === "playlist" ? resource.text : new Uint8Array(resource.data));
    } catch (thrown) {
      const { code } = toCountersignError(thrown, "internal");
      response
        .writeHead(code === "range-unavailable" || code === "track-unknown" ? 404 : 503, {
          "access-control-allow-origin": "*",
        })
        .end();
    }
  };
  const server = createServer((request, response) => void answer((request.url ?? "/").slice(1), response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/main.m3u8`,
    async close() {
      stop.abort();
      presentation.close();
      await publishing;
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
