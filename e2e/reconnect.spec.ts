/** Relays that restart, move their viewers, send them elsewhere or ask for a token: the page is told, and the picture goes on. */
import type { Page } from "@playwright/test";
import { addressOf } from "./support/address.ts";
import { expectExactlyOnce } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";

/** A process has to start, and browsers let a page wait that had failed dials. */
const BACK_MS = 45_000;

function logEntry(page: Page, text: RegExp) {
  return page.locator("#log li", { hasText: text }).first();
}

test.describe("a relay that restarts", { tag: "@reconnect" }, () => {
  test("is told as reconnecting and resumed, with what was missed: nothing, while another relay sends", async ({
    cluster,
    demo,
    page,
    truth,
  }) => {
    test.slow();
    const a = cluster.relay("A");
    await demo.play();
    await demo.waitForSource(a.url, "is active", ({ state }) => state === "active");
    expect(await demo.events("reconnecting")).toEqual([]);

    await a.process.kill();
    await expect.poll(() => demo.events("reconnecting"), { timeout: BACK_MS }).toHaveLength(1);
    const [lost] = await demo.events("reconnecting");
    expect(lost?.detail).toMatchObject({ url: a.url, kind: "objects", reason: { code: "session-closed" } });
    await expect(logEntry(page, /^.*Lost relay A, reconnecting/)).toBeVisible();

    await a.process.start();
    await expect.poll(() => demo.events("resumed"), { timeout: BACK_MS }).toHaveLength(1);
    const [back] = await demo.events("resumed");
    expect(back?.detail).toMatchObject({ url: a.url, kind: "objects", cause: "lost", missed: [] });
    expect(back?.detail["awayMs"]).toBeGreaterThan(0);
    await expect(logEntry(page, /Relay A is back after .*nothing was missed/)).toBeVisible();

    await demo.waitForProgress(2);
    expect(await demo.state()).toBe("live");
    expect(await demo.events("hole")).toEqual([]);
    await expectExactlyOnce(demo, truth);
  });

  test("is asked for what went by meanwhile, when it is the only one", async ({ ownCluster, demo }) => {
    test.slow();
    const cluster = await ownCluster({ relays: ["A"] });
    const a = cluster.relay("A");
    await demo.play();
    // On a busy machine the manifest peer may be lost for a moment as well.
    const ofA = async (type: "reconnecting" | "resumed") =>
      (await demo.events(type)).filter(({ detail }) => detail["url"] === a.url);
    await a.process.kill();
    await expect.poll(() => ofA("reconnecting"), { timeout: BACK_MS }).toHaveLength(1);
    await a.process.start();
    await expect.poll(() => ofA("resumed"), { timeout: BACK_MS }).toHaveLength(1);
    const [back] = await ofA("resumed");
    const missed = back?.detail["missed"] as { startMs: number; endMs: number }[];
    expect(missed.length).toBeGreaterThan(0);
    for (const { startMs, endMs } of missed) expect(endMs).toBeGreaterThan(startMs);
    // The relay has forgotten everything, but its publisher has not: it plays on.
    await demo.waitForProgress(2, BACK_MS);
  });
});

test("a relay that asks its viewers to leave is left without a gap", { tag: "@reconnect" }, async ({
  cluster,
  demo,
}) => {
  const a = cluster.relay("A");
  await demo.play();
  await demo.waitForSource(a.url, "is active", ({ state }) => state === "active");
  a.process.command({ type: "goaway" });
  await expect.poll(() => demo.events("resumed"), { timeout: BACK_MS }).toHaveLength(1);
  const [moved] = await demo.events("resumed");
  expect(moved?.detail).toMatchObject({ url: a.url, cause: "moved", awayMs: 0, missed: [] });
  expect(await demo.events("reconnecting")).toEqual([]);
  await demo.waitForProgress(2);
  expect(await demo.events("hole")).toEqual([]);
});

test.describe("a relay that asks for a token", { tag: "@reconnect" }, () => {
  const flags = { A: ["--token", "right"], M: ["--token", "right"] };

  test("serves who has it, also if it comes only after a refusal", async ({ ownCluster, demo }) => {
    const cluster = await ownCluster({ relays: ["A"], flags });
    await demo.play({ query: addressOf(cluster, { token: "stale,right" }) });
    expect(await demo.events("warning")).toEqual([]);
  });

  test("serves nobody else, and the page says so", async ({ ownCluster, demo }) => {
    const cluster = await ownCluster({ relays: ["A"], flags });
    await demo.open({ query: addressOf(cluster, { token: "wrong" }) });
    await expect
      .poll(async () => (await demo.events("warning")).map(({ detail }) => detail["code"]), {
        timeout: BACK_MS,
      })
      .toContain("unauthorized");
    expect(await demo.frames()).toBe(0);
  });
});

test.describe("a relay that sends its viewers elsewhere", { tag: "@reconnect" }, () => {
  test("is followed to an origin that the app allows, and to no other", async ({ ownCluster, demo }) => {
    test.slow();
    // B is where A sends everybody; it is not named to the page.
    const other = await ownCluster({ relays: ["B"] });
    const [b] = other.relays;
    if (!b) throw new Error("no relay B");
    const cluster = await ownCluster({
      relays: ["A"],
      epochMs: other.epochMs,
      flags: { A: ["--redirect", b.url] },
    });
    const hash = [...cluster.relays, cluster.manifestPeer, b]
      .map(({ certificateHash }) => certificateHash)
      .join();

    await demo.open({ query: addressOf(cluster, { hash }) });
    await expect
      .poll(async () => (await demo.events("warning")).map(({ detail }) => detail["code"]), {
        timeout: BACK_MS,
      })
      .toContain("redirect-refused");
    expect(await demo.frames()).toBe(0);

    // The same clip and epoch: what B carries is, byte for byte, what A's signer signed.
    await demo.play({ query: addressOf(cluster, { hash, redirects: b.url }) });
    expect((await b.stats()).subscribers).toBeGreaterThan(0);
  });
});
