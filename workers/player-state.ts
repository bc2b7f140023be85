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
  /** Verified media was delivered in this session. */
  readonly delivering: boolean;
  /** There is stored media to play. */
  readonly stored: boolean;
  /** Every relay that serves is refused: banned, or sending nothing but junk. */
  readonly onlyJunk: boolean;
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
      error: new CountersignError("manifest-equivocation", "The signer signed two different truths for one place of this broadcast.", {
        hint: "Do not trust this broadcast until its publisher explains; both manifests are kept as evidence.",
      }),
    };
  }
  const reachable = facts.manifestPeers.open + facts.relays.open > 0;
  const pending = facts.manifestPeers.connecting + facts.relays.connecting > 0;
  if (!reachable && !pending && facts.stored) return { state: "offline", error: facts.relays.error ?? facts.manifestPeers.error };
  if (!facts.catalog) {
    if (facts.manifestPeers.open > 0) return { state: "waiting", error: facts.manifestPeers.error };
    return { state: "connecting", error: facts.manifestPeers.error };
  }
  if (facts.ended) return { state: "ended", error: undefined };
  if (facts.trust === "stale") {
    return {
      state: "stale",
      error: new CountersignError("manifest-expired", "The signer has gone silent, so nothing new can be verified.", {
        hint: "Playback stops at the last verified moment and goes on by itself when a manifest peer is back.",
      }),
    };
  }
  if (facts.onlyJunk) {
    return {
      state: "blocked",
      error: new CountersignError("all-relays-lie", "Every relay sends media that its signer did not sign, so nothing is played.", {
        hint: "Add a relay that serves the broadcast honestly, or wait: banned relays are tried again.",
      }),
    };
  }
  if (!facts.delivering) {
    if (facts.trust === "waiting" && facts.manifestPeers.open > 0) return { state: "waiting", error: facts.manifestPeers.error };
    return { state: "connecting", error: facts.relays.error };
  }
  return { state: facts.atLiveEdge ? "live" : "rewound", error: undefined };
}
