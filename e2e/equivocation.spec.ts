/** A signer says two things of one place: whoever hears both stops, keeps both, and can show them to others. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "./support/fixtures.ts";
import { savedBy } from "./support/saved-files.ts";

const CLI = ["node_modules/tsx/dist/cli.mjs", "src/trust/cli/main.ts"];

test.describe("equivocation", { tag: ["@trust", "@equivocation"] }, () => {
  test("between two manifest peers stops playback and is exported as evidence that the tool confirms", async ({
    ownCluster,
    demo,
    page,
  }) => {
    test.setTimeout(120_000);
    const cluster = await ownCluster({ manifestPeers: ["M", "M2"], twin: true });
    await cluster.relay("M2").process.kill();
    await demo.play();
    await expect(page.getByRole("button", { name: "Export evidence" })).toBeHidden();
    // The other truth can be heard from now on.
    await cluster.relay("M2").process.start();
    await demo.waitForState("failed", 60_000);
    await demo.expectNotice("manifest-equivocation");

    // Both tracks are in dispute from here on: whatever the relays bring, nothing of it counts.
    const disputed = async () =>
      (await demo.stats()).trustRanges
        .filter(({ state }) => state === "equivocation")
        .map(({ track }) => track)
        .sort();
    await expect.poll(disputed, { timeout: 30_000 }).toEqual(["audio", "video"]);
    const delivered = (await demo.deliveries()).length;
    const received = (await demo.stats()).bytes.received;
    await expect
      .poll(async () => (await demo.stats()).bytes.received, { timeout: 20_000 })
      .toBeGreaterThan(received + 50_000);
    expect((await demo.deliveries()).length).toBe(delivered);

    const [saved] = await savedBy(page, 1, () =>
      page.getByRole("button", { name: "Export evidence" }).click(),
    );
    const evidence = Buffer.from(saved?.base64 ?? "", "base64");
    expect(evidence.byteLength).toBeGreaterThan(300);
    const folder = mkdtempSync(join(tmpdir(), "countersign-evidence-"));
    try {
      const file = join(folder, "evidence.cbor");
      writeFileSync(file, evidence);
      const root = Buffer.from(cluster.root.publicKey).toString("hex");
      const verdict = execFileSync(process.execPath, [...CLI, "verify", file, "--root", root], {
        encoding: "utf8",
      });
      expect(verdict).toContain("Proven: the signer of countersign/demo");
      const printed = execFileSync(process.execPath, [...CLI, "print", file], { encoding: "utf8" });
      for (const { url } of cluster.manifestPeers) expect(printed).toContain(`from ${url}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
