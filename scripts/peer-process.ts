/** Starts a peer (a `.ts` program that prints one line of JSON when it is ready) as a process of its own. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SetupError } from "./commands.ts";
import { ensurePeerRuntime } from "./node-runtime.ts";

/** How long a peer may take to end by itself after SIGTERM; then it is killed, so that a test run never hangs on it. */
const STOP_GRACE_MS = 5_000;

export interface PeerProcess<Ready> {
  /** What the peer printed when it was ready. */
  readonly ready: Ready;
  readonly process: ChildProcess;
  /** Later lines of its standard output. */
  readonly lines: AsyncIterable<string>;
  /** SIGTERM: the peer closes its sessions, so that the other side learns it at once. Resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL: what a crash or a cut cable looks like to the other side, which has to notice by itself. */
  kill(): Promise<void>;
}

/** Resolves when the peer has printed its first line; rejects when it ends before, with what it said. */
export async function startPeer<Ready>(
  script: string,
  args: readonly string[] = [],
): Promise<PeerProcess<Ready>> {
  const runtime = await ensurePeerRuntime();
  const child = spawn(runtime.nodePath, [...runtime.args, script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const gone = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) {
    await gone;
    throw new SetupError(`${script} ended before it was ready.\n${said}`.trim());
  }
  child.stderr.removeAllListeners("data").pipe(process.stderr);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    const last = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await gone;
    clearTimeout(last);
  };
  return {
    ready: JSON.parse(first.value) as Ready,
    process: child,
    lines: { [Symbol.asyncIterator]: () => lines },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}
