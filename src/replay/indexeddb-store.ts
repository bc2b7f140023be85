/**
 * The default replay store: verified media in the browser's database, for as long and as much as the window allows.
 *
 * Writing is a queue (write-queue.ts) that one transaction at a time empties (write-batch.ts); reading checks digests (read-group.ts) and repairs what
 * it finds damaged (repair.ts); the oldest go in the background (retention.ts). This file is where they meet, and where failures are decided:
 * a full disk shrinks the window, a lost connection is opened again, and when nothing helps the owner is told to do without. None of it
 * ever reaches the live path.
 */
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { MIN_BUDGET_BYTES } from "./budget.ts";
import type { DatabaseConnection } from "./database.ts";
import { isQuotaError } from "./database.ts";
import type { PayloadFiles } from "./payload-files.ts";
import { Pins, pinKey } from "./pins.ts";
import { readOldest, readRanges } from "./range-index.ts";
import type { ReadGroup } from "./read-group.ts";
import { readGroup } from "./read-group.ts";
import { repairGroup } from "./repair.ts";
import { evictMeta, evictStep, forgetPrefix } from "./retention.ts";
import type { ReplayDatabase } from "./schema.ts";
import { removeEmptied } from "./segment-count.ts";
import type {
  Evicted,
  GroupRange,
  LeafDigest,
  Lost,
  ReplayStore,
  ReplayStoreEvents,
  StoredGroup,
  StoreEstimate,
  TrackKey,
} from "./types.ts";
import { readWholeRanges } from "./whole-groups.ts";
import { writeBatch } from "./write-batch.ts";
import type { WriteBatch } from "./write-queue.ts";
import { WriteQueue } from "./write-queue.ts";

/** How long media is kept: by when its group was on, where that was said, else by when it was last written to. */
export const DEFAULT_MAX_AGE_MS = 72 * 60 * 60 * 1000;

/** Small values (catalogs, positions) are kept this long after they were last written: longer than any media they belong to. */
const META_MAX_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** Catalogs are kilobytes, a media timeline of three days 10 MB. A larger value is not stored, and said so. */
const MAX_META_BYTES = 16 * 1024 * 1024;

/** Envelopes that prove one group. Tens of kilobytes at most in practice; more is not stored, and said so. */
const MAX_EVIDENCE_BYTES = 1024 * 1024;

/** How often age is looked at. The budget is looked at after each write. */
const SWEEP_INTERVAL_MS = 60_000;

/** Between two steps of eviction, so that writes and reads get their turn. */
const EVICTION_PAUSE_MS = 20;

/** Eviction goes on to this share of the budget, so that it does not start again with the next write. */
const LOW_WATER = 0.95;

/** What a quota error leaves of the budget. */
const SHRINK = 0.8;

/** The window shrinks once in this time, however many writes fail in it: deleting must get a chance to help first. */
const SHRINK_INTERVAL_MS = 10_000;

/** Tries of one batch at a full disk, some of the oldest media deleted before each. Then the batch is lost, not the store: it can still be read. */
const MAX_QUOTA_TRIES = 3;

/** Batches in a row that fail for another reason before we do without the database. */
const MAX_FAILED_BATCHES = 3;

/** At most this often an estimate is announced. */
const ESTIMATE_INTERVAL_MS = 2_000;

export interface IndexedDbStoreOptions {
  readonly connection: DatabaseConnection;
  readonly clock: Clock;
  readonly leafDigest: LeafDigest;
  readonly budgetBytes: number;
  readonly maxAgeMs?: number;
  readonly maxQueuedBytes?: number;
  readonly persistent?: () => Promise<boolean>;
  /** Where payloads lie that are not in the database. */
  readonly files?: PayloadFiles;
  /** The database cannot be used any more; the error says why. Called once, after what was queued has been reported lost. */
  onDead?(error: CountersignError): void;
}

type SweepReason = "age" | "budget" | "quota";

export class IndexedDbStore implements ReplayStore {
  readonly #options: IndexedDbStoreOptions;
  readonly #events = new Emitter<ReplayStoreEvents>();
  readonly #queue: WriteQueue;
  readonly #pins = new Pins();
  readonly #maxAgeMs: number;
  #budgetBytes: number;
  #totalBytes = 0;
  #failedBatches = 0;
  #shrunkAtMs = Number.NEGATIVE_INFINITY;
  #estimatedAtMs = Number.NEGATIVE_INFINITY;
  #sweeping: Promise<void> | undefined;
  #straysRemoved = false;
  #cancelSweep: (() => void) | undefined;
  #endPause: (() => void) | undefined;
  #state: "open" | "closing" | "closed" | "dead" = "open";

  constructor(options: IndexedDbStoreOptions) {
    this.#options = options;
    this.#budgetBytes = options.budgetBytes;
    this.#maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
    this.#queue = new WriteQueue({
      clock: options.clock,
      write: (batch) => this.#write(batch),
      lossOf,
      onLost: (lost) => this.#events.emit("lost", lost),
      onFailed: (thrown) => this.#batchFailed(thrown),
      ...(options.maxQueuedBytes !== undefined && { maxQueuedBytes: options.maxQueuedBytes }),
    });
    this.#scheduleSweep(0);
  }

  put(track: TrackKey, object: Verified<MoqObject>, digest: Uint8Array): void {
    if (this.#state === "open") this.#queue.put(track, object, digest);
  }

  seal(
    track: TrackKey,
    group: VarInt,
    evidence: readonly Uint8Array[],
    complete: boolean,
    playedAtMs?: number,
  ): void {
    if (this.#state !== "open") return;
    const size = evidence.reduce((sum, envelope) => sum + envelope.length, 0);
    if (size <= MAX_EVIDENCE_BYTES) {
      this.#queue.seal(track, group, evidence, complete, playedAtMs);
    } else {
      const error = new CountersignError(
        "limit-exceeded",
        `The evidence of a group has ${size} bytes; not stored.`,
      );
      this.#events.emit("lost", { track, group, objects: [], cause: "storage-failed", error });
    }
  }

  putMeta(key: string, value: Uint8Array): void {
    if (this.#state !== "open") return;
    if (value.length <= MAX_META_BYTES) this.#queue.putMeta(key, value);
    else
      this.#warn(new CountersignError("limit-exceeded", `"${key}" has ${value.length} bytes; not stored.`));
  }

  async getMeta(key: string): Promise<Uint8Array | undefined> {
    const queued = this.#queue.meta(key);
    if (queued !== undefined) return new Uint8Array(queued.slice(0));
    const row = await this.#read((database) => database.get("meta", key));
    return row?.value instanceof ArrayBuffer ? new Uint8Array(row.value) : undefined;
  }

  ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    return this.#read(async (database) => {
      const id = await trackId(database, track);
      return id === undefined ? [] : readRanges(database, id);
    }, signal);
  }

  oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    return this.#read(async (database) => {
      const id = await trackId(database, track);
      return id === undefined ? undefined : readOldest(database, id);
    }, signal);
  }

  async group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    const read = await this.#read(
      (database) => readGroup(database, track, group, this.#options.leafDigest, this.#options.files),
      signal,
    );
    if (read.damage !== undefined) await this.#dropDamage(track, group, read.damage);
    return read.stored;
  }

  wholeRanges(track: TrackKey, range: GroupRange, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    return this.#read((database) => readWholeRanges(database, track, range), signal);
  }

  async flush(): Promise<void> {
    await this.#queue.flush();
  }

  async estimate(): Promise<StoreEstimate> {
    const tracks = await this.#read((database) => database.getAll("tracks"));
    this.#totalBytes = tracks.reduce((sum, track) => sum + track.bytes, 0);
    return this.#estimateOf(await (this.#options.persistent?.() ?? false));
  }

  keep(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.putMeta(pinKey(track), this.#pins.keep(track, ranges));
  }

  hold(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#pins.hold(track, ranges);
  }

  async kept(track: TrackKey): Promise<readonly GroupRange[]> {
    await this.#read((database) => this.#pins.load(database));
    return this.#pins.kept(track);
  }

  async forget(prefix: string): Promise<void> {
    this.#queue.forget(prefix);
    this.#pins.forget(prefix);
    // What is being written now lands first and is deleted with the rest.
    await this.#queue.flush();
    await this.#read((database) => forgetPrefix(database, prefix));
    await this.#removeEmptied();
  }

  on<K extends keyof ReplayStoreEvents>(
    type: K,
    listener: (event: ReplayStoreEvents[K]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  async close(): Promise<void> {
    if (this.#state === "closed" || this.#state === "closing") return;
    const wasDead = this.#state === "dead";
    this.#state = "closing";
    this.#cancelSweep?.();
    if (!wasDead) await this.#queue.flush();
    this.#endPause?.();
    await this.#sweeping;
    this.#state = "closed";
    this.#options.files?.close();
    this.#options.connection.close();
    this.#events.clear();
  }

  /** For the owner of the connection: tell the app that it was interrupted. */
  interrupted(error: CountersignError): void {
    if (this.#state === "open") this.#warn(error);
  }

  async #read<T>(work: (database: ReplayDatabase) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await abortable(this.#options.connection.use(work), signal);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw toCountersignError(thrown, "storage-failed", { hint: "The replay database could not be read." });
    }
  }

  async #write(batch: WriteBatch): Promise<void> {
    const { connection, clock, files } = this.#options;
    for (let quotaTries = 0; ; quotaTries++) {
      try {
        await files?.prepare();
        const outcome = await connection.use((database) => writeBatch(database, batch, clock.now(), files));
        this.#failedBatches = 0;
        this.#totalBytes = outcome.totalBytes;
        for (const { track, group } of outcome.damaged)
          this.#corrupt(track, group, [], "A stored group's row was damaged; it was begun anew.");
        break;
      } catch (thrown) {
        if (!isQuotaError(thrown) || quotaTries >= MAX_QUOTA_TRIES) throw thrown;
        this.#shrinkWindow(thrown);
        await this.#makeRoom();
      }
    }
    this.#announceEstimate();
    if (this.#totalBytes > this.#budgetBytes) void this.#sweep("budget");
  }

  /** A full disk is normal operation: three days become two, and live playback does not notice. */
  #shrinkWindow(cause: unknown): void {
    const now = this.#options.clock.now();
    if (now - this.#shrunkAtMs < SHRINK_INTERVAL_MS) return;
    this.#shrunkAtMs = now;
    const inUse = Math.min(this.#budgetBytes, this.#totalBytes);
    this.#budgetBytes = Math.max(MIN_BUDGET_BYTES, Math.floor(inUse * SHRINK));
    this.#warn(
      new CountersignError(
        "storage-quota",
        "The browser's storage is full; the replay window gets shorter.",
        {
          hint: "Free space on the device, or let this site keep more.",
          cause,
        },
      ),
    );
  }

  /** One step now, so that the waiting batch fits; the sweep after it does the rest. */
  async #makeRoom(): Promise<void> {
    try {
      await this.#evict("quota", this.#budgetBytes);
    } catch {
      // The batch is tried again in any case, and what that meets is reported.
    }
  }

  #batchFailed(thrown: unknown): void {
    const { cause, error } = lossOf(thrown);
    // A full disk keeps what it has: reading goes on, and writing as soon as there is room. Each loss has been reported.
    if (cause === "quota") return;
    this.#failedBatches++;
    if (error.code === "storage-unavailable" || this.#failedBatches >= MAX_FAILED_BATCHES) this.#die(error);
    else this.#warn(error);
  }

  #die(error: CountersignError): void {
    if (this.#state !== "open") return;
    this.#state = "dead";
    this.#cancelSweep?.();
    this.#queue.abandon({ cause: "storage-failed", error });
    this.#options.onDead?.(error);
  }

  async #dropDamage(track: TrackKey, group: VarInt, damage: NonNullable<ReadGroup["damage"]>): Promise<void> {
    this.#corrupt(track, group, damage.objects, damage.message);
    try {
      await this.#options.connection.use((database) => repairGroup(database, track, group, damage));
    } catch (thrown) {
      // What was read is still right; the next read finds the damage again.
      this.#warn(toCountersignError(thrown, "storage-failed"));
    }
  }

  #corrupt(track: TrackKey, group: VarInt, objects: readonly GroupRange[], message: string): void {
    const error = new CountersignError("store-corrupt", message, {
      hint: "It has been dropped and is fetched again when a relay still has it.",
    });
    this.#events.emit("corrupt", { track, group, objects, error });
  }

  #scheduleSweep(delayMs: number): void {
    this.#cancelSweep = this.#options.clock.setTimer(delayMs, () => {
      void this.#sweep("age").then(() => {
        if (this.#state === "open") this.#scheduleSweep(SWEEP_INTERVAL_MS);
      });
    });
  }

  #sweep(reason: SweepReason): Promise<void> {
    this.#sweeping ??= this.#sweepOnce(reason).finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #sweepOnce(reason: SweepReason): Promise<void> {
    const { connection, clock } = this.#options;
    const target = reason === "age" ? this.#budgetBytes : Math.floor(this.#budgetBytes * LOW_WATER);
    try {
      if (reason === "age")
        await connection.use((database) => evictMeta(database, clock.now() - META_MAX_AGE_MS));
      while (this.#state === "open" && (await this.#evict(reason, target))) await this.#pause();
      await this.#removeEmptied();
    } catch (thrown) {
      // Nothing is lost by not evicting; the next sweep tries again.
      if (this.#state === "open") this.#warn(toCountersignError(thrown, "storage-failed"));
    }
  }

  async #removeEmptied(): Promise<void> {
    const { connection, files } = this.#options;
    if (files === undefined || (await connection.use((database) => database.count("segments"))) === 0) return;
    const strays = !this.#straysRemoved;
    this.#straysRemoved = true;
    await connection.use((database) => removeEmptied(database, files, strays));
  }

  /** One step of eviction; false when there was nothing to do. */
  async #evict(reason: SweepReason, maxBytes: number): Promise<boolean> {
    const { connection, clock } = this.#options;
    await connection.use((database) => this.#pins.load(database));
    const goal = { writtenBeforeMs: clock.now() - this.#maxAgeMs, maxBytes, kept: this.#pins.all() };
    const { evicted, aged, totalBytes } = await connection.use((database) => evictStep(database, goal));
    this.#totalBytes = totalBytes;
    if (evicted === undefined) return false;
    const cause: Evicted["cause"] = aged ? "age" : reason === "quota" ? "quota" : "budget";
    this.#events.emit("evicted", { ...evicted, cause });
    this.#announceEstimate();
    return true;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.setTimer(EVICTION_PAUSE_MS, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #warn(error: CountersignError): void {
    this.#events.emit("warning", error);
  }

  #estimateOf(persistent: boolean): StoreEstimate {
    const kind = this.#options.files?.segment === undefined ? "indexeddb" : "opfs";
    return { bytes: this.#totalBytes, budgetBytes: this.#budgetBytes, persistent, kind };
  }

  #announceEstimate(): void {
    const now = this.#options.clock.now();
    if (now - this.#estimatedAtMs < ESTIMATE_INTERVAL_MS) return;
    this.#estimatedAtMs = now;
    void (async () => {
      this.#events.emit("estimate", this.#estimateOf(await (this.#options.persistent?.() ?? false)));
    })();
  }
}

async function trackId(database: ReplayDatabase, track: TrackKey): Promise<number | undefined> {
  return (await database.getKeyFromIndex("tracks", "key", track)) as number | undefined;
}

function lossOf(thrown: unknown): Pick<Lost, "cause"> & { readonly error: CountersignError } {
  const quota = isQuotaError(thrown);
  const error = toCountersignError(thrown, quota ? "storage-quota" : "storage-failed", {
    hint: quota
      ? "Free space on the device, or let this site keep more."
      : "The replay database could not be written; live playback goes on.",
  });
  return { cause: quota ? "quota" : "storage-failed", error };
}

/** `promise`, or a rejection with the signal's reason as soon as that aborts. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
