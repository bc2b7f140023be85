/** The page of the replay benchmark: everything is measured in a worker, in the browser's own database and files. */
import { wrap } from "comlink";
import { measureArchive } from "../../src/replay/measure-archive.ts";
import type { ReplayWorker } from "./replay.worker.ts";

const bench = wrap<ReplayWorker>(
  new Worker(new URL("./replay.worker.ts", import.meta.url), { type: "module" }),
);

export type ReplayPage = typeof bench;

/** Workers are not told how much of their heap is used; pages are, in Chromium. So the same reads are made once more, here. */
async function heapAfter(name: string, groups: number, seeks: number): Promise<number | undefined> {
  return (await measureArchive(name, groups, 1, seeks)).heapMegabytes;
}

export type HeapAfter = typeof heapAfter;

Object.assign(globalThis, { bench, heapAfter });
