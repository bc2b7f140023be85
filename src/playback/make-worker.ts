/** The worker of a player, as its options want it made. */
import type { PlayerOptions } from "./player-options.ts";

export function makeWorker(options: Pick<PlayerOptions, "createWorker" | "workerUrl">): Worker {
  if (options.createWorker) return options.createWorker();
  if (options.workerUrl !== undefined) return new Worker(options.workerUrl, { type: "module" });
  // Literally in this form: it is what bundlers look for.
  return new Worker(new URL("../../workers/client.worker.ts", import.meta.url), { type: "module" });
}
