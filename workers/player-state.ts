/** From facts to the one word a viewer would use. Pure, so that every combination can be tested. */
import { CountersignError } from "../src/errors.ts";
import type { PlayerState } from "../src/rpc/protocol.ts";
import type { TrustState } from "../src/trust/types.ts";

export interface PlayerFacts {
  readonly closed: boolean;
  /** An error after which nothing can go on. */
  readonly fatal: CountersignError | undefined;
  /** The catalog was verified, now or in an earlier session whose store is being played. */
  readonly catalog: boolean;
  readonly manifestPeers: PeerFacts;
  readonly relays: PeerFacts;
  /** The worst state among the media tracks being played. */
  readonly trust: TrustState;
  /** The signer's manifests have long named another catalog than the one that is played. */
  readonly catalogHeldBack?: CountersignError | undefined;
  /** Verified media was delivered in this session. */
  readonly delivering: boolean;
  /** There is media to play without any peer: in memory, or in the store. */
  readonly playable: boolean;
  /** What is played comes from the store alone. */
  readonly storedOnly: boolean;
  /** Why no relay gives anything that may be played, although some are or were there. */
  readonly blocked: CountersignError | undefined;
  /** Why what is delivered cannot be decrypted at present. */
  readonly locked?: CountersignError | undefined;
  /** The broadcast said that it is over. */
  readonly ended: boolean;
  readonly atLiveEdge: boolean;
}

export interface PeerFacts {
  readonly open: number;
  /** Sessions being dialed for the first time: not yet known to be out of reach. */
  readonly connecting: number;
  /** What the peers said last, when something is wrong with all of them. */
  readonly error: CountersignError | undefined;
}

export interface DerivedState {
  readonly state: PlayerState;
  readonly error: CountersignError | undefined;
}

export function derivePlayerState(facts: PlayerFacts): DerivedState {
  if (facts.closed) return { state: "closed", error: undefined };
  if (facts.fatal) return { state: "failed", error: facts.fatal };
  if (facts.trust === "equivocation") {
    return {
      state: "failed",
      error: new CountersignError(
        "manifest-equivocation",
        "The signer signed two different truths for one place of this broadcast.",
        {
          hint: "Do not trust this broadcast until its publisher explains; both manifests are kept as evidence.",
        },
      ),
    };
  }
  const reachable = facts.manifestPeers.open + facts.relays.open > 0;
  const pending = facts.manifestPeers.connecting + facts.relays.connecting > 0;
  // What is stored goes on playing until live media take its place, however many peers answer meanwhile.
  if (facts.playable && (facts.storedOnly || (!reachable && !pending)))
    return { state: "offline", error: facts.locked ?? facts.relays.error ?? facts.manifestPeers.error };
  if (!facts.catalog) {
    if (facts.manifestPeers.open > 0) return { state: "waiting", error: facts.manifestPeers.error };
    return { state: "connecting", error: facts.manifestPeers.error };
  }
  if (facts.ended) return { state: "ended", error: undefined };
  if (facts.catalogHeldBack) return { state: "stale", error: facts.catalogHeldBack };
  if (facts.trust === "stale") {
    return {
      state: "stale",
      error: new CountersignError(
        "manifest-expired",
        "The signer has gone silent, so nothing new can be verified.",
        {
          hint: "Playback stops at the last verified moment and goes on by itself when a manifest peer is back.",
        },
      ),
    };
  }
  if (facts.locked) return { state: "locked", error: facts.locked };
  if (facts.blocked) return { state: "blocked", error: facts.blocked };
  if (!facts.delivering) {
    if (facts.trust === "waiting" && facts.manifestPeers.open > 0)
      return { state: "waiting", error: facts.manifestPeers.error };
    return { state: "connecting", error: facts.relays.error };
  }
  return { state: facts.atLiveEdge ? "live" : "rewound", error: undefined };
}
