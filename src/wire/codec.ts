/**
 * What one draft of MOQT must offer, and the registry of those we speak.
 *
 * A draft is a folder beside this file that implements {@link MoqtCodec}. Nothing outside `wire/` and `session/` asks which draft is
 * spoken: it asks for a capability by name.
 */
import type { ControlMessage, SetupMessage } from "./messages.ts";
import type {
  Datagram,
  DataStreamDecoder,
  DataStreamSink,
  FetchGap,
  MoqObject,
  SubgroupHeader,
} from "./objects.ts";
import type { SharedMessage } from "./shared-messages.ts";
import type { VarInt } from "./varint.ts";

export type Version = "moqt-14" | "moqt-15" | "moqt-16" | "moqt-17" | "moqt-18" | "moqt-19";

/** How drafts differ in ways that session code must know. */
export interface Capabilities {
  /** Control messages on a pair of unidirectional streams (17 and later) or one bidirectional stream. */
  readonly unidirectionalControl: boolean;
  /** Each request on a bidirectional stream of its own (17 and later) or all on the control stream. */
  readonly requestStreams: boolean;
  /** The version is agreed within SETUP (14) instead of by WebTransport's protocol list. */
  readonly inBandVersion: boolean;
  /** MAX_REQUEST_ID limits requests (up to 16). */
  readonly maxRequestId: boolean;
  /** A track may be subscribed more than once in a session (19 and later); before, DUPLICATE_SUBSCRIPTION. */
  readonly severalSubscriptions: boolean;
  /** GOAWAY names the first request id that is refused (18). */
  readonly goawayNamesRequest: boolean;
  /** Range filters, as far as the peer's SETUP allows them (19 and later). */
  readonly rangeFilters: boolean;
  /** Namespaces and their subscriptions may be granted for a time, by EXPIRES (19 and later). */
  readonly announcementsExpire: boolean;
  /** SUBSCRIBE_TRACKS takes what SUBSCRIBE takes, as defaults of the subscriptions that come of it (19 and later). */
  readonly tracksTakeDefaults: boolean;
  /** SETUP limits the updates of a request that wait for an answer (19 and later). */
  readonly updateLimit: boolean;
  /** The namespace `.session` belongs to the connection: what is asked about it is answered at once and passed on to nobody (18 and later). */
  readonly sessionTracks: boolean;
  /** Of drafts without request streams: SUBSCRIBE_NAMESPACE has one nevertheless, with NAMESPACE on it (16); else PUBLISH_NAMESPACE answers it. */
  readonly namespaceStreams: boolean;
  /** An update gets an answer (15 and later). */
  readonly updatesAnswered: boolean;
  /** Every kind of request can be updated (16 and later), not subscriptions alone. */
  readonly updatesOfAll: boolean;
}

/** Where a control message stands: it decides what is legal. */
export type MessageContext = "control" | "request-first" | "request";

/** Incremental decoder of one control or request stream. */
export interface MessageDecoder<M> {
  /** Takes bytes in any chunking. */
  push(chunk: Uint8Array): void;
  /** The next whole message, or undefined until more bytes come. Throws CountersignError with the draft's protocol code. */
  next(): M | undefined;
  /** True when no partial message is buffered (a FIN here is clean). */
  readonly idle: boolean;
}

export type ControlDecoder = MessageDecoder<ControlMessage>;

/** Messages of a control stream that all requests share; session/shared-control.ts makes sense of them. */
export interface SharedControlCodec {
  /** As `role` sends it. Throws "invalid-options" for what the draft cannot say. */
  encode(message: SharedMessage, role: "client" | "server"): Uint8Array<ArrayBuffer>;
  /** Of what `peer` sends. */
  decoder(peer: "client" | "server"): MessageDecoder<SharedMessage>;
}

/** What a unidirectional stream turned out to be, from its first integer. */
export type UniStreamKind = "control" | "subgroup" | "fetch" | "padding";

export interface MoqtCodec {
  readonly version: Version;
  /** e.g. "draft-ietf-moq-transport-18", for errors and logs. */
  readonly draft: string;
  readonly capabilities: Capabilities;

  /** `requestId` is that of the request whose stream it goes on, where the draft repeats it there (16). */
  encodeMessage(message: ControlMessage, requestId?: VarInt): Uint8Array<ArrayBuffer>;
  controlDecoder(context: "control" | "request"): ControlDecoder;
  /** The one control stream of drafts up to 16, on which all requests share one stream. Absent in newer ones. */
  readonly shared?: SharedControlCodec;
  /** What setup looks like for a client or server of this draft. */
  encodeSetup(setup: SetupMessage, role: "client" | "server"): Uint8Array<ArrayBuffer>;

  /**
   * Classifies a unidirectional stream by its first bytes. Undefined: more bytes needed. Throws protocol-violation on an unknown type.
   * The bytes are not consumed: push them, all, into the decoder that fits.
   */
  peekUniStream(bytes: Uint8Array): UniStreamKind | undefined;

  /** A decoder of subgroup and fetch streams. `maxObjectBytes` caps one payload. */
  dataStreamDecoder(sink: DataStreamSink, maxObjectBytes: number): DataStreamDecoder;
  decodeDatagram(bytes: Uint8Array): Datagram;

  /** Header and object fields for sending; payloads are written after the returned header bytes by the caller, without being copied. */
  encodeSubgroupHeader(header: SubgroupHeader): Uint8Array<ArrayBuffer>;
  /** `previous` is the object id before on the same stream, undefined for the first. */
  encodeSubgroupObject(
    object: MoqObject,
    header: SubgroupHeader,
    previous: VarInt | undefined,
  ): Uint8Array<ArrayBuffer>;
  encodeFetchHeader(requestId: VarInt): Uint8Array<ArrayBuffer>;
  /** `previous` is the object or gap before on the same fetch stream. */
  encodeFetchObject(object: MoqObject, previous: MoqObject | FetchGap | undefined): Uint8Array<ArrayBuffer>;
  encodeFetchGap(gap: FetchGap): Uint8Array<ArrayBuffer>;
  encodeDatagram(trackAlias: VarInt, object: MoqObject, endOfGroup: boolean): Uint8Array<ArrayBuffer>;
}
