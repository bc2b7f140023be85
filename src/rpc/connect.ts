/** The page's end of the protocol in protocol.ts. */
import { proxy, type Remote, transfer, wrap } from "comlink";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { RecordingPart, RecordingPlan } from "../recording/assemble.ts";
import type { VarInt } from "../wire/varint.ts";
import { carryErrorCodes } from "./error-transfer.ts";
import type {
  OpenOptions,
  PageApi,
  PlayheadReport,
  ResourceResponse,
  SeekAnswer,
  SeekRequest,
  TimeRange,
  WorkerApi,
  WorkerEvent,
  WorkerStats,
} from "./protocol.ts";

export interface WorkerClientEvents {
  /** Whatever the worker tells unasked, in order. */
  event: WorkerEvent;
  /** The worker died: nothing of it answers any more. Once. */
  failed: CountersignError;
}

/** The members of Worker that are used, so that tests can bring a MessageChannel of their own. */
export interface WorkerLike extends EventTarget {
  postMessage(message: unknown, transfer: Transferable[]): void;
  terminate(): void;
}

/** How long close() waits for the worker to put its things in order (flush the store, say goodbye to relays) before it is ended anyway. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * Calls into the worker. Every call settles: when the worker crashes, those under way and all later ones reject with `worker-failed`.
 */
export class WorkerClient {
  readonly #worker: WorkerLike;
  readonly #api: Remote<WorkerApi>;
  readonly #emitter = new Emitter<WorkerClientEvents>();
  readonly #rejectPending = new Set<(error: CountersignError) => void>();
  #events: MessagePort | undefined;
  #nextRequest = 1;
  #gone: CountersignError | undefined;

  constructor(worker: WorkerLike) {
    carryErrorCodes();
    this.#worker = worker;
    this.#api = wrap<WorkerApi>(worker);
    worker.addEventListener("error", this.#onWorkerError);
    worker.addEventListener("messageerror", this.#onMessageError);
  }

  on<K extends keyof WorkerClientEvents>(
    type: K,
    listener: (event: WorkerClientEvents[K]) => void,
  ): () => void {
    return this.#emitter.on(type, listener);
  }

  /** Set once the worker failed or was closed. */
  get gone(): CountersignError | undefined {
    return this.#gone;
  }

  /** `page`: what the worker may ask while it plays. */
  open(options: OpenOptions, page?: PageApi): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    this.#events = port1;
    port1.onmessage = (message: MessageEvent<WorkerEvent>): void => {
      if (!this.#gone) this.#emitter.emit("event", message.data);
    };
    return this.#call(() => this.#api.open(options, transfer(port2, [port2]), page && proxy(page)));
  }

  /** A resource of the presentation by its relative path. Aborting the signal rejects with `destroyed` and tells the worker. */
  resource(path: string, signal?: AbortSignal): Promise<ResourceResponse> {
    const id = this.#nextRequest;
    this.#nextRequest += 1;
    return this.#call<ResourceResponse>(
      async () => await this.#api.resource({ id, path }),
      signal,
      () => this.#tell(() => this.#api.cancel(id)),
    );
  }

  /** Not answered, not awaited. */
  playhead(report: PlayheadReport): void {
    this.#tell(() => this.#api.playhead(report));
  }

  stats(): Promise<WorkerStats> {
    return this.#call(() => this.#api.stats());
  }

  seek(request: SeekRequest): Promise<SeekAnswer> {
    return this.#call<SeekAnswer>(async () => await this.#api.seek(request));
  }

  /** Not answered, not awaited. */
  leaveExcerpt(): void {
    this.#tell(() => this.#api.leaveExcerpt());
  }

  recordingPlan(range: TimeRange): Promise<RecordingPlan> {
    return this.#call(() => this.#api.recordingPlan(range));
  }

  recordingPart(track: string, group: VarInt): Promise<RecordingPart> {
    return this.#call(() => this.#api.recordingPart(track, group));
  }

  keep(ranges: readonly TimeRange[]): Promise<readonly TimeRange[]> {
    return this.#call(async () => await this.#api.keep(ranges));
  }

  evidence(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#call(() => this.#api.evidence());
  }

  /** Asks the worker to finish, for at most {@link CLOSE_TIMEOUT_MS}, then ends it. Never rejects; what was under way rejects with `destroyed`. */
  async close(): Promise<void> {
    if (!this.#gone) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      });
      // A worker that cannot close cleanly is ended all the same, and has nobody left to tell.
      const asked = this.#call(() => this.#api.close()).catch(() => undefined);
      await Promise.race([asked, late]);
      clearTimeout(timer);
    }
    this.#end(new CountersignError("destroyed", "The player was destroyed."));
    this.#emitter.clear();
  }

  #call<T>(start: () => Promise<T>, signal?: AbortSignal, onAbort?: () => void): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise<T>((resolve, reject) => {
      const settle = (): void => {
        this.#rejectPending.delete(fail);
        signal?.removeEventListener("abort", abort);
      };
      const fail = (error: CountersignError): void => {
        settle();
        reject(error);
      };
      const abort = (): void => {
        fail(new CountersignError("destroyed", "The request was canceled."));
        onAbort?.();
      };
      if (signal?.aborted) {
        reject(new CountersignError("destroyed", "The request was canceled."));
        return;
      }
      this.#rejectPending.add(fail);
      signal?.addEventListener("abort", abort);
      start().then(
        (value) => {
          settle();
          resolve(value);
        },
        (thrown: unknown) => fail(toCountersignError(thrown, "internal")),
      );
    });
  }

  #tell(send: () => Promise<void>): void {
    if (this.#gone) return;
    // One-way calls: a worker that fails them has failed as a whole, which is reported by its own event.
    send().catch(() => undefined);
  }

  readonly #onWorkerError = (event: Event): void => {
    // It also fires for an exception that nobody in the worker caught; what state that left behind nobody knows, so it counts as the end.
    const message = "message" in event && typeof event.message === "string" ? event.message : "";
    const reason = message === "" ? "" : `: ${message}`;
    const error = new CountersignError("worker-failed", `The player's worker stopped${reason}.`, {
      hint:
        "If this happens at once, the worker script could not be loaded: check that the bundler emitted it and that the page's " +
        "Content-Security-Policy allows it (worker-src), or pass workerUrl or createWorker. Otherwise create the player anew.",
    });
    this.#fail(error);
  };

  readonly #onMessageError = (): void => {
    this.#fail(
      new CountersignError("worker-failed", "A message from the player's worker could not be read."),
    );
  };

  #fail(error: CountersignError): void {
    if (this.#gone) return;
    this.#end(error);
    this.#emitter.emit("failed", error);
  }

  #end(error: CountersignError): void {
    if (this.#gone && this.#events === undefined) return;
    this.#gone ??= error;
    this.#worker.removeEventListener("error", this.#onWorkerError);
    this.#worker.removeEventListener("messageerror", this.#onMessageError);
    this.#events?.close();
    this.#events = undefined;
    this.#worker.terminate();
    for (const fail of [...this.#rejectPending]) fail(error);
  }
}

/** Wraps a worker that runs {@link exposeWorker}. */
export function connectWorker(worker: WorkerLike): WorkerClient {
  return new WorkerClient(worker);
}
