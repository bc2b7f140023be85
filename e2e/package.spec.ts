/** The packed package, as an app of somebody else gets it: installed from the tarball, type-checked, bundled, played. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Served } from "./support/blank-app.ts";
import { BlankApp } from "./support/blank-app.ts";
import { DemoPage } from "./support/demo-page.ts";
import { test as base, expect } from "./support/fixtures.ts";

/** Packing, installing and bundling take seconds each; a busy machine multiplies them. */
const SETUP_TIMEOUT_MS = 180_000;

const test = base.extend<object, { readonly app: BlankApp; readonly built: Served }>({
  app: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are used from here
    async ({}, use) => {
      const app = await BlankApp.create();
      await use(app);
      app.remove();
    },
    { scope: "worker", timeout: SETUP_TIMEOUT_MS },
  ],
  built: [
    async ({ app }, use) => {
      const served = await app.serveBuilt();
      await use(served);
      await served.close();
    },
    { scope: "worker", timeout: SETUP_TIMEOUT_MS },
  ],
});

interface Request {
  readonly url: string;
  readonly contentType: string;
}

test.describe("the packed package", { tag: "@package" }, () => {
  test("holds what its exports name, its licence and nothing that only we need", ({ app }) => {
    const names = app.packed.map(({ path }) => path);
    const manifest = JSON.parse(
      readFileSync(join(app.folder, "node_modules", "countersign", "package.json"), "utf8"),
    ) as { readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>> };
    const targets = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    expect(names).toEqual(expect.arrayContaining(targets.map((target) => target.replace("./", ""))));
    expect(names).toEqual(expect.arrayContaining(["LICENSE", "README.md", "CHANGELOG.md"]));
    expect(
      names.filter((name) => !/^(dist\/|LICENSE$|README\.md$|CHANGELOG\.md$|package\.json$)/.test(name)),
    ).toEqual([]);
    expect(names.filter((name) => /\.test\.|fixture|(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });

  test("type-checks in an app of strict settings, and refuses a misspelled option there", async ({ app }) => {
    await app.check();
  });

  for (const [how, path, workerFile] of [
    ["found by the app's bundler", "", /\/assets\/client\.worker-[\w-]+\.js$/],
    ["at the workerUrl that the app gives", "worker-url.html", /\/assets\/client\.worker-[\w-]+\.js\?given$/],
  ] as const) {
    test(`plays a broadcast in a built app, its worker ${how}, with no media over HTTP`, async ({
      built,
      cluster,
      page,
    }) => {
      const requests = await open(page, `${built.url}${path}`, cluster.playerOptions);
      const demo = new DemoPage(page, built.url);
      await demo.waitForState("live");
      await demo.waitForProgress(2);

      const workers = requests.filter(({ url }) => url.includes("client.worker"));
      expect(workers.map(({ url }) => url)).toEqual([expect.stringMatching(workerFile)]);
      expect(requests.map(({ url }) => new URL(url).origin)).toEqual(
        requests.map(() => new URL(built.url).origin),
      );
      expect(requests.filter(({ contentType }) => !/^text\/(html|javascript)/.test(contentType))).toEqual([]);
      const before = requests.length;
      await demo.waitForProgress(2);
      expect(requests.slice(before)).toEqual([]);
      expect((await demo.stats()).trust).toBe("verified");
    });
  }

  test("plays from the development server of Vite too, which moves packages about", async ({
    app,
    cluster,
    page,
  }) => {
    const served = await app.serveSources();
    try {
      const requests = await open(page, served.url, cluster.playerOptions);
      const demo = new DemoPage(page, served.url);
      await demo.waitForState("live");
      await demo.waitForProgress(1);
      expect(requests.filter(({ url }) => url.includes("/client.worker.js"))).toHaveLength(1);
    } finally {
      await served.close();
    }
  });
});

/** Opens a page of the app with the options of its player, and lists what it and its worker ask for. */
async function open(page: DemoPage["page"], url: string, options: unknown): Promise<readonly Request[]> {
  const requests: Request[] = [];
  page.on("response", (response) => {
    const address = response.url();
    if (!address.startsWith("http") || address.endsWith("/favicon.ico")) return;
    requests.push({ url: address, contentType: response.headers()["content-type"] ?? "" });
  });
  await page.addInitScript((given) => Object.assign(globalThis, { options: given }), options);
  await page.goto(url);
  return requests;
}
