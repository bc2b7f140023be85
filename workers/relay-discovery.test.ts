import { expect, it } from "vitest";
import type { ConnectionListener } from "../src/merge/connection-provider.ts";
import { SourcePool } from "../src/merge/source-pool.ts";
import { BoardHub, type HubLink } from "../src/mesh/board-hub.fixture.ts";
import { LOST_LINK_GRACE_MS, SETTLE_MS } from "../src/mesh/namespace-board.ts";
import { foundPrefix, foundSuffix } from "../src/mesh/namespace-relay-directory.ts";
import type { RelayRecord } from "../src/mesh/relay-directory.ts";
import type { PeerOptions } from "../src/rpc/protocol.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import type { Connection } from "../src/transport/connection.ts";
import { namespaceOf } from "../src/wire/names.ts";
import { MAX_FOUND_RELAYS, RelayDiscovery } from "./relay-discovery.ts";

const LIVE = namespaceOf("example.com", "live");
const HOME = "https://relays.example.com:4443/";
const HASH = "ab".repeat(32);

const relayAt = (id: string, more: Partial<RelayRecord> = {}): RelayRecord => ({
  id,
  tier: "origin",
  ...more,
});

/** A viewer that was told of HOME, and everything that relays say to it. */
async function viewer(
  options: {
    readonly hosts?: readonly string[];
    readonly viewer?: string;
    readonly named?: readonly string[];
    /** Told of before the viewer asks. */
    readonly known?: readonly RelayRecord[];
  } = {},
) {
  const clock = new FakeClock(1_000_000);
  const hub = new BoardHub();
  const links = new Map<string, HubLink>();
  const listeners = new Map<string, ConnectionListener>();
  const open = (source: string): void => {
    const link = hub.link();
    links.set(source, link);
    // What discovery and the pool touch while there are no tracks.
    listeners.get(source)!.open({ url: source, ...link } as unknown as Connection);
  };
  const speaker = hub.link();
  const withdrawals = new Map<string, () => void>();
  const tell = async (...relays: RelayRecord[]): Promise<void> => {
    for (const relay of relays) {
      const { withdraw } = await speaker.publishNamespace([...foundPrefix(LIVE), ...foundSuffix(relay)]);
      withdrawals.set(relay.id, withdraw);
    }
    await clock.run(SETTLE_MS);
  };
  await tell(...(options.known ?? []));
  const named = options.named ?? [HOME];
  const learnt: PeerOptions[] = [];
  const pool = new SourcePool({
    clock,
    sources: named,
    random: () => 1,
    provider: {
      keep: (source, listener) => {
        listeners.set(source, listener);
        queueMicrotask(() => open(source));
        return { close: () => links.get(source)?.lose() };
      },
    },
  });
  const discovery = new RelayDiscovery({
    clock,
    namespace: LIVE,
    pool,
    named: named.map((url) => ({ url })),
    hosts: options.hosts ?? [],
    learn: (peer) => learnt.push(peer),
    viewer: options.viewer ?? "me",
    changed: () => undefined,
  });
  await clock.run(SETTLE_MS);
  return {
    clock,
    pool,
    discovery,
    learnt,
    tell,
    withdraw: async (id: string) => {
      withdrawals.get(id)!();
      await clock.run(1);
    },
    lose: async (source: string) => {
      links.get(source)!.lose();
      listeners.get(source)!.lost(undefined);
      await clock.run(1);
    },
    used: () =>
      pool
        .sources()
        .map(({ source }) => source)
        .filter((source) => !named.includes(source)),
  };
}

it("uses a relay that a named one tells of, with the certificate it tells of, and marks it as found", async () => {
  const { tell, used, learnt, discovery } = await viewer();
  const other = "https://relays.example.com:5555/";
  await tell(relayAt(other, { certificateHash: HASH }));
  expect(used()).toEqual([other]);
  expect(learnt).toEqual([{ url: other, certificateHashes: [HASH] }]);
  expect(discovery.isFound(other)).toBe(true);
  expect(discovery.isFound(HOME)).toBe(false);
});

it("drops a relay as soon as it is withdrawn, and takes it back when it serves again", async () => {
  const { tell, used, withdraw, pool } = await viewer();
  const other = relayAt("https://relays.example.com:5555/");
  await tell(other);
  await withdraw(other.id);
  expect(used()).toEqual([]);
  expect(pool.sources().map(({ source }) => source)).toEqual([HOME]);
  await tell(other);
  expect(used()).toEqual([other.id]);
});

it("keeps what it found for a while when the relay that told of it is lost", async () => {
  const { tell, used, lose, clock, withdraw } = await viewer();
  const other = relayAt("https://relays.example.com:5555/");
  await tell(other);
  await lose(HOME);
  await clock.run(LOST_LINK_GRACE_MS * 2);
  // The found relay is asked too, so the notice has not lost its last link.
  expect(used()).toEqual([other.id]);
  await withdraw(other.id);
  expect(used()).toEqual([]);
});

it("dials nothing but the hosts of named relays and those that the app allows", async () => {
  const strangers = [
    "https://evil.example/",
    "https://relays.example.com.evil.example/",
    "https://evilcdn.example.net/",
    "https://cdn.example.net/",
  ];
  const friends = ["https://relays.example.com:9/", "https://a.cdn.example.net/", "https://exact.example/"];
  const { tell, used } = await viewer({ hosts: ["*.cdn.example.net", "exact.example"] });
  await tell(...strangers.map((id) => relayAt(id)), ...friends.map((id) => relayAt(id)));
  expect(used().sort()).toEqual([...friends].sort());
});

it("does not take a named relay twice, whichever way its address is written", async () => {
  const { tell, used } = await viewer({ named: ["moqt://relays.example.com:4443"] });
  await tell(relayAt(HOME));
  expect(used()).toEqual([]);
});

it("uses a few of many, different ones for different viewers, and stays with them when more turn up", async () => {
  const many = Array.from({ length: 40 }, (_, i) => relayAt(`https://relays.example.com:${5000 + i}/`));
  const choices = new Set<string>();
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    const { tell, used } = await viewer({ viewer: name, known: many.slice(0, 20) });
    const before = used();
    expect(before).toHaveLength(MAX_FOUND_RELAYS);
    await tell(...many.slice(20));
    expect(used()).toEqual(before);
    choices.add(before.join());
  }
  expect(choices.size).toBeGreaterThan(3);
});

it("says that nobody serves the broadcast, but only after it was told so", async () => {
  const { discovery, tell, withdraw } = await viewer();
  expect(discovery.nobody).toMatchObject({ code: "broadcast-unknown" });
  const other = relayAt("https://relays.example.com:5555/");
  await tell(other);
  expect(discovery.nobody).toBeUndefined();
  await withdraw(other.id);
  expect(discovery.nobody).toMatchObject({ code: "broadcast-unknown" });

  const clock = new FakeClock(0);
  const deaf = new SourcePool({ clock, sources: [], provider: { keep: () => ({ close: () => undefined }) } });
  const unanswered = new RelayDiscovery({
    clock,
    namespace: LIVE,
    pool: deaf,
    named: [],
    hosts: [],
    learn: () => undefined,
    viewer: "me",
    changed: () => undefined,
  });
  await clock.run(60_000);
  expect(unanswered.nobody).toBeUndefined();
});

it("hears nothing any more after it was closed", async () => {
  const { tell, used, discovery } = await viewer();
  discovery.close();
  await tell(relayAt("https://relays.example.com:5555/"));
  expect(used()).toEqual([]);
});
