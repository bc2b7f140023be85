import { defineConfig } from "@playwright/test";
import { BROWSERS, launchOptions } from "./scripts/browsers.ts";

export default defineConfig({
  testDir: "e2e",
  testMatch: "**/*.spec.ts",
  // Each spec starts the peers it needs, on ports of their own; there is no shared server to wait for.
  projects: BROWSERS.map((browserName) => ({
    name: browserName,
    use: { browserName, launchOptions: launchOptions(browserName) },
  })),
  // A test waits for media in real time more than it computes: two at a time fill two cores, three would starve the peers.
  // One at a time where the result decides what lands; two where somebody waits for it.
  workers: process.env["CI"] === undefined ? 2 : 1,
  // Media plays in real time on machines that do other things: what fails once and then passes is reported as flaky, not as broken.
  retries: process.env["CI"] === undefined ? 0 : 1,
  forbidOnly: process.env["CI"] !== undefined,
  timeout: 60_000,
  reporter: [["list"], ["json", { outputFile: ".cache/results/playwright.json" }]],
  use: { baseURL: "http://localhost", trace: "retain-on-failure" },
});
