/**
 * Replay deeper than memory: the contract between whoever keeps groups and whoever reads them.
 *
 * A source may be slow, may fail and may be cancelled. A promise that rejects means "could not tell", never "not there".
 */
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/** Canonical track key, see trackKey() in wire/names.ts. */
export type TrackKey = string;

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
  /** "memory" when the browser refused a database (private mode, storage switched off). */
  readonly kind: "indexeddb" | "memory";
}

/** A source that can also be written. Writes are batched and off the critical path: `put` never waits and never throws; failures come as events. */
export interface ReplayStore extends GroupSource {
  put(track: TrackKey, object: Verified<MoqObject>, digest: Uint8Array): void;
  /** Attaches what proves a group, and whether all of it is there. Replaces earlier evidence of the group. */
  seal(track: TrackKey, group: VarInt, evidence: readonly Uint8Array[], complete: boolean): void;
  /** Small values beside the groups: the catalog and its evidence, the viewer's position. */
  putMeta(key: string, value: Uint8Array): void;
  getMeta(key: string): Promise<Uint8Array | undefined>;
  /** Resolves when everything put before is durable or has been reported lost. */
  flush(): Promise<void>;
  estimate(): Promise<StoreEstimate>;
  close(): Promise<void>;
}
