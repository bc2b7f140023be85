/** The child's end of a peer process: reports to whoever started it, and never outlives it. */
import type { PeerCommand, PeerReport } from "./messages.ts";

/** To the parent when there is one, else for people on the terminal. */
export function report(message: PeerReport): void {
  if (process.send) process.send(message);
  else if (message.type === "log") process.stdout.write(`${message.text}\n`);
  else process.stdout.write(`${JSON.stringify(message)}\n`);
}

export function onCommand(listener: (command: PeerCommand) => void): void {
  process.on("message", (message) => listener(message as PeerCommand));
}

/** Aborted when this process is asked to end: by a signal, or by its parent's death. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  process.once("disconnect", stop);
  return controller.signal;
}

/** Runs a peer's main function: a failure is reported in one sentence and ends the process with status 1. */
export async function runPeer(main: (stop: AbortSignal) => Promise<void>): Promise<void> {
  try {
    await main(stopSignal());
    process.exit(0);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report({ type: "failed", message });
    process.stderr.write(`${error instanceof Error ? (error.stack ?? message) : message}\n`);
    process.exit(1);
  }
}
