/** Files that a page gives to its visitor. Not every driver of a browser tells of downloads (Firefox's over BiDi does not), so they are taken where the page gives them away. */
import type { Page } from "@playwright/test";

/** What the page offers to save while `act` goes on: `count` files. */
export async function savedBy(
  page: Page,
  count: number,
  act: () => Promise<void>,
): Promise<readonly { readonly name: string; readonly base64: string }[]> {
  await page.evaluate(() => {
    const saved: { name: string; blob: Blob }[] = [];
    const blobs = new Map<string, Blob>();
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob: Blob) => {
      const url = make(blob);
      blobs.set(url, blob);
      return url;
    };
    HTMLAnchorElement.prototype.click = function (this: HTMLAnchorElement) {
      const blob = blobs.get(this.href);
      if (blob) saved.push({ name: this.download, blob });
    };
    Object.assign(globalThis, { saved });
  });
  await act();
  await page.waitForFunction(
    (wanted) => (globalThis as unknown as { saved: unknown[] }).saved.length === wanted,
    count,
  );
  return await page.evaluate(async () => {
    const { saved } = globalThis as unknown as { saved: { name: string; blob: Blob }[] };
    return await Promise.all(
      saved.map(async ({ name, blob }) => {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        let text = "";
        for (let at = 0; at < bytes.length; at += 32_768)
          text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
        return { name, base64: btoa(text) };
      }),
    );
  });
}
