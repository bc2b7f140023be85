/** The worker of the trust benchmark. */
import { expose } from "comlink";
import { measureDelays, measureManifests, measureRates } from "./measure-trust.ts";

const api = { measureRates, measureManifests, measureDelays };

export type TrustWorker = typeof api;

expose(api);
