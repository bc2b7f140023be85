/**
 * The Node that runs the peers (relays, signer, publishers).
 *
 * Node has no WebTransport; @moq/web-transport brings one as a native module, whose Linux build needs glibc 2.38. On an
 * older system (Debian 12, Ubuntu 22.04) this fetches the C libraries of the distribution's next release with the
 * machine's own apt, unpacks them into .cache/runtime, and gives a small script there that starts the running node on
 * top of them. Nothing is installed, nothing outside that folder changes, root is not needed. Everywhere else the
 * running node is taken as it is.
 *
 * (Patching a copy of node's binary instead was tried: patchelf 0.18 breaks it, older ones are not always at hand, and
 * the copy costs 100 MB.)
 */
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findOnPath, progress, run, SetupError } from "./commands.ts";
import { withLock } from "./lock.ts";

export interface PeerRuntime {
  readonly nodePath: string;
  /** What stands between `nodePath` and the peer's `.ts` file. */
  readonly args: readonly string[];
}

const ROOT = resolve(fileURLToPath(import.meta.url), "..", "..");
const CACHE = join(ROOT, ".cache", "runtime");

/** What @moq/web-transport 0.1.4 was linked against. */
const GLIBC_NEEDED: readonly [number, number] = [2, 38];

/** Distributions whose next release has a new enough glibc and can be reached through the same package source. */
const NEXT_RELEASE: Readonly<Record<string, { readonly suite: string; readonly keyring: string }>> = {
  debian: { suite: "trixie", keyring: "/usr/share/keyrings/debian-archive-keyring.gpg" },
  ubuntu: { suite: "noble", keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg" },
};

let pending: Promise<PeerRuntime> | undefined;

/**
 * The runtime for peers, prepared if need be: `spawn(nodePath, [...args, "demo/peers/relay.ts"])`. Safe to call often
 * and from several processes at once. Throws a SetupError that says what to do when this system cannot run peers.
 */
export function ensurePeerRuntime(): Promise<PeerRuntime> {
  pending ??= prepare().catch((error: unknown) => {
    pending = undefined;
    throw error;
  });
  return pending;
}

/** The runtime for peers when nothing has to be prepared first, for configurations that must load at once. */
export function peerRuntimeIfReady(): PeerRuntime | undefined {
  const needed = neededLibraries();
  if (needed === undefined) return { nodePath: process.execPath, args: ARGS };
  return existsSync(needed.folder) ? { nodePath: launcher(needed.folder), args: ARGS } : undefined;
}

/** TypeScript is loaded by tsx, found from here so that a peer may run in any folder. */
const ARGS = ["--import", import.meta.resolve("tsx")];

async function prepare(): Promise<PeerRuntime> {
  const needed = neededLibraries();
  if (needed === undefined) return { nodePath: process.execPath, args: ARGS };
  const { folder, release } = needed;
  if (!existsSync(folder)) {
    mkdirSync(CACHE, { recursive: true });
    await withLock(join(CACHE, "lock"), async () => {
      if (existsSync(folder)) return;
      progress(
        `WebTransport in Node needs a newer glibc than this system's: preparing one in ${CACHE} (once)`,
      );
      const building = join(CACHE, `building-${randomBytes(4).toString("hex")}`);
      try {
        await build(building, release);
        // The rename makes it visible whole or not at all.
        renameSync(building, folder);
      } finally {
        rmSync(building, { recursive: true, force: true });
      }
      progress("newer glibc ready");
    });
  }
  return { nodePath: launcher(folder), args: ARGS };
}

/** Which libraries must be fetched, and where they go; undefined when the running node will do as it is. */
function neededLibraries(): { readonly folder: string; readonly release: Release } | undefined {
  if (process.platform !== "linux") return undefined;
  const glibc = glibcVersion();
  if (glibc === undefined) {
    throw new SetupError(
      "The peers need a Linux with glibc 2.38 or newer (Debian 13, Ubuntu 24.04); this one has another C library.",
    );
  }
  if (isAtLeast(glibc, GLIBC_NEEDED)) return undefined;
  const release = distribution();
  return { folder: join(CACHE, `glibc-${release.suite}-${process.arch}`), release };
}

/** A script in `folder` that starts the running node on the libraries there, and passes for a node to its callers. */
function launcher(folder: string): string {
  const id = createHash("sha256").update(`${process.execPath}\0${folder}`).digest("hex").slice(0, 8);
  const path = join(folder, `node-${id}`);
  if (existsSync(path)) return path;
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  // Under the loader, Node takes the loader for its own executable; what it starts by execPath would go wrong.
  writeFileSync(`${path}.cjs`, `process.execPath = ${JSON.stringify(path)};\n`);
  const command = [
    `exec ${quote(join(folder, "lib", loaderName(join(folder, "lib"))))}`,
    `--argv0 "$0" --library-path ${quote(join(folder, "lib"))}`,
    `${quote(process.execPath)} --require ${quote(`${path}.cjs`)} "$@"`,
  ].join(" ");
  const written = `${path}.${randomBytes(4).toString("hex")}`;
  // exec keeps the process id, so that signals to it reach node.
  writeFileSync(written, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  renameSync(written, path);
  return path;
}

function loaderName(lib: string): string {
  const name = readdirSync(lib).find((file) => /^ld-linux.*\.so\.\d+$/.test(file));
  if (name === undefined)
    throw new SetupError("The newer glibc has no loader where one is expected; please report this.");
  return name;
}

/** The glibc that the running node uses, or undefined where there is none. */
function glibcVersion(): readonly [number, number] | undefined {
  // The report would look up the names of every network interface.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const match = /^(\d+)\.(\d+)/.exec(report.header?.glibcVersionRuntime ?? "");
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function isAtLeast(version: readonly [number, number], needed: readonly [number, number]): boolean {
  return version[0] > needed[0] || (version[0] === needed[0] && version[1] >= needed[1]);
}

interface Release {
  readonly suite: string;
  readonly keyring: string;
  /** How the machine's apt configuration may name the release it runs. */
  readonly current: readonly string[];
}

function distribution(): Release {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, "m").exec(text)?.[1] ?? "";
  const next = NEXT_RELEASE[field("ID")];
  if (next === undefined || findOnPath("apt-get") === undefined || findOnPath("dpkg-deb") === undefined) {
    throw new SetupError(
      `The peers need glibc ${GLIBC_NEEDED.join(".")}, and this system (${field("PRETTY_NAME") || "unknown"}) has an older one ` +
        "and is not one we can fetch a newer from. Use a newer system, or a container of one (Debian 13, Ubuntu 24.04).",
    );
  }
  return {
    ...next,
    current: [field("VERSION_CODENAME"), "stable", "oldstable"].filter((name) => name !== ""),
  };
}

/** Fetches the newer C libraries into `folder`/lib and tries them. */
async function build(folder: string, release: Release): Promise<void> {
  const apt = await privateApt(join(folder, "apt"), release);
  const packages = join(folder, "packages");
  const unpacked = join(folder, "unpacked");
  mkdirSync(packages, { recursive: true });
  progress(`fetching libc6, libstdc++6 and libgcc-s1 of ${release.suite}`);
  await run("apt-get", [...apt, "download", "libc6", "libstdc++6", "libgcc-s1"], { cwd: packages });
  for (const name of readdirSync(packages)) await run("dpkg-deb", ["-x", join(packages, name), unpacked]);

  // Everything flat in one folder, which is then node's first library path.
  const lib = join(folder, "lib");
  mkdirSync(lib);
  for (const entry of readdirSync(unpacked, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    if (!/\/lib(?:64|\/[^/]+-linux-gnu)?$/.test(entry.parentPath) || !/\.so(?:\.\d+)*$/.test(entry.name))
      continue;
    // Copying follows links inside a package (libstdc++.so.6); the loader's second name is a link that leads out of it.
    if (
      entry.isFile() ||
      (entry.isSymbolicLink() && existsSync(source) && !existsSync(join(lib, entry.name)))
    ) {
      copyFileSync(source, join(lib, entry.name));
    }
  }
  const loader = join(lib, loaderName(lib));
  chmodSync(loader, 0o755);
  const version = await run(loader, ["--library-path", lib, process.execPath, "--version"]);
  if (version.trim() !== process.version) {
    throw new SetupError(`Node does not start on the glibc of ${release.suite}; please report this.`);
  }
  for (const scratch of ["apt", "packages", "unpacked"]) rmSync(join(folder, scratch), { recursive: true });
}

/** Options that give apt-get folders of its own and, as its only source, the next release from the machine's own source. */
async function privateApt(folder: string, release: Release): Promise<string[]> {
  const targets = await run("apt-get", [
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE) $(COMPONENT)",
    "Created-By: Packages",
  ]);
  const source = targets
    .split("\n")
    .map((line) => line.split(" "))
    .find(
      ([, suite, component]) =>
        component === "main" && suite !== undefined && release.current.includes(suite),
    )?.[0];
  if (source === undefined) {
    throw new SetupError(
      `apt on this machine has no source for ${release.current[0] ?? "its release"} main, so a newer glibc cannot be fetched ` +
        "(see /etc/apt/sources.list.d).",
    );
  }
  for (const name of ["lists/partial", "cache/archives/partial", "parts"])
    mkdirSync(join(folder, name), { recursive: true });
  const signedBy = existsSync(release.keyring) ? ` [signed-by=${release.keyring}]` : "";
  writeFileSync(join(folder, "sources.list"), `deb${signedBy} ${source} ${release.suite} main\n`);
  const settings = {
    "Dir::Etc::SourceList": join(folder, "sources.list"),
    "Dir::Etc::SourceParts": join(folder, "parts"),
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    // As root, apt would download as a user who may not be able to look into this checkout.
    "APT::Sandbox::User": process.getuid?.() === 0 ? "root" : "",
    "Acquire::Languages": "none",
  };
  const options = ["-qq", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  progress(`reading the package list of ${release.suite}`);
  await run("apt-get", [...options, "update"]);
  return options;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensurePeerRuntime().then(
    ({ nodePath }) => process.stdout.write(`${nodePath}\n`),
    (error: unknown) => {
      process.stderr.write(
        `${error instanceof SetupError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
      );
      process.exitCode = 1;
    },
  );
}
