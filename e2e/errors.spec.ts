/** Whatever goes wrong, the page shows a stable code, what happened, and what to do. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PeerProcess } from "../demo/peers/cluster/peer-process.ts";
import { generateSeed, importSeed } from "../src/trust/keys.ts";
import { addressOf, NOBODY } from "./support/address.ts";
import { expect, test } from "./support/fixtures.ts";

test.describe("the page says what is wrong", { tag: "@errors" }, () => {
  test.afterEach(async ({ demo }) => {
    expect(await demo.frames(), "frames shown in spite of the error").toBe(0);
  });

  test("when the browser has no WebTransport", async ({ cluster, demo, page }) => {
    void cluster;
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, "WebTransport"));
    await demo.open();
    await demo.expectNotice("webtransport-unavailable");
    await expect(page.locator("#state")).toHaveText("Failed");
  });

  test("when an address is none", async ({ cluster, demo }) => {
    await demo.open({ query: addressOf(cluster, { objects: "ftp://relay.example/" }) });
    await demo.expectNotice("address-invalid");
  });

  test("when nobody listens at an address", async ({ cluster, demo }) => {
    await demo.open({ query: addressOf(cluster, { manifests: NOBODY }) });
    await expect(demo.page.locator("#notice-code")).toHaveText(/^connect-(failed|timeout)$/, {
      timeout: 20_000,
    });
    await demo.expectNotice((await demo.notice())?.code ?? "");
  });

  test("when a certificate is not the one that was pinned", async ({ cluster, demo }) => {
    await demo.open({ query: addressOf(cluster, { hash: "00".repeat(32) }) });
    await expect(demo.page.locator("#notice-code")).toHaveText(/^(certificate-refused|connect-failed)$/, {
      timeout: 20_000,
    });
    await demo.expectNotice((await demo.notice())?.code ?? "");
    await expect(demo.page.locator("#notice-hint")).toContainText(/certificate/i);
  });

  test("when a relay speaks none of our drafts: what it speaks, and what we do", async ({
    cluster,
    demo,
  }) => {
    let where: { readonly url: string; readonly hash: string } | undefined;
    const peer = new PeerProcess({
      name: "other-draft",
      program: "../../e2e/support/other-draft-peer.ts",
      args: [],
      onLog: (text) => {
        if (text.startsWith("{")) where = JSON.parse(text) as typeof where;
      },
    });
    try {
      await peer.start();
      if (!where) throw new Error("The peer did not say how to reach it.");
      await demo.open({ query: addressOf(cluster, { manifests: where.url, hash: where.hash }) });
      await demo.expectNotice("version-unsupported");
      await expect(demo.page.locator("#notice-hint")).toContainText(/offers moqt-07; we speak moqt-18/);
    } finally {
      await peer.stop();
    }
  });

  test("when nobody knows the broadcast", async ({ cluster, demo }) => {
    await demo.open({ query: addressOf(cluster, { broadcast: "countersign/nothing" }) });
    await demo.expectNotice("broadcast-unknown");
    await expect(demo.page.locator("#notice-title")).toContainText("countersign/nothing");
  });

  test("when the signer's key is not the one that is trusted", async ({ cluster, demo }) => {
    const other = await importSeed(generateSeed());
    await demo.open({ query: addressOf(cluster, { root: Buffer.from(other.publicKey).toString("hex") }) });
    await demo.expectNotice("manifest-wrong-key");
  });

  for (const [lie, code] of [
    ["bad-signature", "manifest-bad-signature"],
    ["malformed-catalog", "catalog-malformed"],
  ] as const) {
    test(`when the signer sends this: ${lie}`, async ({ cluster, demo }) => {
      const folder = await mkdtemp(join(tmpdir(), "countersign-e2e-"));
      const seed = generateSeed();
      const seedFile = join(folder, "seed");
      await writeFile(seedFile, Buffer.from(seed).toString("hex"), { mode: 0o600 });
      const broadcast = `countersign/${lie}`;
      const { url, certificateHash } = cluster.manifestPeer;
      const signer = new PeerProcess({
        name: lie,
        program: "../../e2e/support/lying-signer.ts",
        args: [
          "--relay",
          url,
          "--cert-hash",
          certificateHash,
          "--broadcast",
          broadcast,
          "--seed",
          seedFile,
          "--lie",
          lie,
        ],
      });
      try {
        await signer.start();
        const root = Buffer.from((await importSeed(seed)).publicKey).toString("hex");
        await demo.open({ query: addressOf(cluster, { broadcast, root }) });
        await demo.expectNotice(code);
      } finally {
        await signer.stop();
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
});

test.describe("the page goes on and tells", { tag: "@errors" }, () => {
  test("when the browser refuses storage: it plays, keeps in memory, and says so", async ({
    cluster,
    demo,
    page,
  }) => {
    void cluster;
    await demo.open({ preludes: ["/e2e/preludes/no-storage.ts"] });
    await demo.waitForState("live");
    await demo.waitForProgress(1);
    const warnings = await demo.events("warning");
    expect(warnings.map(({ detail }) => detail["code"])).toContain("storage-unavailable");
    expect(warnings[0]?.detail["hint"]).toMatch(/\S+ \S+/);
    await expect(page.locator("#facts [data-fact=Stored]")).toContainText("in memory only");
    await expect(page.locator("#log [data-tone=bad]").first()).toBeVisible();
  });

  test("when the browser wants a click first: a button is there, and the click starts it at the live edge", async ({
    cluster,
    demo,
    page,
  }) => {
    void cluster;
    // What a browser with a strict autoplay rule does, until the visitor has clicked.
    await page.addInitScript(() => {
      // Not navigator.userActivation: what a test asks the page counts as a visitor's doing there.
      let clicked = false;
      addEventListener("click", () => (clicked = true), { capture: true });
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function (this: HTMLMediaElement) {
        if (clicked) return play.call(this);
        return Promise.reject(new DOMException("play() needs a click", "NotAllowedError"));
      };
    });
    await demo.open();
    const button = page.getByRole("button", { name: "Play with sound" });
    await expect(button).toBeVisible({ timeout: 20_000 });
    await expect.poll(() => demo.events("autoplay")).toMatchObject([{ detail: { blocked: true } }]);
    await expect(page.locator("video")).toHaveJSProperty("paused", true);

    await button.click();
    await demo.waitForProgress(1);
    await demo.waitForState("live");
    await expect(button).toBeHidden();
    await expect(page.locator("video")).toHaveJSProperty("muted", false);
    expect((await demo.events("autoplay")).at(-1)?.detail["blocked"]).toBe(false);
  });
});
