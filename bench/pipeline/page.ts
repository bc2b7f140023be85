/** The page of the pipeline benchmark: a worker per kind of run, kept from round to round so that its code is warm. */
import { type Remote, transfer, wrap } from "comlink";
import { browserDial } from "../../src/transport/browser-dial.ts";
import type { WebTransportPort } from "../../src/transport/port.ts";
import type { Consumed, RunOptions, RunResult } from "./messages.ts";
import type { PipelineWorker } from "./pipeline.worker.ts";

const workers = new Map<string, Remote<PipelineWorker>>();
let receivedBytes = 0;
let progress: WebTransportPort | undefined;

/** Tells the origin what was consumed. Not the worker's to do: what it costs is no part of a player. */
async function openProgress({ origin, id }: RunOptions): Promise<(consumed: Consumed) => void> {
  const hash = Uint8Array.from(origin.certificateHash.match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  );
  const url = `${origin.manifests}${id}?progress`;
  progress = await browserDial(
    { url, certificateHashes: [hash], protocols: [] },
    new AbortController().signal,
  );
  const writer = (await progress.createUnidirectionalStream()).getWriter();
  return (consumed) => {
    receivedBytes += consumed?.byteLength ?? 0;
    void writer.write(Uint8Array.of(1));
  };
}

function workerFor(name: string): Remote<PipelineWorker> {
  let worker = workers.get(name);
  if (worker === undefined) {
    worker = wrap<PipelineWorker>(
      new Worker(new URL("./pipeline.worker.ts", import.meta.url), { type: "module", name }),
    );
    workers.set(name, worker);
  }
  return worker;
}

const bench = {
  async prepare(worker: string, options: RunOptions): Promise<void> {
    const events = new MessageChannel();
    const media = new MessageChannel();
    events.port1.onmessage = () => undefined;
    receivedBytes = 0;
    await workerFor(worker).prepare(
      options,
      transfer(events.port2, [events.port2]),
      transfer(media.port2, [media.port2]),
    );
    // After the others: the origin takes the run's options from the first session that it sees.
    const tell = await openProgress(options);
    media.port1.onmessage = (message: MessageEvent<Consumed>) => tell(message.data);
  },
  async run(worker: string): Promise<void> {
    await workerFor(worker).run();
  },
  async finish(worker: string): Promise<RunResult & { readonly receivedBytes: number }> {
    const result = await workerFor(worker).finish();
    progress?.close();
    return { ...result, receivedBytes };
  },
};

export type PipelinePage = typeof bench;

Object.assign(globalThis, { bench });
