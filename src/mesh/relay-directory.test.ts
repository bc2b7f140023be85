import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { BoardHub } from "./board-hub.fixture.ts";
import { DirectoryTable } from "./memory-relay-directory.ts";
import { LOST_LINK_GRACE_MS, SETTLE_MS } from "./namespace-board.ts";
import {
  broadcastOfPrefix,
  foundPrefix,
  NamespaceRelayDirectory,
  RELAYS_PREFIX,
} from "./namespace-relay-directory.ts";
import { FAILED_RELAY_MS } from "./pull.ts";
import type { RelayDirectory } from "./relay-directory.ts";

const LIVE = namespaceOf("example.com", "live");
const VIDEO = trackOf(LIVE, "video");
const urlOf = (name: string): string => `https://${name}.example/`;

interface World {
  readonly clock: FakeClock;
  node(name?: string): RelayDirectory;
}

function inMemory(): World {
  const clock = new FakeClock(1_000);
  const table = new DirectoryTable();
  return {
    clock,
    node: (name) => table.directory(clock, name === undefined ? undefined : { id: urlOf(name) }),
  };
}

function overRelays(): World {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  return {
    clock,
    node: (name) => {
      const directory = new NamespaceRelayDirectory({
        clock,
        ...(name !== undefined && { self: { id: urlOf(name) } }),
      });
      directory.attach(hub.link());
      return directory;
    },
  };
}

/** A pull that writes down what it is told. */
function follow(directory: RelayDirectory, lane = 0) {
  const log: string[] = [];
  const pull = directory.pull(
    VIDEO,
    { use: ({ id }) => log.push(id), nobody: ({ code }) => log.push(code) },
    { lane },
  );
  return { log, pull };
}

describe.each([
  ["in memory", inMemory],
  ["in namespaces", overRelays],
])("a directory %s", (_, make) => {
  it("locates those who serve a broadcast or what it is part of, by tier, and never itself", async () => {
    const { clock, node } = make();
    const [a, b, c] = [node("a"), node("b"), node("c")];
    a.announce(LIVE, "origin");
    b.announce(namespaceOf("example.com"), "edge");
    c.announce(namespaceOf("example.com", "other"), "origin");
    await clock.run(0);
    const names = (directory: RelayDirectory, tier?: "origin" | "edge") =>
      directory.locate(LIVE, tier).map(({ id }) => id);
    expect(names(a)).toEqual([urlOf("b")]);
    expect(names(b)).toEqual([urlOf("a")]);
    expect(names(c)).toEqual([urlOf("a"), urlOf("b")]);
    expect(names(c, "edge")).toEqual([urlOf("b")]);
    expect(a.namespaces("origin").length).toBe(1);
  });

  it("says at once that a relay serves no longer", async () => {
    const { clock, node } = make();
    const [a, b, viewer] = [node("a"), node("b"), node()];
    a.announce(LIVE, "origin");
    b.announce(LIVE, "origin");
    await clock.run(0);
    expect(viewer.locate(LIVE).length).toBe(2);
    a.withdraw(LIVE);
    await clock.run(0);
    expect(viewer.locate(LIVE).map(({ id }) => id)).toEqual([urlOf("b")]);
    b.close();
    await clock.run(0);
    expect(viewer.locate(LIVE)).toEqual([]);
  });

  it("names one relay to a pull, another when that is withdrawn or fails, and says once when there is none", async () => {
    const { clock, node } = make();
    const relays = new Map(["a", "b"].map((name) => [urlOf(name), node(name)]));
    const { log, pull } = follow(node());
    await clock.run(SETTLE_MS);
    expect(log).toEqual(["broadcast-unknown"]);
    for (const relay of relays.values()) relay.announce(LIVE, "origin");
    await clock.run(0);
    const first = pull.relay?.id ?? "";
    expect(log).toEqual(["broadcast-unknown", first]);
    relays.get(first)?.withdraw(LIVE);
    await clock.run(0);
    const second = pull.relay?.id ?? "";
    expect(new Set([first, second])).toEqual(new Set(relays.keys()));
    relays.get(first)?.announce(LIVE, "origin");
    await clock.run(0);
    // Not moved without need, although the first would be preferred.
    expect(pull.relay?.id).toBe(second);
    pull.failed(pull.relay!);
    expect(pull.relay?.id).toBe(first);
    pull.failed(pull.relay!);
    expect(pull.relay).toBeUndefined();
    await clock.run(FAILED_RELAY_MS);
    expect(pull.relay).toBeDefined();
    for (const relay of relays.values()) relay.withdraw(LIVE);
    await clock.run(0);
    expect(log.at(-1)).toBe("broadcast-unknown");
    pull.release();
    relays.get(first)?.announce(LIVE, "origin");
    await clock.run(0);
    expect(log.at(-1)).toBe("broadcast-unknown");
  });

  it("spreads pulls over relays by lane", async () => {
    const { clock, node } = make();
    for (const name of ["a", "b", "c", "d"]) node(name).announce(LIVE, "edge");
    const viewer = node();
    await clock.run(0);
    const pulls = Array.from({ length: 40 }, (_, lane) => follow(viewer, lane).pull);
    await clock.run(0);
    expect(new Set(pulls.map(({ relay }) => relay?.id)).size).toBe(4);
  });
});

it("says nothing about a broadcast before a relay has answered", async () => {
  const clock = new FakeClock(1_000);
  const directory = new NamespaceRelayDirectory({ clock });
  const { log } = follow(directory);
  await clock.run(60_000);
  expect(log).toEqual([]);
  directory.attach(new BoardHub().link());
  await clock.run(SETTLE_MS);
  expect(log).toEqual(["broadcast-unknown"]);
});

it("forgets relays a while after the last link to those who told of them", async () => {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  const origin = new NamespaceRelayDirectory({ clock, self: { id: urlOf("a") } });
  origin.attach(hub.link());
  origin.announce(LIVE, "origin");
  const viewer = new NamespaceRelayDirectory({ clock });
  const link = hub.link();
  viewer.attach(link);
  await clock.run(0);
  link.lose();
  await clock.run(LOST_LINK_GRACE_MS - 1);
  expect(viewer.locate(LIVE).length).toBe(1);
  await clock.run(1);
  expect(viewer.locate(LIVE)).toEqual([]);
});

it("carries weight and certificate, and ignores what is no record", async () => {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  const record = { id: urlOf("a"), weight: 3, certificateHash: "ab".repeat(32) };
  const origin = new NamespaceRelayDirectory({ clock, self: record });
  origin.attach(hub.link());
  origin.announce(LIVE, "origin");
  const stranger = hub.link();
  const bad = [
    "no json",
    "null",
    '{"url":"http://x/","tier":"edge"}',
    '{"url":"https://x/","tier":"king"}',
    '{"url":"https://x/","tier":"edge","weight":-1}',
    '{"url":"https://x/","tier":"edge","sha256":"zz"}',
    `{"url":"https://${"x".repeat(2000)}/","tier":"edge"}`,
  ];
  for (const text of bad)
    void stranger.publishNamespace([...RELAYS_PREFIX, ...namespaceOf("example.2ecom-live", text)]);
  void stranger.publishNamespace([
    ...RELAYS_PREFIX,
    ...namespaceOf("not printable!", '{"url":"https://x/","tier":"edge"}'),
  ]);
  const viewer = new NamespaceRelayDirectory({ clock });
  viewer.attach(hub.link());
  await clock.run(0);
  expect(viewer.locate(LIVE)).toEqual([{ ...record, tier: "origin" }]);
  expect(viewer.namespaces().length).toBe(1);
});

it("refuses a broadcast whose name is too long to announce", () => {
  const directory = new NamespaceRelayDirectory({ clock: new FakeClock(), self: { id: urlOf("a") } });
  expect(() => directory.announce(namespaceOf("-".repeat(1000)), "origin")).toThrow(
    expect.objectContaining({ code: "limit-exceeded" }),
  );
});

it("finds the broadcast again in the prefix that a viewer asks for", () => {
  expect(broadcastOfPrefix(foundPrefix(LIVE))).toEqual(LIVE);
  expect(broadcastOfPrefix(LIVE)).toBeUndefined();
  expect(broadcastOfPrefix(namespaceOf("countersign-mesh", "found"))).toBeUndefined();
});
