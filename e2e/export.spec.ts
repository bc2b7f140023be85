/** A stretch of the past as a file: it plays anywhere, and anybody can check it. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { verifyExport } from "../src/recording/verify-export.ts";
import { fromHex } from "../src/trust/bytes.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { expect, test } from "./support/fixtures.ts";
import { savedBy } from "./support/saved-files.ts";

/** The command-line tool as a process of its own: its exit code, and what it said. */
function countersign(...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--import", "tsx", "src/trust/cli/main.ts", ...args],
      (error, stdout, stderr) => resolve(`${error?.code ?? 0} ${stdout}${stderr}`),
    );
  });
}

test.describe("an exported stretch", { tag: "@export" }, () => {
  test.slow();

  test("plays in a plain <video>, is proven by the command line, and is found out when it was tampered with", async ({
    cluster,
    demo,
    page,
  }, testInfo) => {
    await demo.play();
    // What the visitor does: mark, let it play, mark, save.
    await page.getByRole("button", { name: /^From/ }).click();
    await demo.waitForProgress(4);
    await page.getByRole("button", { name: /^To/ }).click();
    // Whole groups, so the last one has to have ended.
    await demo.waitForProgress(2);
    const saved = await savedBy(page, 2, () => page.getByRole("button", { name: /^Save/ }).click());
    const film = testInfo.outputPath("film.mp4");
    const beside = testInfo.outputPath("film.manifests");
    expect(saved.map(({ name }) => name.replace(/.*\./, "."))).toEqual([".mp4", ".manifests"]);
    await writeFile(film, Buffer.from(saved[0]?.base64 ?? "", "base64"));
    await writeFile(beside, Buffer.from(saved[1]?.base64 ?? "", "base64"));

    const root = cluster.playerOptions.trust.roots[0] ?? "";
    const good = new Uint8Array(await readFile(film));
    const manifests = new Uint8Array(await readFile(beside));
    const ring = await KeyRing.create([fromHex(root) ?? new Uint8Array()]);
    const verdict = await verifyExport(good, manifests, ring);
    expect(verdict.missing).toEqual([]);
    expect(verdict.incomplete).toBe(0);
    expect(verdict.groups).toBeGreaterThanOrEqual(8);

    const verify = (file: string): Promise<string> =>
      countersign("verify", file, "--manifests", beside, "--root", root);
    expect(await verify(film)).toMatch(/^0 Good: /);
    const tampered = good.slice();
    const at = Math.floor(tampered.byteLength / 2);
    tampered[at] = (tampered[at] ?? 0) ^ 1;
    const bad = testInfo.outputPath("tampered.mp4");
    await writeFile(bad, tampered);
    expect(await verify(bad)).toMatch(/^1 object-mismatch: /);

    // The same film, without any of our code: from its beginning to its end, with a picture in every second of it.
    const played = await page.evaluate(async (base64) => {
      await globalThis.player.destroy();
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const video = document.createElement("video");
      video.muted = true;
      video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
      document.body.append(video);
      await video.play();
      await new Promise<void>((resolve, reject) => {
        video.addEventListener("ended", () => resolve());
        const state = (): string =>
          `at ${video.currentTime} of ${video.duration}, paused ${video.paused}, readyState ${video.readyState}, ` +
          `error ${video.error?.message ?? "none"}`;
        video.addEventListener("error", () => reject(new Error(state())));
        setTimeout(() => reject(new Error(`It does not end: ${state()}`)), 60_000);
      });
      return {
        duration: video.duration,
        at: video.currentTime,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        width: video.videoWidth,
      };
    }, Buffer.from(good).toString("base64"));
    expect(played.duration).toBeGreaterThan(3.5);
    expect(played.duration).toBeLessThan(30);
    expect(played.at).toBeCloseTo(played.duration, 0);
    expect(played.frames).toBeGreaterThan(25);
    expect(played.width).toBe(640);
  });

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
