/**
 * An MOQT session as the rest of Countersign uses it: requests as promises, objects as calls to a sink.
 *
 * `connect.ts` (client) and `accept.ts` (server) make these from a {@link WebTransportPort}; underneath, `session/` decides and
 * `transport/` moves the bytes. The same interface serves the player, the publishers and the embedded relay.
 */
import type { CountersignError } from "../errors.ts";
import type { KeyValue, Parameters, Redirect, SubscriptionFilter } from "../wire/messages.ts";
import type { FullTrackName, Location, Namespace } from "../wire/names.ts";
import type { FetchGap, MoqObject, ObjectStart, SubgroupHeader } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/** Receives what a subscription or fetch delivers. All calls are synchronous, in the order of each stream; streams interleave. */
export interface ObjectSink {
  /** Before an object's payload is read: false skips it (see DataStreamSink.accept). Absent: all are taken. */
  accept?(start: ObjectStart): boolean;
  /** A subgroup stream of this subscription began; its objects follow. Relays need it to carry the header's flags on. */
  streamStart?(header: SubgroupHeader): void;
  object(object: MoqObject): void;
  /** A stream of this request ended. `complete`: by FIN; with `endOfGroup` the last object seen is the group's last. Otherwise reset or cut, `error` says how. */
  streamEnd?(end: {
    readonly group: VarInt;
    readonly subgroup: VarInt | undefined;
    readonly complete: boolean;
    readonly endOfGroup: boolean;
    readonly error?: CountersignError;
  }): void;
  /** Fetches only: a stretch that the peer says holds nothing, or that it does not know. */
  gap?(gap: FetchGap): void;
  /** Back-pressure: asked after each read of a stream; it is not read on before the promise settles. Must not reject. */
  ready?(): Promise<void> | undefined;
}

export interface SubscribeOptions {
  readonly track: FullTrackName;
  readonly filter?: SubscriptionFilter;
  readonly forward?: boolean;
  readonly priority?: number;
  readonly groupOrder?: "ascending" | "descending";
  readonly parameters?: Parameters;
  readonly signal?: AbortSignal;
}

/** GOAWAY (§10.4): the peer asks to move, to `newUri` ("": the same address), within `timeoutMs` (0: as soon as possible). */
export interface Goaway {
  readonly newUri: string;
  readonly timeoutMs: number;
}

/** Why a subscription ended. */
export interface SubscriptionEnd {
  /** PUBLISH_DONE status by name ("track-ended", "going-away", ...), "cancelled" by us, or "error". */
  readonly reason: string;
  readonly error?: CountersignError;
}

export interface Subscription {
  readonly track: FullTrackName;
  readonly trackAlias: VarInt;
  readonly requestId: VarInt;
  /** The largest object when the subscription was accepted; undefined when nothing was published yet. */
  readonly largest: Location | undefined;
  readonly trackProperties: readonly KeyValue[];
  /** Resolves once, after the last object. Never rejects. */
  readonly ended: Promise<SubscriptionEnd>;
  /** Told when the peer asks to move this subscription alone; one that came before is told when this is set. Ask there, then cancel here. */
  onGoaway?: ((goaway: Goaway) => void) | undefined;
  /** REQUEST_UPDATE; resolves on REQUEST_OK, rejects with "request-rejected". */
  update(parameters: Parameters): Promise<void>;
  /** Ends it: resets the request stream and refuses what still comes. */
  cancel(): void;
}

export interface FetchOptions {
  readonly track: FullTrackName;
  /** First object wanted. */
  readonly start: Location;
  /** Last object wanted, inclusive; object undefined: the whole group. */
  readonly end: { readonly group: VarInt; readonly object?: VarInt };
  readonly priority?: number;
  readonly groupOrder?: "ascending" | "descending";
  readonly parameters?: Parameters;
  readonly signal?: AbortSignal;
}

export interface JoiningFetchOptions {
  readonly subscription: Subscription;
  /** Groups before the joining group (relative) or a group id (absolute). */
  readonly start: { readonly relative: VarInt } | { readonly absolute: VarInt };
  readonly priority?: number;
  readonly signal?: AbortSignal;
}

export interface FetchResult {
  /** The last object that the answer covers, inclusive; object undefined: the whole group. */
  readonly end: { readonly group: VarInt; readonly object?: VarInt };
  readonly endOfTrack: boolean;
}

/** How a request is refused (§10.6). */
export interface Rejection {
  readonly errorCode: number;
  readonly reason: string;
  /** Milliseconds after which the peer may try again; undefined: it should not. */
  readonly retryAfterMs?: number;
  readonly redirect?: Redirect;
}

/** A stream of one subgroup to one subscriber. Writes queue; `write` resolves when the transport took the bytes, which is the back-pressure. */
export interface SubgroupWriter {
  write(object: MoqObject): Promise<void>;
  close(): Promise<void>;
  reset(code: number): void;
}

export interface OutgoingSubgroup {
  readonly group: VarInt;
  readonly subgroup: VarInt;
  readonly priority?: number;
  readonly endOfGroup: boolean;
  readonly firstObject: boolean;
  readonly hasProperties: boolean;
}

/** Our side of a subscription that a peer holds on us. */
export interface PublishedTrack {
  readonly forward: boolean;
  readonly filter: SubscriptionFilter;
  /** Told when the peer changes FORWARD, priority or range. */
  onUpdate: ((parameters: Parameters) => void) | undefined;
  /** Resolves when the peer cancelled or the session ended. */
  readonly cancelled: Promise<void>;
  /** True when FORWARD is 1 and the filter lets an object of this location pass. Objects outside must not be sent (§5.1.2). */
  wants(location: Location): boolean;
  openSubgroup(header: OutgoingSubgroup): Promise<SubgroupWriter>;
  sendDatagram(object: MoqObject, endOfGroup: boolean): void;
  /** GOAWAY on this subscription alone: asks the peer to move it, and resets it after `timeoutMs` (0: never). */
  goaway?(newUri: string, timeoutMs: number): void;
  /** PUBLISH_DONE and FIN. */
  done(statusCode: number, reason: string): Promise<void>;
}

export interface FetchWriter {
  write(object: MoqObject): Promise<void>;
  gap(gap: FetchGap): Promise<void>;
  close(): Promise<void>;
  reset(code: number): void;
  readonly cancelled: Promise<void>;
}

/** Requests of the peer, each answered exactly once. */
export interface IncomingSubscribe {
  readonly track: FullTrackName;
  readonly requestId: VarInt;
  readonly parameters: Parameters;
  /**
   * `largestNow` is asked when the peer resumes or widens the subscription (REQUEST_UPDATE_OK carries it); absent: `largest`, or what was sent since.
   * With `parameters.expiresMs` the subscription ends after that time (PUBLISH_DONE EXPIRED), unless an update comes for which `extend`, which
   * sees its tokens, gives another time in milliseconds from now.
   */
  accept(answer: {
    largest?: Location;
    trackProperties?: readonly KeyValue[];
    parameters?: Parameters;
    largestNow?: () => Location | undefined;
    extend?: (parameters: Parameters) => number | undefined;
  }): PublishedTrack;
  reject(rejection: Rejection): void;
}

export interface IncomingFetch {
  readonly track: FullTrackName;
  readonly start: Location;
  /** Inclusive; object undefined: the whole group. Joining fetches arrive here already computed. */
  readonly end: { readonly group: VarInt; readonly object?: VarInt };
  readonly parameters: Parameters;
  readonly cancelled: Promise<void>;
  accept(answer: {
    end: { group: VarInt; object?: VarInt };
    endOfTrack: boolean;
    trackProperties?: readonly KeyValue[];
  }): Promise<FetchWriter>;
  reject(rejection: Rejection): void;
}

export interface IncomingNamespace {
  readonly namespace: Namespace;
  readonly parameters: Parameters;
  /** Resolves when the peer withdrew it or the session ended. */
  readonly withdrawn: Promise<void>;
  accept(): void;
  reject(rejection: Rejection): void;
}

/** SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS. For the first, `add` and `remove` send NAMESPACE and NAMESPACE_DONE; for the second, `blocked` sends PUBLISH_BLOCKED. */
export interface IncomingPrefix {
  readonly prefix: Namespace;
  readonly parameters: Parameters;
  readonly cancelled: Promise<void>;
  accept(): {
    add(suffix: Namespace): void;
    remove(suffix: Namespace): void;
    blocked(suffix: Namespace, name: Uint8Array): void;
  };
  reject(rejection: Rejection): void;
}

export type IncomingSubscribeNamespace = IncomingPrefix;

export interface IncomingPublish {
  readonly track: FullTrackName;
  readonly trackAlias: VarInt;
  readonly largest: Location | undefined;
  readonly parameters: Parameters;
  readonly trackProperties: readonly KeyValue[];
  /** Throws "invalid-options" for NEW_GROUP_REQUEST of a track without DYNAMIC_GROUPS (§10.2.13); it can be answered again then. */
  accept(sink: ObjectSink, parameters?: Parameters): Subscription;
  reject(rejection: Rejection): void;
}

/** What a peer may ask of us. A handler that is absent refuses with NOT_SUPPORTED. */
export interface RequestHandlers {
  subscribe?(request: IncomingSubscribe): void;
  fetch?(request: IncomingFetch): void;
  trackStatus?(
    track: FullTrackName,
  ): Promise<{ largest?: Location; trackProperties?: readonly KeyValue[] } | Rejection>;
  publishNamespace?(request: IncomingNamespace): void;
  subscribeNamespace?(request: IncomingSubscribeNamespace): void;
  subscribeTracks?(request: IncomingPrefix): void;
  publish?(request: IncomingPublish): void;
}

/** Announced namespace of ours. */
export interface AnnouncedNamespace {
  /** Resolves when the peer ended it or the session closed. */
  readonly ended: Promise<void>;
  /** Told when the peer asks to move this announcement alone; one that came before is told when this is set. */
  onGoaway?: ((goaway: Goaway) => void) | undefined;
  withdraw(): void;
}

export interface ConnectionEnd {
  readonly error: CountersignError | undefined;
  /** True when we closed it. */
  readonly byUs: boolean;
}

export interface Connection {
  /** As dialed (client) or as requested (server). */
  readonly url: string;
  readonly version: string;
  /** The peer's MOQT_IMPLEMENTATION, when it said. */
  readonly peerImplementation: string | undefined;
  /** Resolves once when the session is over, for whatever reason. Never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  /** Told when the peer sent GOAWAY. */
  onGoaway: ((goaway: Goaway) => void) | undefined;

  /** Rejects with "request-rejected" (with protocolCode), "session-closed", "request-timeout". */
  subscribe(options: SubscribeOptions, sink: ObjectSink): Promise<Subscription>;
  /** Resolves after FETCH_OK and the end of the stream; objects go to the sink in between. Rejects when either fails; objects already handed over stay good. */
  fetch(options: FetchOptions, sink: ObjectSink): Promise<FetchResult>;
  joiningFetch(options: JoiningFetchOptions, sink: ObjectSink): Promise<FetchResult>;
  trackStatus(track: FullTrackName): Promise<{ largest: Location | undefined }>;
  publishNamespace(namespace: Namespace): Promise<AnnouncedNamespace>;
  subscribeNamespace(
    prefix: Namespace,
    listener: { added(namespace: Namespace): void; removed(namespace: Namespace): void },
  ): Promise<{ cancel(): void; ended: Promise<void> }>;
  /** SUBSCRIBE_TRACKS: asks the peer to PUBLISH every track under the prefix; they arrive at the `publish` handler. `blocked` names those it could not. */
  subscribeTracks(
    prefix: Namespace,
    options?: { forward?: boolean; blocked?(track: FullTrackName): void },
  ): Promise<{ cancel(): void; ended: Promise<void> }>;
  /** PUBLISH: offers a track; resolves when the peer accepts. */
  publish(
    track: FullTrackName,
    options: { largest?: Location; parameters?: Parameters; trackProperties?: readonly KeyValue[] },
  ): Promise<PublishedTrack>;
  /** Asks the peer now whether it is still there; no answer in time closes the connection with an error. Absent: nobody watches the peer. */
  probe?(): void;
  /** GOAWAY: asks the peer to move. */
  goaway(newUri: string, timeoutMs: number): void;
  close(code?: number, reason?: string): void;
}
