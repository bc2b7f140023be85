/**
 * Serves the demo page for a running cluster: the page itself by Vite, what a player needs to know as JSON, and the switches with which a
 * visitor stops, restarts and corrupts relays. Media never pass through here.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createServer, type Plugin } from "vite";
import type { Cluster, RelayHandle } from "./cluster/cluster.ts";
import { FAULTS, isFaultName } from "./faults/fault.ts";

/** What the page asks for first. */
export interface DemoConfig {
  readonly player: Cluster["playerOptions"];
  readonly peers: readonly DemoPeer[];
  /** Fault names and what each does. */
  readonly faults: Readonly<Record<string, string>>;
}

export interface DemoPeer {
  readonly name: string;
  readonly url: string;
  readonly kind: "objects" | "manifests";
  readonly running: boolean;
  readonly fault: string;
}

/** POST /demo/control */
export interface ControlRequest {
  readonly peer: string;
  readonly action: "stop" | "start" | "fault";
  readonly fault?: string;
}

/** Bodies of control requests are a line of JSON; more is refused. */
const MAX_BODY_BYTES = 4096;

export interface DemoServer {
  readonly url: string;
  close(): Promise<void>;
}

function peerOf(relay: RelayHandle, kind: DemoPeer["kind"]): DemoPeer {
  return { name: relay.name, url: relay.url, kind, running: relay.process.running, fault: relay.fault };
}

function peers(cluster: Cluster): DemoPeer[] {
  return [
    ...cluster.relays.map((relay) => peerOf(relay, "objects")),
    peerOf(cluster.manifestPeer, "manifests"),
  ];
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY_BYTES) throw new Error("body too large");
  }
  return body;
}

async function control(cluster: Cluster, request: ControlRequest): Promise<void> {
  const relay = cluster.relay(request.peer);
  if (request.action === "stop") await relay.process.kill();
  else if (request.action === "start") {
    await relay.process.start();
    relay.setFault(relay.fault);
  } else if (request.fault !== undefined && isFaultName(request.fault)) relay.setFault(request.fault);
  else throw new Error(`no fault is called ${request.fault}`);
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.setHeader("cache-control", "no-store");
  response.end(JSON.stringify(body));
}

function demoApi(cluster: Cluster): Plugin {
  return {
    name: "countersign-demo",
    configureServer(server) {
      server.middlewares.use("/demo/config.json", (_request, response) => {
        const config: DemoConfig = { player: cluster.playerOptions, peers: peers(cluster), faults: FAULTS };
        reply(response, 200, config);
      });
      server.middlewares.use("/demo/control", (request, response) => {
        // A page of another origin could post here; a JSON content type makes the browser ask first, and nobody says yes.
        if (request.method !== "POST" || request.headers["content-type"] !== "application/json") {
          reply(response, 405, { error: "POST application/json" });
          return;
        }
        readBody(request)
          .then(async (body) => {
            await control(cluster, JSON.parse(body) as ControlRequest);
            reply(response, 200, { peers: peers(cluster) });
          })
          .catch((error: unknown) =>
            reply(response, 400, { error: error instanceof Error ? error.message : String(error) }),
          );
      });
    },
  };
}

export interface ServeOptions {
  /** 0 takes a free one; a port that is taken moves on to the next. */
  readonly port: number;
  readonly quiet?: boolean;
  /** Reload pages when a source file changes. Default true; tests must not be reloaded under. */
  readonly watch?: boolean;
}

/** Serves on loopback. */
export async function serveDemo(cluster: Cluster, options: ServeOptions): Promise<DemoServer> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const server = await createServer({
    root,
    logLevel: options.quiet ? "error" : "warn",
    server: {
      host: "localhost",
      port: options.port,
      strictPort: false,
      ...(options.watch === false && { hmr: false, watch: null }),
    },
    plugins: [demoApi(cluster)],
  });
  await server.listen();
  const address = server.httpServer?.address() as AddressInfo;
  return { url: `http://localhost:${address.port}/`, close: () => server.close() };
}
