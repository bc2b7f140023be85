/** Reads the replay store of a page with the product's own reader, from the page itself: what is stored is what a later visit would play. */
import type { Page } from "@playwright/test";

export interface StoredObject {
  readonly track: string;
  readonly group: number;
  readonly object: number;
  readonly digest: string;
}

/** Everything that the page's database holds of media. */
export async function readStore(page: Page): Promise<StoredObject[]> {
  return await page.evaluate(async () => {
    const opener = new URL("/src/replay/open-replay-store.ts", location.href).href;
    const { openReplayStore } = (await import(
      opener
    )) as typeof import("../../src/replay/open-replay-store.ts");
    const keys = await new Promise<string[]>((resolve, reject) => {
      const request = indexedDB.open("countersign-replay");
      request.onerror = () => reject(request.error ?? new Error("no database"));
      request.onsuccess = () => {
        const rows = request.result.transaction("tracks").objectStore("tracks").getAll();
        rows.onsuccess = () => {
          request.result.close();
          resolve((rows.result as { key: string }[]).map(({ key }) => key));
        };
        rows.onerror = () => reject(rows.error ?? new Error("no tracks"));
      };
    });
    const { store } = await openReplayStore();
    const found: StoredObject[] = [];
    for (const key of keys) {
      for (const range of await store.ranges(key)) {
        for (let group = Number(range.first); group <= Number(range.last); group++) {
          const stored = await store.group(key, group);
          for (const { object, payload } of stored?.objects ?? []) {
            const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", payload.slice()));
            const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
            found.push({ track: key, group, object: Number(object), digest });
          }
        }
      }
    }
    await store.close();
    return found;
  });
}
