/**
 * Finds relays that the app did not name: every connected relay is asked who serves the broadcast, for as long as it is connected.
 *
 * What a relay says is a hint from a stranger. It can make us dial an address, so the app says which hosts may be dialed; what is served there is checked against
 * the signed manifests like everything else. Of many relays each viewer takes a few, chosen by rendezvous in a lane of its own, so that the
 * viewers of one broadcast spread over all of its relays.
 */
import type { Clock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import type { SourceId } from "../src/merge/types.ts";
import { NamespaceRelayDirectory } from "../src/mesh/namespace-relay-directory.ts";
import type { RelayRecord } from "../src/mesh/relay-directory.ts";
import { laneOf, partitionOf, Rendezvous } from "../src/mesh/rendezvous.ts";
import type { PeerOptions } from "../src/rpc/protocol.ts";
import type { Connection } from "../src/transport/connection.ts";
import { type Namespace, namespaceKey } from "../src/wire/names.ts";

/** Relays used beside those that the app named: enough to lose two without a pause; each is a session, and a dial that a browser counts. */
export const MAX_FOUND_RELAYS = 3;

const NO_NAME = new Uint8Array(0);

export interface RelayDiscoveryOptions {
  readonly clock: Clock;
  readonly namespace: Namespace;
  /** The object relays; those found join it and leave it. */
  readonly pool: SourcePool;
  /** As the app named them. */
  readonly named: readonly PeerOptions[];
  /** Hosts that may be dialed beside those of the named relays; `*.example.com` stands for every host below example.com. */
  readonly hosts: readonly string[];
  /** How to reach a relay that is about to join the pool. */
  readonly learn: (peer: PeerOptions) => void;
  /** Tells viewers apart, for the choice among many relays. */
  readonly viewer: string;
  /** Relays were found or lost, or it became known that nobody serves the broadcast. */
  readonly changed: () => void;
}

export class RelayDiscovery {
  readonly #options: RelayDiscoveryOptions;
  readonly #directory: NamespaceRelayDirectory;
  readonly #asked = new WeakSet<Connection>();
  readonly #used = new Set<SourceId>();
  readonly #stop: () => void;

  constructor(options: RelayDiscoveryOptions) {
    const { clock, namespace, pool } = options;
    this.#options = options;
    this.#directory = new NamespaceRelayDirectory({ clock, broadcast: namespace });
    this.#directory.on("changed", () => this.#choose());
    this.#stop = pool.on("source", () => this.#ask());
    this.#ask();
  }

  /** Whether this relay joined because another one named it. */
  isFound(source: SourceId): boolean {
    return this.#used.has(source);
  }

  /** "broadcast-unknown" while the relays have answered and none knows anybody who serves the broadcast. */
  get nobody(): CountersignError | undefined {
    const { namespace } = this.#options;
    if (!this.#directory.settled || this.#directory.locate(namespace).length > 0) return undefined;
    return new CountersignError("broadcast-unknown", `No relay serves ${namespaceKey(namespace)} now.`, {
      hint: "Check its name, and that its publisher is connected to a relay. It is looked for until somebody serves it.",
    });
  }

  close(): void {
    this.#stop();
    this.#directory.close();
  }

  /** Connections come and go; each is asked once. */
  #ask(): void {
    for (const { connection } of this.#options.pool.connected()) {
      if (this.#asked.has(connection)) continue;
      this.#asked.add(connection);
      this.#directory.attach(connection);
    }
  }

  #choose(): void {
    const { pool, namespace, viewer, learn, changed } = this.#options;
    // Names come one by one. Whoever took the first few would come to the same ones as everybody else.
    if (!this.#directory.settled) return;
    const usable = this.#directory.locate(namespace).filter((relay) => this.#mayUse(relay));
    const ranked = new Rendezvous(usable).ranked(partitionOf(namespace, NO_NAME), laneOf(viewer));
    // Those in use stay while they serve: a better one that turns up is no reason to move.
    const kept = ranked.filter(({ id }) => this.#used.has(id));
    const fresh = ranked.filter(({ id }) => !this.#used.has(id));
    const wanted = [...kept, ...fresh].slice(0, MAX_FOUND_RELAYS);
    for (const source of [...this.#used]) {
      if (wanted.some(({ id }) => id === source)) continue;
      this.#used.delete(source);
      pool.removeSource(source);
    }
    for (const { id, certificateHash } of wanted) {
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      learn({ url: id, ...(certificateHash !== undefined && { certificateHashes: [certificateHash] }) });
      pool.addSource(id);
    }
    changed();
  }

  #mayUse({ id }: RelayRecord): boolean {
    const { named, hosts } = this.#options;
    const url = addressOf(id);
    if (url === undefined || named.some((peer) => addressOf(peer.url)?.href === url.href)) return false;
    return (
      named.some((peer) => addressOf(peer.url)?.hostname === url.hostname) ||
      hosts.some((pattern) => matchesHost(pattern, url.hostname))
    );
  }
}

/** `moqt:` addresses are dialed as `https:` (draft-18 §3.1.2); here they only have to compare alike. */
function addressOf(text: string): URL | undefined {
  try {
    return new URL(text.replace(/^moqt:/, "https:"));
  } catch {
    return undefined;
  }
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}
