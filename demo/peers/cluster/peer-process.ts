/** One peer as a child process: started, commanded, killed and started again, and never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ensurePeerRuntime } from "../../../scripts/node-runtime.ts";
import type { PeerCommand, PeerReport } from "./messages.ts";

const PROJECT_FOLDER = fileURLToPath(new URL("../../..", import.meta.url));

/** A peer that is asked to end has this long before it is killed. */
const STOP_GRACE_MS = 2000;

/** Loading tsx and the native transport takes a second or two on a slow machine; much more means that something is wrong. */
const READY_TIMEOUT_MS = 30_000;

const running = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface PeerProcessOptions {
  /** Shown before each line it prints. */
  readonly name: string;
  /** The peer's file, relative to demo/peers/. */
  readonly program: string;
  readonly args: readonly string[];
  readonly onLog?: (text: string) => void;
}

export class PeerProcess {
  readonly name: string;
  readonly #options: PeerProcessOptions;
  readonly #waiting = new Set<(report: PeerReport | undefined) => void>();
  #child: ChildProcess | undefined;

  constructor(options: PeerProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it and resolves once it reports that it is ready. Does nothing when it runs already. */
  async start(): Promise<void> {
    if (this.#child) return;
    const runtime = await ensurePeerRuntime();
    const program = fileURLToPath(new URL(`../${this.#options.program}`, import.meta.url));
    const child = spawn(runtime.nodePath, [...runtime.args, program, ...this.#options.args], {
      cwd: PROJECT_FOLDER,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      // A group of its own: Ctrl-C in a terminal reaches the launcher alone, which then ends the peers in order.
      detached: true,
    });
    this.#child = child;
    running.add(child);
    const lines = (data: Buffer): void => {
      for (const line of data.toString().split("\n")) if (line.trim()) this.#options.onLog?.(line);
    };
    child.stdout?.on("data", lines);
    child.stderr?.on("data", lines);
    child.on("message", (message) => {
      const report = message as PeerReport;
      if (report.type === "log") this.#options.onLog?.(report.text);
      for (const waiter of [...this.#waiting]) waiter(report);
    });
    child.once("exit", () => {
      running.delete(child);
      if (this.#child === child) this.#child = undefined;
      for (const waiter of [...this.#waiting]) waiter(undefined);
    });
    await this.#next((report) => report.type === "ready", READY_TIMEOUT_MS);
  }

  /** Asks it to end, and kills it when it does not within the grace period. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  command(command: PeerCommand): void {
    this.#child?.send(command);
  }

  /** Sends a command and resolves with the report that answers it. */
  async ask<T extends PeerReport["type"]>(
    command: PeerCommand,
    answer: T,
  ): Promise<Extract<PeerReport, { type: T }>> {
    const next = this.#next((report) => report.type === answer, 5000);
    this.command(command);
    return (await next) as Extract<PeerReport, { type: T }>;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await exited;
    clearTimeout(timer);
  }

  #next(matches: (report: PeerReport) => boolean, timeoutMs: number): Promise<PeerReport> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
        outcome();
      };
      const waiter = (report: PeerReport | undefined): void => {
        if (!report) settle(() => reject(new Error(`${this.name} ended before it answered`)));
        else if (report.type === "failed") settle(() => reject(new Error(`${this.name}: ${report.message}`)));
        else if (matches(report)) settle(() => resolve(report));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${this.name} did not answer within ${timeoutMs} ms`))),
        timeoutMs,
      );
      this.#waiting.add(waiter);
    });
  }
}
