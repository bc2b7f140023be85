/**
 * A replay store that forgets everything with the page: for tests, for Node, and for browsers that refuse a database.
 *
 * It keeps the contract of the durable one, at once and within a byte cap: puts are readable immediately, the oldest groups go first.
 */
import { type Clock, systemClock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { addInPlace, normalize, subtract, union } from "./group-ranges.ts";
import type {
  GroupRange,
  ReplayStore,
  ReplayStoreEvents,
  StoredGroup,
  StoreEstimate,
  TrackKey,
} from "./types.ts";

/** About seven minutes at 1.1 Mb/s, and small beside what a decoder holds. Past it the oldest groups go. */
export const DEFAULT_MEMORY_BUDGET_BYTES = 64 * 1024 * 1024;

/** What one object costs beyond its bytes, roughly: so that empty objects cannot fill memory for free. */
const OBJECT_OVERHEAD_BYTES = 200;

export interface MemoryStoreOptions {
  readonly budgetBytes?: number;
  /** Groups go at this age: by when they were on, where that was said, else by when they were first written. Default: never. */
  readonly maxAgeMs?: number;
  readonly clock?: Clock;
  /** It takes over from a store that was lost: the group each track is in the middle of is not called complete. */
  readonly takesOver?: boolean;
}

/** Open groups that were evicted, remembered so that what comes of them later is not called complete. Only a tiny budget needs more. */
const MAX_CUT_SHORT = 64;

interface MemoryGroup {
  readonly group: VarInt;
  /** Counts the groups of the store in the order they were first written: of those of one instant the first goes first. */
  readonly order: number;
  agedFromMs: number;
  readonly objects: Map<VarInt, MoqObject>;
  evidence: readonly Uint8Array[];
  sealed: boolean;
  bytes: number;
}

interface MemoryTrack {
  readonly groups: Map<VarInt, MemoryGroup>;
  /** Those with objects. */
  ranges: GroupRange[];
  /** Those with evidence alone, too. */
  known: GroupRange[];
  kept: readonly GroupRange[];
  held: readonly GroupRange[];
  readonly cutShort: Set<VarInt>;
}

interface Victim {
  readonly key: TrackKey;
  readonly track: MemoryTrack;
  readonly group: MemoryGroup;
}

export class MemoryStore implements ReplayStore {
  readonly #budgetBytes: number;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  readonly #takesOver: boolean;
  readonly #events = new Emitter<ReplayStoreEvents>();
  readonly #tracks = new Map<TrackKey, MemoryTrack>();
  readonly #meta = new Map<string, Uint8Array>();
  #bytes = 0;
  #order = 0;
  #closed = false;

  constructor(options: MemoryStoreOptions = {}) {
    this.#budgetBytes = options.budgetBytes ?? DEFAULT_MEMORY_BUDGET_BYTES;
    this.#maxAgeMs = options.maxAgeMs ?? Number.POSITIVE_INFINITY;
    this.#clock = options.clock ?? systemClock;
    this.#takesOver = options.takesOver ?? false;
  }

  put(track: TrackKey, object: Verified<MoqObject>, _digest: Uint8Array): void {
    if (this.#closed) return;
    const group = this.#group(track, object.group);
    if (group.objects.has(object.object)) return;
    // Copies: payloads are views, and a kept view would keep the whole chunk it was read from.
    const copy = { ...object, properties: object.properties.slice(), payload: object.payload.slice() };
    group.objects.set(object.object, copy);
    addInPlace(this.#tracks.get(track)!.ranges, object.group);
    this.#grow(group, copy.properties.length + copy.payload.length + OBJECT_OVERHEAD_BYTES);
    this.#shrink();
  }

  seal(
    track: TrackKey,
    group: VarInt,
    evidence: readonly Uint8Array[],
    complete: boolean,
    playedAtMs = Number.POSITIVE_INFINITY,
  ): void {
    if (this.#closed) return;
    const entry = this.#group(track, group);
    this.#grow(entry, sizeOf(evidence) - sizeOf(entry.evidence));
    entry.evidence = evidence.map((envelope) => envelope.slice());
    entry.agedFromMs = Math.min(entry.agedFromMs, playedAtMs);
    entry.sealed = complete && !this.#track(track).cutShort.has(group);
    this.#shrink();
  }

  putMeta(key: string, value: Uint8Array): void {
    if (!this.#closed) this.#meta.set(key, value.slice());
  }

  async getMeta(key: string): Promise<Uint8Array | undefined> {
    this.#open();
    return this.#meta.get(key)?.slice();
  }

  async ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    this.#open(signal);
    return [...(this.#tracks.get(track)?.ranges ?? [])];
  }

  async oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    this.#open(signal);
    return this.#tracks.get(track)?.ranges[0]?.first;
  }

  async group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    this.#open(signal);
    const entry = this.#tracks.get(track)?.groups.get(group);
    if (entry === undefined || entry.objects.size === 0) return undefined;
    const objects = [...entry.objects.values()].sort((a, b) => (a.object < b.object ? -1 : 1));
    return { group, complete: entry.sealed, evidence: entry.evidence, objects };
  }

  async wholeRanges(
    track: TrackKey,
    { first, last }: GroupRange,
    signal?: AbortSignal,
  ): Promise<readonly GroupRange[]> {
    this.#open(signal);
    const whole: GroupRange[] = [];
    const groups = [...(this.#tracks.get(track)?.groups.values() ?? [])].sort((a, b) =>
      a.group < b.group ? -1 : 1,
    );
    for (const entry of groups) {
      const inside = entry.group >= first && entry.group <= last;
      if (inside && entry.sealed && entry.evidence.length > 0 && entry.objects.size > 0)
        addInPlace(whole, entry.group);
    }
    return whole;
  }

  keep(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#track(track).kept = normalize(ranges);
  }

  async kept(track: TrackKey): Promise<readonly GroupRange[]> {
    this.#open();
    return this.#tracks.get(track)?.kept ?? [];
  }

  hold(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#track(track).held = normalize(ranges);
  }

  async forget(prefix: string): Promise<void> {
    this.#open();
    for (const [key, track] of this.#tracks) {
      if (!key.startsWith(prefix)) continue;
      for (const group of track.groups.values()) this.#bytes -= group.bytes;
      this.#tracks.delete(key);
    }
    for (const key of this.#meta.keys()) if (key.startsWith(prefix)) this.#meta.delete(key);
  }

  async flush(): Promise<void> {
    this.#open();
  }

  async estimate(): Promise<StoreEstimate> {
    this.#open();
    return { bytes: this.#bytes, budgetBytes: this.#budgetBytes, persistent: false, kind: "memory" };
  }

  on<K extends keyof ReplayStoreEvents>(
    type: K,
    listener: (event: ReplayStoreEvents[K]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tracks.clear();
    this.#meta.clear();
    this.#events.clear();
    this.#bytes = 0;
  }

  #track(key: TrackKey): MemoryTrack {
    let track = this.#tracks.get(key);
    if (track === undefined) {
      track = { groups: new Map(), ranges: [], known: [], kept: [], held: [], cutShort: new Set() };
      this.#tracks.set(key, track);
    }
    return track;
  }

  #group(key: TrackKey, id: VarInt): MemoryGroup {
    const { groups, known, cutShort } = this.#track(key);
    let group = groups.get(id);
    if (group === undefined) {
      if (this.#takesOver && groups.size === 0) cutShort.add(id);
      group = {
        group: id,
        order: this.#order++,
        agedFromMs: this.#clock.now(),
        objects: new Map(),
        evidence: [],
        sealed: false,
        bytes: 0,
      };
      groups.set(id, group);
      addInPlace(known, id);
    }
    return group;
  }

  #grow(group: MemoryGroup, bytes: number): void {
    group.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Lets go of what is too old, and of the oldest while there is too much. */
  #shrink(): void {
    const oldestMs = this.#clock.now() - this.#maxAgeMs;
    for (;;) {
      const oldest = this.#oldestGroup(false);
      if (oldest !== undefined && oldest.group.agedFromMs < oldestMs) this.#evict(oldest, "age");
      else if (this.#bytes > this.#budgetBytes) {
        // Memory is a hard limit: when all that is left is kept, kept groups go too.
        const victim = oldest ?? this.#oldestGroup(true);
        if (victim === undefined) return;
        this.#evict(victim, "budget");
      } else return;
    }
  }

  #evict({ key, track, group }: Victim, cause: "age" | "budget"): void {
    const { group: id, bytes } = group;
    const range = [{ first: id, last: id }];
    track.groups.delete(id);
    track.ranges = subtract(track.ranges, range);
    track.known = subtract(track.known, range);
    this.#bytes -= bytes;
    if (!group.sealed) {
      track.cutShort.add(id);
      if (track.cutShort.size > MAX_CUT_SHORT) track.cutShort.delete(track.cutShort.values().next().value!);
    }
    if (group.objects.size > 0)
      this.#events.emit("evicted", { track: key, first: id, last: id, bytes, cause });
  }

  /** Of each track the lowest group, as a database does it: audio and video of one second go together, and each track's window stays one piece. */
  #oldestGroup(kept: boolean): Victim | undefined {
    let oldest: Victim | undefined;
    for (const [key, track] of this.#tracks) {
      const [lowest] = kept ? track.known : subtract(track.known, union(track.kept, track.held));
      const group = lowest && track.groups.get(lowest.first);
      if (group === undefined) continue;
      const isOlder =
        oldest === undefined ||
        group.agedFromMs < oldest.group.agedFromMs ||
        (group.agedFromMs === oldest.group.agedFromMs && group.order < oldest.group.order);
      if (isOlder) oldest = { key, track, group };
    }
    return oldest;
  }

  #open(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new CountersignError("storage-failed", "The replay store is closed.");
  }
}

function sizeOf(evidence: readonly Uint8Array[]): number {
  return evidence.reduce((sum, envelope) => sum + envelope.length, 0);
}
