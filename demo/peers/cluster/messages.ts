/** What a peer process and the process that started it say to each other, over Node's IPC channel. Plain JSON. */
import type { FaultName } from "../faults/fault.ts";
import type { SignerKeysInHex } from "../publisher/signer-keys.ts";

export type PeerReport =
  /** The peer does its work: a relay listens, a publisher has its first session open. */
  | { readonly type: "ready" }
  /** Something worth showing in the launcher's output. */
  | { readonly type: "log"; readonly text: string }
  /** It cannot go on; it will exit. */
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "stats"; readonly stats: RelayStats };

export type PeerCommand =
  | { readonly type: "fault"; readonly fault: FaultName }
  | { readonly type: "stats" }
  /** A relay asks its peers to leave: for another relay, or (absent) to come again. */
  | { readonly type: "goaway"; readonly newUri?: string }
  /** To a signer: from its next manifest on. */
  | { readonly type: "keys"; readonly keys: SignerKeysInHex };

/** Counters of one embedded relay since its start. */
export interface RelayStats {
  readonly sessions: number;
  readonly tracks: number;
  readonly subscribers: number;
  readonly objectsIn: number;
  readonly objectsOut: number;
  /** What became of the objects without an end that a lying relay sends. */
  readonly endless: { readonly begun: number; readonly refused: number; readonly bytes: number };
}
