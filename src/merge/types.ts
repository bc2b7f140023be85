/**
 * Many sources, one track.
 *
 * Every source offers what it received; the merger asks trust what each object must be, lets the first good copy through, exactly once, and keeps score of who
 * sent what. The player uses it with trust; the embedded relay uses the same merger without (a relay forwards, it does not judge).
 */
import type { CountersignError } from "../errors.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/** A relay, by the name the app gave it (its URL). */
export type SourceId = string;

export type SourceState = "connecting" | "active" | "standby" | "suspect" | "banned" | "closed";

/** Counters of one source on one track; all since the start. */
export interface SourceScore {
  readonly good: number;
  readonly duplicate: number;
  readonly late: number;
  readonly junk: number;
  readonly unsigned: number;
  readonly withheld: number;
  readonly pendingObjects: number;
  readonly pendingBytes: number;
  readonly bytes: number;
}

/** Why an object was not let through. */
export type RejectReason = "mismatch" | "unsigned" | "too-large" | "pending-overflow" | "pending-expired" | "below-window" | "malformed";

export interface Delivery<T> {
  readonly object: T;
  readonly source: SourceId;
  readonly receivedAtMs: number;
}

/** A stretch of a track that will not come. Objects inclusive; objectEnd undefined: to the end of the group. */
export interface Hole {
  readonly group: VarInt;
  readonly objectStart: VarInt;
  readonly objectEnd: VarInt | undefined;
  readonly cause: "withheld" | "unsigned" | "unavailable" | "rejected" | "start" | "store-error";
  readonly error?: CountersignError;
}

export interface MergerEvents<T> {
  /** Each {group, object} at most once, in order of verification, not of ids. */
  delivered: Delivery<T>;
  rejected: { readonly source: SourceId; readonly group: VarInt; readonly object: VarInt; readonly reason: RejectReason };
  duplicate: { readonly source: SourceId; readonly group: VarInt; readonly object: VarInt };
}

/** What the ordered end of the merge hands to playback and store. */
export interface SequencerEvents {
  /** In order, no object skipped except where a hole was reported. */
  object: Delivery<Verified<MoqObject>>;
  /** The group is whole: every signed object was delivered. */
  groupComplete: { readonly group: VarInt; readonly objectCount: number };
  hole: Hole;
  /** Signed for, not here after the deadline: somebody should fetch it. */
  missing: { readonly group: VarInt; readonly objects: readonly VarInt[] };
}
