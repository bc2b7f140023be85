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

/**
 * Writes the store anew with one byte of every object of its middle group changed, digests and all, as whoever controls the disk could; only the
 * signer's evidence is beyond them. Returns the group's id.
 */
export async function forgeStore(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const load = (path: string) => import(new URL(path, location.href).href);
    const { openReplayStore } = (await load(
      "/src/replay/open-replay-store.ts",
    )) as typeof import("../../src/replay/open-replay-store.ts");
    const { objectLeaf } = (await load("/src/trust/leaf.ts")) as typeof import("../../src/trust/leaf.ts");
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
    let forged = -1;
    for (const key of keys) {
      const [range] = await store.ranges(key);
      if (range === undefined) continue;
      const [first, last] = [Number(range.first), Number(range.last)];
      // One of all tracks, which begin and end within a group of each other.
      if (forged < 0) forged = Math.floor((first + last) / 2);
      const groups = [];
      for (let group = first; group <= last; group++) groups.push(await store.group(key, group));
      await store.forget(key);
      for (const stored of groups) {
        if (stored === undefined) continue;
        for (const object of stored.objects) {
          const payload = object.payload.slice();
          const at = payload.length - 1;
          if (stored.group === forged) payload[at] = (payload[at] ?? 0) ^ 0xff;
          const written = { ...object, payload };
          // The mark of what was checked is a type, and types are nothing to a forger.
          store.put(key, written as Parameters<typeof store.put>[1], await objectLeaf(written));
        }
        store.seal(key, stored.group, stored.evidence, stored.complete);
      }
    }
    await store.flush();
    await store.close();
    return forged;
  });
}
