import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import type { BrowserName } from "./scripts/browsers.ts";
import { findBrowser, launchOptions } from "./scripts/browsers.ts";
import { BUNDLED_DEPENDENCIES } from "./scripts/bundled-dependencies.ts";
import { peerRuntimeIfReady } from "./scripts/node-runtime.ts";

// Vitest starts its workers by execPath. On the runtime of the peers, tests may open WebTransport sessions in Node;
// without it (`npm run runtime` prepares it) only those fail, with an error that says so.
process.execPath = peerRuntimeIfReady()?.nodePath ?? process.execPath;

/** A browser that is missing fails its project when that runs, with its message, not `--project unit` on such a machine. */
const instance = (browser: BrowserName) => ({
  browser,
  name: `browser-${browser}`,
  provider: playwright(findBrowser(browser) === undefined ? {} : { launchOptions: launchOptions(browser) }),
});

/**
 * When a test that hangs is given up. Far above what any takes, since a machine that does other things must not turn tests red: none of them measures time.
 */
const GIVE_UP_AFTER_MS = 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          testTimeout: GIVE_UP_AFTER_MS,
          include: ["{src,workers,demo,scripts,e2e,bench}/**/*.test.ts"],
          exclude: ["**/*.browser.test.ts", "**/node_modules/**"],
        },
      },
      {
        optimizeDeps: { include: [...BUNDLED_DEPENDENCIES] },
        test: {
          name: "browser",
          // As in playwright.config.ts: some of these play in real time.
          retry: process.env["CI"] === undefined ? 0 : 1,
          testTimeout: GIVE_UP_AFTER_MS,
          include: ["{src,workers,demo}/**/*.browser.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [instance("chromium"), instance("firefox")],
          },
        },
      },
    ],
  },
});
