/**
 * The worker protocol: everything that crosses between the page and the worker, in one file.
 *
 * Calls go through Comlink; events come over one MessagePort so that they keep their order and cost one message each. Media bytes cross as transferred
 * ArrayBuffers, never as copies. Everything else is plain data.
 */
import type { ErrorData } from "../errors.ts";
import type { SourceScore, SourceState } from "../merge/types.ts";
import type { RecordingPart, RecordingPlan } from "../recording/assemble.ts";
import type { StoreEstimate } from "../replay/types.ts";
import type { BaseKey } from "../trust/secure-objects/derive.ts";
import type { KeyRequest } from "../trust/secure-objects/track-keys.ts";
import type { TrustState } from "../trust/types.ts";
import type { VarInt } from "../wire/varint.ts";

/** A peer as the app names it. */
export interface PeerOptions {
  /** https:// (or moqt://) address of the WebTransport endpoint. */
  readonly url: string;
  /** SHA-256 digests of the certificates to accept, for development; raw bytes or lower-case hex. */
  readonly certificateHashes?: readonly (Uint8Array | string)[];
}

export interface DiscoverOptions {
  /** Hosts that may be dialed when a relay names them, beside the hosts of the named relays; `*.example.com` stands for every host below example.com. */
  readonly hosts: readonly string[];
}

/** Where peers may send us, and how far (draft-ietf-moq-transport-18 §10.6.1, §10.4). */
export interface RedirectOptions {
  /** Origins that may be gone to beside the peer's own, e.g. `https://relay2.example:4443`. Default: none. */
  readonly origins?: readonly string[];
  /** Redirects of one request, one after the other; 0 follows none. Default 3. */
  readonly maxHops?: number;
}

/** What a token is wanted for. Plain data. */
export interface AuthorizationNeed {
  /** The relay's address; of a redirect's target, too. */
  readonly url: string;
  /** "session": for the connection itself; otherwise the request: "subscribe", "fetch", ... */
  readonly purpose: string;
  /** Absent for a session. */
  readonly namespace?: readonly string[];
  readonly track?: string;
  /** The relay refused what it was given before, or a subscription is about to expire: only a new token can help. */
  readonly refresh: boolean;
}

/** Gives a token for one need; undefined for none. */
export type AuthorizationProvider = (
  need: AuthorizationNeed,
) => string | undefined | Promise<string | undefined>;

/** What the worker needs to know to play; validated on the page before it is sent. */
export interface OpenOptions {
  /** The broadcast's namespace, field by field. */
  readonly broadcast: readonly string[];
  readonly objects: readonly PeerOptions[];
  readonly manifests: readonly PeerOptions[];
  /** Raw Ed25519 public keys (32 bytes each). */
  readonly roots: readonly Uint8Array[];
  /** How many object relays send each object at once, from 1; the others stand by. Absent: all send. */
  readonly redundancy?: number;
  /** Look for relays that serve the broadcast beside those named; absent: do not. */
  readonly discover?: DiscoverOptions;
  /** Distance to the live edge to aim for. */
  readonly targetLatencyMs: number;
  /** Where a rewound viewer takes up again after a reload. */
  readonly resume: "live" | "position";
  readonly replay: {
    readonly enabled: boolean;
    readonly maxAgeMs: number;
    readonly maxBytes: number | undefined;
    /** How far back the store is filled from relays in the background; absent: not. */
    readonly backfillMs?: number;
    readonly store?: "indexeddb" | "opfs";
    /** A module that exports `groupSource`: the app's own GroupSource, or a function that makes it. */
    readonly sourceUrl?: string;
  };
  /** The page has keys to give: {@link PageApi.key} may be called. */
  readonly encryption?: {
    /** How long a call may take. */
    readonly keyTimeoutMs: number;
  };
  /** Draft versions to offer, best first. Absent: all that this build speaks. */
  readonly versions?: readonly string[];
  readonly redirects?: RedirectOptions;
  /** `token`: sent with everything. Without it the page has a function: {@link PageApi.token} is called. */
  readonly authorization?: { readonly token?: string };
}

/**
 * What a viewer would call what is happening.
 * connecting: nothing verified yet, peers being reached. waiting: connected, no manifest yet. live / rewound: playing at the edge / behind it by choice.
 * stale: the signer went silent, nothing new is accepted. offline: no peer can be reached, stored media plays. blocked: everything offered is refused as junk.
 * locked: what is delivered is encrypted, and no key opens it. failed: cannot go on, `error` says why. ended: the broadcast ended. closed: destroyed.
 */
export type PlayerState =
  | "connecting"
  | "waiting"
  | "live"
  | "rewound"
  | "stale"
  | "offline"
  | "blocked"
  | "locked"
  | "failed"
  | "ended"
  | "closed";

export interface TrackDescription {
  readonly name: string;
  readonly role: "video" | "audio" | "muxed";
  readonly codec: string;
  readonly mimeType: string;
  readonly width?: number;
  readonly height?: number;
  readonly bitrate?: number;
  readonly lang?: string;
}

export interface SourceStats {
  readonly url: string;
  readonly kind: "objects" | "manifests";
  readonly state: SourceState;
  /** Another relay named it; the app did not. */
  readonly found: boolean;
  /** Summed over tracks. */
  readonly score: SourceScore;
  readonly error?: ErrorData;
}

/** Media times are ms since the broadcast's epoch; the same for all tracks. */
export interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

/** How the background fill of the store fares. */
export interface BackfillStats {
  /** looking: at what is stored. filling. waiting: live comes first. full: the store's budget is used up. failed: tried again later. done: all that can be had is there. */
  readonly state: "looking" | "filling" | "waiting" | "full" | "failed" | "done";
  /** Groups of all tracks in the window, as far as it has been looked at. */
  readonly wantedGroups: number;
  readonly storedGroups: number;
  /** Nobody has them. */
  readonly missingGroups: number;
  readonly fetchedGroups: number;
  readonly fetchedBytes: number;
  readonly error?: ErrorData;
}

/**
 * What became of a stretch of the broadcast; ranges of different states may overlap. verified: checked against the signer's word. waiting: here, and its manifest is not.
 * stale: the signer is silent from here on. rejected: `relay` sent something else than was signed (`reason`). equivocation: the signer contradicted itself, nothing counts.
 */
export interface TrustRange extends TimeRange {
  readonly state: "verified" | "waiting" | "stale" | "rejected" | "equivocation";
  /** Absent for verified, which is told of the leading track. */
  readonly track?: string;
  readonly relay?: string;
  readonly reason?: string;
}

export interface WorkerStats {
  readonly sources: readonly SourceStats[];
  readonly trust: TrustState;
  readonly epochMs: number | undefined;
  /** End of the last verified part that can be played. */
  readonly edgeMs: number | undefined;
  /** By the worker's clock, when the edge last moved (ms since 1970). */
  readonly edgeAtMs: number | undefined;
  readonly objects: {
    readonly delivered: number;
    readonly duplicate: number;
    readonly rejected: number;
    readonly waiting: number;
    readonly holes: number;
  };
  readonly bytes: { readonly received: number; readonly delivered: number };
  readonly stored: readonly TimeRange[];
  readonly storage: StoreEstimate | undefined;
  /** Absent without `replay.backfill`, and before playback began. */
  readonly backfill?: BackfillStats;
  readonly verified: readonly TimeRange[];
  /** For a timeline that is coloured by trust. */
  readonly trustRanges: readonly TrustRange[];
  /** What the live list has: one range, or none when nothing is live. */
  readonly live: readonly TimeRange[];
  /** Not stored, but to be had from relays or the app's own source. */
  readonly fetchable: readonly TimeRange[];
  /** Between the oldest and the newest that can be had, and nobody has it. */
  readonly missing: readonly TimeRange[];
  /** What the viewer keeps; see Player.keep. */
  readonly kept: readonly TimeRange[];
}

/** Everything the worker tells unasked, in order. */
export type WorkerEvent =
  | { readonly type: "state"; readonly state: PlayerState; readonly error?: ErrorData }
  /** The catalog is verified: playback can be attached. */
  | {
      readonly type: "ready";
      readonly tracks: readonly TrackDescription[];
      readonly epochMs: number;
      readonly startMs: number;
      readonly live: boolean;
      /** What is to be read: absent for the live list, a path of {@link SeekAnswer} when only what is stored can be played. */
      readonly path?: string;
    }
  | { readonly type: "edge"; readonly edgeMs: number; readonly atMs: number }
  | { readonly type: "stats"; readonly stats: WorkerStats }
  | {
      readonly type: "hole";
      readonly track: string;
      readonly startMs: number;
      readonly endMs: number;
      readonly cause: string;
    }
  | {
      readonly type: "source";
      readonly url: string;
      readonly kind: "objects" | "manifests";
      readonly state: SourceState;
      readonly reason?: ErrorData;
    }
  /** A peer's connection was lost; it is dialed again by itself. Once for each loss. */
  | {
      readonly type: "reconnecting";
      readonly url: string;
      readonly kind: "objects" | "manifests";
      readonly reason?: ErrorData;
    }
  /**
   * The connection that followed upon a lost one (after "reconnecting"), or upon one that the peer asked to leave (GOAWAY: without "reconnecting", and away for
   * 0 ms). `missed`: media of the time away that nobody else had brought by now, empty when the others covered it; it is fetched, and what cannot be had is told by "hole".
   */
  | {
      readonly type: "resumed";
      readonly url: string;
      readonly kind: "objects" | "manifests";
      readonly cause: "lost" | "moved";
      readonly awayMs: number;
      readonly attempts: number;
      readonly missed: readonly TimeRange[];
    }
  | {
      readonly type: "rejected";
      readonly track: string;
      readonly url: string;
      readonly group: string;
      readonly object: string;
      readonly reason: string;
    }
  /** Not fatal, worth telling the app (storage refused, a peer lost). */
  | { readonly type: "warning"; readonly error: ErrorData };

/** A request for a resource of the generated presentation; `path` is relative, e.g. "main.m3u8", "video/live.m3u8?_HLS_msn=3&_HLS_part=1", "video/12.0.m4s". */
export interface ResourceRequest {
  /** Chosen by the page; names the request in `cancel`. */
  readonly id: number;
  readonly path: string;
}

export type ResourceResponse =
  | { readonly kind: "playlist"; readonly text: string }
  /** Transferred. */
  | { readonly kind: "media"; readonly data: ArrayBuffer };

/** Where a seek leads. */
export interface SeekRequest {
  /** Media time. */
  readonly targetMs: number;
  /** Only to what is at or behind the target; else, with nothing there, to the last before it. */
  readonly onlyAfter: boolean;
}

export type SeekAnswer =
  /** The live list has it, or there is nothing else. */
  | { readonly kind: "live" }
  /** A list of its own, to be read from `path`; it begins at `listStartMs`, playback at `startMs`. */
  | {
      readonly kind: "excerpt";
      readonly path: string;
      readonly startMs: number;
      readonly listStartMs: number;
    }
  /** Nobody has anything there. */
  | { readonly kind: "nothing" };

/** What the player reports of itself, a few times a second. */
export interface PlayheadReport {
  readonly positionMs: number | undefined;
  readonly bufferedEndMs: number | undefined;
  readonly atLiveEdge: boolean;
  readonly paused: boolean;
}

/** What the worker asks of the page while it plays; proxied by Comlink, so every answer is a promise. */
export interface PageApi {
  /** The app's base key, or undefined when it has none (yet). Called only with {@link OpenOptions.encryption}. */
  key(request: KeyRequest): Promise<BaseKey | undefined>;
  /** The app's token for one need, or undefined for none. Called only with {@link OpenOptions.authorization} that has no token itself. */
  token?(need: AuthorizationNeed): Promise<string | undefined>;
}

/** The worker's side, as Comlink exposes it. Every rejection is a CountersignError (a transfer handler carries the code). */
export interface WorkerApi {
  open(options: OpenOptions, events: MessagePort, page?: PageApi): Promise<void>;
  /** Held until the resource exists (blocking playlist reload) or cancel(). */
  resource(request: ResourceRequest): Promise<ResourceResponse>;
  cancel(id: number): void;
  playhead(report: PlayheadReport): void;
  stats(): Promise<WorkerStats>;
  /** Finds what can be played at a media time and makes it ready. Rejects with `destroyed` when a later seek came, `range-unavailable` or `storage-failed`. */
  seek(request: SeekRequest): Promise<SeekAnswer>;
  /** The live list is read again: an excerpt that was read before is let go. */
  leaveExcerpt(): void;
  /** What of this stretch can be recorded. Rejects with `range-unavailable` or `storage-failed`. */
  recordingPlan(range: TimeRange): Promise<RecordingPlan>;
  /** One group of a track, verified; its buffer is transferred. Rejects when it cannot be told whether anybody has it. */
  recordingPart(track: string, group: VarInt): Promise<RecordingPart>;
  /** Keeps these stretches of the broadcast beyond age and budget, also after a reload, in place of those kept before. Resolves with what is kept. */
  keep(ranges: readonly TimeRange[]): Promise<readonly TimeRange[]>;
  /** Proof that the signer contradicted itself, as the file of docs/manifest-format.md; undefined while there is none. */
  evidence(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  close(): Promise<void>;
}
