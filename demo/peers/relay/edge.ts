/**
 * The relay as an edge: it finds an origin for each track that somebody wants and nobody publishes here, reads it from there, and looks for another origin when
 * that one dies. All tracks read from one origin share a session. What origins serve, the edge announces as served by itself.
 */
import type { Clock } from "../../../src/clock.ts";
import { CountersignError } from "../../../src/errors.ts";
import type { Pull, RelayDirectory, RelayRecord } from "../../../src/mesh/relay-directory.ts";
import type { Connection } from "../../../src/transport/connection.ts";
import { type FullTrackName, type Namespace, namespaceKey } from "../../../src/wire/names.ts";
import type { LookUpTarget } from "./track-upstreams.ts";

/** Opens a session to another relay. */
export type RelayDial = (relay: RelayRecord, signal: AbortSignal) => Promise<Connection>;

export interface EdgeOptions {
  readonly directory: RelayDirectory;
  readonly dial: RelayDial;
  readonly clock: Clock;
  /** Whether a publisher of this namespace is connected to this relay itself. */
  readonly isOrigin: (namespace: Namespace) => boolean;
}

interface LinkUser {
  open(connection: Connection): void;
  lost(): void;
}

/** The session to one origin, for all tracks read from it. */
interface RelayLink {
  readonly users: Set<LinkUser>;
  readonly abort: AbortController;
  connection: Connection | undefined;
}

export class Edge {
  readonly #options: EdgeOptions;
  readonly #links = new Map<string, RelayLink>();
  readonly #mirrored = new Map<string, Namespace>();
  readonly #stop: () => void;

  constructor(options: EdgeOptions) {
    this.#options = options;
    this.#stop = options.directory.on("changed", () => this.mirror());
    this.mirror();
  }

  /** Announces what origins serve, withdraws what they serve no longer. */
  mirror(): void {
    const { directory, isOrigin } = this.#options;
    const served = new Map(
      directory.namespaces("origin").map((namespace) => [namespaceKey(namespace), namespace]),
    );
    for (const [key, namespace] of served) {
      if (this.#mirrored.has(key) || isOrigin(namespace)) continue;
      this.#mirrored.set(key, namespace);
      directory.announce(namespace, "edge");
    }
    for (const [key, namespace] of [...this.#mirrored]) {
      if (served.has(key) && !isOrigin(namespace)) continue;
      this.#mirrored.delete(key);
      if (!isOrigin(namespace)) directory.withdraw(namespace);
    }
  }

  /** Finds an origin for the track and keeps it found. Returns what ends the search. */
  lookUp(track: FullTrackName, target: LookUpTarget): () => void {
    let leave: (() => void) | undefined;
    const stopReading = (): void => {
      leave?.();
      leave = undefined;
    };
    const pull: Pull = this.#options.directory.pull(
      track,
      {
        use: (relay) => {
          stopReading();
          const source = `relay ${relay.id}`;
          const failed = (): void => {
            if (pull.relay?.id !== relay.id) return;
            stopReading();
            pull.failed(relay);
            // Nobody to try at once: whoever waits for the track need not wait for the pause to be over.
            if (pull.relay === undefined) target.nobody();
          };
          const end = this.#join(relay, {
            open: (connection) => target.use(source, connection, failed),
            lost: failed,
          });
          leave = () => {
            target.drop(source);
            end();
          };
        },
        nobody: () => {
          stopReading();
          target.nobody();
        },
      },
      { tier: "origin" },
    );
    return () => {
      pull.release();
      stopReading();
    };
  }

  close(): void {
    this.#stop();
    for (const [id, link] of this.#links) this.#end(id, link);
    for (const namespace of this.#mirrored.values()) this.#options.directory.withdraw(namespace);
    this.#mirrored.clear();
  }

  #join(relay: RelayRecord, user: LinkUser): () => void {
    let link = this.#links.get(relay.id);
    if (link === undefined) {
      link = { users: new Set(), abort: new AbortController(), connection: undefined };
      this.#links.set(relay.id, link);
      void this.#connect(relay, link);
    }
    const joined = link;
    joined.users.add(user);
    // Not within the call: the caller does not hold yet what it is given.
    if (joined.connection)
      queueMicrotask(() => joined.users.has(user) && joined.connection && user.open(joined.connection));
    return () => {
      joined.users.delete(user);
      if (joined.users.size === 0) this.#end(relay.id, joined);
    };
  }

  async #connect(relay: RelayRecord, link: RelayLink): Promise<void> {
    try {
      const connection = await this.#options.dial(relay, link.abort.signal);
      if (link.abort.signal.aborted) {
        connection.close(0, "not needed any more");
        return;
      }
      link.connection = connection;
      for (const user of [...link.users]) user.open(connection);
      await connection.closed;
    } catch {
      // Not reached: the same to its users as lost.
    }
    if (this.#links.get(relay.id) === link) this.#links.delete(relay.id);
    for (const user of [...link.users]) user.lost();
  }

  #end(id: string, link: RelayLink): void {
    if (this.#links.get(id) === link) this.#links.delete(id);
    link.users.clear();
    link.abort.abort(
      new CountersignError("session-closed", "The relay is not needed any more.", { peer: id }),
    );
    link.connection?.close(0, "not needed any more");
  }
}
