/**
 * A relay on the network: the relay itself, the server that viewers and publishers reach it by, and its links to the relays through which it knows of others.
 * With `edge` it reads from those what nobody publishes to it.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../../src/clock.ts";
import { instanceWord } from "../../../src/merge/source-instance.ts";
import { NamespaceRelayDirectory } from "../../../src/mesh/namespace-relay-directory.ts";
import type { RelayRecord } from "../../../src/mesh/relay-directory.ts";
import { accept, connect } from "../../../src/transport/connect.ts";
import type { Connection } from "../../../src/transport/connection.ts";
import type { WebTransportPort } from "../../../src/transport/port.ts";
import { keepConnected } from "../../../src/transport/reconnect.ts";
import type { Version } from "../../../src/wire/codec.ts";
import type { Certificate } from "../webtransport/certificates.ts";
import { dial } from "../webtransport/client.ts";
import { WebTransportServer } from "../webtransport/server.ts";
import { FileGroups } from "./files/file-groups.ts";
import { Relay, type RequestFilter } from "./relay.ts";

/** Dialing a port where nobody listens takes QUIC's own time-out; this is shorter, so that an edge tries the next origin soon. */
const CONNECT_TIMEOUT_MS = 2000;

/** The longest pause before a lost relay of the directory is dialed again. */
const MAX_REDIAL_MS = 4000;

/** How often kept groups past their retention are looked for: files cover hours. */
const SWEEP_INTERVAL_MS = 60_000;

export interface RelayAddress {
  readonly url: string;
  /** SHA-256 of its certificate, lower-case hex. */
  readonly certificateHash: string;
}

export interface RelayNodeOptions {
  readonly name: string;
  readonly certificate: Certificate;
  readonly clock: Clock;
  readonly cacheGroups: number;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Relays at which this one and the others meet; this one itself need not be among them. */
  readonly directory?: readonly RelayAddress[];
  readonly edge?: boolean;
  /** Capacity relative to the other relays. */
  readonly weight?: number;
  readonly lingerMs?: number;
  /** What lies between this relay and a session: the demo's faults. */
  readonly wrap?: (session: WebTransportPort) => WebTransportPort;
  readonly filter?: RequestFilter;
  /** Drafts to speak, best first; default: all we know. WebTransport negotiates none here, so the first is spoken to whoever comes. */
  readonly versions?: readonly Version[];
  /** A folder in which groups are kept beyond the cache. */
  readonly files?: string;
  /** How long they are kept; default 72 h. Asked per track, by its printable name. */
  readonly retentionMs?: (track: string) => number;
  readonly onLog?: (text: string) => void;
}

export interface RelayNode {
  readonly url: string;
  readonly relay: Relay;
  close(): Promise<void>;
}

export async function startRelayNode(options: RelayNodeOptions): Promise<RelayNode> {
  const { name, certificate, clock, cacheGroups, port = 0, edge = false, weight, lingerMs, filter } = options;
  const log = options.onLog ?? (() => undefined);
  // Viewers that reach this relay by two addresses can tell that it is one.
  const implementation = `countersign relay ${name} (${instanceWord(randomBytes(16).toString("hex"))})`;
  const versions = options.versions && { versions: options.versions };
  let relay: Relay | undefined;
  const server = await WebTransportServer.listen({
    certificate,
    port,
    onSession: (session, url) => {
      relay
        ?.serve(
          (handlers) =>
            accept(
              options.wrap?.(session) ?? session,
              { url: url.href, clock, implementation, ...versions },
              handlers,
            ),
          filter,
        )
        .catch((error: unknown) =>
          log(`a session failed: ${error instanceof Error ? error.message : error}`),
        );
    },
  });
  const self = {
    id: server.url,
    certificateHash: Buffer.from(certificate.sha256).toString("hex"),
    ...(weight !== undefined && { weight }),
  };
  const reach = (to: RelayAddress, signal: AbortSignal): Promise<Connection> =>
    connect(dial, {
      url: to.url,
      certificateHashes: [new Uint8Array(Buffer.from(to.certificateHash, "hex"))],
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      liveness: {},
      implementation,
      clock,
      signal,
      ...versions,
    });
  const directory = new NamespaceRelayDirectory({ clock, self });
  const files =
    options.files === undefined
      ? undefined
      : new FileGroups({
          folder: options.files,
          clock,
          ...(options.retentionMs && { retentionMs: options.retentionMs }),
        });
  const stopSweeping = files && sweepNowAndThen(files, clock, log);
  relay = new Relay({
    clock,
    cacheGroups,
    directory,
    ...(files && { files, onFilesFailed: (thrown) => log(`cannot keep a group: ${String(thrown)}`) }),
    self,
    ...(lingerMs !== undefined && { lingerMs }),
    ...(edge && { dialRelay: (record, signal) => reach(addressOf(record), signal) }),
  });
  directory.attach(relay.link);
  const links = (options.directory ?? []).map((address) =>
    keepConnected({
      clock,
      maxMs: MAX_REDIAL_MS,
      connect: (signal) => reach(address, signal),
      onState: (state) => {
        if (state.kind === "open") directory.attach(state.connection);
        else if (state.kind === "backing-off")
          log(`lost the directory at ${address.url}: ${state.error?.message ?? "closed"}`);
      },
    }),
  );
  return {
    url: server.url,
    relay,
    close: async () => {
      for (const link of links) link.close();
      directory.close();
      await relay.close();
      await server.close();
      stopSweeping?.();
      await files?.close();
    },
  };
}

function sweepNowAndThen(files: FileGroups, clock: Clock, log: (text: string) => void): () => void {
  let cancel: () => void = () => undefined;
  const sweep = (): void => {
    files.sweep().catch((thrown: unknown) => log(`retention failed: ${String(thrown)}`));
    cancel = clock.setTimer(SWEEP_INTERVAL_MS, sweep);
  };
  sweep();
  return () => cancel();
}

function addressOf({ id, certificateHash = "" }: RelayRecord): RelayAddress {
  return { url: id, certificateHash };
}
