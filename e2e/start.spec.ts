/** `npm start`, as a newcomer runs it: progress, an address at the end, a page that plays, and nothing left behind. */
import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { DemoPage } from "./support/demo-page.ts";
import { test as base, expect } from "./support/fixtures.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Seconds on an idle machine: a bundle, six processes. */
const START_TIMEOUT_MS = 60_000;

interface Started {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  /** What it said until it gave the address. */
  readonly said: string;
  readonly url: string;
}

const test = base.extend<{ readonly start: () => Promise<Started> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are used from here
  start: async ({}, use) => {
    const started: Started["process"][] = [];
    await use(async () => {
      const child = spawn(process.execPath, ["scripts/start.mjs", "--port", "0"], {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "ignore"],
      });
      started.push(child);
      let said = "";
      const url = await new Promise<string>((resolve, reject) => {
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text;
          const address = /Open (http:\S+)\s/.exec(said)?.[1];
          if (address !== undefined) resolve(address);
        });
        child.once("exit", (code) => reject(new Error(`npm start ended with ${code}:\n${said}`)));
      });
      return { process: child, said, url };
    });
    for (const child of started)
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  },
});

/** Rejects while somebody has this port. */
async function bindUdp(port: number): Promise<void> {
  const socket = createSocket("udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, "127.0.0.1", resolve);
    });
  } finally {
    socket.close();
  }
}

async function expectCleanEnd({ process: child, said, url }: Started, signal: NodeJS.Signals): Promise<void> {
  const ports = [...said.matchAll(/https:\/\/127\.0\.0\.1:(\d+)\//g)].map((match) => Number(match[1]));
  expect(ports).toHaveLength(3);
  for (const port of ports) await expect(bindUdp(port)).rejects.toThrow("EADDRINUSE");

  const ended = once(child, "exit");
  let farewell = "";
  child.stdout.on("data", (text: string) => {
    farewell += text;
  });
  child.kill(signal);
  expect(await ended).toEqual([0, null]);
  expect(farewell.trim().split("\n").at(-1)).toBe("Stopped.");
  for (const port of ports) await bindUdp(port);
  await expect(fetch(url)).rejects.toThrow();
}

test.describe("npm start", { tag: "@split-source" }, () => {
  test("says what it does, gives the address last, plays there, and ends every process on Ctrl-C", async ({
    start,
    page,
  }) => {
    test.setTimeout(START_TIMEOUT_MS + 60_000);
    const started = await start();
    const { said, url } = started;
    const lines = said.split("\n").filter((line) => line.trim() !== "");
    expect(lines.length).toBeGreaterThan(4);
    expect(lines.at(-1)).toBe(`  Open ${url}`);
    const demo = new DemoPage(page, url);
    await page.goto(url);
    await demo.waitForState("live");
    await demo.waitForProgress(1);
    // Bundled: four files and what the launcher tells, however many modules there are.
    expect(await page.evaluate(() => performance.getEntriesByType("resource").length)).toBeLessThan(10);
    // Ctrl-C, with the page still open.
    await expectCleanEnd(started, "SIGINT");
  });

  test("ends every process on SIGTERM too, before the page was ever opened", async ({ start }) => {
    test.setTimeout(START_TIMEOUT_MS + 60_000);
    await expectCleanEnd(await start(), "SIGTERM");
  });
});
