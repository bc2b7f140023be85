/** The page of the replay benchmark: everything is measured in a worker, in the browser's own database and files. */
import { wrap } from "comlink";
import type { ReplayWorker } from "./replay.worker.ts";

const bench = wrap<ReplayWorker>(
  new Worker(new URL("./replay.worker.ts", import.meta.url), { type: "module" }),
);

export type ReplayPage = typeof bench;

Object.assign(globalThis, { bench });
