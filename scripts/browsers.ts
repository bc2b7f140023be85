/**
 * The two browsers that the tests drive: the stock ones of this machine when it has them.
 *
 * In order: COUNTERSIGN_CHROMIUM / COUNTERSIGN_FIREFOX (a path), PATH, Playwright's own download if it is there. Only
 * `npm run browsers` (part of `npm test`) installs: by Playwright's download, else by apt-get where that is allowed.
 * The configurations of Playwright and Vitest take their launch options from `launchOptions`, which never installs.
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LaunchOptions } from "playwright";
import { chromium, firefox } from "playwright";
import { aptInstall, findOnPath, isExecutable, progress, run, SetupError } from "./commands.ts";

export type BrowserName = "chromium" | "firefox";
export const BROWSERS: readonly BrowserName[] = ["chromium", "firefox"];

interface Sources {
  readonly variable: string;
  readonly names: readonly string[];
  readonly package: string;
}

const SOURCES: Readonly<Record<BrowserName, Sources>> = {
  chromium: {
    variable: "COUNTERSIGN_CHROMIUM",
    names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    package: "chromium",
  },
  firefox: { variable: "COUNTERSIGN_FIREFOX", names: ["firefox-esr", "firefox"], package: "firefox-esr" },
};

export interface FoundBrowser {
  readonly path: string;
  /** Stock builds come from the system; Playwright's Firefox is a patched one that is driven differently. */
  readonly build: "stock" | "playwright";
}

/** The browser that this machine has, or undefined. A variable that names no program is an error, not a miss. */
export function findBrowser(name: BrowserName): FoundBrowser | undefined {
  const { variable, names } = SOURCES[name];
  const chosen = process.env[variable];
  if (chosen !== undefined && chosen !== "") {
    const path = isExecutable(chosen) ? chosen : findOnPath(chosen);
    if (path === undefined) throw new SetupError(`${variable}=${chosen} is not a program that can be run.`);
    return { path, build: "stock" };
  }
  const stock = findOnPath(...names);
  if (stock !== undefined) return { path: stock, build: "stock" };
  const downloaded = (name === "chromium" ? chromium : firefox).executablePath();
  return downloaded !== "" && isExecutable(downloaded)
    ? { path: downloaded, build: "playwright" }
    : undefined;
}

const CHROMIUM_ARGS = [
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Playback tests start with sound and without a click; that a page needs one is the browser's promise, not ours.
  "--autoplay-policy=no-user-gesture-required",
];

/** What Playwright needs to launch the browser this machine has. Throws a SetupError that says how to get one. */
export function launchOptions(name: BrowserName): LaunchOptions {
  const found = findBrowser(name);
  if (found === undefined) throw new SetupError(missing(name, []));
  if (name === "chromium") {
    // Root cannot use Chromium's sandbox, nor can most containers; the pages under test are ours.
    const options: LaunchOptions = { headless: true, args: CHROMIUM_ARGS, chromiumSandbox: false };
    return found.build === "stock"
      ? { ...options, executablePath: found.path }
      : // Playwright's default headless shell is another browser; this is the real one without a window.
        { ...options, channel: "chromium" };
  }
  const options: LaunchOptions = { headless: true, firefoxUserPrefs: { "media.autoplay.default": 0 } };
  return found.build === "stock"
    ? { ...options, channel: "moz-firefox", executablePath: found.path }
    : options;
}

/** Makes sure that both browsers are there, installing what is missing where that is allowed. */
export async function ensureBrowsers(names: readonly BrowserName[] = BROWSERS): Promise<void> {
  for (const name of names) {
    const present = findBrowser(name);
    const found = present !== undefined && starts(present) ? present : await install(name);
    if (name === "firefox") await ensureDecoder();
    progress(`${name}: ${found.path} (${versionOf(found.path) ?? "version unknown"})`);
  }
}

/** By name and regular expression, since the number is another one in each Debian release. */
const DECODER_PACKAGE = "^libavcodec[0-9]+$";

/**
 * On Linux Firefox brings no H.264 decoder: it takes the system's libavcodec, which its package merely recommends. Without it every page loads and nothing plays.
 */
async function ensureDecoder(): Promise<void> {
  if (process.platform !== "linux") return;
  const ldconfig = findOnPath("ldconfig") ?? "/sbin/ldconfig";
  const { status, stdout } = spawnSync(ldconfig, ["-p"], { encoding: "utf8" });
  if (status !== 0 || stdout.includes("libavcodec.so")) return;
  try {
    await aptInstall([DECODER_PACKAGE]);
  } catch (error) {
    progress(
      `firefox plays no H.264 here until the system has libavcodec (Debian: apt-get install libavcodec-extra; ${lastLine(error)})`,
    );
  }
}

async function install(name: BrowserName): Promise<FoundBrowser> {
  const attempts: string[] = [];
  progress(`${name} is not on PATH; trying Playwright's download`);
  try {
    const cli = join(dirname(createRequire(import.meta.url).resolve("playwright/package.json")), "cli.js");
    await run(process.execPath, [cli, "install", name], { visible: true });
    const found = findBrowser(name);
    if (found !== undefined && starts(found)) return found;
    attempts.push("Playwright's download does not start here (system libraries missing?)");
  } catch (error) {
    attempts.push(`Playwright's download failed: ${lastLine(error)}`);
  }
  try {
    await aptInstall([SOURCES[name].package]);
    const found = findBrowser(name);
    if (found !== undefined) return found;
    attempts.push(`apt-get installed ${SOURCES[name].package}, which put no program on PATH`);
  } catch (error) {
    attempts.push(`apt-get: ${lastLine(error)}`);
  }
  throw new SetupError(missing(name, attempts));
}

function missing(name: BrowserName, attempts: readonly string[]): string {
  const { variable, names, package: debian } = SOURCES[name];
  return [
    `No ${name} found to test with (looked for ${names.join(", ")} on PATH).`,
    ...attempts.map((attempt) => `  - ${attempt}`),
    `Install it (Debian: apt-get install ${debian}; elsewhere: npx playwright install --with-deps ${name}),`,
    `or set ${variable} to the path of one.`,
  ].join("\n");
}

/** A download without the system libraries it links to does not even print its version. */
function starts(browser: FoundBrowser): boolean {
  return browser.build === "stock" || versionOf(browser.path) !== undefined;
}

function versionOf(path: string): string | undefined {
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 30_000 });
  return status === 0 ? stdout.trim().split("\n").at(-1) : undefined;
}

function lastLine(error: unknown): string {
  return (
    String(error instanceof Error ? error.message : error)
      .split("\n")
      .filter(Boolean)
      .at(-1) ?? "unknown"
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureBrowsers().catch((error: unknown) => {
    process.stderr.write(
      `${error instanceof SetupError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exitCode = 1;
  });
}
