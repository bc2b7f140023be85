/** The main job: signed by one peer, served by two that nobody trusts, played by a stock browser. */
import { expectOnlySignedMedia } from "./support/demo-page.ts";
import { expect, test } from "./support/fixtures.ts";

test.describe("a visitor of the demo page", { tag: "@split-source" }, () => {
  test("sees the broadcast play at the live edge, verified, and its sources at work", async ({
    cluster,
    demo,
    page,
  }) => {
    await demo.play();
    await demo.waitForProgress(2);
    for (const relay of cluster.relays)
      await demo.waitForSource(relay.url, "is active", ({ state }) => state === "active");
    await demo.waitForSource(cluster.manifestPeer.url, "carries manifests", ({ score }) => score.good > 0);

    const stats = await demo.stats();
    expect(stats.trust).toBe("verified");
    expect(stats.sources.map(({ url, kind }) => ({ url, kind }))).toEqual([
      ...cluster.relays.map(({ url }) => ({ url, kind: "objects" })),
      { url: cluster.manifestPeer.url, kind: "manifests" },
    ]);
    expect(stats.objects.rejected).toBe(0);
    expect(stats.objects.holes).toBe(0);

    await expect(page.locator("#state")).toHaveText("Live");
    await expect(page.locator("#latency")).toBeVisible();
    await expect(page.locator("#facts [data-fact=Verification]")).toHaveText("verified");
    await expect(page.locator("#sources .source")).toHaveCount(3);
    for (const name of ["A", "B", "M"]) {
      const card = page.locator(`.source[data-peer=${name}]`);
      await expect(card).toHaveAttribute("data-state", "active");
      await expect(card.locator(".counts dd").first()).toHaveText(/[1-9]/);
    }
    await expect(page.locator("#notice")).toBeHidden();
  });

  test("hears it after one click", async ({ cluster, demo, page, browserName }) => {
    void cluster;
    await demo.play();
    const video = page.locator("video");
    await expect(video).toHaveJSProperty("muted", true);
    await page.getByRole("button", { name: "Play with sound" }).click();
    await expect(video).toHaveJSProperty("muted", false);
    await expect(video).toHaveJSProperty("paused", false);
    // A headless Firefox on a machine without a sound device runs no AudioContext: there it has to do that the element has sound.
    if (browserName === "firefox") await expect(video).toHaveJSProperty("mozHasAudio", true);
    else expect(await page.evaluate(loudestSample)).toBeGreaterThan(0.001);
    await demo.waitForProgress(1);
  });

  test("gets only bytes that the signer signed, in one stretch without a gap", async ({
    cluster,
    demo,
    truth,
    page,
  }) => {
    void cluster;
    await demo.play();
    await demo.waitForProgress(3);
    expectOnlySignedMedia((await demo.probed()).media, truth);
    const buffered = await page.evaluate(
      () => (document.querySelector("video") as HTMLVideoElement).buffered.length,
    );
    expect(buffered).toBe(1);
    expect(await demo.events("hole")).toEqual([]);
  });

  test("needs no media over HTTP: while it plays the page asks for nothing at all", async ({
    cluster,
    demo,
    page,
    site,
  }) => {
    void cluster;
    const types: { readonly url: string; readonly type: string }[] = [];
    page.on("response", (response) => {
      types.push({ url: response.url(), type: response.headers()["content-type"] ?? "" });
    });
    await demo.play();
    const origins = new Set(
      types
        .map(({ url }) => new URL(url))
        .filter(({ protocol }) => protocol.startsWith("http"))
        .map(({ origin }) => origin),
    );
    expect([...origins]).toEqual([new URL(site.url).origin]);
    expect(types.filter(({ type }) => /video|audio|mpegurl|octet-stream|mp4/.test(type))).toEqual([]);

    const before = types.length;
    const entries = () => page.evaluate(() => performance.getEntriesByType("resource").length);
    const entriesBefore = await entries();
    await demo.waitForProgress(3);
    expect(types.slice(before)).toEqual([]);
    expect(await entries()).toBe(entriesBefore);
  });
});

test.describe("the worker", { tag: "@split-source" }, () => {
  test("owns every WebTransport session; the main thread constructs none", async ({ cluster, demo }) => {
    await demo.play();
    const { mainThreadSessions, workerSessions } = await demo.probed();
    expect(mainThreadSessions).toBe(0);
    const peers = [...cluster.relays, cluster.manifestPeer].map(({ url }) => url);
    expect([...new Set(workerSessions)].sort()).toEqual(peers.sort());
  });
});

/** The first sample that comes out of the element and is not silence; 0 when none comes within 5 s. */
async function loudestSample(): Promise<number> {
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  const source = context.createMediaElementSource(document.querySelector("video") as HTMLVideoElement);
  source.connect(analyser).connect(context.destination);
  const samples = new Float32Array(analyser.fftSize);
  for (let tries = 0; tries < 100; tries++) {
    analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    if (peak > 0.001) return peak;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return 0;
}
