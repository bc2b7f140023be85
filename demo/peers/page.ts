/**
 * The demo page as files to serve: bundled, for visitors, or its sources one by one. The sources are some 180 modules for page and worker, which a
 * browser asks for one import after the other; bundled they are four.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { build, createServer } from "vite";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface OpenPage {
  serve(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  map: "application/json",
};

/** Bundles the page into memory, which takes about a second. */
export async function bundledPage(): Promise<OpenPage> {
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
  return {
    serve(request, response) {
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
    },
    close: () => Promise.resolve(),
  };
}

/** Vite's development server behind a server of ours: one of its own would end the process on SIGTERM, before peers are stopped. */
export async function pageSources(
  http: Server,
  options: { readonly quiet: boolean; readonly watch: boolean },
): Promise<OpenPage> {
  const vite = await createServer({
    root: ROOT,
    logLevel: options.quiet ? "error" : "warn",
    server: {
      middlewareMode: true,
      ...(options.watch ? { hmr: { server: http } } : { hmr: false, watch: null }),
    },
  });
  return { serve: (request, response) => vite.middlewares(request, response), close: () => vite.close() };
}
