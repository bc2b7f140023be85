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
    /** The page is told of one relay and finds the others. */
    directory: { type: "boolean", default: false },
    /** Two edge relays, which the page is told of, between it and the origins A and B. */
    edge: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    /** Encrypt the broadcast, changing its key every ten seconds. */
    encrypt: { type: "boolean", default: false },
    /** For work on the page: its sources, reloaded when one changes. */
    watch: { type: "boolean", default: false },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
});

/** What runs now, in the order in which it was started. */
const running: (() => Promise<void>)[] = [];

async function start(): Promise<void> {
  await ensurePeerRuntime();
  const cluster = await startCluster({
    ...(values.input !== undefined && { input: values.input }),
    ...(values["object-ms"] !== undefined && { objectMs: Number(values["object-ms"]) }),
    ...(values.directory && { directory: true, named: ["A"] }),
    ...(values.edge && { edges: ["E", "F"], named: ["E", "F"] }),
    ...(values.encrypt && { encryption: { keys: 2, rotateGroups: 10 } }),
    onProgress: (text) => say(`  ${text} …`),
    onLog: (name, text) => {
      if (values.verbose) say(`  [${name}] ${text}`);
    },
  });
  running.push(cluster.stop);
  say(values.watch ? "  Serving the page's sources …" : "  Bundling the page …");
  const server = await serveDemo(cluster, { port: Number(values.port), bundled: !values.watch });
  running.push(server.close);
  for (const relay of cluster.relays)
    say(`  relay ${relay.name}            ${relay.url}  (chunks, not trusted)`);
  for (const { name, url } of cluster.manifestPeers)
    say(`  manifest peer ${name}    ${url}  (signed manifests)`);
  say(`\n  Ctrl-C ends everything.\n\n  Open ${server.url}\n`);
}

say("Countersign demo");
try {
  await start();
  await stopped;
  say("\nStopping …");
} catch (error) {
  say(`\nThe demo did not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
for (const end of running.reverse()) await end();
say("Stopped.");
process.exit();
