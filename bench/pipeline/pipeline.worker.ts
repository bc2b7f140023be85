/** The worker of the pipeline benchmark: one run at a time, raw or with everything, in the same thread that an app's player would have. */
import { expose } from "comlink";
import type { RunOptions, RunResult } from "./messages.ts";
import { PlayerRun } from "./player-run.ts";
import { RawRun } from "./raw-reader.ts";

let current: RawRun | PlayerRun | undefined;

function addressesOf({ origin, id, sources, signing }: RunOptions) {
  const of = (url: string): string => `${url}${id}?signing=${signing}&sources=${sources}`;
  return { objects: origin.objects.slice(0, sources).map(of), manifests: of(origin.manifests) };
}

const api = {
  /** Connects, and waits for the first group. `events` and `media` are what a player's page would listen to. */
  async prepare(options: RunOptions, events: MessagePort, media: MessagePort): Promise<void> {
    if (options.kind === "raw") {
      const run = new RawRun(options, media);
      current = run;
      await run.prepare(addressesOf(options));
    } else {
      const run = new PlayerRun(options, media);
      current = run;
      await run.prepare(addressesOf(options), events);
    }
  },
  /** Everything after the first group. Timed here, where it happens. */
  async run(): Promise<void> {
    await current?.run();
  },
  /** Lets storage end its work, and tells. */
  async finish(): Promise<RunResult> {
    if (!current) throw new Error("nothing was prepared");
    const result = await current.finish();
    current = undefined;
    return result;
  },
};

export type PipelineWorker = typeof api;

expose(api);
