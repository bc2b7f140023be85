// Plain Node without dependencies: this runs on a fresh clone, before there are any.
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const OLDEST_NODE = [20, 19];
/** npm shows its progress on a terminal only; elsewhere silence for longer than this looks like a hang. */
const REPORT_EVERY_MS = 5_000;

/** Installs the dependencies when they are missing or older than the lockfile. Rejects with what npm said. */
export async function ensureInstalled() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new Error(`Countersign needs Node ${OLDEST_NODE.join(".")} or newer; this is ${process.version}.`);
  }
  if (isInstalled()) return;
  console.error("[countersign] installing dependencies (npm ci), about a minute");
  const started = Date.now();
  const timer = setInterval(() => {
    if (!process.stderr.isTTY) {
      console.error(`[countersign] still installing, ${Math.round((Date.now() - started) / 1000)} s`);
    }
  }, REPORT_EVERY_MS);
  try {
    const { status } = await runNpm(["ci", "--no-audit", "--no-fund"]);
    if (status !== 0) throw new Error(`npm ci failed (status ${status}); see its output above.`);
  } finally {
    clearInterval(timer);
  }
  console.error("[countersign] dependencies installed");
}

/** npm leaves its own lockfile in node_modules as the last step of an install. */
function isInstalled() {
  const done = join(ROOT, "node_modules", ".package-lock.json");
  return existsSync(done) && statSync(done).mtimeMs >= statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

/** Runs npm, the one that runs us when there is one. */
export function runNpm(args, options = {}) {
  const npm = process.env.npm_execpath;
  return npm !== undefined && /\.c?js$/.test(npm)
    ? runCommand(process.execPath, [npm, ...args], options)
    : runCommand("npm", args, { shell: process.platform === "win32", ...options });
}

/** Runs a command with our own output; resolves with its exit status, a signal counted as failure. */
export function runCommand(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], ...options });
    // Ctrl-C on a terminal reaches the child too; a signal sent to us alone has to be passed on.
    const forward = (signal) => child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, forward);
    const settle = (finish) => {
      for (const signal of SIGNALS) process.off(signal, forward);
      finish();
    };
    child.on("error", (error) => settle(() => reject(error)));
    child.on("exit", (code, signal) => settle(() => resolve({ status: code ?? 1, signal })));
  });
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
