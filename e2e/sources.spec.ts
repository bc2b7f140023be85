/** Who sends, who stands by, and who takes over: the relays of a broadcast as a viewer's page manages them. */
import type { RelayHandle } from "../demo/peers/cluster/cluster.ts";
import { type DemoPage, expectExactlyOnce, expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

async function expectWhole(demo: DemoPage, truth: Truth): Promise<void> {
  await expectExactlyOnce(demo, truth);
  expectOnlySignedMedia((await demo.probed()).media, truth);
  expect(await demo.events("hole")).toEqual([]);
  expect(await demo.state()).toBe("live");
}

async function inState(
  demo: DemoPage,
  relays: readonly RelayHandle[],
  state: string,
): Promise<RelayHandle[]> {
  const { sources } = await demo.stats();
  return relays.filter(({ url }) => sources.some((source) => source.url === url && source.state === state));
}

test.describe("with redundancy 1", { tag: "@sources" }, () => {
  test("one relay sends; the other stands by without a byte of media, and takes over when the first falls silent", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.slow();
    const before = new Map<string, number>();
    for (const relay of cluster.relays) {
      // The page of the test before may not have hung up yet.
      await expect.poll(async () => (await relay.stats()).subscribers, { timeout: 20_000 }).toBe(0);
      before.set(relay.name, (await relay.stats()).objectsOut);
    }
    await demo.play({ query: { redundancy: "1" } });
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is there", ({ state }) => /active|standby/.test(state));
    const [[sending], [standby]] = [
      await inState(demo, cluster.relays, "active"),
      await inState(demo, cluster.relays, "standby"),
    ];
    if (sending === undefined || standby === undefined) throw new Error("nobody sends, or nobody stands by");
    // At the page, and at the relay's own count. Where both answer at the same moment, both may have begun before it was known whose turn it is.
    await demo.waitForProgress(1);
    const { objectsOut } = await standby.stats();
    await demo.waitForProgress(2);
    expect((await demo.source(standby.url))?.score.bytes).toBe(0);
    expect((await standby.stats()).objectsOut).toBe(objectsOut);
    expect((await sending.stats()).objectsOut).toBeGreaterThan(before.get(sending.name) ?? 0);
    expect((await demo.stats()).objects.duplicate).toBe(0);

    sending.setFault("withhold");
    await demo.waitForSource(
      standby.url,
      "sends now",
      ({ state, score }) => state === "active" && score.good > 5,
    );
    // The page says who and why.
    await expect(
      page.locator("#log li", { hasText: `relay ${sending.name} is suspect` }).first(),
    ).toBeVisible();
    await demo.waitForProgress(2);
    await expectWhole(demo, truth);
  });

  test("a relay that lies loses its place at once", async ({ cluster, demo, truth }) => {
    await demo.play({ query: { redundancy: "1" } });
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is there", ({ state }) => /active|standby/.test(state));
    await demo.waitForProgress(1);
    const [sending] = await inState(demo, cluster.relays, "active");
    const [standby] = await inState(demo, cluster.relays, "standby");
    if (sending === undefined || standby === undefined) throw new Error("nobody sends, or nobody stands by");
    sending.setFault("alter");
    await demo.waitForSource(
      standby.url,
      "sends now",
      ({ state, score }) => state === "active" && score.good > 5,
    );
    await demo.waitForProgress(1);
    await expectWhole(demo, truth);
  });
});

test.describe("what no relay's live stream has", { tag: "@sources" }, () => {
  test("is fetched, object by object, and counted against those that left it out", async ({
    cluster,
    demo,
    truth,
  }) => {
    for (const relay of cluster.relays) relay.setFault("gaps");
    await demo.play({ query: { target: "1500" } });
    await demo.waitForProgress(3);
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is found out", ({ score }) => score.withheld >= 3);
    for (const relay of cluster.relays) relay.setFault("none");
    await demo.waitForProgress(1);
    await expectWhole(demo, truth);
  });
});

test.describe("a relay that asks its viewers to leave (GOAWAY)", { tag: "@sources" }, () => {
  test("is left for a new session before the old one breaks: nothing is missed and no state changes", async ({
    cluster,
    demo,
    truth,
  }) => {
    const a = cluster.relay("A");
    await demo.play();
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is active", ({ state }) => state === "active");
    // All objects come from this one: nobody else covers for it.
    cluster.relay("B").setFault("withhold");
    await demo.waitForProgress(1);
    const sessions = async () => (await demo.probed()).workerSessions.filter((url) => url === a.url).length;
    const before = await sessions();
    const told = (await demo.events("source")).length;
    a.process.command({ type: "goaway" });
    await expect.poll(sessions, { timeout: 20_000 }).toBe(before + 1);
    // Longer than the relay keeps the old session.
    await demo.waitForProgress(4, 40_000);
    expect(await sessions()).toBe(before + 1);
    const states = (await demo.events("source"))
      .slice(told)
      .filter(({ detail }) => detail["url"] === a.url)
      .map(({ detail }) => detail["state"]);
    expect(states).not.toContain("connecting");
    await expectWhole(demo, truth);
  });
});

test.describe("a relay that sends its viewers to another one (GOAWAY)", { tag: "@sources" }, () => {
  test("is left for that one, where the app allows it: nothing is missed, and it stays the source it was", async ({
    cluster,
    demo,
    truth,
  }) => {
    const [a, b] = [cluster.relay("A"), cluster.relay("B")];
    const { playerOptions } = cluster;
    const query = new URLSearchParams([
      ["broadcast", playerOptions.broadcast],
      ["objects", a.url],
      ["redirect", b.url],
      ["manifests", cluster.manifestPeer.url],
      ["root", playerOptions.trust.roots[0] ?? ""],
      ...[a, b, cluster.manifestPeer].map(({ certificateHash }) => ["hash", certificateHash]),
    ]);
    await demo.play({ query });
    await demo.waitForSource(a.url, "is active", ({ state }) => state === "active");
    await demo.waitForProgress(1);
    const told = (await demo.events("source")).length;
    a.process.command({ type: "goaway", newUri: b.url });
    await expect
      .poll(async () => (await demo.probed()).workerSessions.includes(b.url), { timeout: 20_000 })
      .toBe(true);
    // Longer than the relay keeps the old session; and it is not missed afterwards.
    await demo.waitForProgress(4, 40_000);
    await a.process.kill();
    await demo.waitForProgress(2, 40_000);
    expect((await demo.events("source")).slice(told).filter(({ detail }) => detail["url"] === a.url)).toEqual(
      [],
    );
    await expectWhole(demo, truth);
  });
});

test.describe("relays that are not there from the beginning", { tag: "@sources" }, () => {
  test("join in mid-stream, and carry the broadcast when those before them are gone", async ({
    ownCluster,
    demo,
  }) => {
    test.slow();
    const cluster = await ownCluster({ relays: ["A", "B"], hold: ["B", "publisher-B"] });
    const truth = await Truth.of(cluster.epochMs);
    const [a, b] = [cluster.relay("A"), cluster.relay("B")];
    await demo.play();
    expect((await demo.source(b.url))?.state).toBe("connecting");
    await b.process.start();
    await cluster.process("publisher-B").start();
    await demo.waitForSource(
      b.url,
      "brings what counts",
      ({ state, score }) => state === "active" && score.good + score.duplicate >= 10,
      50_000,
    );
    // From here on the streams of the two do not overlap in time.
    await a.process.kill();
    await demo.waitForProgress(3, 40_000);
    expect((await demo.source(b.url))?.score.good).toBeGreaterThan(5);
    await expectWhole(demo, truth);
  });
});

test.describe("one relay under two addresses", { tag: "@sources" }, () => {
  test("is one source: it sends once, and the second address stands by", async ({ cluster, demo, truth }) => {
    const a = cluster.relay("A");
    const { playerOptions } = cluster;
    // Two names of one machine would be the usual case; a path does as well where a test has one name only.
    const twin = new URL("/by-another-way", a.url).href;
    const query = new URLSearchParams([
      ["broadcast", playerOptions.broadcast],
      ["objects", a.url],
      ["objects", twin],
      ["manifests", cluster.manifestPeer.url],
      ["hash", a.certificateHash],
      ["hash", cluster.manifestPeer.certificateHash],
      ["root", playerOptions.trust.roots[0] ?? ""],
    ]);
    await demo.play({ query });
    await demo.waitForSource(a.url, "is there", ({ state }) => /active|standby/.test(state));
    await demo.waitForSource(twin, "is there", ({ state }) => /active|standby/.test(state));
    await demo.waitForProgress(2);
    const states = (await demo.stats()).sources
      .filter(({ kind }) => kind === "objects")
      .map(({ state }) => state);
    expect([...states].sort()).toEqual(["active", "standby"]);
    await expectWhole(demo, truth);
  });
});
