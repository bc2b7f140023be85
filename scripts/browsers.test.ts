import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findBrowser, launchOptions } from "./browsers.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "countersign-path-"));
  vi.stubEnv("PATH", folder);
  vi.stubEnv("COUNTERSIGN_CHROMIUM", "");
  vi.stubEnv("COUNTERSIGN_FIREFOX", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, mode);
  return path;
}

test("takes the browser on PATH, the first name that can be run", () => {
  program("chromium", 0o644);
  const chrome = program("google-chrome");
  expect(findBrowser("chromium")).toEqual({ path: chrome, build: "stock" });
});

test("prefers what a variable names, by path or by name", () => {
  program("firefox-esr");
  const nightly = program("firefox-nightly");
  vi.stubEnv("COUNTERSIGN_FIREFOX", nightly);
  expect(findBrowser("firefox")?.path).toBe(nightly);
  vi.stubEnv("COUNTERSIGN_FIREFOX", "firefox-nightly");
  expect(findBrowser("firefox")?.path).toBe(nightly);
});

test("refuses a variable that names no program, rather than testing another browser", () => {
  program("chromium");
  vi.stubEnv("COUNTERSIGN_CHROMIUM", join(folder, "missing"));
  expect(() => findBrowser("chromium")).toThrow(/COUNTERSIGN_CHROMIUM=.*missing is not a program/);
});

test("drives a stock Firefox as the build it is", () => {
  const firefox = program("firefox-esr");
  expect(launchOptions("firefox")).toMatchObject({ channel: "moz-firefox", executablePath: firefox });
});
