/** The page of the trust benchmark: it only starts the worker. */
import { wrap } from "comlink";
import type { TrustWorker } from "./trust.worker.ts";

const bench = wrap<TrustWorker>(
  new Worker(new URL("./trust.worker.ts", import.meta.url), { type: "module", name: "trust" }),
);

export type TrustPage = typeof bench;

Object.assign(globalThis, { bench });
