/**
 * Replay deeper than memory: the contract between whoever keeps groups and whoever reads them.
 *
 * A source may be slow, may fail and may be cancelled. A promise that rejects means "could not tell", never "not there".
 */
import type { CountersignError } from "../errors.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/**
 * Names a track in a store. Opaque to the store; `storedTrackKey()` makes one from the broadcast's stream id and the
 * track's name, so that a broadcast created again under an old name never mixes with the old one's media.
 */
export type TrackKey = string;

/** The leaf digest of an object: objectLeaf() of trust/. Throws or rejects with "malformed-track" when the properties cannot be parsed. */
export type LeafDigest = (object: MoqObject) => Uint8Array | Promise<Uint8Array>;

/** Groups first..last, both included. Lists of ranges are sorted and disjoint. */
export interface GroupRange {
  readonly first: VarInt;
  readonly last: VarInt;
}

export interface StoredGroup {
  readonly group: VarInt;
  /** True when every object that the signer named is here. */
  readonly complete: boolean;
  /** Signed manifest envelopes that prove these objects (TrackTrust.evidence). */
  readonly evidence: readonly Uint8Array[];
  readonly objects: readonly MoqObject[];
}

/** Pluggable: apps can bring their own. */
export interface GroupSource {
  /** Which groups can be read, whole or in part. */
  ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]>;
  /** The oldest group that can be read; undefined: certainly none. */
  oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined>;
  /** One group; undefined: certainly not stored. What comes back is not yet verified again: the reader does that. */
  group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined>;
}

export interface StoreEstimate {
  readonly bytes: number;
  readonly budgetBytes: number;
  readonly persistent: boolean;
  /** "memory" when the browser refused a database (private mode, storage switched off); "opfs" with payloads in files. */
  readonly kind: "indexeddb" | "opfs" | "memory";
}

/** A stretch of stored media went, oldest first. The groups between `first` and `last` that were stored are all gone. */
export interface Evicted {
  readonly track: TrackKey;
  readonly first: VarInt;
  readonly last: VarInt;
  readonly bytes: number;
  readonly cause: "age" | "budget" | "quota";
}

/** Objects that were put and will not be stored: a hole of the store, though not of live playback. */
export interface Lost {
  readonly track: TrackKey;
  readonly group: VarInt;
  /** Ranges of object ids; empty when only the group's evidence was lost. */
  readonly objects: readonly GroupRange[];
  readonly cause: "queue-full" | "quota" | "storage-failed" | "closed";
  readonly error?: CountersignError;
}

/** What was found damaged on the way out, and has been dropped: fetch it again. */
export interface Corrupt {
  readonly track: TrackKey;
  readonly group: VarInt;
  /** Ranges of object ids; empty when it was the group's evidence, or when it cannot be told which. */
  readonly objects: readonly GroupRange[];
  /** Code "store-corrupt". */
  readonly error: CountersignError;
}

export interface ReplayStoreEvents {
  /** Worth telling the app; playback goes on. Codes: storage-unavailable, storage-quota, storage-failed. */
  warning: CountersignError;
  corrupt: Corrupt;
  evicted: Evicted;
  lost: Lost;
  /** After writes and evictions, at most every few seconds. */
  estimate: StoreEstimate;
}

/** A source that can also be written. Writes are batched and off the critical path: `put` never waits and never throws; failures come as events. */
export interface ReplayStore extends GroupSource {
  put(track: TrackKey, object: Verified<MoqObject>, digest: Uint8Array): void;
  /**
   * Attaches what proves a group, and whether all of it is there. Replaces earlier evidence of the group. `playedAtMs`: when it was on, in ms since 1970, for a group that comes late; its
   * age counts from then. Absent: from now.
   */
  seal(
    track: TrackKey,
    group: VarInt,
    evidence: readonly Uint8Array[],
    complete: boolean,
    playedAtMs?: number,
  ): void;
  /** Small values beside the groups: the catalog and its evidence, the viewer's position. */
  putMeta(key: string, value: Uint8Array): void;
  getMeta(key: string): Promise<Uint8Array | undefined>;
  /** Resolves when everything put before is durable or has been reported lost. */
  flush(): Promise<void>;
  estimate(): Promise<StoreEstimate>;
  /** Groups of a track that eviction must not touch, until told otherwise: what the viewer keeps. Replaces what was said before; a database remembers it when the page is gone. */
  keep(track: TrackKey, ranges: readonly GroupRange[]): void;
  /** What keep() was last told, by this page or an earlier one. */
  kept(track: TrackKey): Promise<readonly GroupRange[]>;
  /** As keep(), beside it, and for this page alone: what is being played. */
  hold(track: TrackKey, ranges: readonly GroupRange[]): void;
  /** Deletes every track and small value whose key begins with `prefix`: a broadcast, or everything (""). */
  forget(prefix: string): Promise<void>;
  on<K extends keyof ReplayStoreEvents>(type: K, listener: (event: ReplayStoreEvents[K]) => void): () => void;
  /**
   * Those groups among first..last that are stored whole, with what proves them: a list of them can be offered to a player. Reads no media, so it is cheap for hours of groups.
   */
  wholeRanges(track: TrackKey, range: GroupRange, signal?: AbortSignal): Promise<readonly GroupRange[]>;
  /** Writes what is queued, then lets go. Later puts are ignored, later reads reject with storage-failed. */
  close(): Promise<void>;
}
