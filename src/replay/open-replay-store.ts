/**
 * Opening the replay store: the database when the browser grants one, memory when it does not, and from one to the other when it is taken away.
 *
 * The page never has to ask which: playback, seeking and resume work on either, only not equally far back.
 */
import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { objectLeaf } from "../trust/leaf.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { StoragePort } from "./budget.ts";
import { defaultBudget, isPersistent, systemStorage } from "./budget.ts";
import { DatabaseConnection } from "./database.ts";
import { IndexedDbStore } from "./indexeddb-store.ts";
import { MemoryStore } from "./memory-store.ts";
import { PayloadFiles } from "./payload-files.ts";
import { DATABASE_NAME } from "./schema.ts";
import type {
  GroupRange,
  LeafDigest,
  ReplayStore,
  ReplayStoreEvents,
  StoredGroup,
  StoreEstimate,
  TrackKey,
} from "./types.ts";

export interface OpenReplayStoreOptions {
  /** What objects that come back from disk are checked with. Default: objectLeaf() of trust/, the digest that manifests sign. */
  readonly leafDigest?: LeafDigest;
  readonly clock?: Clock;
  /** Default: 72 hours. */
  readonly maxAgeMs?: number;
  /** Default: half of what the browser grants the origin. */
  readonly maxBytes?: number;
  /** When there is only memory. */
  readonly memoryBytes?: number;
  readonly databaseName?: string;
  /** "opfs": payloads go into files, where the browser gives any; else into the database like by default. Stores made either way are read either way. */
  readonly payloads?: "indexeddb" | "opfs";
  readonly storage?: StoragePort;
  readonly maxQueuedBytes?: number;
  /** Size at which payload files are closed. */
  readonly segmentBytes?: number;
}

export interface OpenedReplayStore {
  readonly store: ReplayStore;
  /** Why it is not what was asked for (code storage-unavailable): memory only, or no files. */
  readonly warning: CountersignError | undefined;
}

/** Never rejects: without a database it is memory, with a warning. */
export async function openReplayStore(options: OpenReplayStoreOptions = {}): Promise<OpenedReplayStore> {
  const clock = options.clock ?? systemClock;
  const memory = (takesOver: boolean) =>
    new MemoryStore({
      takesOver,
      clock,
      ...(options.maxAgeMs !== undefined && { maxAgeMs: options.maxAgeMs }),
      ...(options.memoryBytes !== undefined && { budgetBytes: options.memoryBytes }),
    });
  let opened: IndexedDbStore | undefined;
  const connection = new DatabaseConnection({
    clock,
    onInterrupted: (error) => opened?.interrupted(error),
    ...(options.databaseName !== undefined && { name: options.databaseName }),
  });
  try {
    await connection.get();
  } catch (thrown) {
    connection.close();
    return {
      store: new FallbackStore(memory(false)),
      warning: toCountersignError(thrown, "storage-unavailable"),
    };
  }
  const storage = options.storage ?? systemStorage();
  const budgetBytes = options.maxBytes ?? (await defaultBudget(storage));
  const files = new PayloadFiles({
    name: options.databaseName ?? DATABASE_NAME,
    ...(options.segmentBytes !== undefined && { segmentBytes: options.segmentBytes }),
  });
  let warning: CountersignError | undefined;
  if (options.payloads === "opfs")
    await files.open().catch((thrown: unknown) => {
      warning = toCountersignError(thrown, "storage-unavailable");
    });
  let fallback: FallbackStore | undefined;
  opened = new IndexedDbStore({
    connection,
    clock,
    leafDigest: options.leafDigest ?? objectLeaf,
    budgetBytes,
    files,
    persistent: () => isPersistent(storage),
    onDead: (error) => fallback?.fallTo(memory(true), error),
    ...(options.maxAgeMs !== undefined && { maxAgeMs: options.maxAgeMs }),
    ...(options.maxQueuedBytes !== undefined && { maxQueuedBytes: options.maxQueuedBytes }),
  });
  fallback = new FallbackStore(opened);
  return { store: fallback, warning };
}

const EVENT_TYPES = ["warning", "corrupt", "evicted", "lost", "estimate"] as const;

/** One store towards the owner, whichever it is at the moment. */
class FallbackStore implements ReplayStore {
  readonly #events = new Emitter<ReplayStoreEvents>();
  readonly #kept = new Map<TrackKey, readonly GroupRange[]>();
  readonly #held = new Map<TrackKey, readonly GroupRange[]>();
  #current: ReplayStore;
  #stopForwarding: () => void;

  constructor(current: ReplayStore) {
    this.#current = current;
    this.#stopForwarding = this.#forward(current);
  }

  fallTo(next: ReplayStore, reason: CountersignError): void {
    const previous = this.#current;
    this.#stopForwarding();
    this.#current = next;
    this.#stopForwarding = this.#forward(next);
    for (const [track, ranges] of this.#kept) next.keep(track, ranges);
    for (const [track, ranges] of this.#held) next.hold(track, ranges);
    void previous.close();
    this.#events.emit(
      "warning",
      new CountersignError(
        "storage-unavailable",
        `Stored history cannot be used any more: ${reason.message}`,
        {
          hint:
            reason.hint ??
            "Reload the page to try again. Until then rewinding reaches only as far as memory.",
          cause: reason,
        },
      ),
    );
  }

  put(track: TrackKey, object: Verified<MoqObject>, digest: Uint8Array): void {
    this.#current.put(track, object, digest);
  }

  seal(...said: Parameters<ReplayStore["seal"]>): void {
    this.#current.seal(...said);
  }

  putMeta(key: string, value: Uint8Array): void {
    this.#current.putMeta(key, value);
  }

  getMeta(key: string): Promise<Uint8Array | undefined> {
    return this.#current.getMeta(key);
  }

  ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    return this.#current.ranges(track, signal);
  }

  oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    return this.#current.oldest(track, signal);
  }

  group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    return this.#current.group(track, group, signal);
  }

  wholeRanges(track: TrackKey, range: GroupRange, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    return this.#current.wholeRanges(track, range, signal);
  }

  keep(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#kept.set(track, ranges);
    this.#current.keep(track, ranges);
  }

  hold(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#held.set(track, ranges);
    this.#current.hold(track, ranges);
  }

  kept(track: TrackKey): Promise<readonly GroupRange[]> {
    return this.#current.kept(track);
  }

  forget(prefix: string): Promise<void> {
    return this.#current.forget(prefix);
  }

  flush(): Promise<void> {
    return this.#current.flush();
  }

  estimate(): Promise<StoreEstimate> {
    return this.#current.estimate();
  }

  on<K extends keyof ReplayStoreEvents>(
    type: K,
    listener: (event: ReplayStoreEvents[K]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  async close(): Promise<void> {
    await this.#current.close();
    this.#stopForwarding();
    this.#events.clear();
  }

  #forward(store: ReplayStore): () => void {
    const stops = EVENT_TYPES.map((type) => this.#forwardOne(store, type));
    return () => {
      for (const stop of stops) stop();
    };
  }

  #forwardOne<K extends keyof ReplayStoreEvents>(store: ReplayStore, type: K): () => void {
    return store.on(type, (event) => this.#events.emit(type, event));
  }
}
