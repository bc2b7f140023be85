/**
 * hls.js's two loaders, answered by the worker instead of the network.
 *
 * hls.js asks for addresses; ours have a scheme that no browser can fetch, so a request that bypassed these loaders would fail and not reach a server.
 */
import type {
  FragmentLoaderContext,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderContext,
  LoaderStats,
  PlaylistLoaderContext,
} from "hls.js";
import { LoadStats } from "hls.js";
import { type CountersignError, toCountersignError } from "../errors.ts";
import type { ResourceResponse } from "../rpc/protocol.ts";

/** The part of rpc/connect.ts that loaders need. */
export interface ResourceClient {
  resource(path: string, signal?: AbortSignal): Promise<ResourceResponse>;
}

const BASE = "countersign://broadcast/";

/** The live presentation, as a path; another one has a folder of its own. */
export const MAIN_PLAYLIST = "main.m3u8";

/** What hls.js is told to load for a path. */
export function addressOf(path: string): string {
  return BASE + path;
}

/** Worker failures as the HTTP statuses that hls.js's retry rules understand: 4xx is final, others are tried again. */
function statusOf(error: CountersignError): number {
  switch (error.code) {
    case "range-unavailable":
    case "track-unknown":
      return 404;
    case "destroyed":
      return 410;
    default:
      return 503;
  }
}

abstract class WorkerLoader<Context extends LoaderContext> implements Loader<Context> {
  context: Context | null = null;
  stats: LoaderStats = new LoadStats();
  readonly #client: ResourceClient;
  #callbacks: LoaderCallbacks<Context> | null = null;
  #abort: AbortController | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;

  constructor(client: ResourceClient) {
    this.#client = client;
  }

  /** After how long without an answer onTimeout is called; undefined: never. */
  protected abstract timeoutMs(config: LoaderConfiguration): number | undefined;

  load(context: Context, config: LoaderConfiguration, callbacks: LoaderCallbacks<Context>): void {
    this.context = context;
    this.#callbacks = callbacks;
    this.stats.loading.start = performance.now();
    const abort = new AbortController();
    this.#abort = abort;
    const timeoutMs = this.timeoutMs(config);
    if (timeoutMs !== undefined) this.#watchdog = setTimeout(() => this.#timeOut(), timeoutMs);
    const path = context.url.startsWith(BASE) ? context.url.slice(BASE.length) : context.url;
    this.#client.resource(path, abort.signal).then(
      (response) => {
        if (this.#abort === abort) this.#succeed(response);
      },
      (thrown: unknown) => {
        if (this.#abort === abort) this.#fail(toCountersignError(thrown, "internal"));
      },
    );
  }

  abort(): void {
    const { context } = this;
    const callbacks = this.#stop();
    if (callbacks === null || context === null) return;
    this.stats.aborted = true;
    callbacks.onAbort?.(this.stats, context, null);
  }

  destroy(): void {
    if (this.#stop() !== null) this.stats.aborted = true;
    this.context = null;
  }

  /** Nothing of ours is ever from a cache; hls.js would otherwise correct its clock by it. */
  getCacheAge(): null {
    return null;
  }

  getResponseHeader(): null {
    return null;
  }

  /** Ends what is under way, if anything; returns whom to tell. */
  #stop(): LoaderCallbacks<Context> | null {
    const callbacks = this.#callbacks;
    const abort = this.#abort;
    this.#callbacks = null;
    this.#abort = undefined;
    clearTimeout(this.#watchdog);
    abort?.abort();
    return callbacks;
  }

  #succeed(response: ResourceResponse): void {
    const { context, stats } = this;
    // Not #stop(): aborting an answered request would tell the worker to cancel it.
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    this.#abort = undefined;
    clearTimeout(this.#watchdog);
    if (callbacks === null || context === null) return;
    const data = response.kind === "playlist" ? response.text : response.data;
    const now = performance.now();
    // A held playlist was not slow: what hls.js may draw conclusions from is how long the answer itself took.
    stats.loading.first = Math.max(now, stats.loading.start);
    stats.loading.end = stats.loading.first;
    stats.loaded = stats.total = typeof data === "string" ? data.length : data.byteLength;
    callbacks.onSuccess({ url: context.url, data, code: 200 }, stats, context, null);
  }

  #fail(error: CountersignError): void {
    const { context } = this;
    const callbacks = this.#stop();
    if (callbacks === null || context === null) return;
    callbacks.onError(
      { code: statusOf(error), text: `${error.code}: ${error.message}` },
      context,
      null,
      this.stats,
    );
  }

  #timeOut(): void {
    const { context } = this;
    const callbacks = this.#stop();
    if (callbacks === null || context === null) return;
    callbacks.onTimeout(this.stats, context, null);
  }
}

/** Loader classes bound to one worker, for hls.js's `pLoader` and `fLoader` options (its `loader` option would switch off more than it replaces). */
export function createLoaders(client: ResourceClient): Required<Pick<HlsConfig, "pLoader" | "fLoader">> {
  class PlaylistFromWorker extends WorkerLoader<PlaylistLoaderContext> {
    constructor(_config: HlsConfig) {
      super(client);
    }

    /** A held playlist is the normal state of a quiet broadcast. The worker is a part of us: if it dies, the request rejects. */
    protected override timeoutMs(): undefined {
      return undefined;
    }
  }

  class FragmentFromWorker extends WorkerLoader<FragmentLoaderContext> {
    constructor(_config: HlsConfig) {
      super(client);
    }

    /** Media that are listed are there, or in a store that can hang. */
    protected override timeoutMs(config: LoaderConfiguration): number {
      return config.loadPolicy.maxLoadTimeMs;
    }
  }

  return { pLoader: PlaylistFromWorker, fLoader: FragmentFromWorker };
}
