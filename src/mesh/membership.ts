/**
 * Who is there: the live set that rendezvous hashing is computed over.
 *
 * A member shows that it lives by a heartbeat, and counts as dead a while (the TTL) after the last one; one that leaves in order is gone at once. What a heartbeat
 * is depends on where the members are: a call in memory, a namespace kept announced for relays.
 */
import type { Member } from "./rendezvous.ts";

/** A member shows itself this often. */
export const HEARTBEAT_MS = 1_000;

/** A member not heard of for so long is dead: two heartbeats may be lost before anything moves. */
export const MEMBER_TTL_MS = 3_000;

export interface MembershipEvents {
  /** Somebody came, went, or changed its weight. */
  changed: readonly Member[];
}

export interface Membership {
  /** Those believed to be alive, sorted by id, ourselves included from join to leave. */
  live(): readonly Member[];
  on(type: "changed", listener: (live: readonly Member[]) => void): () => void;
  /** Ends our membership, and the others learn it at once. A second call does nothing. */
  leave(): void;
}

/** In the order of code units, which is the same everywhere (a locale's is not). */
export function byId(a: Member, b: Member): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
