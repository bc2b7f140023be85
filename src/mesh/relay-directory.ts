/**
 * Which relays serve a broadcast.
 *
 * Relays announce what they serve; whoever wants it asks. A relay that has its own publishers is an origin of the broadcast; one that fetches it from an origin is
 * an edge. A node never locates itself. What a directory says is a hint, never a reason for trust: a relay it names is as untrusted as any other, and
 * what it serves is checked against the signed manifests.
 */
import type { CountersignError } from "../errors.ts";
import type { FullTrackName, Namespace } from "../wire/names.ts";
import type { Member } from "./rendezvous.ts";

/** A relay as others can reach it; `id` is its WebTransport address (https:). */
export interface RelayRecord extends Member {
  readonly tier: "origin" | "edge";
  /** SHA-256 of its certificate in lower-case hex, for relays that browsers do not trust by themselves. */
  readonly certificateHash?: string;
}

export interface PullOptions {
  /** Spreads the pullers of one track; see rendezvous.ts. Default 0: all prefer the same relay. */
  readonly lane?: number;
  /** Default: origins and edges. */
  readonly tier?: RelayRecord["tier"];
}

export interface PullListener {
  /** Read from this relay, and from no other of this pull, from now on. */
  use(relay: RelayRecord): void;
  /** Nobody serves the broadcast ("broadcast-unknown"). Told once, until somebody does; the pull goes on. */
  nobody(error: CountersignError): void;
}

/** A search that goes on: it names another relay when the one in use is withdrawn or fails. */
export interface Pull {
  readonly relay: RelayRecord | undefined;
  /** The relay cannot be reached, or broke off. It is left alone for a while, and another one is named as soon as there is one. */
  failed(relay: RelayRecord): void;
  release(): void;
}

export interface RelayDirectory {
  /** Relays that serve this namespace, or a prefix of it, sorted by id; never ourselves. Empty: nobody does, or (`settled` false) nobody has told yet. */
  locate(namespace: Namespace, tier?: RelayRecord["tier"]): readonly RelayRecord[];
  /** Finds a relay for one track and keeps it found. */
  pull(track: FullTrackName, listener: PullListener, options?: PullOptions): Pull;
  /** We serve this namespace from now on. Throws "limit-exceeded" for a namespace too long to be announced. */
  announce(namespace: Namespace, tier: RelayRecord["tier"]): void;
  withdraw(namespace: Namespace): void;
  /** Every namespace that others serve, each once. */
  namespaces(tier?: RelayRecord["tier"]): readonly Namespace[];
  /** The directory has told all it knows at least once. */
  readonly settled: boolean;
  on(type: "changed", listener: () => void): () => void;
  close(): void;
}

/** Whether what is published under `published` includes `wanted` (draft-18 §9.6: field by field, same or fewer fields). */
export function covers(published: Namespace, wanted: Namespace): boolean {
  return published.length <= wanted.length && published.every((field, at) => sameBytes(field, wanted[at]!));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}
