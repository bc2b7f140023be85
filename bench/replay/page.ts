/** The page of the replay benchmark: everything is timed in a worker, in the browser's own database and files. */
import { wrap } from "comlink";
import { type OpenArchive, openArchive } from "../../src/replay/measure-archive.ts";
import type { ReplayWorker } from "./replay.worker.ts";

const bench = wrap<ReplayWorker>(
  new Worker(new URL("./replay.worker.ts", import.meta.url), { type: "module" }),
);

export type ReplayPage = typeof bench;

/** The store as the page itself reads it: the heap of a page can be measured from outside, that of a worker cannot. */
const heap = {
  archive: undefined as OpenArchive | undefined,
  async open(name: string, groups: number): Promise<void> {
    heap.archive = await openArchive(name, groups);
  },
  async read(seeks: number): Promise<void> {
    await heap.archive?.read(seeks);
  },
  async close(): Promise<void> {
    await heap.archive?.close();
  },
};

export type HeapPage = typeof heap;

Object.assign(globalThis, { bench, heap });
