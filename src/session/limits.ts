/**
 * What one session may make us hold. Every number here is reached only by a peer that misbehaves or by a deployment far larger
 * than those we know; each says what happens past it.
 */

/**
 * Requests of the peer that may be open at once. A relay serving a page of a few hundred tracks to one session stays far below; each costs us
 * about 1 KB. Past it: REQUEST_ERROR EXCESSIVE_LOAD with a retry interval.
 */
export const MAX_PEER_REQUESTS = 4096;

/** Retry interval sent with EXCESSIVE_LOAD: long enough that the burst is over, short enough that a person waits for it. */
export const EXCESSIVE_LOAD_RETRY_MS = 1000;

/**
 * Holes remembered in the peer's Request IDs. A request whose stream was reset before its message arrived leaves one for good (§10.1
 * only forbids duplicates). Past it: the lowest hole is closed, so an ID in it counts as a duplicate if it ever comes.
 */
export const MAX_REQUEST_ID_HOLES = 1024;

/** Namespaces that one SUBSCRIBE_NAMESPACE may list, about 4 KB each at worst. Past it: we cancel that request with "limit-exceeded". */
export const MAX_NAMESPACES_PER_REQUEST = 10_000;

/**
 * Joining FETCHes that wait for their SUBSCRIBE to be answered (§10.12.2 asks to buffer them). A player sends one. Past it: REQUEST_ERROR
 * EXCESSIVE_LOAD.
 */
export const MAX_WAITING_JOINS = 8;

/**
 * REQUEST_UPDATEs of one request that wait for our answer. Past it: the session closes, with INTERNAL_ERROR or, where our SETUP has told the limit
 * (draft-19), TOO_MANY_REQUEST_UPDATES.
 */
export const MAX_WAITING_UPDATES = 64;

/**
 * Aliases of ended subscriptions that are still known, so that late streams are dropped at once instead of being held as unknown (§11.1).
 * A zapping viewer ends a few per second. Past it: the oldest is forgotten and its stragglers wait out UNKNOWN_ALIAS_MAX_AGE_MS.
 */
export const MAX_RETIRED_ALIASES = 256;

/** Bytes of authorization tokens that the peer may register, our MAX_AUTH_TOKEN_CACHE_SIZE (§10.3.1.3). Past it: AUTH_TOKEN_CACHE_OVERFLOW. */
export const AUTH_TOKEN_CACHE_BYTES = 16_384;

/** Streams of aliases nobody has told us about yet (§11.4.2). SUBSCRIBE_OK is rarely more than one flight behind. Past it: the new stream is abandoned. */
export const MAX_UNKNOWN_ALIAS_STREAMS = 32;

/** Bytes of objects held for unknown aliases over all streams; a stream is not read on while it waits. Past it: the stream is abandoned. */
export const MAX_UNKNOWN_ALIAS_BYTES = 4 * 1024 * 1024;

/** How long such a stream waits. Two slow round trips and a retransmission. Past it: the stream is abandoned. */
export const UNKNOWN_ALIAS_MAX_AGE_MS = 2000;

/**
 * How long after PUBLISH_DONE late streams are still taken when the peer asked for no delivery timeout and the stream count does not tell (§10.11).
 * Past it: the subscription ends once its open streams have closed.
 */
export const DRAIN_MS = 2000;

/** The longest that a peer's own delivery timeout may stretch DRAIN_MS. */
export const MAX_DRAIN_MS = 30_000;

/**
 * Requests that a peer of drafts up to 16 may have open or send before it needs new credit (MAX_REQUEST_ID). A relay serves a page of a few hundred
 * tracks with one session. Past it: TOO_MANY_REQUESTS, from a peer that does not wait.
 */
export const REQUEST_WINDOW = 1024;

/**
 * Requests and updates of ours that wait for such credit. A player has a few dozen open. Past it: the request fails with "limit-exceeded".
 */
export const MAX_WAITING_FOR_CREDIT = 4096;
