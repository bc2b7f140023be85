/**
 * An origin that has everything ready: a broadcast cut and signed beforehand, sent as fast as the reader takes it.
 *
 * The same bytes go to every run, over the same code as the publishers' and relays': one subgroup stream per group. Manifests go over a session of their own,
 * just ahead of the objects they sign. Every run gets group 0 first. From then on the page says over a session of its own what was consumed, a byte per
 * group, and the origin stays within a window of it: QUIC alone would let tens of megabytes pile up, and how a player drops what it cannot hold is another
 * subject than how fast it is.
 */
import { parseArgs } from "node:util";
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { createCertificate } from "../../demo/peers/webtransport/certificates.ts";
import { WebTransportServer } from "../../demo/peers/webtransport/server.ts";
import { manifestTrackName } from "../../src/catalog/build.ts";
import { CATALOG_TRACK_NAME } from "../../src/catalog/types.ts";
import type { Clock } from "../../src/clock.ts";
import { broadcastCatalog } from "../../src/publish/broadcast-catalog.ts";
import { createClip } from "../../src/publish/clip.ts";
import { GroupCache } from "../../src/publish/group-cache.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";
import { generateStreamId, MAX_BATCH_MS, TrackSigner } from "../../src/publish/signer.ts";
import { syntheticClip } from "../../src/publish/synthetic-clip.ts";
import { TrackServer } from "../../src/publish/track-server.ts";
import { accept } from "../../src/transport/connect.ts";
import type { PublishedTrack, RequestHandlers } from "../../src/transport/connection.ts";
import type { WebTransportPort } from "../../src/transport/port.ts";
import { generateSeed, importSeed, type SigningKey } from "../../src/trust/keys.ts";
import { namespaceOf, trackKey, trackOf } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";
import type { OriginInfo, Signing } from "./messages.ts";

const BROADCAST = ["countersign", "bench"];
const NAMESPACE = namespaceOf(...BROADCAST);
const VIDEO = "video";
const MANIFESTS = manifestTrackName(VIDEO);

/** A clip this long is looped; timestamps make every object different nevertheless. Both tracks of a synthetic clip fit into it. */
const CLIP_SECONDS = 8;
/** One object a frame. */
const OBJECT_MS = 40;
/** Boxes around a frame in its object; not exact, and need not be. */
const BOXES_BYTES = 110;
/** The whole benchmark is shorter. */
const FRESH_FOR_MS = 3_600_000;
/** Sent and not yet consumed. A little more than the merger holds of one source that waits for manifests (merge/limits.ts), which are not that late. */
const WINDOW_BYTES = 6_000_000;
/** Groups by which manifests are ahead of their objects. */
const LEAD_GROUPS = 2;
const DOES_NOT_EXIST = 0x10;
const EMPTY = new Uint8Array(0);

/** Batches end when they are full or the group is; no time passes while everything is signed beforehand. */
const timeless: Clock = { now: () => Date.now(), setTimer: () => () => undefined };

interface Broadcast {
  readonly groups: readonly (readonly MoqObject[])[];
  readonly manifests: Readonly<Record<Signing, readonly (readonly MoqObject[])[]>>;
  readonly catalog: ReadonlyMap<string, TrackServer>;
  readonly windowGroups: number;
}

function objectOf(group: number, object: number, payload: Uint8Array): MoqObject {
  return { group, object, subgroup: 0, priority: undefined, status: "normal", properties: EMPTY, payload };
}

function videoCutter(objectBytes: number): GroupCutter {
  const clip = syntheticClip({ seconds: CLIP_SECONDS, videoBytesPerFrame: objectBytes - BOXES_BYTES });
  return new GroupCutter(createClip(clip.tracks.filter(({ kind }) => kind === "video")), {
    objectMs: OBJECT_MS,
  });
}

async function sign(
  groups: readonly (readonly MoqObject[])[],
  signing: Signing,
  key: SigningKey,
  streamId: Uint8Array,
): Promise<MoqObject[][]> {
  const manifests: MoqObject[][] = groups.map(() => []);
  const signer = new TrackSigner({
    key,
    track: trackOf(NAMESPACE, VIDEO),
    streamId,
    clock: timeless,
    freshForMs: FRESH_FOR_MS,
    batchMs: signing === "group" ? MAX_BATCH_MS : 0,
    publish: ({ group, object, envelope }) =>
      manifests[Number(group)]?.push(objectOf(Number(group), object, envelope)),
  });
  for (const objects of groups) {
    await Promise.all(
      objects.map(({ group, object, payload }, index) =>
        signer.add({ group, object, payload, last: index === objects.length - 1 }),
      ),
    );
  }
  return manifests;
}

async function prepare(objectBytes: number, megabytes: number, key: SigningKey): Promise<Broadcast> {
  const cutter = videoCutter(objectBytes);
  const groupBytes = objectBytes * (1000 / OBJECT_MS);
  const count = 1 + Math.ceil((megabytes * 1e6) / groupBytes);
  const groups = Array.from({ length: count }, (_, group) =>
    cutter.group(VIDEO, group).map(({ objectId, payload }) => objectOf(group, objectId, payload)),
  );
  const streamId = generateStreamId();
  return {
    groups,
    // Two histories of one stream, which contradict each other; a viewer gets to see one of them.
    manifests: {
      object: await sign(groups, "object", key, streamId),
      group: await sign(groups, "group", key, streamId),
    },
    catalog: await catalogTracks(cutter, key, streamId),
    windowGroups: Math.max(2, Math.floor(WINDOW_BYTES / groupBytes)),
  };
}

async function catalogTracks(
  cutter: GroupCutter,
  key: SigningKey,
  streamId: Uint8Array,
): Promise<Map<string, TrackServer>> {
  const catalog = new TrackServer({ track: trackOf(NAMESPACE, CATALOG_TRACK_NAME), cache: new GroupCache() });
  const manifests = new TrackServer({
    track: trackOf(NAMESPACE, manifestTrackName(CATALOG_TRACK_NAME)),
    cache: new GroupCache(),
  });
  const flags = { endOfGroup: true, firstObject: true, priority: undefined } as const;
  const signer = new TrackSigner({
    key,
    track: trackOf(NAMESPACE, CATALOG_TRACK_NAME),
    streamId,
    clock: timeless,
    freshForMs: FRESH_FOR_MS,
    publish: ({ object, envelope }) => manifests.publish(objectOf(0, object, envelope), flags),
  });
  const payload = broadcastCatalog(cutter, { epochMs: Math.floor(Date.now() / 1000) * 1000 });
  await signer.add({ group: 0, object: 0, payload, last: true });
  catalog.publish(objectOf(0, 0, payload), flags);
  return new Map([catalog, manifests].map((server) => [trackKey(server.track), server]));
}

/** Sends one track's groups, a stream each, in order. */
async function sendGroups(
  track: PublishedTrack,
  groups: readonly (readonly MoqObject[])[],
  from: number,
  to: number,
): Promise<void> {
  for (let group = from; group < to; group++) {
    const writer = await track.openSubgroup({
      group,
      subgroup: 0,
      endOfGroup: true,
      firstObject: true,
      hasProperties: false,
    });
    const writes = (groups[group] ?? []).map((object) => writer.write(object));
    await Promise.all(writes);
    // Not awaited: FIN needs no company.
    writer.close().catch(() => undefined);
  }
}

/** One run's sessions: as many object sources as it asks for, and its manifest peer. */
class Run {
  readonly #broadcast: Broadcast;
  readonly #signing: Signing;
  readonly #sources: number;
  readonly #objects: PublishedTrack[] = [];
  #manifests: PublishedTrack | undefined;
  #manifestsSent = 0;
  #manifestsTail: Promise<void> = Promise.resolve();
  #consumed = 0;
  #onProgress: (() => void)[] = [];

  constructor(broadcast: Broadcast, address: URL) {
    this.#broadcast = broadcast;
    this.#signing = address.searchParams.get("signing") === "group" ? "group" : "object";
    this.#sources = Number(address.searchParams.get("sources") ?? 1);
  }

  readonly handlers: RequestHandlers = {
    subscribe: (request) => {
      const server = this.#broadcast.catalog.get(trackKey(request.track));
      if (server) server.subscribe(request);
      else if (trackKey(request.track) === trackKey(trackOf(NAMESPACE, VIDEO)))
        this.#objects.push(request.accept({}));
      else if (trackKey(request.track) === trackKey(trackOf(NAMESPACE, MANIFESTS)))
        this.#manifests = request.accept({});
      else request.reject({ errorCode: DOES_NOT_EXIST, reason: "no such track" });
      if (this.#manifests && this.#objects.length === this.#sources) this.#start();
    },
    fetch: (request) => {
      const server = this.#broadcast.catalog.get(trackKey(request.track));
      if (server) void server.fetch(request);
      else request.reject({ errorCode: DOES_NOT_EXIST, reason: "everything is sent once" });
    },
  };

  /** Each byte: a further group was consumed. The first one stands for group 0, and starts the flood. */
  async readProgress(session: WebTransportPort): Promise<void> {
    const { value: stream } = await session.incomingUnidirectionalStreams.getReader().read();
    const reader = stream?.getReader();
    for (;;) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) return;
      this.#consumed += chunk.value.byteLength;
      for (const resolve of this.#onProgress.splice(0)) resolve();
    }
  }

  async #untilWanted(group: number): Promise<void> {
    while (this.#consumed === 0 || group >= this.#consumed + this.#broadcast.windowGroups) {
      await new Promise<void>((resolve) => this.#onProgress.push(resolve));
    }
  }

  #start(): void {
    // Whoever leaves in mid-run is the reader's business; nothing here is worth reporting then.
    for (const track of this.#objects.splice(0)) this.#send(track).catch(() => undefined);
  }

  async #send(track: PublishedTrack): Promise<void> {
    const { groups } = this.#broadcast;
    this.#sendManifests(1);
    await sendGroups(track, groups, 0, 1);
    for (let group = 1; group < groups.length; group++) {
      await this.#untilWanted(group);
      this.#sendManifests(group + LEAD_GROUPS);
      await sendGroups(track, groups, group, group + 1);
    }
  }

  #sendManifests(upTo: number): void {
    const { groups, manifests } = this.#broadcast;
    const track = this.#manifests;
    const [from, to] = [this.#manifestsSent, Math.min(upTo, groups.length)];
    if (!track || to <= from) return;
    this.#manifestsSent = to;
    this.#manifestsTail = this.#manifestsTail
      .then(() => sendGroups(track, manifests[this.#signing], from, to))
      .catch(() => undefined);
  }
}

await runPeer(async (stop) => {
  const { values } = parseArgs({
    options: { "object-bytes": { type: "string" }, megabytes: { type: "string" } },
  });
  const key = await importSeed(generateSeed());
  const broadcast = await prepare(Number(values["object-bytes"]), Number(values.megabytes), key);
  const certificate = await createCertificate();
  const runs = new Map<string, Run>();
  const onSession = (session: WebTransportPort, url: URL): void => {
    const run = runs.get(url.pathname) ?? new Run(broadcast, url);
    runs.set(url.pathname, run);
    if (url.searchParams.has("progress")) {
      // The page's session outlives the run's others; with its end the run is over.
      const forget = (): boolean => runs.delete(url.pathname);
      run.readProgress(session).then(forget, forget);
      return;
    }
    accept(session, { url: url.href }, run.handlers).catch((error: unknown) =>
      report({ type: "log", text: `a session failed: ${error instanceof Error ? error.message : error}` }),
    );
  };
  const listen = () => WebTransportServer.listen({ certificate, onSession });
  const [a, b, m] = [await listen(), await listen(), await listen()];
  const info: OriginInfo = {
    objects: [a.url, b.url],
    manifests: m.url,
    certificateHash: Buffer.from(certificate.sha256).toString("hex"),
    rootKey: Buffer.from(key.publicKey).toString("hex"),
    groups: broadcast.groups.length,
    objectsPerGroup: broadcast.groups[0]?.length ?? 0,
    broadcast: BROADCAST,
  };
  report({ type: "log", text: JSON.stringify(info) });
  report({ type: "ready" });
  await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
});
