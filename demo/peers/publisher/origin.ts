/**
 * An original publisher: the tracks of one broadcast, fed by the schedule, served to whatever relay asks.
 *
 * The same program is the signer (manifests, no chunks) and the chunk publisher (chunks, no manifests); they never talk to each other.
 */

import { manifestTrackName, TIMELINE_TRACK_NAME } from "../../../src/catalog/build.ts";
import { CATALOG_TRACK_NAME } from "../../../src/catalog/types.ts";
import type { Clock } from "../../../src/clock.ts";
import { broadcastCatalog } from "../../../src/publish/broadcast-catalog.ts";
import { type ScheduledObject, scheduleBroadcast } from "../../../src/publish/broadcast-schedule.ts";
import { TICKS_PER_MS } from "../../../src/publish/clip.ts";
import { BroadcastEncryption, type EncryptionPlan } from "../../../src/publish/encryption.ts";
import { type CachedGroup, GroupCache } from "../../../src/publish/group-cache.ts";
import type { CutObject, GroupCutter } from "../../../src/publish/group-cutter.ts";
import { generateStreamId, type SignedManifest, TrackSigner } from "../../../src/publish/signer.ts";
import { CatalogSigner } from "../../../src/publish/signer-catalog.ts";
import { TimelineWriter } from "../../../src/publish/timeline-writer.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import type { RequestHandlers } from "../../../src/transport/connection.ts";
import type { SealedObject } from "../../../src/trust/secure-objects/object-cipher.ts";
import { type Namespace, namespaceOf, trackKey, trackOf } from "../../../src/wire/names.ts";
import type { MoqObject } from "../../../src/wire/objects.ts";
import type { VarInt } from "../../../src/wire/varint.ts";
import type { SignerKeys } from "./signer-keys.ts";

/** Manifests are small (about 150 bytes each), so an hour of them stays at hand for viewers who fetch older groups. */
const MANIFEST_CACHE_GROUPS = 3600;

/**
 * The catalog is published anew, and signed anew, this often: a viewer who joins needs no FETCH for it, and knows that the signer is alive.
 */
const CATALOG_INTERVAL_MS = 2000;

const EMPTY = new Uint8Array(0);
const REQUEST_DOES_NOT_EXIST = 0x10;

const FLAGS = { endOfGroup: true, firstObject: true, priority: undefined } as const;

export interface OriginOptions {
  readonly broadcast: readonly string[];
  readonly cutter: GroupCutter;
  readonly epochMs: number;
  readonly clock: Clock;
  readonly chunks: boolean;
  /** Manifests and the catalog are published when there is a key. */
  readonly signerKeys: SignerKeys | undefined;
  /** The stream to sign for; absent: a new one. */
  readonly streamId?: Uint8Array | undefined;
  /** Publish a track that lists when groups play, beside the manifests. */
  readonly timeline?: boolean;
  /** Encrypts the media tracks; absent: they go out as they are. */
  readonly encryption?: EncryptionPlan | undefined;
}

export class Origin {
  readonly namespace: Namespace;
  readonly #options: OriginOptions;
  readonly #servers = new Map<string, TrackServer>();
  readonly #signers = new Map<string, TrackSigner>();
  readonly #encryption: BroadcastEncryption | undefined;
  readonly #catalog: Uint8Array<ArrayBuffer>;
  readonly #catalogSigner: CatalogSigner | undefined;
  readonly #timeline: TimelineWriter | undefined;
  #cancelCatalog: (() => void) | undefined;

  constructor(options: OriginOptions) {
    this.#options = options;
    this.namespace = namespaceOf(...options.broadcast);
    if (options.encryption) this.#encryption = new BroadcastEncryption(this.namespace, options.encryption);
    this.#catalog = broadcastCatalog(options.cutter, {
      epochMs: options.epochMs,
      timeline: options.timeline ?? false,
      ...(this.#encryption && { encryption: this.#encryption.described }),
    });
    if (options.chunks) {
      for (const { clipTrack } of options.cutter.tracks) {
        this.#serve(clipTrack.name, new GroupCache(), (first, last) =>
          this.#recut(clipTrack.name, first, last),
        );
      }
    }
    const keys = options.signerKeys;
    if (keys) {
      const { key, statements: keyStatements } = keys;
      const streamId = options.streamId ?? generateStreamId();
      for (const { clipTrack } of options.cutter.tracks) {
        this.#signers.set(clipTrack.name, this.#signer(clipTrack.name, keys, streamId));
      }
      if (options.timeline) {
        this.#timeline = new TimelineWriter(options.clock);
        this.#serve(TIMELINE_TRACK_NAME, new GroupCache());
        this.#signers.set(TIMELINE_TRACK_NAME, this.#signer(TIMELINE_TRACK_NAME, keys, streamId));
      }
      this.#serve(CATALOG_TRACK_NAME, new GroupCache());
      this.#serve(manifestTrackName(CATALOG_TRACK_NAME), new GroupCache());
      this.#catalogSigner = new CatalogSigner({
        key,
        keyStatements,
        track: trackOf(this.namespace, CATALOG_TRACK_NAME),
        streamId,
        clock: options.clock,
      });
    }
  }

  readonly handlers: RequestHandlers = {
    subscribe: (request) => {
      const server = this.#servers.get(trackKey(request.track));
      if (server) server.subscribe(request);
      else
        request.reject({
          errorCode: REQUEST_DOES_NOT_EXIST,
          reason: "this publisher does not publish that track",
        });
    },
    fetch: (request) => {
      const server = this.#servers.get(trackKey(request.track));
      if (server) void server.fetch(request);
      else
        request.reject({
          errorCode: REQUEST_DOES_NOT_EXIST,
          reason: "this publisher does not publish that track",
        });
    },
    trackStatus: async (track) => {
      const server = this.#servers.get(trackKey(track));
      if (!server)
        return { errorCode: REQUEST_DOES_NOT_EXIST, reason: "this publisher does not publish that track" };
      return server.cache.largest ? { largest: server.cache.largest } : {};
    },
  };

  /** Publishes until the signal is aborted or the time is over. */
  async run(options: {
    readonly startupDelayMs: number;
    readonly historyMs?: number;
    readonly stopAfterMs: number | undefined;
    readonly signal: AbortSignal;
  }): Promise<void> {
    const { cutter, epochMs, clock } = this.#options;
    if (this.#catalogSigner) await this.#publishCatalog(this.#catalogSigner);
    for await (const object of scheduleBroadcast(cutter, {
      epochMs,
      clock,
      startupDelayMs: options.startupDelayMs,
      ...(options.historyMs !== undefined && { historyMs: options.historyMs }),
      signal: options.signal,
      ...(options.stopAfterMs !== undefined && { stopAfterMs: options.stopAfterMs }),
    })) {
      // A failure here would be a fault of this program; an unhandled rejection ends it, which is right.
      void this.#publish(object);
    }
    this.#cancelCatalog?.();
  }

  /** Sends these statements from the next manifest of each track on, and signs with the key from that time on. */
  async setKeys({ key, statements, fromMs }: SignerKeys): Promise<void> {
    const signers = [...this.#signers.values(), ...(this.#catalogSigner ? [this.#catalogSigner] : [])];
    await Promise.all(signers.map((signer) => signer.setKey(key, statements, fromMs)));
  }

  async #publish(cut: ScheduledObject): Promise<void> {
    const object = this.#encryption ? await this.#sealed(cut.trackName, cut.group, cut) : cut;
    // The signature is under way while the chunk goes out; neither waits for the other.
    const signed = this.#signers.get(object.trackName)?.add({ ...object, object: object.objectId });
    void signed;
    this.#list(cut);
    const server = this.#options.chunks ? this.#server(object.trackName) : undefined;
    if (!server) return;
    server.publish(asMoqObject(object.group, object), FLAGS);
    if (object.last) server.endSubgroup(object.group, 0, { clean: true, endOfGroup: true });
  }

  /** The leading track's groups are listed as they begin. */
  #list({ trackName, group, objectId: object, mediaStartTicks }: ScheduledObject): void {
    const { cutter, epochMs } = this.#options;
    if (object !== 0 || trackName !== cutter.leading?.clipTrack.name) return;
    const mediaMs = Math.floor(mediaStartTicks / TICKS_PER_MS);
    const listed = this.#timeline?.add({ mediaMs, group, object, wallclockMs: epochMs + mediaMs });
    const server = listed && this.#server(TIMELINE_TRACK_NAME);
    if (!server) return;
    void this.#signers.get(TIMELINE_TRACK_NAME)?.add(listed);
    const { largest } = server.cache;
    if (largest !== undefined && largest.group !== listed.group)
      server.endSubgroup(largest.group, 0, { clean: true, endOfGroup: true });
    server.publish({ ...plain(listed.group, listed.object), payload: listed.payload }, FLAGS);
  }

  async #publishCatalog(signer: CatalogSigner): Promise<void> {
    const signed = await signer.sign(this.#catalog);
    for (const trackSigner of this.#signers.values()) trackSigner.setCatalogDigest(signed.digest);
    const { group } = signed.object;
    // The proof first: a catalog that arrives before it would have to wait.
    this.#publishWhole(manifestTrackName(CATALOG_TRACK_NAME), {
      ...plain(group, 0),
      payload: signed.manifest.envelope,
    });
    this.#publishWhole(CATALOG_TRACK_NAME, signed.object);
    this.#cancelCatalog = this.#options.clock.setTimer(
      CATALOG_INTERVAL_MS,
      () => void this.#publishCatalog(signer),
    );
  }

  /** A group of one object. */
  #publishWhole(trackName: string, object: MoqObject): void {
    const server = this.#server(trackName);
    server?.publish(object, FLAGS);
    server?.endSubgroup(object.group, 0, { clean: true, endOfGroup: true });
  }

  #signer(
    trackName: string,
    { key, statements: keyStatements }: SignerKeys,
    streamId: Uint8Array,
  ): TrackSigner {
    const server = this.#serve(manifestTrackName(trackName), new GroupCache(MANIFEST_CACHE_GROUPS));
    let open: VarInt | undefined;
    return new TrackSigner({
      key,
      keyStatements,
      track: trackOf(this.namespace, trackName),
      streamId,
      clock: this.#options.clock,
      publish: (manifest: SignedManifest) => {
        if (open !== undefined && open !== manifest.group)
          server.endSubgroup(open, 0, { clean: true, endOfGroup: true });
        open = manifest.group;
        server.publish({ ...plain(manifest.group, manifest.object), payload: manifest.envelope }, FLAGS);
      },
    });
  }

  #serve(
    trackName: string,
    cache: GroupCache,
    older?: (first: VarInt, last: VarInt) => Promise<CachedGroup[]>,
  ): TrackServer {
    const track = trackOf(this.namespace, trackName);
    const server = new TrackServer({ track, cache, ...(older && { older }) });
    this.#servers.set(trackKey(track), server);
    return server;
  }

  #server(trackName: string): TrackServer | undefined {
    return this.#servers.get(trackKey(trackOf(this.namespace, trackName)));
  }

  /** As it is published: encrypted, when this broadcast is. */
  async #sealed<T extends CutObject>(
    trackName: string,
    group: number,
    object: T,
  ): Promise<T & Partial<SealedObject>> {
    const sealed = await this.#encryption?.seal(trackName, group, object.objectId, object.payload);
    return { ...object, ...sealed };
  }

  /** Groups that left the cache, or were before this process began: cutting is a pure function, so they can be made again. */
  async #recut(trackName: string, first: VarInt, last: VarInt): Promise<CachedGroup[]> {
    const { cutter, clock, epochMs } = this.#options;
    const newest = cutter.groupAt(clock.now() - epochMs) - 1;
    const groups: CachedGroup[] = [];
    for (let group = Number(first); group <= Math.min(Number(last), newest); group++) {
      const cut = cutter.group(trackName, group).map((object) => this.#sealed(trackName, group, object));
      groups.push({
        group,
        objects: (await Promise.all(cut)).map((object) => asMoqObject(group, object)),
        complete: true,
      });
    }
    return groups;
  }
}

function plain(group: VarInt, object: VarInt): Omit<MoqObject, "payload"> {
  return { group, object, subgroup: 0, priority: undefined, status: "normal", properties: EMPTY };
}

function asMoqObject(group: number, object: CutObject & Partial<SealedObject>): MoqObject {
  const { payload, properties = EMPTY } = object;
  return { ...plain(group, object.objectId), properties, payload };
}
