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
  // Media plays in real time: two browsers with their peers on two cores would fail for want of time, not of correctness.
  workers: 1,
  retries: 0,
  forbidOnly: process.env["CI"] !== undefined,
  timeout: 60_000,
  reporter: [["list"], ["json", { outputFile: ".cache/results/playwright.json" }]],
  use: { baseURL: "http://localhost", trace: "retain-on-failure" },
});
