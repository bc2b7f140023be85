/** Installing a peer at its pinned version, once, below .cache/interop. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findOnPath, progress, run, SetupError } from "../../scripts/commands.ts";
import { withLock } from "../../scripts/lock.ts";
import type { PeerDefinition } from "./peers.ts";

const CACHE = resolve(fileURLToPath(import.meta.url), "..", "..", "..", ".cache", "interop");

/** Where this version of the peer is kept: another version has another folder, so a cache is never stale. */
export function folderOf(peer: Pick<PeerDefinition, "name" | "version">, cache = CACHE): string {
  return join(cache, `${peer.name}-${peer.version.replace(/[^0-9A-Za-z.+-]/g, "_")}`);
}

export interface InstallCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The command that installs the peer's program into `root`/bin: exact version, only what a relay on loopback needs. */
export function installCommand({ install, version }: PeerDefinition, root: string): InstallCommand {
  if (install.tool === "go") {
    const env = { GOBIN: join(root, "bin") };
    return { program: "go", args: ["install", `${install.package}@${version}`], env };
  }
  const { crate, features, locked } = install;
  return {
    program: "cargo",
    args: [
      ...["install", crate, "--version", `=${version}`, "--no-default-features"],
      ...(features.length > 0 ? ["--features", features.join(",")] : []),
      ...(locked ? ["--locked"] : []),
      ...["--root", root],
    ],
    env: {},
  };
}

/** The peer's program, installed if need be. Throws a SetupError that says what is missing. */
export async function ensurePeer(peer: PeerDefinition): Promise<string> {
  const { install } = peer;
  const folder = folderOf(peer);
  const program = join(folder, "bin", install.binary);
  if (existsSync(program)) return program;
  if (findOnPath(install.tool) === undefined)
    throw new SetupError(`${peer.name} is installed with ${install.tool}, which is not on PATH.`);
  mkdirSync(CACHE, { recursive: true });
  await withLock(join(CACHE, `${peer.name}.lock`), async () => {
    if (existsSync(program)) return;
    const building = join(CACHE, `building-${randomBytes(4).toString("hex")}`);
    const command = installCommand(peer, building);
    progress(`installing ${peer.name} ${peer.version} into ${folder} (once; some minutes)`);
    try {
      const env = { ...process.env, ...command.env };
      await run(command.program, command.args, { env, visible: true });
      // The rename makes it visible whole or not at all.
      renameSync(building, folder);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  });
  return program;
}
