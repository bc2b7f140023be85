/** One relay that others wrote, as a process on loopback with a certificate of its own. Never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCertificate } from "../../demo/peers/webtransport/certificates.ts";
import { dial } from "../../demo/peers/webtransport/client.ts";
import type { PeerDefinition } from "./peers.ts";
import { temporaryFolder } from "./temporary.ts";

const STOP_GRACE_MS = 2_000;
/** Relays listen within a second; a machine that builds something beside takes longer. */
const READY_TIMEOUT_MS = 20_000;
const TRY_AGAIN_MS = 200;
/** A dial to a port where nobody listens takes QUIC's own time-out; this is given up sooner and tried again. */
const ONE_TRY_MS = 2_000;
/** What is kept of its output, for the report of a failure. */
const LAST_LINES = 40;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface ForeignRelayOptions {
  readonly definition: PeerDefinition;
  readonly program: string;
  /** Drafts to offer when it is asked whether it listens. */
  readonly protocols: readonly string[];
  readonly clusterWith?: readonly string[];
  readonly onlyDraft?: number;
  readonly onLog?: (line: string) => void;
}

export interface ForeignRelay {
  readonly url: string;
  readonly certificateHash: Uint8Array<ArrayBuffer>;
  readonly certificateHashHex: string;
  /** The last it printed. */
  readonly lastLines: readonly string[];
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export async function startForeignRelay(options: ForeignRelayOptions): Promise<ForeignRelay> {
  const { definition, program, clusterWith, onlyDraft, onLog } = options;
  const folder = await temporaryFolder();
  // Alone in a folder: moq-relay watches it, and reads its certificate again at each change there.
  const certificates = join(folder.path, "certificates");
  await mkdir(certificates);
  const certificate = await createCertificate();
  const certificateFile = join(certificates, "cert.pem");
  const keyFile = join(certificates, "key.pem");
  await writeFile(certificateFile, certificate.certificatePem);
  await writeFile(keyFile, certificate.keyPem, { mode: 0o600 });
  const port = await freeUdpPort();
  const args = definition.args({
    ...{ port, folder: folder.path, certificateFile, keyFile },
    ...(clusterWith && { clusterWith }),
    ...(onlyDraft !== undefined && { onlyDraft }),
  });
  const child = spawn(program, args, {
    cwd: folder.path,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C in a terminal reaches the harness alone, which then ends it.
    detached: true,
  });
  running.add(child);
  const lastLines: string[] = [];
  const lines = (data: Buffer): void => {
    for (const line of data.toString().split("\n")) {
      if (line.trim() === "") continue;
      // Colours are for terminals.
      const plain = line.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
      lastLines.push(plain);
      if (lastLines.length > LAST_LINES) lastLines.shift();
      onLog?.(plain);
    }
  };
  child.stdout.on("data", lines);
  child.stderr.on("data", lines);
  const exited = new Promise<void>((resolve) => {
    const gone = (): void => {
      running.delete(child);
      resolve();
    };
    child.once("exit", gone);
    child.once("error", (error) => {
      lastLines.push(error.message);
      gone();
    });
  });

  const relay: ForeignRelay = {
    url: `https://127.0.0.1:${port}${definition.path}`,
    certificateHash: certificate.sha256,
    certificateHashHex: Buffer.from(certificate.sha256).toString("hex"),
    lastLines,
    exited,
    signal: (signal) => void child.kill(signal),
    async stop() {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
      child.kill("SIGTERM");
      await exited;
      clearTimeout(timer);
      await folder.remove();
    },
  };
  try {
    await listening(relay, options.protocols);
  } catch (error) {
    await relay.stop();
    throw error;
  }
  return relay;
}

async function listening(relay: ForeignRelay, protocols: readonly string[]): Promise<void> {
  let gone = false;
  void relay.exited.then(() => {
    gone = true;
  });
  const end = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      const session = await dial(
        { url: relay.url, certificateHashes: [relay.certificateHash], protocols },
        AbortSignal.timeout(ONE_TRY_MS),
      );
      session.close();
      return;
    } catch (error) {
      if (gone || Date.now() > end) {
        const said = relay.lastLines.slice(-5).join("\n");
        throw new Error(
          `The relay ${gone ? "ended" : "does not listen"}: ${String(error)}${said === "" ? "" : `\n${said}`}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
    }
  }
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
