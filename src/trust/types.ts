/**
 * The vocabulary of trust: what a signer says, and what has been checked.
 *
 * A manifest track runs beside each media track. Its objects are COSE_Sign1 envelopes whose payloads name, for one group of the media track,
 * which objects exist and what bytes they must have. Nothing that arrives from a relay counts until it matches such an entry.
 */
import type { CountersignError } from "../errors.ts";
import type { FullTrackName } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

declare const verifiedBrand: unique symbol;

/** A value that `trust/` checked against a signed manifest. Only trust/ makes these; store, window and RPC accept nothing else. */
export type Verified<T> = T & { readonly [verifiedBrand]: true };

/** One object that must exist. */
export interface SignedEntry {
  readonly object: VarInt;
  /** Payload size in bytes, as carried. */
  readonly size: number;
  /** Leaf digest, 32 bytes (see leaf.ts): binds location, immutable properties and payload. */
  readonly leaf: Uint8Array;
}

/** The closing statement of a group. */
export interface GroupCompletion {
  /** Number of objects in the group, including those that other manifests of the group named. */
  readonly objectCount: number;
  /** Merkle root (RFC 9162 §2.1.1) over the leaves of the whole group in order of object id. */
  readonly root: Uint8Array;
}

export interface Manifest {
  readonly version: 1;
  /** 16 random bytes made when the broadcast was: two broadcasts of one name differ. */
  readonly streamId: Uint8Array;
  readonly track: FullTrackName;
  /** Counts the manifests of this track from 0 without a gap. */
  readonly sequence: VarInt;
  /**
   * SHA-256 of what the signature of the previous manifest of this track covers (its Sig_structure, not its envelope: unprotected headers can be
   * changed on the way); undefined only at sequence 0.
   */
  readonly previous: Uint8Array | undefined;
  /** The media group it speaks of. */
  readonly group: VarInt;
  readonly entries: readonly SignedEntry[];
  readonly completion: GroupCompletion | undefined;
  /** Milliseconds since 1970 by the signer's clock. */
  readonly issuedAtMs: number;
  /** For how long after issuedAtMs silence of the signer is normal. Past it the track is stale. */
  readonly freshForMs: number;
  /** SHA-256 of the catalog object in force; undefined on the catalog's own manifests. */
  readonly catalogDigest: Uint8Array | undefined;
}

/** What is known of one location. */
export type Lookup =
  | { readonly state: "signed"; readonly entry: SignedEntry }
  /** No manifest that could name it has come yet. */
  | { readonly state: "waiting" }
  /** A verified manifest rules it out: the group is complete without it. */
  | { readonly state: "unsigned" };

export type TrustState = "waiting" | "verified" | "stale" | "equivocation" | "untrusted";

/** What the signer has said of one group so far. */
export interface GroupTruth {
  readonly group: VarInt;
  /** In order of object id. */
  readonly entries: readonly SignedEntry[];
  readonly completion: GroupCompletion | undefined;
}

/** What a track's trust tells its owner. */
export interface TrackTrustEvents {
  /** New entries or a completion for a group: waiting objects may now be judged. */
  truth: GroupTruth;
  /** A root took away a key's right: of these groups, manifests that were accepted do not count any more. */
  withdrawn: { readonly groups: ReadonlySet<VarInt> };
  state: { readonly state: TrustState; readonly error?: CountersignError };
  /** An envelope was refused. */
  refused: { readonly source: string; readonly error: CountersignError };
  /**
   * The signer has begun another stream under this name, after the newest manifest of this one: nothing more is to be expected here. Told once per
   * stream; to follow, open the broadcast anew.
   */
  successor: { readonly streamId: Uint8Array };
}

/** Judge of one media track. Implemented by trust/track-trust.ts. */
export interface TrackTrust {
  readonly track: FullTrackName;
  readonly state: TrustState;
  lookup(group: VarInt, object: VarInt): Lookup;
  truth(group: VarInt): GroupTruth | undefined;
  /** Largest group any accepted manifest spoke of. */
  readonly latestGroup: VarInt | undefined;
  /** Envelope bytes from a manifest peer, in any order, duplicates welcome. Resolves when judged; never rejects. */
  offer(
    source: string,
    envelope: Uint8Array,
  ): Promise<{ readonly accepted: boolean; readonly error?: CountersignError }>;
  /**
   * For an object that no manifest names (yet) and that brings a proof of its own (inclusion.ts): undefined when there is nothing to check it with, else
   * whether the proof holds; then {@link lookup} answers "signed" for it, and `truth` is told.
   */
  include(object: MoqObject): Promise<boolean> | undefined;
  /** Checks size and digest against `entry`. One WebCrypto digest of the payload, no copy. */
  verify(object: MoqObject, entry: SignedEntry): Promise<Verified<MoqObject> | undefined>;
  /**
   * Accepted envelopes that together prove `group`, for the store. `whole` (the default) means that every object of the group is kept: then the closing one
   * is enough once it came. Pass false for a group with holes: then each of its objects can be proven by itself.
   */
  evidence(group: VarInt, whole?: boolean): readonly Uint8Array[];
  on<K extends keyof TrackTrustEvents>(type: K, listener: (event: TrackTrustEvents[K]) => void): () => void;
  close(): void;
}
