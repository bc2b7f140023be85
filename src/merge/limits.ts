/**
 * Every cap and deadline of the merge in one place: what it protects, why that number, what happens past it.
 * All of them are defaults that a test or a composition root may override through options.
 */

// ---- ledger ----

/**
 * Groups in which single objects are told apart. With groups of 1 s this is half a minute: no live source that is further behind is of use to
 * a viewer. Past it a group shrinks to its intervals (see LEDGER_SUMMARY_RUNS); what was not delivered by then is the store's business.
 */
export const LEDGER_WINDOW_GROUPS = 32;

/**
 * Separate stretches of delivered ids kept per group. A signed live group has one or two; only a track with alternating ids needs more. Past it the
 * lowest stretch is forgotten and ids below it are answered "below-window": never delivered twice, at worst fetched for the store.
 */
export const LEDGER_GROUP_INTERVALS = 1024;

/**
 * Runs of alike groups remembered below the window. Constant group sizes make one run of any length; alternating audio sizes one run per group, so this
 * is half an hour of the worst case. The oldest run is forgotten first: its objects are then "below-window".
 */
export const LEDGER_SUMMARY_RUNS = 2048;

/** Stretches of a single group worth remembering below the window; a group more broken than that is forgotten at once. */
export const LEDGER_SUMMARY_INTERVALS = 16;

// ---- objects that wait for a judgement, each per source and track ----

/** Bytes waiting for a manifest: 4 s of 8 Mb/s video. Past it that source's oldest waiting object goes. */
export const PENDING_MAX_BYTES = 4 * 1024 * 1024;

/** Waiting objects, so that empty ones cost something too: 40 s of 40 ms objects. Past it that source's oldest waiting object goes. */
export const PENDING_MAX_OBJECTS = 1024;

/**
 * Held by one source, waiting or being hashed, its streams are not read on: half of what may wait, so that what one read brings still fits. They go on at a
 * quarter. Live nothing comes near it; a fetch that is faster than hashing or than the manifests is paced by it instead of losing its oldest.
 */
export const HOLD_ABOVE_BYTES = PENDING_MAX_BYTES / 2;
export const HOLD_ABOVE_OBJECTS = PENDING_MAX_OBJECTS / 2;
export const HOLD_MAX_MS = 2_000;

/** Groups signed ahead of what was handed out, past which the manifest track is not read on: three quarters of what trust and sequencer keep. */
export const HOLD_ABOVE_GROUPS = 48;

/** A live viewer has no use for an object whose manifest is later than this; it can still be fetched. */
export const PENDING_MAX_AGE_MS = 15_000;

/** Objects per source that were too large to wait, remembered by place and length until it is known whether that was a lie: more than it takes to be banned. */
export const OVERSIZED_MAX_PLACES = 16;

/** Copies of one location kept from one source: the first, and a second in case the first was junk that somebody injected. */
export const PENDING_COPIES_PER_SOURCE = 2;

/** Sources per track that the merger keeps books on. The pool names its sources, so only a broken caller gets there; the oldest silent book goes. */
export const MAX_SOURCES = 256;

/** Subgroups whose end is not settled: 32 groups of 32 layers. Past it the oldest is settled as it stands. */
export const MAX_OPEN_SUBGROUPS = 1024;

/** After all sources of a subgroup were reset, how long another source may take to carry it on before the reset is passed downstream. */
export const SUBGROUP_FAILOVER_MS = 2_000;

/** A good copy this much behind the first one counts as late. More than a part, less than a viewer's buffer. */
export const LATE_AFTER_MS = 250;

// ---- sequencer ----

/** How long an object may stay behind one that comes after it before somebody fetches it. Above the spread of healthy relays, below a small buffer. */
export const MISSING_AFTER_MS = 300;

/**
 * How long a signed object may take when nothing later has come either: then it is probably not lost but not yet there, because signer and publishers are
 * uncoordinated. What publishers are usually behind the signer is added.
 */
export const SILENT_AFTER_MS = 1_000;

/** How long a repair may take before the viewer goes on with what came later: two attempts of REPAIR_TIMEOUT_MS, roughly. */
export const GIVE_UP_AFTER_MS = 1_800;

/**
 * How long a missing signature may take once the signer is known to be past it. Nobody repairs it from here (the manifest track is read by trust), so
 * this is only the spread between manifests: a retransmission and a re-read of the manifest track.
 */
export const UNSIGNED_AFTER_MS = 1_000;

/** The same for the first group of an asked-for start: its manifests and objects are being fetched from far behind the live edge. */
export const START_GRACE_MS = 5_000;

/** Groups held back while an earlier object is awaited; as many as trust keeps. Past it the earliest gap becomes a hole. */
export const SEQUENCER_MAX_GROUPS = 64;

/** Bytes held back likewise: 32 s of 8 Mb/s video. */
export const SEQUENCER_MAX_BYTES = 32 * 1024 * 1024;

/** Ids asked for at once in one group when no manifest says how many there are (a peer may jump ids by 2^60). */
export const MISSING_MAX_OBJECTS = 256;

// ---- sources ----

/** How often it is looked at who keeps up. */
export const WATCH_INTERVAL_MS = 100;

/**
 * A source that sends, while others stand by, may be this much behind what is signed (beside what publishers are behind anyway); then a standby takes its place.
 * Twice the longest usual object: less than a viewer's buffer, more than the hiccups of a healthy relay. A needless switch costs one update and one small fetch.
 */
export const SWITCH_AFTER_MS = 400;

/** The same for one whose subscription is not accepted yet: a few round trips to a far relay that asks its own upstream. */
export const SUBSCRIBE_GRACE_MS = 1_500;

/** Where nobody can take its place, it is only called suspect, and asked last, when it is this much behind. */
export const SUSPECT_AFTER_MS = 3_000;

/** For this long a source that fell behind is chosen last; twice as long each time, up to the maximum, so that two slow relays are not played off against each other. */
export const BEHIND_PENALTY_MS = 5_000;
export const MAX_BEHIND_PENALTY_MS = 60_000;

/** Proven lies (bytes that contradict a signature) that ban a source, and the time within which they count. One may be a publisher's mishap; three are not. */
export const BAN_AFTER_LIES = 3;
export const LIE_WINDOW_MS = 10_000;

/** First ban; each further one is twice as long, up to the maximum, so that a relay that lies for a living is asked a few times an hour. */
export const BAN_MS = 10_000;
export const MAX_BAN_MS = 600_000;

/** A source that behaved for this long starts over with short bans. */
export const BAN_FORGIVEN_AFTER_MS = 1_800_000;

/** A track that a relay does not have may be published any moment (late publisher): asked for soon, then ever more rarely. */
export const SUBSCRIBE_RETRY_MS = 250;
export const MAX_SUBSCRIBE_RETRY_MS = 5_000;

/** Groups behind the live edge that a reconnect still fetches: what the ledger can tell apart. Anything older is the replay's to plan. */
export const RESUME_MAX_GROUPS = LEDGER_WINDOW_GROUPS;

/** Repairs of one track under way at once: enough to hide a round trip, too few to starve the live streams beside them. */
export const REPAIR_CONCURRENCY = 3;

/** Repairs of one track in line, in stretches. Past it the furthest goes: the sequencer will report it as a hole when its turn comes. */
export const REPAIR_MAX_QUEUE = 256;

/** How long one relay may take to answer a repair before the next one is asked. */
export const REPAIR_TIMEOUT_MS = 800;
