/**
 * Serves the demo page for a running cluster: the page itself, what a player needs to know as JSON, and the switches with which a visitor stops,
 * restarts and corrupts relays. Media never pass through here.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Cluster, RelayHandle } from "./cluster/cluster.ts";
import { FAULTS, isFaultName } from "./faults/fault.ts";
import type { Answer, PageServer } from "./page.ts";
import { serveBundle, serveSources } from "./page.ts";

/** What the page asks for first. */
export interface DemoConfig {
  readonly player: Cluster["playerOptions"];
  readonly peers: readonly DemoPeer[];
  /** The broadcast is encrypted: keys are asked for at /demo/key. */
  readonly encrypted: boolean;
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

export type DemoServer = PageServer;

function peerOf(relay: RelayHandle, kind: DemoPeer["kind"]): DemoPeer {
  return { name: relay.name, url: relay.url, kind, running: relay.process.running, fault: relay.fault };
}

function peers(cluster: Cluster): DemoPeer[] {
  return [
    ...cluster.relays.map((relay) => peerOf(relay, "objects")),
    ...cluster.manifestPeers.map((peer) => peerOf(peer, "manifests")),
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

/** Answers what belongs to the demo and not to the page; false for everything else. */
function answer(cluster: Cluster, request: IncomingMessage, response: ServerResponse): boolean {
  const path = request.url?.replace(/\?.*$/, "");
  if (path === "/demo/config.json") {
    const config: DemoConfig = {
      player: cluster.playerOptions,
      peers: peers(cluster),
      encrypted: cluster.keys !== undefined,
      faults: FAULTS,
    };
    reply(response, 200, config);
    return true;
  }
  if (path === "/demo/key") {
    // What a key server would ask first, who is it that wants to watch, everybody on this machine answers alike.
    const key = cluster.keys?.[new URL(request.url ?? "", "http://localhost").searchParams.get("id") ?? ""];
    reply(response, key === undefined ? 404 : 200, { key });
    return true;
  }
  if (path !== "/demo/control") return false;
  // A page of another origin could post here; a JSON content type makes the browser ask first, and nobody says yes.
  if (request.method !== "POST" || request.headers["content-type"] !== "application/json") {
    reply(response, 405, { error: "POST application/json" });
    return true;
  }
  readBody(request)
    .then(async (body) => {
      await control(cluster, JSON.parse(body) as ControlRequest);
      reply(response, 200, { peers: peers(cluster) });
    })
    .catch((error: unknown) =>
      reply(response, 400, { error: error instanceof Error ? error.message : String(error) }),
    );
  return true;
}

export interface ServeOptions {
  /** 0 takes a free one; a port that is taken moves on to the next. */
  readonly port: number;
  readonly quiet?: boolean;
  /** Bundle the page first, for visitors. Default false: its sources one by one, for work on it and for tests that add modules of theirs. */
  readonly bundled?: boolean;
  /** With the sources: reload pages when one changes. Default true; tests must not be reloaded under. */
  readonly watch?: boolean;
}

/** Serves on loopback. */
export async function serveDemo(cluster: Cluster, options: ServeOptions): Promise<DemoServer> {
  const { port, quiet = false, watch = true } = options;
  const answerFor: Answer = (request, response) => answer(cluster, request, response);
  return options.bundled
    ? await serveBundle(answerFor, port)
    : await serveSources(answerFor, { port, quiet, watch });
}
