/** A broadcast in memory for tests of the client: a signer, relays and a manifest peer, all reached through one dialer. */
import { manifestTrackName, TIMELINE_TRACK_NAME } from "../src/catalog/build.ts";
import { CATALOG_TRACK_NAME } from "../src/catalog/types.ts";
import { systemClock } from "../src/clock.ts";
import { broadcastCatalog } from "../src/publish/broadcast-catalog.ts";
import type { BroadcastEncryption } from "../src/publish/encryption.ts";
import { GroupCutter } from "../src/publish/group-cutter.ts";
import { generateStreamId, TrackSigner } from "../src/publish/signer.ts";
import { CatalogSigner } from "../src/publish/signer-catalog.ts";
import { type SyntheticClipOptions, syntheticClip } from "../src/publish/synthetic-clip.ts";
import type { TimelineObject } from "../src/publish/timeline-writer.ts";
import { TrackServer } from "../src/publish/track-server.ts";
import type { WorkerEvent } from "../src/rpc/protocol.ts";
import { memoryDial } from "../src/testing/memory-transport.ts";
import { accept } from "../src/transport/connect.ts";
import type { Connection, Rejection } from "../src/transport/connection.ts";
import type { Dial } from "../src/transport/port.ts";
import type { KeyStatements } from "../src/trust/envelope.ts";
import type { SigningKey } from "../src/trust/keys.ts";
import type { SealedObject } from "../src/trust/secure-objects/object-cipher.ts";
import type { Version } from "../src/wire/codec.ts";
import type { Parameters } from "../src/wire/messages.ts";
import { namespaceOf, trackKey, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { supportedVersions } from "../src/wire/registry.ts";

export const BROADCAST = ["example.com", "live"] as const;
export const RELAY_A = "https://a.test/";
export const RELAY_B = "https://b.test/";
export const MANIFESTS = "https://m.test/";
export const TRACKS = ["video", "audio"] as const;

const FLAGS = { endOfGroup: true, firstObject: true, priority: undefined } as const;
const namespace = namespaceOf(...BROADCAST);

function moqObject(group: number, object: number, payload: Uint8Array): MoqObject {
  return {
    group,
    object,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload,
  };
}

/** One peer: tracks by name, and the sessions open to it. */
export class MemoryPeer {
  readonly connections = new Set<Connection>();
  readonly #servers = new Map<string, TrackServer>();
  /** Refuses sessions while false. */
  up = true;
  /** Refuses what is asked of it: by a token it lacks, or by sending it elsewhere. */
  refuse: (parameters: Parameters) => Rejection | undefined = () => undefined;

  serve(trackName: string): TrackServer {
    const track = trackOf(namespace, trackName);
    const key = trackKey(track);
    let server = this.#servers.get(key);
    if (!server) {
      server = new TrackServer({ track });
      this.#servers.set(key, server);
    }
    return server;
  }

  find(key: string): TrackServer | undefined {
    return this.#servers.get(key);
  }

  /** As a crash would look to its peers, minus the silence. */
  down(): void {
    this.up = false;
    for (const connection of this.connections) connection.close(0, "down");
  }
}

export class MemoryBroadcast {
  readonly cutter: GroupCutter;
  readonly epochMs = Math.floor(Date.now() / 1000) * 1000 - 100_000;
  readonly peers = new Map<string, MemoryPeer>([
    [RELAY_A, new MemoryPeer()],
    [RELAY_B, new MemoryPeer()],
    [MANIFESTS, new MemoryPeer()],
  ]);
  streamId = generateStreamId();
  /** What the peers speak. */
  versions: readonly Version[] = supportedVersions;
  /** The signer's clock; a restart takes a while, of which tests wait for nothing. */
  #clock = systemClock;
  readonly #signers = new Map<string, TrackSigner>();
  readonly #sealed = new Map<string, SealedObject>();
  readonly #key: SigningKey;

  readonly #keyStatements: Partial<KeyStatements>;

  constructor(
    key: SigningKey,
    keyStatements: Partial<KeyStatements> = {},
    clip: Partial<SyntheticClipOptions> = {},
  ) {
    this.cutter = new GroupCutter(syntheticClip({ seconds: 16, framesPerSecond: 25, ...clip }), {
      objectMs: 200,
    });
    this.#key = key;
    this.#keyStatements = keyStatements;
  }

  peer(url: string): MemoryPeer {
    const peer = this.peers.get(url);
    if (!peer) throw new Error(`no peer at ${url}`);
    return peer;
  }

  readonly dial: Dial = async (options, signal) => {
    const peer = this.peers.get(options.url);
    if (!peer?.up) throw new Error("nobody listens there");
    const dial = memoryDial((port) => {
      void accept(
        port,
        { url: options.url, versions: this.versions },
        {
          subscribe: (request) => {
            const server = peer.find(trackKey(request.track));
            const refused = peer.refuse(request.parameters);
            if (refused) request.reject(refused);
            else if (server) server.subscribe(request);
            else request.reject({ errorCode: 0x10, reason: "no such track" });
          },
          fetch: (request) => {
            const server = peer.find(trackKey(request.track));
            const refused = peer.refuse(request.parameters);
            if (refused) request.reject(refused);
            else if (server) void server.fetch(request);
            else request.reject({ errorCode: 0x10, reason: "no such track" });
          },
        },
      ).then((connection) => {
        peer.connections.add(connection);
        void connection.closed.then(() => peer.connections.delete(connection));
      });
    });
    return dial(options, signal);
  };

  /** The catalog, signed, at the manifest peer. */
  async publishCatalog(
    bytes: Uint8Array = broadcastCatalog(this.cutter, { epochMs: this.epochMs }),
  ): Promise<void> {
    const signer = new CatalogSigner({
      key: this.#key,
      track: trackOf(namespace, CATALOG_TRACK_NAME),
      streamId: this.streamId,
      clock: this.#clock,
      keyStatements: this.#keyStatements,
    });
    const signed = await signer.sign(bytes);
    const peer = this.peer(MANIFESTS);
    peer
      .serve(manifestTrackName(CATALOG_TRACK_NAME))
      .publish({ ...signed.object, payload: signed.manifest.envelope }, FLAGS);
    peer.serve(CATALOG_TRACK_NAME).publish(signed.object, FLAGS);
  }

  /** The signer is started anew: another stream under the same name. */
  restartSigner(tookMs = 2_000): void {
    this.streamId = generateStreamId();
    this.#signers.clear();
    this.#clock = { ...systemClock, now: () => systemClock.now() + tookMs };
  }

  /** From here on this group is what `encryption` makes of it. */
  async encrypt(encryption: BroadcastEncryption, group: number): Promise<void> {
    for (const name of TRACKS) {
      for (const { objectId, payload } of this.cutter.group(name, group))
        this.#sealed.set(
          `${name} ${group} ${objectId}`,
          await encryption.seal(name, group, objectId, payload),
        );
    }
  }

  /** What the signer will sign, and relays carry, of this object is not what was encrypted. */
  tamper(name: string, group: number, object: number): void {
    const key = `${name} ${group} ${object}`;
    const sealed = this.#sealed.get(key);
    if (!sealed) throw new Error(`${key} is not encrypted`);
    this.#sealed.set(key, { ...sealed, payload: sealed.payload.map((byte) => byte ^ 1) });
  }

  /** Signs a group of every track and gives its manifests to the manifest peer. */
  async sign(group: number): Promise<void> {
    for (const name of TRACKS) {
      const signer = this.#signer(name);
      for (const { objectId: object, payload, last } of this.cutter.group(name, group)) {
        await signer.add({ group, object, payload, ...this.#sealed.get(`${name} ${group} ${object}`), last });
      }
    }
  }

  /** An object of the timeline track, signed, at the manifest peer, as `carried` makes it. */
  async publishTimeline({ group, object, payload }: TimelineObject, carried = payload): Promise<void> {
    await this.#signer(TIMELINE_TRACK_NAME).add({ group, object, payload });
    this.peer(MANIFESTS)
      .serve(TIMELINE_TRACK_NAME)
      .publish(moqObject(group, object, carried), FLAGS);
  }

  /** Its manifests go to the manifest peer. */
  #signer(name: string): TrackSigner {
    const known = this.#signers.get(name);
    if (known) return known;
    const server = this.peer(MANIFESTS).serve(manifestTrackName(name));
    const signer = new TrackSigner({
      key: this.#key,
      track: trackOf(namespace, name),
      streamId: this.streamId,
      clock: this.#clock,
      keyStatements: this.#keyStatements,
      publish: (manifest) =>
        server.publish({ ...moqObject(0, manifest.object, manifest.envelope), group: manifest.group }, FLAGS),
    });
    this.#signers.set(name, signer);
    return signer;
  }

  /** Gives a group's chunks to a relay, as `change` makes them. */
  serve(
    url: string,
    group: number,
    change: (object: MoqObject) => MoqObject | undefined = (object) => object,
  ): void {
    for (const name of TRACKS) {
      const server = this.peer(url).serve(name);
      for (const { objectId, payload } of this.cutter.group(name, group)) {
        const sealed = this.#sealed.get(`${name} ${group} ${objectId}`);
        const object = change({ ...moqObject(group, objectId, payload), ...sealed });
        if (object) server.publish(object, FLAGS);
      }
      server.endSubgroup(group, 0, { clean: true, endOfGroup: true });
    }
  }
}

/** Collects what a client tells, and waits for some of it. */
export class EventLog {
  readonly all: WorkerEvent[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(port: MessagePort) {
    port.onmessage = (message) => {
      this.all.push(message.data as WorkerEvent);
      for (const check of [...this.#waiting]) check();
    };
  }

  /** The first event of this type, past or future, that `matches`. */
  async until<T extends WorkerEvent["type"]>(
    type: T,
    matches: (event: Extract<WorkerEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<WorkerEvent, { type: T }>> {
    const find = () =>
      this.all.find(
        (event): event is Extract<WorkerEvent, { type: T }> =>
          event.type === type && matches(event as Extract<WorkerEvent, { type: T }>),
      );
    return new Promise((resolve) => {
      const check = (): void => {
        const found = find();
        if (!found) return;
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
      check();
    });
  }
}
