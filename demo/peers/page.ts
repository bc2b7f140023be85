/**
 * The demo page as files to serve: bundled, for visitors, or its sources one by one. The sources are some 180 modules for page and worker, which a
 * browser asks for one import after the other; bundled they are four.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build, createServer as createViteServer } from "vite";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/** What is asked before the page is: true when it answered. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  map: "application/json",
};

/** Bundles the page into memory, which takes about a second. */
async function bundle(): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const built = await build({
    root: ROOT,
    logLevel: "error",
    build: { write: false, sourcemap: true },
  });
  const files = new Map<string, string | Uint8Array>();
  for (const result of Array.isArray(built) ? built : [built]) {
    if (!("output" in result)) throw new Error("Vite began to watch instead of building.");
    for (const file of result.output)
      files.set(`/${file.fileName}`, file.type === "chunk" ? file.code : file.source);
  }
  return files;
}

/** How many ports after the one asked for are tried. */
const PORTS_TO_TRY = 20;

async function listen(server: Server, port: number): Promise<number> {
  for (let tried = port; ; tried++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(tried, "localhost", () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!taken || tried >= port + PORTS_TO_TRY) throw error;
    }
  }
}

/** The page as visitors get it. */
export async function serveBundle(answer: Answer, port: number): Promise<PageServer> {
  const files = await bundle();
  const server = createServer((request, response) => {
    if (answer(request, response)) return;
    const path = request.url?.replace(/\?.*$/, "") ?? "/";
    const name = path === "/" ? "/index.html" : path;
    const body = files.get(name);
    if (body === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end("There is no such file.");
      return;
    }
    response.writeHead(200, {
      "content-type": CONTENT_TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      // The names of bundled files hold digests of their contents.
      "cache-control": name.startsWith("/assets/") ? "max-age=31536000, immutable" : "no-cache",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  const listening = await listen(server, port);
  return {
    url: `http://localhost:${listening}/`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * In place of Vite's own client where pages must not be reloaded: that one reloads its page whenever it has lost the server for a moment, as it does on a busy machine, in the middle of a
 * test. These are the exports that Vite's transformed modules may import.
 */
const QUIET_CLIENT = `
const nothing = () => undefined;
export const createHotContext = () => ({ data: {}, accept: nothing, dispose: nothing, prune: nothing, on: nothing, off: nothing, send: nothing, invalidate: nothing });
export const updateStyle = nothing;
export const removeStyle = nothing;
export const injectQuery = (url) => url;
export class ErrorOverlay {}
`;

export interface SourcesOptions {
  readonly port: number;
  readonly quiet: boolean;
  /** Reload pages when a source changes. */
  readonly watch: boolean;
}

/** The page's sources by Vite's development server. */
export async function serveSources(answer: Answer, options: SourcesOptions): Promise<PageServer> {
  const others = new Set(process.listeners("SIGTERM"));
  const server = await createViteServer({
    root: ROOT,
    logLevel: options.quiet ? "error" : "warn",
    server: {
      host: "localhost",
      port: options.port,
      strictPort: false,
      ...(!options.watch && { hmr: false, watch: null }),
    },
    plugins: [
      {
        name: "countersign-demo",
        configureServer({ middlewares }) {
          middlewares.use((request, response, next) => {
            if (!options.watch && request.url?.startsWith("/@vite/client")) {
              response.setHeader("content-type", "text/javascript");
              response.end(QUIET_CLIENT);
            } else if (!answer(request, response)) next();
          });
        },
      },
    ],
  });
  // Vite ends the process on SIGTERM, before the peers are stopped; who started this server ends it.
  for (const listener of process.listeners("SIGTERM")) {
    if (!others.has(listener)) process.off("SIGTERM", listener);
  }
  await server.listen();
  const address = server.httpServer?.address() as AddressInfo;
  return { url: `http://localhost:${address.port}/`, close: () => server.close() };
}
