/** The page of the secure-objects benchmark: everything happens in its worker, where a player decrypts. */
import { wrap } from "comlink";
import type { SecureObjectsWorker } from "./secure-objects.worker.ts";

const worker = wrap<SecureObjectsWorker>(
  new Worker(new URL("./secure-objects.worker.ts", import.meta.url), { type: "module" }),
);

const bench = {
  measure: (...shape: Parameters<SecureObjectsWorker["measure"]>) => worker.measure(...shape),
};

export type SecureObjectsPage = typeof bench;

Object.assign(globalThis, { bench });
