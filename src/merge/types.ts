/**
 * Many sources, one track.
 *
 * Every source offers what it received; the merger asks trust what each object must be, lets the first good copy through, exactly once, and keeps score of who
 * sent what. The player uses it with trust; the embedded relay uses the same merger without (a relay forwards, it does not judge).
 */
import type { CountersignError } from "../errors.ts";
import type { Verified } from "../trust/types.ts";
import type { Location } from "../wire/names.ts";
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
export type RejectReason =
  | "mismatch"
  | "unsigned"
  | "too-large"
  | "pending-overflow"
  | "pending-expired"
  | "below-window"
  | "malformed";

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
  /** Set when whole groups are gone: the hole goes on to the end of this group. */
  readonly lastGroup?: VarInt;
  readonly cause:
    | "withheld"
    | "unsigned"
    | "unavailable"
    | "rejected"
    | "start"
    | "store-error"
    | "undecipherable";
  readonly error?: CountersignError;
}

export interface MergerEvents<T> {
  /** Each {group, object} at most once, in order of verification, not of ids. */
  delivered: Delivery<T>;
  rejected: {
    readonly source: SourceId;
    readonly group: VarInt;
    readonly object: VarInt;
    readonly reason: RejectReason;
  };
  duplicate: { readonly source: SourceId; readonly group: VarInt; readonly object: VarInt };
  /** Good, but older than the ledger's window and never delivered: for the store, not for the viewer. */
  repair: Delivery<T>;
  /** Once per subgroup, when all that its sources say of its end is known. */
  subgroupEnd: SubgroupEnd;
}

/** How a subgroup ended once all its sources are counted together: a reset only when every one of them was reset. */
export interface SubgroupEnd {
  readonly group: VarInt;
  readonly subgroup: VarInt | undefined;
  readonly complete: boolean;
  readonly endOfGroup: boolean;
  readonly error?: CountersignError;
}

/** What the ordered end of the merge hands to playback and store. */
export interface SequencerEvents<T extends MoqObject = Verified<MoqObject>> {
  /** Once, before the first object: where the track begins for this viewer. */
  start: Location;
  /** In order, no object skipped except where a hole was reported. */
  object: Delivery<T>;
  /** The group is whole: every signed object was delivered. */
  groupComplete: { readonly group: VarInt; readonly objectCount: number };
  hole: Hole;
  /** Signed for, not here after the deadline: somebody should fetch it. In order of need. */
  missing: MissingObjects;
}

export interface MissingObjects {
  readonly group: VarInt;
  /** In ascending order. */
  readonly objects: readonly VarInt[];
}
