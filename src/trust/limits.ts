/** Every cap of this room: what it protects, why that number, what happens past it. */

/**
 * One envelope. A manifest of 1,024 entries takes about 45 KB; a delegation chain adds under 1 KB.
 * Past it an envelope is refused before anything is read ("manifest-malformed").
 */
export const MAX_ENVELOPE_BYTES = 65_536;

/** Nesting of CBOR: ours is at most 4 deep. Keeps the recursive reader off the end of the stack. */
export const MAX_CBOR_DEPTH = 8;

/** Objects that one manifest names. A second of 1 ms objects; a signer with more writes a second manifest. */
export const MAX_ENTRIES_PER_MANIFEST = 1_024;

/** Objects in a group: 10 minutes of 40 ms objects are 15,000. A manifest that would pass it is refused. */
export const MAX_OBJECTS_PER_GROUP = 65_536;

/** Payload of one object, as signed: a second at 134 Mb/s. Also what a receiver may have to hold before it can judge. */
export const MAX_SIGNED_OBJECT_BYTES = 16 * 1024 * 1024;

/** Delegations that ride in the header of one envelope: root to signer is 1; the rest is room for an overlap of two roots. */
export const MAX_DELEGATIONS_PER_ENVELOPE = 4;

/** Revocations in the header of one envelope: a signer repeats the latest ones only, since rings remember. */
export const MAX_REVOCATIONS_PER_ENVELOPE = 8;

/** Root successions in the header of one envelope: an app released before four rotations still finds its way to the newest root. */
export const MAX_SUCCESSIONS_PER_ENVELOPE = 4;

/** Delegations a key ring keeps. Only roots can add any; past it one of a retired root goes first, then the one with the lowest serial. */
export const MAX_DELEGATIONS = 64;

/**
 * Revocations a key ring keeps. Only roots can add any; past it further ones are refused ("limit-exceeded"), since to forget one would bring a stolen key back. Each of them
 * ends a key that {@link MAX_DELEGATIONS} counted before.
 */
export const MAX_REVOCATIONS = 256;

/** Roots a key ring knows, pinned ones and their successors: one rotation a quarter for four years. Past it successors are refused ("limit-exceeded"). */
export const MAX_ROOTS = 16;

/** Groups at the live edge whose entries and envelopes are kept: twice the delivery ledger's window. Older ones are forgotten. */
export const MAX_LIVE_GROUPS = 64;

/** Groups below the live edge that were asked for last (a viewer who rewound); the one used longest ago is forgotten. */
export const MAX_PAST_GROUPS = 64;

/**
 * Envelope bytes of one track. 64 groups of 25 manifests take about 0.5 MB, so this is only met by a signer that went mad;
 * then the oldest groups are forgotten first, whatever {@link MAX_LIVE_GROUPS} says.
 */
export const MAX_TRACK_EVIDENCE_BYTES = 16 * 1024 * 1024;

/** An evidence file: all envelopes of a track ({@link MAX_TRACK_EVIDENCE_BYTES}) and what comes with them. Past it the file is refused. */
export const MAX_EVIDENCE_BYTES = 32 * 1024 * 1024;

/** Envelopes of one source that wait for their signature check; past it they are refused unread ("limit-exceeded"). */
export const MAX_JUDGING_PER_SOURCE = 1_024;

/** Bytes of those. Each is held only until WebCrypto answers, about 0.1 ms per envelope. */
export const MAX_JUDGING_BYTES_PER_SOURCE = 4 * 1024 * 1024;

/** Refused envelopes a source may send at once before it has to wait: more than the worst group of an honest signer with a key unknown here. */
export const JUNK_BURST = 64;

/** How many further refusals a second are judged. At 0.1 ms for a signature, one lying source costs at most 0.1% of a core. */
export const JUNK_PER_SECOND = 8;

/** Sources with a junk account. The app names its manifest peers, so this is only met by churn; past it the oldest account is closed. */
export const MAX_JUNK_ACCOUNTS = 64;

/** Refused envelopes remembered by digest, so that the same junk is refused again without being looked at. */
export const MAX_REMEMBERED_REFUSALS = 512;

/** Envelopes of a key that is not known yet, kept per track in case its delegation is on the way; past it the oldest goes. */
export const MAX_PARKED = 128;

/**
 * How far the viewer's clock and the signer's may be apart: what Kerberos allows (RFC 4120 §8.2 recommends 5 minutes).
 * It is also the longest that a manifest peer can hold back everything by a constant delay without being noticed.
 */
export const CLOCK_SKEW_MS = 5 * 60 * 1000;

/** Manifests and groups that a signer can honestly add per second of its own clock; jumps beyond it are a fast-forward attack. */
export const MAX_ADVANCE_PER_SECOND = 1_000;

/** What a signer may add beyond that at any instant. */
export const MAX_ADVANCE_BURST = 1_000;

/** The catalog object. A catalog of 100 tracks with init segments is about 100 KB. Past it the object is refused. */
export const MAX_CATALOG_BYTES = 1024 * 1024;

/** Catalog objects that wait for their manifest, per source; past it the oldest of that source goes. */
export const MAX_WAITING_CATALOGS = 4;

/** How long the media may name another catalog than the one in force: the freshness of a catalog, three refreshes. */
export const CATALOG_GRACE_MS = 30_000;
