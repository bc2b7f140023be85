/**
 * MOQT control messages as values, independent of any draft's bytes.
 *
 * A draft's folder encodes and decodes these; session code sees nothing else. Fields that a draft lacks stay undefined on decode and are
 * left out on encode where the capability says so (see codec.ts). Section numbers are draft-18's.
 */
import type { FullTrackName, Location, Namespace } from "./names.ts";
import type { VarInt } from "./varint.ts";

/** Raw Key-Value-Pairs in ascending order of type (§1.4.3): even types carry an integer, odd ones bytes. */
export interface KeyValue {
  readonly type: VarInt;
  readonly value: VarInt | Uint8Array;
}

/** Which objects a subscription wants (§5.1.2). Ends are inclusive groups. */
export type SubscriptionFilter =
  | { readonly type: "largest-object" }
  | { readonly type: "next-group-start" }
  | { readonly type: "absolute-start"; readonly start: Location }
  | { readonly type: "absolute-range"; readonly start: Location; readonly endGroup: VarInt };

/** An authorization token as it travels (§10.2.2). */
export type AuthToken =
  | { readonly alias: "delete"; readonly tokenAlias: VarInt }
  | {
      readonly alias: "register";
      readonly tokenAlias: VarInt;
      readonly tokenType: VarInt;
      readonly value: Uint8Array;
    }
  | { readonly alias: "use-alias"; readonly tokenAlias: VarInt }
  | { readonly alias: "use-value"; readonly tokenType: VarInt; readonly value: Uint8Array };

/** Message parameters (§10.2), by name. Absent means absent on the wire. Times in ms. */
export interface Parameters {
  readonly objectDeliveryTimeoutMs?: VarInt;
  readonly subgroupDeliveryTimeoutMs?: VarInt;
  readonly authorizationTokens?: readonly AuthToken[];
  readonly rendezvousTimeoutMs?: VarInt;
  readonly fillTimeoutMs?: VarInt;
  readonly expiresMs?: VarInt;
  readonly largestObject?: Location;
  /** FORWARD: false is 0. */
  readonly forward?: boolean;
  /** 0 (most urgent) to 255. */
  readonly subscriberPriority?: number;
  readonly groupOrder?: "ascending" | "descending";
  readonly filter?: SubscriptionFilter;
  readonly newGroupRequest?: VarInt;
  readonly trackNamespacePrefix?: Namespace;
  /** Draft-19 and later, and only as many ranges as the peer's SETUP allows; in the order of their types. */
  readonly rangeFilters?: readonly RangeFilter[];
}

/** What a range filter looks at (draft-19 §5.1.3). */
export type RangeFilterKind = "subgroup" | "object" | "priority" | "object-property" | "track-property";

/** Both ends are inclusive; without `last` it is open. */
export interface ValueRange {
  readonly first: VarInt;
  readonly last?: VarInt;
}

/** Filters of one set must all pass, of several sets one is enough (draft-19 §5.1.3). */
export type RangeFilter =
  | {
      readonly kind: RangeFilterKind;
      /** 0 to 255. */
      readonly setId: number;
      /** For properties, and even. */
      readonly propertyType?: VarInt;
      readonly ranges: readonly ValueRange[];
    }
  /** In REQUEST_UPDATE: no filter of this kind any more. */
  | { readonly kind: RangeFilterKind; readonly removed: true }
  /** Received, and to be refused with INVALID_FILTER for this reason. */
  | { readonly kind: RangeFilterKind; readonly invalid: string };

/** SETUP (§10.3). */
export interface SetupMessage {
  readonly type: "setup";
  readonly authority?: string;
  readonly path?: string;
  readonly maxAuthTokenCacheSize?: VarInt;
  /** Ranges that the sender takes in the range filters of one request; absent: none (draft-19 §10.3.1). */
  readonly maxFilterRanges?: VarInt;
  /** Updates of one request that may wait for the sender's answer; absent or 0: any number (draft-19 §10.3.1). */
  readonly maxRequestUpdates?: VarInt;
  readonly authorizationTokens?: readonly AuthToken[];
  readonly implementation?: string;
  /** The peer may use request ids below this from the start (up to draft-16). */
  readonly maxRequestId?: VarInt;
  /** Options we do not know, kept for diagnostics; endpoints ignore them. */
  readonly unknown?: readonly KeyValue[];
}

export interface GoawayMessage {
  readonly type: "goaway";
  readonly newSessionUri: string;
  readonly timeoutMs: VarInt;
  /** Only on the control stream. */
  readonly requestId?: VarInt;
}

export interface RequestOkMessage {
  readonly type: "request-ok";
  readonly parameters: Parameters;
  readonly trackProperties: readonly KeyValue[];
}

export interface Redirect {
  readonly connectUri: string;
  readonly namespace: Namespace;
  readonly name: Uint8Array;
}

export interface RequestErrorMessage {
  readonly type: "request-error";
  readonly errorCode: VarInt;
  /** As on the wire: 0 do not retry, n retry after n - 1 ms. */
  readonly retryInterval: VarInt;
  readonly reason: string;
  readonly redirect?: Redirect;
}

export interface SubscribeMessage {
  readonly type: "subscribe";
  readonly requestId: VarInt;
  readonly track: FullTrackName;
  readonly parameters: Parameters;
}

export interface SubscribeOkMessage {
  readonly type: "subscribe-ok";
  readonly trackAlias: VarInt;
  readonly parameters: Parameters;
  readonly trackProperties: readonly KeyValue[];
}

export interface RequestUpdateMessage {
  readonly type: "request-update";
  readonly requestId: VarInt;
  readonly parameters: Parameters;
}

export interface PublishMessage {
  readonly type: "publish";
  readonly requestId: VarInt;
  readonly track: FullTrackName;
  readonly trackAlias: VarInt;
  readonly parameters: Parameters;
  readonly trackProperties: readonly KeyValue[];
}

export interface PublishDoneMessage {
  readonly type: "publish-done";
  readonly statusCode: VarInt;
  readonly streamCount: VarInt;
  readonly reason: string;
}

export type FetchRange =
  | {
      readonly kind: "standalone";
      readonly track: FullTrackName;
      readonly start: Location;
      readonly end: Location;
    }
  | { readonly kind: "relative-joining"; readonly joiningRequestId: VarInt; readonly joiningStart: VarInt }
  | { readonly kind: "absolute-joining"; readonly joiningRequestId: VarInt; readonly joiningStart: VarInt };

export interface FetchMessage {
  readonly type: "fetch";
  readonly requestId: VarInt;
  /** `end` as on the wire (§10.12.1): the last object plus 1, object 0 for the whole end group. */
  readonly range: FetchRange;
  readonly parameters: Parameters;
}

export interface FetchOkMessage {
  readonly type: "fetch-ok";
  readonly endOfTrack: boolean;
  /** As on the wire: last object plus 1, or object 0 for the whole group. */
  readonly end: Location;
  readonly parameters: Parameters;
  readonly trackProperties: readonly KeyValue[];
}

export interface TrackStatusMessage {
  readonly type: "track-status";
  readonly requestId: VarInt;
  readonly track: FullTrackName;
  readonly parameters: Parameters;
}

export interface PublishNamespaceMessage {
  readonly type: "publish-namespace";
  readonly requestId: VarInt;
  readonly namespace: Namespace;
  readonly parameters: Parameters;
}

export interface SubscribeNamespaceMessage {
  readonly type: "subscribe-namespace";
  readonly requestId: VarInt;
  readonly prefix: Namespace;
  readonly parameters: Parameters;
}

export interface NamespaceMessage {
  readonly type: "namespace";
  readonly suffix: Namespace;
}

export interface NamespaceDoneMessage {
  readonly type: "namespace-done";
  readonly suffix: Namespace;
}

export interface SubscribeTracksMessage {
  readonly type: "subscribe-tracks";
  readonly requestId: VarInt;
  readonly prefix: Namespace;
  readonly parameters: Parameters;
}

export interface PublishBlockedMessage {
  readonly type: "publish-blocked";
  readonly suffix: Namespace;
  readonly name: Uint8Array;
}

/** The messages that may begin a request stream (§3.3). */
export type RequestMessage =
  | SubscribeMessage
  | PublishMessage
  | FetchMessage
  | TrackStatusMessage
  | PublishNamespaceMessage
  | SubscribeNamespaceMessage
  | SubscribeTracksMessage;

export type ControlMessage =
  | SetupMessage
  | GoawayMessage
  | RequestMessage
  | RequestOkMessage
  | RequestErrorMessage
  | SubscribeOkMessage
  | RequestUpdateMessage
  | PublishDoneMessage
  | FetchOkMessage
  | NamespaceMessage
  | NamespaceDoneMessage
  | PublishBlockedMessage;
