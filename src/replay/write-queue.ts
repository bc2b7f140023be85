/**
 * What was put and is not on disk yet.
 *
 * `put` packs an object into its group's open record and returns: no promise, no wait. Four times a second, or sooner when much has come,
 * everything queued goes to the writer in one batch; while that is being written the next batch fills. A disk slower than the net
 * costs history, never playback: past the cap the oldest unwritten group is dropped and reported.
 */
import type { Clock } from "../clock.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { addInPlace } from "./group-ranges.ts";
import type { PackedRecord } from "./record.ts";
import { packEvidence, RecordBuffers, RecordPacker } from "./record.ts";
import type { GroupRange, Lost, TrackKey } from "./types.ts";

/** How long a put may wait for company. Also what a crash of the browser may cost. */
export const FLUSH_INTERVAL_MS = 250;

/** With this much queued the next batch starts at once: 128 full records, where the cost of a transaction no longer shows. */
export const FLUSH_BYTES = 8 * 1024 * 1024;

/** Most that is queued or being written: 30 s of a 8 Mb/s stream. Past it the oldest unwritten group is dropped. */
export const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/** A group in the queue costs this beyond its records, so that empty puts are bounded too. */
const GROUP_OVERHEAD_BYTES = 256;

/**
 * Groups of which it is remembered what was put, so that sealing one can tell what of it is not there (dropped from the queue, deleted under us).
 * Groups are sealed within seconds; past this the oldest is forgotten and readers find out from its evidence.
 */
const MAX_OPEN_GROUPS = 1024;

export interface GroupBatch {
  readonly track: TrackKey;
  readonly group: VarInt;
  readonly records: readonly PackedRecord[];
  /** All ids in `records`. */
  readonly objects: readonly GroupRange[];
  /** Replaces the stored evidence; undefined leaves it. */
  readonly evidence: ArrayBuffer | undefined;
  readonly sealed: boolean | undefined;
  /** When it was on, for a group that comes late. */
  readonly playedAtMs: number | undefined;
  /** All ids of the group that were ever put here, in this batch or before; with `sealed`, what is not there then is lost. */
  readonly expected: readonly GroupRange[];
}

export interface WriteBatch {
  readonly groups: readonly GroupBatch[];
  readonly meta: ReadonlyMap<string, ArrayBuffer>;
}

export interface WriteQueueOptions {
  readonly clock: Clock;
  /** Writes one batch; called again only after it settled, and its records are written over then. What a rejection leaves unwritten is lost. */
  write(batch: WriteBatch): Promise<void>;
  /** What to report when `write` rejected. */
  lossOf(thrown: unknown): Pick<Lost, "cause" | "error">;
  onLost(lost: Lost): void;
  /** After a rejected batch was reported lost: the place to give up in, with abandon(). */
  onFailed(thrown: unknown): void;
  readonly maxQueuedBytes?: number;
}

interface Draft {
  readonly key: string;
  readonly track: TrackKey;
  readonly group: VarInt;
  /** Position among all that was put, for flush(). */
  readonly sequence: number;
  readonly packer: RecordPacker;
  readonly objects: GroupRange[];
  /** Shared with the next drafts of the group. */
  readonly expected: GroupRange[];
  evidence: ArrayBuffer | undefined;
  sealed: boolean | undefined;
  playedAtMs: number | undefined;
  bytes: number;
}

interface Waiter {
  readonly sequence: number;
  resolve(): void;
}

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #maxQueuedBytes: number;
  /** In the order of their first put. */
  readonly #drafts = new Map<string, Draft>();
  readonly #buffers = new RecordBuffers();
  readonly #expected = new Map<string, GroupRange[]>();
  #meta = new Map<string, ArrayBuffer>();
  #writing: WriteBatch | undefined;
  #metaSequence = 0;
  #sequence = 0;
  #draftBytes = 0;
  #writingBytes = 0;
  #running = false;
  #cancelTimer: (() => void) | undefined;
  #waiters: Waiter[] = [];

  constructor(options: WriteQueueOptions) {
    this.#options = options;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
  }

  get queuedBytes(): number {
    return this.#draftBytes + this.#writingBytes;
  }

  put(track: TrackKey, object: MoqObject, digest: Uint8Array): void {
    const draft = this.#draft(track, object.group);
    const before = draft.packer.byteLength;
    draft.packer.add(object, digest);
    addInPlace(draft.objects, object.object);
    addInPlace(draft.expected, object.object);
    this.#grow(draft, draft.packer.byteLength - before);
  }

  seal(
    track: TrackKey,
    group: VarInt,
    evidence: readonly Uint8Array[],
    complete: boolean,
    playedAtMs?: number,
  ): void {
    const draft = this.#draft(track, group);
    const before = draft.evidence?.byteLength ?? 0;
    draft.evidence = packEvidence(evidence);
    draft.sealed = complete;
    draft.playedAtMs = playedAtMs;
    this.#grow(draft, draft.evidence.byteLength - before);
  }

  putMeta(key: string, value: Uint8Array): void {
    if (this.#meta.size === 0) this.#metaSequence = ++this.#sequence;
    this.#meta.set(key, value.slice().buffer);
    this.#schedule();
  }

  /** A small value that is queued or being written. */
  meta(key: string): ArrayBuffer | undefined {
    return this.#meta.get(key) ?? this.#writing?.meta.get(key);
  }

  /** Resolves when all that was put before has been written or reported lost. */
  flush(): Promise<void> {
    const sequence = this.#sequence;
    return new Promise((resolve) => {
      this.#waiters.push({ sequence, resolve });
      void this.#run();
    });
  }

  /** Drops everything queued under keys that begin with `prefix`, without report: it is being forgotten on purpose. */
  forget(prefix: string): void {
    for (const draft of this.#drafts.values()) if (draft.track.startsWith(prefix)) this.#take(draft);
    for (const key of this.#meta.keys()) if (key.startsWith(prefix)) this.#meta.delete(key);
  }

  /** Drops everything queued and reports it. */
  abandon(loss: Pick<Lost, "cause" | "error">): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const draft of this.#drafts.values()) this.#lose(this.#take(draft), loss);
    this.#meta.clear();
    this.#settleWaiters();
  }

  #draft(track: TrackKey, group: VarInt): Draft {
    const key = `${group} ${track}`;
    let draft = this.#drafts.get(key);
    if (draft === undefined) {
      draft = {
        key,
        track,
        group,
        sequence: ++this.#sequence,
        packer: new RecordPacker(this.#buffers),
        objects: [],
        expected: this.#expectedOf(key),
        evidence: undefined,
        sealed: undefined,
        playedAtMs: undefined,
        bytes: GROUP_OVERHEAD_BYTES,
      };
      this.#drafts.set(key, draft);
      this.#draftBytes += draft.bytes;
    }
    return draft;
  }

  #expectedOf(key: string): GroupRange[] {
    const expected = this.#expected.get(key) ?? [];
    // Set anew, so that the Map's order is that of the last draft.
    this.#expected.delete(key);
    this.#expected.set(key, expected);
    if (this.#expected.size > MAX_OPEN_GROUPS) this.#expected.delete(this.#expected.keys().next().value!);
    return expected;
  }

  #grow(draft: Draft, bytes: number): void {
    draft.bytes += bytes;
    this.#draftBytes += bytes;
    while (this.queuedBytes > this.#maxQueuedBytes) {
      const oldest = this.#drafts.values().next().value;
      if (oldest === undefined) break;
      this.#lose(this.#take(oldest), { cause: "queue-full" });
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#running) return;
    if (this.#draftBytes >= FLUSH_BYTES) {
      void this.#run();
    } else {
      this.#cancelTimer ??= this.#options.clock.setTimer(FLUSH_INTERVAL_MS, () => {
        this.#cancelTimer = undefined;
        void this.#run();
      });
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    do {
      const batch = this.#nextBatch();
      if (batch.groups.length > 0 || batch.meta.size > 0) {
        this.#writing = batch;
        try {
          await this.#options.write(batch);
        } catch (thrown) {
          const loss = this.#options.lossOf(thrown);
          for (const group of batch.groups) this.#lose(group, loss);
          this.#options.onFailed(thrown);
        }
        for (const { records } of batch.groups) for (const { bytes } of records) this.#buffers.give(bytes);
        this.#writing = undefined;
        this.#writingBytes = 0;
      }
      this.#settleWaiters();
    } while (this.#draftBytes >= FLUSH_BYTES || this.#waiters.length > 0);
    this.#running = false;
    if (this.#drafts.size > 0 || this.#meta.size > 0) this.#schedule();
  }

  /** From the oldest on, as much as makes a good transaction. */
  #nextBatch(): WriteBatch {
    const groups: GroupBatch[] = [];
    for (const draft of this.#drafts.values()) {
      groups.push(this.#take(draft));
      this.#writingBytes += draft.bytes;
      if (this.#writingBytes >= FLUSH_BYTES) break;
    }
    const meta = this.#meta;
    this.#meta = new Map();
    return { groups, meta };
  }

  #take(draft: Draft): GroupBatch {
    this.#drafts.delete(draft.key);
    this.#draftBytes -= draft.bytes;
    const { track, group, objects, expected, evidence, sealed, playedAtMs } = draft;
    return {
      track,
      group,
      records: draft.packer.finish(),
      objects,
      expected: [...expected],
      evidence,
      sealed,
      playedAtMs,
    };
  }

  #lose(batch: GroupBatch, loss: Pick<Lost, "cause" | "error">): void {
    const { track, group, objects } = batch;
    this.#options.onLost({ track, group, objects, ...loss });
  }

  #settleWaiters(): void {
    if (this.#waiters.length === 0) return;
    const oldestDraft: number = this.#drafts.values().next().value?.sequence ?? Number.POSITIVE_INFINITY;
    const pending = this.#meta.size > 0 ? Math.min(oldestDraft, this.#metaSequence) : oldestDraft;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (pending <= waiter.sequence) waiting.push(waiter);
      else waiter.resolve();
    }
    this.#waiters = waiting;
  }
}
