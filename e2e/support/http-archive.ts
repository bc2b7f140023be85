/** A static server on the web, for groups as demo/examples/http-source.ts reads them, and what a page's store holds as its files. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";

export interface HttpArchive {
  readonly url: string;
  /** Paths that were asked for, decoded. */
  readonly asked: readonly string[];
  put(files: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

export async function startArchive(): Promise<HttpArchive> {
  const files = new Map<string, Buffer>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1);
    asked.push(path);
    const found = files.get(path);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.writeHead(found === undefined ? 404 : 200).end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    put: (added) => {
      for (const [path, base64] of Object.entries(added)) files.set(path, Buffer.from(base64, "base64"));
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The store of a page as files of the archive, each in base64, by path; and the oldest group. */
export async function archiveOf(
  page: Page,
): Promise<{ readonly files: Record<string, string>; readonly oldest: number }> {
  return await page.evaluate(async () => {
    const opener = new URL("/src/replay/open-replay-store.ts", location.href).href;
    const { openReplayStore } = (await import(
      opener
    )) as typeof import("../../src/replay/open-replay-store.ts");
    const base64 = (bytes: Uint8Array): string => {
      let binary = "";
      for (const byte of bytes) binary += String.fromCharCode(byte);
      return btoa(binary);
    };
    const keys = await new Promise<string[]>((resolve, reject) => {
      const request = indexedDB.open("countersign-replay");
      request.onerror = () => reject(request.error ?? new Error("no database"));
      request.onsuccess = () => {
        const rows = request.result.transaction("tracks").objectStore("tracks").getAll();
        rows.onsuccess = () => {
          request.result.close();
          resolve((rows.result as { key: string }[]).map(({ key }) => key));
        };
      };
    });
    const { store } = await openReplayStore();
    const files: Record<string, string> = {};
    let oldest = Number.POSITIVE_INFINITY;
    for (const key of keys) {
      const ranges = await store.wholeRanges(key, { first: 0, last: Number.MAX_SAFE_INTEGER });
      const listed = ranges.map(({ first, last }) => [String(first), String(last)]);
      files[`${key}/ranges.json`] = btoa(JSON.stringify(listed));
      for (const { first, last } of ranges) {
        oldest = Math.min(oldest, Number(first));
        for (let group = Number(first); group <= Number(last); group++) {
          const stored = await store.group(key, group);
          if (stored === undefined) continue;
          const description = {
            complete: stored.complete,
            evidence: stored.evidence.map(base64),
            objects: stored.objects.map(({ object, subgroup, priority, properties, payload }) => ({
              object: String(object),
              subgroup: subgroup === undefined ? null : String(subgroup),
              priority: priority ?? null,
              properties: base64(properties),
              size: payload.length,
            })),
          };
          files[`${key}/${group}.json`] = btoa(JSON.stringify(description));
          const payloads = await new Blob(stored.objects.map(({ payload }) => payload.slice())).arrayBuffer();
          files[`${key}/${group}.bin`] = base64(new Uint8Array(payloads));
        }
      }
    }
    await store.close();
    return { files, oldest };
  });
}
