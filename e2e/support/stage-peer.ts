/**
 * Embedded relays and publishers that do as they are told, for tests of what a relay makes of several origins: `stage-peer.ts --relay NAME:CACHE_GROUPS ...`
 *
 * All are real sessions over WebTransport. Acts come as JSON by HTTP on loopback, one at a time, and are answered when they are done. Logs where.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { feed } from "../../demo/peers/relay/feed.fixture.ts";
import { VIDEO } from "../../demo/peers/relay/relay.fixture.ts";
import { type RelayNode, startRelayNode } from "../../demo/peers/relay/relay-node.ts";
import { createCertificate } from "../../demo/peers/webtransport/certificates.ts";
import { dial } from "../../demo/peers/webtransport/client.ts";
import { systemClock } from "../../src/clock.ts";
import { GroupCache } from "../../src/publish/group-cache.ts";
import { TrackServer } from "../../src/publish/track-server.ts";
import { connect } from "../../src/transport/connect.ts";
import type { Connection, RequestHandlers } from "../../src/transport/connection.ts";
import { requestErrors } from "../../src/wire/codes.ts";
import { canonical, type VarInt } from "../../src/wire/varint.ts";
import type { StageAct, StageAddresses } from "./stage.ts";

/** More than any test publishes: what a relay does not remember, its publishers do. */
const PUBLISHER_GROUPS = 100;

const POLL_MS = 10;
const GIVE_UP_AFTER_MS = 10_000;

interface Publisher {
  readonly server: TrackServer;
  connection: Connection | undefined;
  refuses: boolean;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAtMs = Date.now() + GIVE_UP_AFTER_MS;
  while (!holds()) {
    if (Date.now() > giveUpAtMs) throw new Error(`${what}: not within ${GIVE_UP_AFTER_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

class Stage {
  readonly #relays: ReadonlyMap<string, RelayNode>;
  readonly #certificateHash: Uint8Array;
  readonly #publishers = new Map<string, Publisher>();

  constructor(relays: ReadonlyMap<string, RelayNode>, certificateHash: Uint8Array) {
    this.#relays = relays;
    this.#certificateHash = certificateHash;
  }

  async act(act: StageAct): Promise<void> {
    switch (act.do) {
      case "join":
        return await this.#join(this.#publisher(act.who), act.at, act.refuses ?? false);
      case "leave":
        this.#publisher(act.who).connection?.close(0, "as told");
        return await until(`${act.who} has left`, () => this.#publisher(act.who).connection === undefined);
      case "feed": {
        const from = await this.#session(act.from);
        await feed(from, (handlers) => this.#session(act.to, handlers));
        return;
      }
      case "put":
        for (const object of act.objects)
          for (const who of act.by) this.#put(who, canonical(BigInt(act.group)), canonical(BigInt(object)));
        return;
      case "end":
        for (const who of act.by)
          this.#publisher(who).server.endSubgroup(canonical(BigInt(act.group)), 0, {
            clean: act.how === "fin",
            endOfGroup: act.how === "fin",
          });
        return;
      case "watched":
        return await until(`${act.by} watch ${act.at}`, () => this.#stats(act.at).subscribers >= act.by);
      case "read":
        return await until(`${act.who} is read`, () => this.#publisher(act.who).server.subscribers > 0);
      case "arrived":
        return await until(
          `${act.objects} objects are at ${act.at}`,
          () => this.#stats(act.at).objectsIn >= act.objects,
        );
    }
  }

  #put(who: string, group: VarInt, object: VarInt): void {
    this.#publisher(who).server.publish(
      {
        group,
        object,
        subgroup: 0,
        priority: undefined,
        status: "normal",
        properties: new Uint8Array(0),
        // Longer than a packet, so that streams can overtake each other.
        payload: new Uint8Array(2000).fill(Number(BigInt(object) & 0xffn)),
      },
      { endOfGroup: true, firstObject: object === 0, priority: undefined },
    );
  }

  #publisher(who: string): Publisher {
    const known = this.#publishers.get(who);
    if (known) return known;
    const server = new TrackServer({ track: VIDEO, cache: new GroupCache(PUBLISHER_GROUPS) });
    const publisher: Publisher = { server, connection: undefined, refuses: false };
    this.#publishers.set(who, publisher);
    return publisher;
  }

  async #join(publisher: Publisher, at: string, refuses: boolean): Promise<void> {
    const { server } = publisher;
    const connection = await this.#session(at, {
      subscribe: (request) => {
        if (refuses) request.reject({ errorCode: requestErrors["does-not-exist"], reason: "as told" });
        else server.subscribe(request);
      },
      fetch: (request) => void server.fetch(request),
    });
    publisher.connection = connection;
    void connection.closed.then(() => {
      publisher.connection = undefined;
    });
    await connection.publishNamespace(VIDEO.namespace);
  }

  async #session(at: string, handlers: RequestHandlers = {}): Promise<Connection> {
    const { url } = this.#relay(at);
    return await connect(dial, { url, certificateHashes: [this.#certificateHash] }, handlers);
  }

  #relay(name: string): RelayNode {
    const relay = this.#relays.get(name);
    if (relay === undefined) throw new Error(`no relay is called ${name}`);
    return relay;
  }

  #stats(name: string) {
    return this.#relay(name).relay.stats();
  }
}

await runPeer(async (stop) => {
  const { values } = parseArgs({ options: { relay: { type: "string", multiple: true, default: [] } } });
  const certificate = await createCertificate();
  const relays = new Map<string, RelayNode>();
  for (const [name = "", cacheGroups] of values.relay.map((each) => each.split(":")))
    relays.set(
      name,
      await startRelayNode({ name, certificate, clock: systemClock, cacheGroups: Number(cacheGroups) }),
    );
  const stage = new Stage(relays, certificate.sha256);
  const control = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += String(part);
    });
    request.on("end", () => {
      stage.act(JSON.parse(body) as StageAct).then(
        () => response.end(),
        (thrown: unknown) => {
          response.statusCode = 500;
          response.end(String(thrown));
        },
      );
    });
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  const addresses: StageAddresses = {
    control: `http://127.0.0.1:${(control.address() as AddressInfo).port}/`,
    certificateHash: [...certificate.sha256],
    relays: Object.fromEntries([...relays].map(([name, { url }]) => [name, url])),
  };
  report({ type: "log", text: JSON.stringify(addresses) });
  report({ type: "ready" });
  await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
  control.closeAllConnections();
  control.close();
  for (const relay of relays.values()) await relay.close();
});
