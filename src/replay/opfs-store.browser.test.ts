import { afterAll, describe, expect, it } from "vitest";
import { contractLeafDigest, replayStoreContract } from "./group-source.contract.ts";
import { openReplayStore } from "./open-replay-store.ts";

const worker = new Worker(new URL("./opfs.test-worker.ts", import.meta.url), { type: "module" });

afterAll(() => worker.terminate());

async function runInWorker(name: string): Promise<void> {
  const answer = await new Promise<{ readonly ok: boolean; readonly message?: string }>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(name);
  });
  expect(answer.message ?? "").toBe("");
  expect(answer.ok).toBe(true);
}

describe("the store with payloads in files keeps the contract of a replay store", () => {
  const cases = replayStoreContract({
    // Only their names are taken here; they run in the worker.
    open: () => Promise.reject(new Error("not here")),
    leafDigest: contractLeafDigest,
  });
  for (const { name } of cases) it(name, () => runInWorker(name));
});

describe("payloads in files", () => {
  for (const name of [
    "payloads lie in files and not in the database, and files are closed at their size",
    "what was written is there after a reload, with or without the option",
    "two tabs write files of their own, and read each other's while they are written",
    "a file goes when the last group in it was evicted, and not before",
    "bytes altered in a file, or a file that is gone, are found, dropped and named",
  ])
    it(name, () => runInWorker(name));

  it("where only workers may write files, payloads go into the database, and it is said", async () => {
    const { store, warning } = await openReplayStore({
      databaseName: `opfs-page-${crypto.randomUUID()}`,
      payloads: "opfs",
    });
    expect(warning?.code).toBe("storage-unavailable");
    expect((await store.estimate()).kind).toBe("indexeddb");
    await store.close();
  });
});
