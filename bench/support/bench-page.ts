/** A page of a benchmark in a real browser: built as an app would build it, served from loopback, opened in a profile on disk. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "playwright";
import { chromium, firefox } from "playwright";
import { build, preview } from "vite";
import { type BrowserName, launchOptions } from "../../scripts/browsers.ts";

const ROOT = resolve(fileURLToPath(import.meta.url), "..", "..", "..");

export interface BenchPage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Builds `bench/<name>/page.html` and opens it. The development server would do, too, but a page that loads a hundred modules one by one
 * says nothing about how soon the first frame is there.
 */
export async function openBenchPage(browser: BrowserName, name: string): Promise<BenchPage> {
  const outDir = join(ROOT, ".cache", "bench", name);
  const html = `bench/${name}/page.html`;
  await build({
    root: ROOT,
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    worker: { format: "es" },
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2022",
      // Names stay readable in profiles; the difference in speed could not be measured.
      minify: false,
      rolldownOptions: { input: join(ROOT, html) },
    },
  });
  const server = await preview({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    build: { outDir },
    preview: { host: "localhost", strictPort: false },
  });
  const profile = await mkdtemp(join(tmpdir(), "countersign-bench-"));
  const closeAll = async (context?: BrowserContext): Promise<void> => {
    await context?.close();
    await server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const type = browser === "chromium" ? chromium : firefox;
    // A profile, because a window without one keeps IndexedDB in memory.
    const context = await type.launchPersistentContext(profile, launchOptions(browser));
    const page = context.pages()[0] ?? (await context.newPage());
    page.on("pageerror", (error) => process.stderr.write(`[bench] page: ${error.stack ?? error.message}\n`));
    page.on("console", (message) => {
      if (message.type() === "error") process.stderr.write(`[bench] page: ${message.text()}\n`);
    });
    const url = new URL(html, server.resolvedUrls?.local[0]).href;
    await page.goto(url);
    return { page, context, url, close: () => closeAll(context) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
