/**
 * `npm run interop -- NAME`: installs a relay that others wrote, runs it on loopback and tries our client, publisher and player against it.
 *
 * Not a part of `npm test`: it needs cargo or Go, and minutes. docs/interop.md has the tables as they were seen.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SetupError } from "../../scripts/commands.ts";
import { ensurePeerRuntime } from "../../scripts/node-runtime.ts";
import { INTEROP_USAGE, type InteropOptions, parseInteropOptions } from "./options.ts";

const STOPPED = 130;

function fail(error: unknown): never {
  const known = error instanceof SetupError;
  process.stderr.write(`${known ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
  process.exit(1);
}

function options(): InteropOptions {
  try {
    return parseInteropOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${INTEROP_USAGE}\n`);
    process.exit(2);
  }
}

/** WebTransport in Node needs the runtime of the peers; where the running node is another, it starts that one and waits. */
async function onPeerRuntime(): Promise<void> {
  const runtime = await ensurePeerRuntime();
  if (runtime.nodePath === process.execPath) return;
  const script = fileURLToPath(import.meta.url);
  const child = spawn(runtime.nodePath, [...runtime.args, script, ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // Ctrl-C in a terminal reaches both, a signal by id only this one; either way the child ends its peers first.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => void child.kill(signal === "SIGINT" ? "SIGTERM" : signal));
  const status = await new Promise<number>((resolve) => {
    child.once("exit", (code) => resolve(code ?? STOPPED));
  });
  process.exit(status);
}

async function main(): Promise<void> {
  const { peer, drafts, only, noBrowser, json, binary, verbose } = options();
  await onPeerRuntime();
  // Loaded here: this needs the runtime.
  const { ensurePeer } = await import("./install.ts");
  const { exitStatus, formatTable } = await import("./report.ts");
  const { runInterop } = await import("./run.ts");
  const { PROTOCOL_SCENARIOS } = await import("./scenarios.ts");
  const { PLAYER_SCENARIOS } = await import("./player-scenarios.ts");

  // What runs is ended by its owners' exit handlers.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(STOPPED));

  const program = binary ?? (await ensurePeer(peer));
  const scenarios = [...PROTOCOL_SCENARIOS, ...(noBrowser ? [] : PLAYER_SCENARIOS)].filter(
    ({ name }) => only.length === 0 || only.some((part) => name.includes(part)),
  );
  if (scenarios.length === 0) throw new SetupError(`No scenario has ${only.join(" or ")} in its name.`);
  const report = await runInterop({
    peer,
    version: binary === undefined ? peer.version : `(${binary.split("/").at(-1)}, given)`,
    program,
    drafts,
    scenarios,
    onLog: (line) => {
      if (verbose) process.stderr.write(`  [${peer.name}] ${line}\n`);
    },
    onOutcome: ({ scenario, draft, result, words }) =>
      process.stderr.write(`${result.padEnd(12)} ${draft} ${scenario}: ${words}\n`),
  });
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : `\n${formatTable(report)}`);
  process.exitCode = exitStatus(report.outcomes);
}

main().catch(fail);
