/** Runs store tests where files can be written: in a worker. Asked for one by its name, answers with what went wrong, if anything. */
import { deleteDB } from "idb";
import { contractLeafDigest, contractObject, replayStoreContract } from "./group-source.contract.ts";
import { openReplayStore } from "./open-replay-store.ts";
import type { Corrupt, ReplayStore } from "./types.ts";

const TRACK = "0123/example--video";
const SEGMENT = 40_000;
let count = 0;

interface Opened {
  readonly store: ReplayStore;
  readonly corrupt: Corrupt[];
}

async function open(
  databaseName: string,
  payloads: "opfs" | "indexeddb" = "opfs",
  maxBytes?: number,
): Promise<Opened> {
  const { store, warning } = await openReplayStore({
    leafDigest: contractLeafDigest,
    databaseName,
    payloads,
    segmentBytes: SEGMENT,
    ...(maxBytes !== undefined && { maxBytes }),
  });
  if (warning !== undefined) throw warning;
  const corrupt: Corrupt[] = [];
  store.on("corrupt", (event) => corrupt.push(event));
  return { store, corrupt };
}

async function fresh(): Promise<string> {
  const name = `opfs-${count++}-${crypto.randomUUID()}`;
  await deleteDB(name);
  return name;
}

async function folderOf(name: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return (await root.getDirectoryHandle("countersign-replay")).getDirectoryHandle(name);
}

async function fileNames(name: string): Promise<string[]> {
  const names: string[] = [];
  for await (const file of (await folderOf(name)).keys()) names.push(file);
  return names.sort();
}

async function fill(store: ReplayStore, first: number, last: number): Promise<void> {
  for (let group = first; group <= last; group++) {
    for (const id of [0, 1]) {
      const object = contractObject(group, id, 5_000);
      store.put(TRACK, object, await contractLeafDigest(object));
    }
    store.seal(TRACK, group, [new Uint8Array([1, 2, 3])], true);
    await store.flush();
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new RangeError(what);
}

async function checkGroup(store: ReplayStore, group: number): Promise<void> {
  const stored = await store.group(TRACK, group);
  const expected = [0, 1].map((id) => contractObject(group, id, 5_000).payload.join());
  check(stored?.complete === true, `group ${group} is not whole`);
  check(
    stored?.objects.map(({ payload }) => payload.join()).join("|") === expected.join("|"),
    `group ${group} is not what was put`,
  );
}

const own: Record<string, () => Promise<void>> = {
  "payloads lie in files and not in the database, and files are closed at their size": async () => {
    const name = await fresh();
    const { store } = await open(name);
    await fill(store, 0, 9);
    check((await store.estimate()).kind === "opfs", "kind");
    // One more when the browser refused to write to one of them.
    check((await fileNames(name)).length >= 3, `${(await fileNames(name)).length} files`);
    for (let group = 0; group < 10; group++) await checkGroup(store, group);
    await store.close();
  },
  "what was written is there after a reload, with or without the option": async () => {
    const name = await fresh();
    const before = await open(name);
    await fill(before.store, 0, 4);
    await before.store.close();
    const after = await open(name, "indexeddb");
    await checkGroup(after.store, 3);
    await fill(after.store, 5, 6);
    await after.store.close();
    const again = await open(name);
    for (const group of [0, 4, 5, 6]) await checkGroup(again.store, group);
    check(again.corrupt.length === 0, "something counts as damaged");
    await again.store.close();
  },
  "two tabs write files of their own, and read each other's while they are written": async () => {
    const name = await fresh();
    const [a, b] = [await open(name), await open(name)];
    await fill(a.store, 0, 1);
    await fill(b.store, 2, 3);
    await checkGroup(b.store, 0);
    await fill(a.store, 4, 4);
    for (const group of [0, 1, 4]) await checkGroup(b.store, group);
    for (const group of [2, 3]) await checkGroup(a.store, group);
    await a.store.close();
    await b.store.close();
  },
  "a file goes when the last group in it was evicted, and not before": async () => {
    const name = await fresh();
    const { store } = await open(name);
    await fill(store, 0, 9);
    const [before] = [await fileNames(name)];
    await store.close();
    // Room for some four groups.
    const { store: small } = await open(name, "opfs", 45_000);
    await fill(small, 10, 10);
    for (let waited = 0; waited < 200; waited++) {
      const left = await fileNames(name);
      if (left.filter((file) => before.includes(file)).length < before.length) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const left = await fileNames(name);
    check(left.filter((file) => before.includes(file)).length < before.length, "no file was deleted");
    await checkGroup(small, 10);
    for (const { first, last } of await small.ranges(TRACK))
      for (let group = Number(first); group <= Number(last); group++) await checkGroup(small, group);
    await small.forget("");
    await small.close();
    const { store: empty } = await open(name);
    await empty.forget("");
    check((await fileNames(name)).length <= 2, `${(await fileNames(name)).length} files are left of nothing`);
    await empty.close();
  },
  "bytes altered in a file, or a file that is gone, are found, dropped and named": async () => {
    const name = await fresh();
    const { store } = await open(name);
    await fill(store, 0, 9);
    await store.close();
    const folder = await folderOf(name);
    const [first, second] = (await fileNames(name)) as [string, string];
    const file = (await folder.getFileHandle(first)) as FileSystemFileHandle & {
      createSyncAccessHandle(): Promise<{
        write(bytes: Uint8Array, at: { at: number }): void;
        close(): void;
      }>;
    };
    const handle = await file.createSyncAccessHandle();
    handle.write(new Uint8Array([0xff, 0xff, 0xff]), { at: 3_000 });
    handle.close();
    await folder.removeEntry(second);
    const { store: after, corrupt } = await open(name);
    let damaged = 0;
    for (let group = 0; group < 10; group++)
      if ((await after.group(TRACK, group))?.complete !== true) damaged++;
    check(damaged >= 4, `${damaged} damaged`);
    check(corrupt.length === damaged, `${corrupt.length} told of ${damaged}`);
    await after.close();
  },
};

const contract = replayStoreContract({
  open: async () => (await open(await fresh())).store,
  leafDigest: contractLeafDigest,
});

addEventListener("message", async ({ data }: MessageEvent<string>) => {
  const run = own[data] ?? contract.find(({ name }) => name === data)?.run;
  try {
    if (run === undefined) throw new RangeError(`there is no test "${data}"`);
    await run();
    postMessage({ ok: true });
  } catch (thrown) {
    postMessage({
      ok: false,
      message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    });
  }
});
