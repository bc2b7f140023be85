/** What a scenario is, and what it has at hand while it runs. */
import { dial } from "../../demo/peers/webtransport/client.ts";
import { connect } from "../../src/transport/connect.ts";
import type { Connection, RequestHandlers } from "../../src/transport/connection.ts";
import type { Version } from "../../src/wire/codec.ts";
import { type Namespace, namespaceOf } from "../../src/wire/names.ts";
import type { ForeignRelay } from "./foreign-relay.ts";
import type { PeerDefinition } from "./peers.ts";
import { TestPublisher } from "./test-publisher.ts";

export interface Scenario {
  readonly name: string;
  /** Why it is not tried with this peer; undefined: it is. */
  skip?(peer: PeerDefinition): string | undefined;
  /** Gives what was seen, in a few words; throws when it was not what should be. */
  run(stage: Stage): Promise<string>;
}

/** Newer than any we speak, and known to relays that can be restricted. */
export const FOREIGN_DRAFT = 20;

/** How a relay for one scenario alone differs from the shared one. */
export interface RelayTwist {
  readonly clusterWith?: readonly string[];
  /** The number of the only draft it speaks. */
  readonly onlyDraft?: number;
}

export interface StageOptions {
  readonly peer: PeerDefinition;
  readonly draft: Version;
  /** The relay that scenarios share. */
  readonly relay: ForeignRelay;
  readonly scenario: string;
  /** Starts a relay for one scenario alone. */
  readonly startRelay: (twist: RelayTwist) => Promise<ForeignRelay>;
}

/** A scenario's surroundings; everything opened here is closed after it. */
export class Stage {
  readonly peer: PeerDefinition;
  readonly draft: Version;
  readonly relay: ForeignRelay;
  /** Nobody else's. */
  readonly namespace: Namespace;
  readonly #options: StageOptions;
  readonly #ends: (() => Promise<void> | void)[] = [];

  constructor(options: StageOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.draft = options.draft;
    this.relay = options.relay;
    this.namespace = namespaceOf("interop", options.draft, options.scenario.replaceAll(/[^a-z0-9]+/gi, "-"));
  }

  async connect(
    handlers: RequestHandlers = {},
    relay = this.relay,
    versions: readonly Version[] = [this.draft],
  ): Promise<Connection> {
    const connection = await connect(
      dial,
      { url: relay.url, certificateHashes: [relay.certificateHash], versions },
      handlers,
    );
    this.atEnd(() => connection.close());
    return connection;
  }

  /** A publisher of this scenario's namespace, announced. */
  async publisher(relay = this.relay): Promise<{ publisher: TestPublisher; connection: Connection }> {
    const publisher = new TestPublisher(this.namespace);
    const connection = await this.connect(publisher.handlers, relay);
    await connection.publishNamespace(this.namespace);
    return { publisher, connection };
  }

  async startRelay(twist: RelayTwist = {}): Promise<ForeignRelay> {
    const relay = await this.#options.startRelay(twist);
    this.atEnd(() => relay.stop());
    return relay;
  }

  atEnd(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }
}

/** Throws Error with `what` when it does not hold. */
export function expectThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

export function where(location: { readonly group: unknown; readonly object: unknown } | undefined): string {
  return location === undefined ? "unknown" : `${location.group}/${location.object}`;
}

/** Throws Error with what came when it is not what should have. */
export function expectSame(actual: readonly string[], expected: readonly string[]): void {
  expectThat(actual.join(" ") === expected.join(" "), `There came ${actual.join(" ") || "nothing"}.`);
}
