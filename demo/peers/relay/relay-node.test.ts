import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { NamespaceRelayDirectory } from "../../../src/mesh/namespace-relay-directory.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import { connect } from "../../../src/transport/connect.ts";
import type { Connection, RequestHandlers } from "../../../src/transport/connection.ts";
import { createCertificate } from "../webtransport/certificates.ts";
import { dial } from "../webtransport/client.ts";
import { LIVE, names, OBJECTS, objectAt, VIDEO } from "./relay.fixture.ts";
import { type RelayNode, type RelayNodeOptions, startRelayNode } from "./relay-node.ts";

const certificate = await createCertificate();
const certificateHash = Buffer.from(certificate.sha256).toString("hex");

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function node(name: string, options: Partial<RelayNodeOptions> = {}): Promise<RelayNode> {
  const started = await startRelayNode({
    name,
    certificate,
    clock: systemClock,
    cacheGroups: 20,
    lingerMs: 200,
    ...options,
  });
  cleanUps.push(() => started.close());
  return started;
}

async function session(to: RelayNode, handlers: RequestHandlers = {}): Promise<Connection> {
  const connection = await connect(dial, { url: to.url, certificateHashes: [certificate.sha256] }, handlers);
  cleanUps.push(() => connection.close());
  return connection;
}

/** Waits until it is so; the test's own time-out is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** One broadcast, served through any number of relays from one cut. */
function publisher() {
  const server = new TrackServer({ track: VIDEO });
  return {
    server,
    join: async (relay: RelayNode) => {
      const connection = await session(relay, {
        subscribe: (request) => server.subscribe(request),
        fetch: (request) => void server.fetch(request),
      });
      await connection.publishNamespace(LIVE);
    },
    air: (from: number, to: number) => {
      for (let at = from; at < to; at++) {
        const [group, object] = [Math.floor(at / OBJECTS), at % OBJECTS];
        server.publish(objectAt(group, object), {
          endOfGroup: true,
          firstObject: object === 0,
          priority: undefined,
        });
        if (object === OBJECTS - 1) server.endSubgroup(group, 0, { clean: true, endOfGroup: true });
      }
    },
  };
}

it("a relay process restarted with its files serves what passed through it before, over WebTransport", async () => {
  const folder = await mkdtemp(join(tmpdir(), "countersign-node-"));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  const before = await node("kept", { files: folder, cacheGroups: 3 });
  const cut = publisher();
  await cut.join(before);
  cut.air(0, 1);
  const { seen } = await watch(before, 0);
  for (let group = 0; group < 12; group++) {
    cut.air(Math.max(1, group * OBJECTS), (group + 1) * OBJECTS);
    await until(() => seen.includes(`${group}/${OBJECTS - 1}`));
  }
  await before.close();

  const after = await node("kept", { files: folder, cacheGroups: 3 });
  const fetched: string[] = [];
  const { end } = await (await session(after)).fetch(
    { track: VIDEO, start: { group: 2, object: 0 }, end: { group: 11 } },
    { object: ({ group, object }) => fetched.push(`${group}/${object}`) },
  );
  expect(fetched).toEqual(names(2 * OBJECTS, 12 * OBJECTS));
  expect(end.group).toBe(11);
});

async function watch(relay: RelayNode, groupsBefore: number) {
  const connection = await session(relay);
  const seen: string[] = [];
  const sink = {
    object: ({ group, object }: { group: number | bigint; object: number | bigint }) =>
      seen.push(`${group}/${object}`),
  };
  const subscription = await connection.subscribe({ track: VIDEO, filter: { type: "largest-object" } }, sink);
  await connection.joiningFetch({ subscription, start: { relative: groupsBefore } }, sink);
  return { connection, subscription, seen };
}

/** Streams overtake each other on a network; what counts is that everything is there, once. */
const sorted = (seen: readonly string[]): string[] =>
  [...seen].sort(
    (a, b) =>
      Number(a.split("/")[0]) - Number(b.split("/")[0]) || Number(a.split("/")[1]) - Number(b.split("/")[1]),
  );

it("@edge two edges read from two origins over WebTransport, and go on from the other when one dies", {
  timeout: 30_000,
}, async () => {
  const hub = await node("hub");
  const directory = [{ url: hub.url, certificateHash }];
  const origins = [await node("o1", { directory }), await node("o2", { directory })];
  const edges = [await node("e1", { directory, edge: true }), await node("e2", { directory, edge: true })];
  const cut = publisher();
  for (const origin of origins) await cut.join(origin);
  cut.air(0, 10);
  const asked = await session(edges[0]!);
  const found = new NamespaceRelayDirectory({ clock: systemClock, broadcast: LIVE });
  found.attach(asked);
  // A viewer that was given one edge's address finds all four.
  await until(() => found.locate(LIVE).length === 4);
  expect(found.locate(LIVE, "origin").map(({ id }) => id)).toEqual(origins.map(({ url }) => url).sort());

  const viewers = [await watch(edges[0]!, 1), await watch(edges[1]!, 1), await watch(edges[1]!, 1)];
  cut.air(10, 15);
  for (const { seen } of viewers) await until(() => seen.length >= 11);
  // One origin serves both edges' pulls (the track's owner), each edge pulls once.
  const used = origins.find(({ relay }) => relay.stats().subscribers > 0)!;
  expect(used.relay.stats().subscribers).toBe(2);
  expect(edges.map(({ relay }) => relay.stats().subscribers)).toEqual([1, 2]);

  await used.close();
  cut.air(15, 19);
  const other = origins.find((origin) => origin !== used)!;
  await until(() => other.relay.stats().subscribers === 2);
  cut.air(19, 24);
  for (const { seen } of viewers) {
    await until(() => seen.length >= 20);
    expect(sorted(seen)).toEqual(names(4, 24));
  }
  await until(() => found.locate(LIVE, "origin").length === 1);

  for (const { subscription } of viewers) subscription.cancel();
  await until(() => other.relay.stats().subscribers === 0);
});
