/** Running other programs for the set-up scripts: found on PATH, shown to the user, failures with what they said. */
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Set-up failed in a way the user can do something about; the message says what. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

/** Tells the user what a set-up step does. On stderr, so that the output of a command stays its own. */
export function progress(text: string): void {
  process.stderr.write(`[countersign] ${text}\n`);
}

/** The path of the first of `names` that is an executable file on PATH. */
export function findOnPath(...names: string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const endings = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const name of names) {
    for (const folder of folders) {
      for (const ending of endings) {
        const path = join(folder, name + ending);
        if (isExecutable(path)) return path;
      }
    }
  }
  return undefined;
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Pass the command's output on as it comes, for steps that take long. Otherwise it is kept for the error. */
  readonly visible?: boolean;
}

/** Runs a command and gives its standard output (empty when visible). Throws a SetupError with the end of what it said. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", options.visible ? process.stderr : "pipe", options.visible ? process.stderr : "pipe"],
    });
    let out = "";
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      said = (said + text).slice(-2000);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2000);
    });
    const name = [command, ...args.slice(0, 2)].join(" ");
    child.on("error", (error) => reject(new SetupError(`${name} did not start: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new SetupError(`${name} ended with ${signal ?? `status ${code}`}.\n${said}`.trim()));
    });
  });
}

/** How to run a command as root without asking: nothing when we are root, sudo when it needs no password, else undefined. */
export function asRoot(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const sudo = findOnPath("sudo");
  if (sudo !== undefined && spawnSync(sudo, ["-n", "true"], { stdio: "ignore" }).status === 0)
    return [sudo, "-n"];
  return undefined;
}

/** Installs Debian packages, when this system has apt and lets us; throws a SetupError otherwise. */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  const apt = findOnPath("apt-get");
  if (apt === undefined) throw new SetupError("this system has no apt-get");
  const root = asRoot();
  if (root === undefined) throw new SetupError("installing packages needs root, or sudo without a password");
  const prefix = [...root, "env", "DEBIAN_FRONTEND=noninteractive", apt];
  const command = prefix.shift() ?? apt;
  progress(`apt-get install ${packages.join(" ")}`);
  await run(command, [...prefix, "-qq", "update"], { visible: true });
  await run(command, [...prefix, "-qq", "-y", "install", "--no-install-recommends", ...packages], {
    visible: true,
  });
}
