/** `npm start`: the whole demo, from nothing to an address to open, until Ctrl-C. */
import { parseArgs } from "node:util";
import { ensurePeerRuntime } from "../../scripts/node-runtime.ts";
import { startCluster } from "./cluster/cluster.ts";
import { serveDemo } from "./serve.ts";

const DEFAULT_PORT = 5173;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: String(DEFAULT_PORT) },
    input: { type: "string" },
    "object-ms": { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
});

say("Countersign demo");
await ensurePeerRuntime();
const cluster = await startCluster({
  ...(values.input !== undefined && { input: values.input }),
  ...(values["object-ms"] !== undefined && { objectMs: Number(values["object-ms"]) }),
  onProgress: (text) => say(`  ${text} …`),
  onLog: (name, text) => {
    if (values.verbose) say(`  [${name}] ${text}`);
  },
});
const server = await serveDemo(cluster, { port: Number(values.port) });
for (const relay of cluster.relays)
  say(`  relay ${relay.name}            ${relay.url}  (chunks, not trusted)`);
say(`  manifest peer M    ${cluster.manifestPeer.url}  (signed manifests)`);
say(`\n  Open ${server.url}\n\n  Ctrl-C ends everything.`);

await stopped;
say("\nStopping …");
await server.close();
await cluster.stop();
say("Stopped.");
process.exit(0);
