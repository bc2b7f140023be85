/** A stretch of the past as a file, from the page that plays it. */
import { expect, test } from "./support/fixtures.ts";

test.describe("an exported stretch", { tag: "@export" }, () => {
  test.slow();

  test("can be canceled while it is being made", async ({ cluster, demo, page }) => {
    void cluster;
    await demo.play();
    await demo.waitForProgress(3);
    const outcome = await page.evaluate(async () => {
      const { player } = globalThis;
      const edgeMs = player.stats?.edgeMs ?? 0;
      const abort = new AbortController();
      const shares: number[] = [];
      try {
        await player.export({
          from: edgeMs - 3500,
          to: edgeMs,
          signal: abort.signal,
          onProgress: ({ share }) => {
            shares.push(share);
            abort.abort();
          },
        });
        return "finished";
      } catch (error) {
        return { code: (error as { code?: string }).code, steps: shares.length };
      }
    });
    expect(outcome).toEqual({ code: "destroyed", steps: 1 });
  });
});
