/**
 * A whole broadcast on this machine: object relays, a manifest peer, a signer and chunk publishers, each a process of its own on
 * loopback. The demo launcher and the e2e suite start the same thing.
 *
 *   signer ──manifests──► M            publisher-A ──chunks──► A        publisher-B ──chunks──► B
 *                                                              └──► edges, if there are any ◄──┘
 */
import { createSocket } from "node:dgram";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SigningKey } from "../../../src/trust/keys.ts";
import type { FaultName } from "../faults/fault.ts";
import { createCertificate } from "../webtransport/certificates.ts";
import type { RelayStats } from "./messages.ts";
import { PeerProcess } from "./peer-process.ts";
import { makeSigning } from "./signing.ts";

export interface ClusterOptions {
  /** Namespace fields joined by "/"; default "countersign/demo". */
  readonly broadcast?: string;
  /** Names of the object relays; default A and B. */
  readonly relays?: readonly string[];
  /** Relays with no publisher of their own, which read from the others what viewers ask them for; default none. */
  readonly edges?: readonly string[];
  /** The relays know of each other, which edges need anyway, and players look for those that they are not told of. */
  readonly directory?: boolean;
  /** The relays that a player is told of; default all. With `directory` it can find the others. */
  readonly named?: readonly string[];
  /** Media time per object; default 200. */
  readonly objectMs?: number;
  /** Least media time per group; default 1000. One that the clip's length is no multiple of makes groups of two lengths. */
  readonly groupMs?: number;
  /** The signer publishes a track that lists when groups play. */
  readonly timeline?: boolean;
  /** Media time 0; default: the last whole second. */
  readonly epochMs?: number;
  /** A clip, a file or a URL; default: the bundled clip. */
  readonly input?: string;
  /** Extra flags for single processes, by name ("signer", "publisher-A", "A", "M"). */
  readonly flags?: Readonly<Record<string, readonly string[]>>;
  /** The MOQT draft that all speak, e.g. "moqt-16"; default: the best we know. */
  readonly draft?: string;
  /** Processes that are made but not started, by the same names. */
  readonly hold?: readonly string[];
  /** Names of the manifest peers, to all of which the signer publishes; default M. */
  readonly manifestPeers?: readonly string[];
  /** The signer signs with a key of its own, which the pinned root delegated to. Change it with `changeKeys`. */
  readonly delegated?: boolean;
  /** The last manifest peer is fed by a second signer with the same key and stream ("twin"): two truths under one name. */
  readonly twin?: boolean;
  /** Encrypts the broadcast; the keys are random, and in {@link Cluster.keys}. */
  readonly encryption?: ClusterEncryption;
  /** A second broadcast through the same relays, unsigned: what a relay that mixes broadcasts has at hand. */
  readonly foreignBroadcast?: string;
  readonly onLog?: (name: string, text: string) => void;
  readonly onProgress?: (text: string) => void;
}

export interface ClusterEncryption {
  /** As MSF names it; default "aes-128-gcm-sha256". */
  readonly cipherSuite?: string;
  /** Keys that take turns; default 1. Their ids count from 1. */
  readonly keys?: number;
  /** A key's turn, in groups of a second. */
  readonly rotateGroups?: number;
}

export interface RelayHandle {
  readonly name: string;
  readonly url: string;
  /** SHA-256 of its certificate, lower-case hex. */
  readonly certificateHash: string;
  readonly process: PeerProcess;
  fault: FaultName;
  setFault(fault: FaultName): void;
  stats(): Promise<RelayStats>;
}

/** What a player has to be told; plain JSON. */
export interface ClusterPlayerOptions {
  readonly broadcast: string;
  readonly objects: readonly { readonly url: string; readonly certificateHashes: readonly string[] }[];
  readonly manifests: readonly { readonly url: string; readonly certificateHashes: readonly string[] }[];
  readonly trust: { readonly roots: readonly string[] };
  readonly discover?: boolean;
  readonly versions?: readonly string[];
}

export interface Cluster {
  readonly relays: readonly RelayHandle[];
  /** The first manifest peer. */
  readonly manifestPeer: RelayHandle;
  readonly manifestPeers: readonly RelayHandle[];
  /** The key that the player pins. */
  readonly root: SigningKey;
  readonly signer: PeerProcess;
  readonly publishers: readonly PeerProcess[];
  readonly epochMs: number;
  readonly playerOptions: ClusterPlayerOptions;
  /** Base keys by key id, in hex; undefined: the broadcast is not encrypted. */
  readonly keys: Readonly<Record<string, string>> | undefined;
  relay(name: string): RelayHandle;
  /** Every process, by the name it was given. */
  process(name: string): PeerProcess;
  stop(): Promise<void>;
}

interface RelayPlace {
  readonly name: string;
  readonly url: string;
  readonly certificateHash: string;
  readonly flags: readonly string[];
}

/** A UDP port on loopback that nobody uses now. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

function randomKeys(count: number): Record<string, string> {
  const hex = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i + 1), hex()]));
}

function encryptionFlags(
  { cipherSuite = "aes-128-gcm-sha256", rotateGroups }: ClusterEncryption,
  keys: Readonly<Record<string, string>>,
): string[] {
  return [
    ...["--encrypt", cipherSuite],
    ...Object.entries(keys).flatMap(([id, hex]) => ["--encrypt-key", `${id}:${hex}`]),
    ...(rotateGroups === undefined ? [] : ["--encrypt-rotate", String(rotateGroups)]),
  ];
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-"));
  const broadcast = options.broadcast ?? "countersign/demo";
  const epochMs = options.epochMs ?? Math.floor(Date.now() / 1000) * 1000;
  const objectMs = options.objectMs ?? 200;
  const processes = new Map<string, PeerProcess>();
  const progress = options.onProgress ?? (() => undefined);

  const draft = options.draft === undefined ? [] : ["--draft", options.draft];
  const add = (name: string, program: string, args: readonly string[]): PeerProcess => {
    const process = new PeerProcess({
      name,
      program,
      args: [...args, ...draft, ...(options.flags?.[name] ?? [])],
      onLog: (text) => options.onLog?.(name, text),
    });
    processes.set(name, process);
    return process;
  };
  const start = async (peers: readonly PeerProcess[]): Promise<void> => {
    await Promise.all(peers.filter((peer) => !options.hold?.includes(peer.name)).map((peer) => peer.start()));
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...processes.values()].map((process) => process.stop()));
    await rm(folder, { recursive: true, force: true });
  };

  try {
    progress("Making certificates and keys");
    const placeRelay = async (name: string): Promise<RelayPlace> => {
      const certificate = await createCertificate();
      const certFile = join(folder, `${name}.cert.pem`);
      const keyFile = join(folder, `${name}.key.pem`);
      await writeFile(certFile, certificate.certificatePem);
      await writeFile(keyFile, certificate.keyPem, { mode: 0o600 });
      const port = await freeUdpPort();
      return {
        name,
        url: `https://127.0.0.1:${port}/`,
        certificateHash: Buffer.from(certificate.sha256).toString("hex"),
        flags: ["--name", name, "--port", String(port), "--cert", certFile, "--key", keyFile],
      };
    };
    const makeRelay = (place: RelayPlace, extra: readonly string[]): RelayHandle => {
      const { name, url, certificateHash } = place;
      const process = add(name, "relay.ts", [...place.flags, ...extra]);
      const handle: RelayHandle = {
        name,
        url,
        certificateHash,
        process,
        fault: "none",
        setFault(fault) {
          handle.fault = fault;
          process.command({ type: "fault", fault });
        },
        stats: async () => (await process.ask({ type: "stats" }, "stats")).stats,
      };
      return handle;
    };
    const edges = options.edges ?? [];
    const directory = options.directory ?? edges.length > 0;
    const originPlaces = await Promise.all((options.relays ?? ["A", "B"]).map(placeRelay));
    const edgePlaces = await Promise.all(edges.map(placeRelay));
    // All meet at the origins, so that any one of those may be away.
    const meetAt = (self: RelayPlace): string[] =>
      originPlaces
        .filter((other) => directory && other !== self)
        .flatMap(({ url, certificateHash }) => ["--directory", `${url}#${certificateHash}`]);
    const origins = originPlaces.map((place) => makeRelay(place, meetAt(place)));
    const relays = [...origins, ...edgePlaces.map((place) => makeRelay(place, [...meetAt(place), "--edge"]))];
    const manifestPlaces = await Promise.all((options.manifestPeers ?? ["M"]).map(placeRelay));
    const manifestPeers = manifestPlaces.map((place) => makeRelay(place, []));
    const manifestPeer = manifestPeers[0]!;
    const signing = await makeSigning(folder, broadcast, options.delegated ?? false);

    const common = [
      "--epoch",
      String(epochMs),
      "--object-ms",
      String(objectMs),
      ...(options.groupMs === undefined ? [] : ["--group-ms", String(options.groupMs)]),
      ...(options.input ? ["--input", options.input] : []),
    ];
    const keys = options.encryption && randomKeys(options.encryption.keys ?? 1);
    const encrypted = options.encryption && keys ? encryptionFlags(options.encryption, keys) : [];
    const to = (relay: RelayHandle): string[] => ["--relay", relay.url, "--cert-hash", relay.certificateHash];
    const signed = [
      ...common,
      ...encrypted,
      ...["--broadcast", broadcast, "--publish-manifests", "--publish-chunks=false"],
      ...signing.flags,
      ...(options.timeline ? ["--timeline"] : []),
      ...(options.twin ? signing.streamFlags : []),
    ];
    const twinPeer = options.twin ? manifestPeers.at(-1) : undefined;
    const alsoTo = manifestPeers
      .filter((peer) => peer !== manifestPeer && peer !== twinPeer)
      .flatMap(({ url, certificateHash }) => ["--also-relay", `${url}#${certificateHash}`]);
    const signer = add("signer", "publisher.ts", [...to(manifestPeer), ...alsoTo, ...signed]);
    const twins = twinPeer ? [add("twin", "publisher.ts", [...to(twinPeer), ...signed])] : [];
    const publishers = origins.map((relay) =>
      add(`publisher-${relay.name}`, "publisher.ts", [
        ...to(relay),
        ...common,
        ...encrypted,
        "--broadcast",
        broadcast,
        "--publish-chunks=true",
      ]),
    );
    const foreign = options.foreignBroadcast;
    const foreignPublishers = foreign
      ? origins.map((relay) =>
          add(`foreign-${relay.name}`, "publisher.ts", [
            ...to(relay),
            ...common,
            "--broadcast",
            foreign,
            "--publish-chunks=true",
          ]),
        )
      : [];

    const names = (of: readonly RelayHandle[]): string => of.map(({ name }) => name).join(", ");
    progress(`Starting relays ${names(relays)} and manifest peer ${names(manifestPeers)}`);
    await start([...relays, ...manifestPeers].map((relay) => relay.process));
    progress("Starting the signer and the chunk publishers");
    await start([signer, ...twins, ...publishers, ...foreignPublishers]);

    const peer = (relay: RelayHandle) => ({ url: relay.url, certificateHashes: [relay.certificateHash] });
    return {
      relays,
      manifestPeer,
      manifestPeers,
      root: signing.root,
      signer,
      publishers,
      epochMs,
      keys,
      playerOptions: {
        broadcast,
        objects: relays.filter(({ name }) => options.named?.includes(name) ?? true).map(peer),
        manifests: manifestPeers.map(peer),
        trust: { roots: [Buffer.from(signing.root.publicKey).toString("hex")] },
        ...(options.directory && { discover: true }),
        ...(options.draft !== undefined && { versions: [options.draft] }),
      },
      relay(name) {
        const found = [...relays, ...manifestPeers].find((relay) => relay.name === name);
        if (!found) throw new Error(`no relay is called ${name}`);
        return found;
      },
      process(name) {
        const found = processes.get(name);
        if (!found) throw new Error(`no process is called ${name}`);
        return found;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
