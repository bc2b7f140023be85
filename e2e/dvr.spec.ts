/** Rewinding live: beyond the half minute of the live list, into what is stored and what relays still have, and back. */
import type { Cluster, ClusterOptions } from "../demo/peers/cluster/cluster.ts";
import type { DemoPage } from "./support/demo-page.ts";
import { expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";
import { Truth } from "./support/truth.ts";

/** How long the broadcast has been going on when a test begins: publishers cut old groups anew, and the signer has its manifests. */
const HISTORY_MS = 180_000;

/** A broadcast with a past, played to the live edge, its depth known. */
async function playWithPast(
  demo: DemoPage,
  ownCluster: (options: ClusterOptions) => Promise<Cluster>,
  options: ClusterOptions = {},
): Promise<{ readonly cluster: Cluster; readonly truth: Truth }> {
  const epochMs = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
  const cluster = await ownCluster({
    ...options,
    epochMs,
    flags: { signer: ["--history", String(HISTORY_MS)] },
  });
  await demo.play();
  await expect
    .poll(async () => spanMs((await demo.stats()).fetchable), { timeout: 40_000, message: "relays' depth" })
    .toBeGreaterThan(HISTORY_MS - 30_000);
  return { cluster, truth: await Truth.of(epochMs) };
}

const spanMs = (ranges: readonly { startMs: number; endMs: number }[]): number =>
  ranges.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);

async function position(demo: DemoPage): Promise<number> {
  return (await demo.page.evaluate(() => globalThis.player.positionMs)) ?? Number.NaN;
}

test.describe("rewinding live", { tag: "@dvr" }, () => {
  test.slow();

  test("reaches what only relays have by date and by media time, keeps it, and goes back to live", async ({
    demo,
    page,
    ownCluster,
  }) => {
    const { truth } = await playWithPast(demo, ownCluster);

    const sought = await page.evaluate(async () => {
      const { player } = globalThis;
      const mediaMs = Math.round((player.stats?.edgeMs ?? 0) - 100_000);
      const outcome = await player.seekTo(new Date((player.epochMs ?? 0) + mediaMs));
      return { mediaMs, ...outcome };
    });
    expect(sought.clamped).toBe(false);
    expect(sought.positionMs).toBe(sought.mediaMs);
    await demo.waitForState("rewound");
    await demo.waitForProgress(3);
    const after = await position(demo);
    expect(after).toBeGreaterThan(sought.mediaMs);
    expect(after).toBeLessThan(sought.mediaMs + 60_000);
    // What was fetched was kept.
    await expect
      .poll(async () =>
        (await demo.stats()).stored.some(
          ({ startMs, endMs }) => startMs <= sought.mediaMs && sought.mediaMs < endMs,
        ),
      )
      .toBe(true);

    // Farther back than anybody reaches: the oldest there is, and the hole is told.
    const oldest = (await demo.stats()).fetchable[0]?.startMs ?? 0;
    const clamped = await page.evaluate(async () => globalThis.player.seekTo(1_000_000));
    expect(clamped.clamped).toBe(true);
    expect(Math.abs(clamped.positionMs - oldest)).toBeLessThan(15_000);
    await demo.waitForProgress(1);
    expect(await position(demo)).toBeGreaterThanOrEqual(clamped.positionMs);
    const holes = (await demo.events("hole")).map(({ detail }) => detail);
    expect(holes).toContainEqual(
      expect.objectContaining({ startMs: 1_000_000, endMs: clamped.positionMs, cause: "unavailable" }),
    );

    await page.getByRole("button", { name: "Go live" }).click();
    await demo.waitForState("live");
    await demo.waitForProgress(1);
    expect((await demo.stats()).playback.latencyMs).toBeLessThan(5000);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });

  test("a viewer who paused until the live list had left them behind goes on where they stopped", async ({
    demo,
    page,
    ownCluster,
  }) => {
    await playWithPast(demo, ownCluster);
    await page.evaluate(() => globalThis.player.video.pause());
    const paused = await position(demo);
    await expect
      .poll(async () => (await demo.stats()).live[0]?.startMs ?? 0, { timeout: 60_000 })
      .toBeGreaterThan(paused + 500);
    await page.evaluate(() => globalThis.player.video.play());
    await demo.waitForProgress(3);
    const after = await position(demo);
    expect(after).toBeGreaterThan(paused);
    expect(after).toBeLessThan(paused + 25_000);
    expect(await demo.state()).toBe("rewound");
    expect(await demo.events("hole")).toEqual([]);
  });
});

test.describe("a broadcast whose groups differ in length", { tag: "@dvr" }, () => {
  test.slow();

  test("is sought by the clock in what this player never saw, as its timeline track says", async ({
    demo,
    page,
    ownCluster,
  }) => {
    // 16 s of clip in groups of 3 s: every sixth has one second.
    await playWithPast(demo, ownCluster, { groupMs: 3000, timeline: true });
    for (const backMs of [100_000, 61_000]) {
      const sought = await page.evaluate(async (back) => {
        const { player } = globalThis;
        const mediaMs = Math.round((player.stats?.edgeMs ?? 0) - back);
        const outcome = await player.seekTo(new Date((player.epochMs ?? 0) + mediaMs));
        return { mediaMs, ...outcome };
      }, backMs);
      expect(sought).toMatchObject({ clamped: false, positionMs: sought.mediaMs });
      await demo.waitForState("rewound");
      await demo.waitForProgress(2);
      const after = await position(demo);
      expect(after).toBeGreaterThan(sought.mediaMs);
      expect(after).toBeLessThan(sought.mediaMs + 60_000);
    }
    expect(await demo.events("warning")).toEqual([]);
  });
});

test.describe("the DVR bar", { tag: "@dvr" }, () => {
  test.slow();

  test("shows the past by the clock, and leads anywhere by keys and by dragging", async ({
    demo,
    page,
    ownCluster,
  }) => {
    await playWithPast(demo, ownCluster);
    const slider = page.getByRole("slider", { name: "Position in the broadcast" });
    await expect(page.locator("#lanes .fetchable").first()).toBeVisible();
    await expect(slider).toHaveAttribute("aria-valuetext", /at the live edge, live$/);

    const live = await position(demo);
    await slider.focus();
    await slider.press("PageDown");
    await demo.waitForState("rewound");
    await demo.waitForProgress(1);
    const minuteBack = await position(demo);
    expect(minuteBack).toBeGreaterThan(live - 62_000);
    expect(minuteBack).toBeLessThan(live - 30_000);
    await expect(slider).toHaveAttribute(
      "aria-valuetext",
      /^\d\d:\d\d:\d\d, (\d+ min )?\d+ s behind live, (stored in this browser|at the relays)/,
    );
    await page.getByRole("button", { name: "Back 10 s" }).click();
    await expect.poll(() => position(demo)).toBeLessThan(minuteBack - 5000);

    // Dragged from where it is to a tenth of the bar: nothing is sought before it is let go.
    const before = await position(demo);
    const box = await slider.boundingBox();
    if (!box) throw new Error("the bar is not shown");
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.6, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.1, y, { steps: 5 });
    await expect(page.locator("#tip")).toContainText(/\d\d:\d\d:\d\d/);
    await expect(page.locator("#tip")).toContainText("at the relays");
    expect(await position(demo)).toBeGreaterThanOrEqual(before);
    await page.mouse.up();
    await expect.poll(() => position(demo)).toBeLessThan(live - 100_000);
    await demo.waitForProgress(1);

    await page.getByRole("button", { name: "1 min", exact: true }).click();
    await expect(page.getByRole("button", { name: "1 min", exact: true })).toHaveAttribute(
      "aria-pressed",
      "true",
    );
    await slider.press("End");
    await demo.waitForState("live");
    await demo.waitForProgress(1);
  });
});

test.describe("with the network gone", { tag: ["@dvr", "@offline"] }, () => {
  test.slow();

  test("what is stored plays and can be sought, and live joins by itself without a reload", async ({
    demo,
    page,
    ownCluster,
  }) => {
    const { cluster, truth } = await playWithPast(demo, ownCluster);
    const mark = await page.evaluate(() => {
      const value = Math.random();
      Object.assign(globalThis, { mark: value });
      return value;
    });
    const back = await page.evaluate(async () => {
      const outcome = await globalThis.player.seekTo((globalThis.player.stats?.edgeMs ?? 0) - 80_000);
      return outcome.positionMs;
    });
    await demo.waitForProgress(2);
    await expect
      .poll(async () =>
        (await demo.stats()).stored.some(({ startMs, endMs }) => startMs <= back && endMs > back + 15_000),
      )
      .toBe(true);

    const peers = [...cluster.relays, cluster.manifestPeer];
    for (const relay of peers) await relay.process.kill();
    await demo.waitForState("offline", 40_000);
    await expect(page.locator("#state")).toHaveText("Offline");
    await expect(page.locator("#notice-title")).not.toBeEmpty();

    const again = await page.evaluate(async (ms) => globalThis.player.seekTo(ms), back + 1000);
    expect(again).toEqual({ positionMs: back + 1000, clamped: false });
    await demo.waitForProgress(2);

    for (const relay of peers) await relay.process.start();
    await expect.poll(() => demo.state(), { timeout: 40_000 }).toBe("rewound");
    await page.getByRole("button", { name: "Go live" }).click();
    await demo.waitForState("live", 40_000);
    await demo.waitForProgress(1);
    expect(await page.evaluate(() => (globalThis as unknown as { mark: number }).mark)).toBe(mark);
    expectOnlySignedMedia((await demo.probed()).media, truth);
  });
});
