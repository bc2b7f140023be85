/** MOQT objects and data streams as values (draft-18 §11). */
import type { VarInt } from "./varint.ts";

export type ObjectStatus = "normal" | "end-of-group" | "end-of-track";

/** SUBGROUP_HEADER (§11.4.2). */
export interface SubgroupHeader {
  readonly trackAlias: VarInt;
  readonly group: VarInt;
  /** Undefined when the id is that of the stream's first object, until that object came. */
  readonly subgroup: VarInt | undefined;
  /** 0..255; undefined inherits the subscription's. */
  readonly priority: number | undefined;
  readonly hasProperties: boolean;
  /** This subgroup holds the group's last object: known when the stream ends with FIN. */
  readonly endOfGroup: boolean;
  /** The first object on this stream is the subgroup's first. */
  readonly firstObject: boolean;
}

/**
 * One whole object.
 *
 * `properties` and `payload` are views: of the chunk it was read from when the object lay within one, else of a buffer made for it. They stay valid
 * for as long as they are referenced, and nothing else writes to them; to transfer a payload, copy it into a buffer of its own first.
 */
export interface MoqObject {
  readonly group: VarInt;
  readonly object: VarInt;
  /** Undefined for datagrams. */
  readonly subgroup: VarInt | undefined;
  readonly priority: number | undefined;
  readonly status: ObjectStatus;
  /** Key-Value-Pairs as carried, without their length; empty when there are none. */
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
}

/** A stretch of a FETCH answer in which nothing was sent (§11.4.4.2): up to and including {group, object}. */
export interface FetchGap {
  readonly kind: "non-existent" | "unknown";
  readonly group: VarInt;
  readonly object: VarInt;
}

/** What an object is going to be, told before its payload is there, so that a receiver can refuse what it does not want. */
export interface ObjectStart {
  readonly group: VarInt;
  readonly object: VarInt;
  readonly payloadLength: number;
}

/** What a data-stream decoder reports, in order, while bytes are pushed into it. All calls are synchronous. */
export interface DataStreamSink {
  /** Once, first, when the stream is a subgroup. */
  subgroup(header: SubgroupHeader): void;
  /** Once, first, when the stream answers a FETCH. */
  fetch(requestId: VarInt): void;
  /**
   * Right after `fetch`: the group order that was asked for. Ids in a fetch are deltas whose sign depends on it, and only the asker knows. Absent:
   * ascending, which is also the default of FETCH (§10.2.8).
   */
  fetchOrder?(requestId: VarInt): "ascending" | "descending";
  /**
   * Before the payload of an object whose status is normal (end-of-group and end-of-track are always told). Return false to skip this
   * object: its payload is read past without being kept. Implementations cap memory here: the decoder itself refuses only payloads
   * above its own limit, after asking.
   */
  accept(start: ObjectStart): boolean;
  object(object: MoqObject): void;
  gap(gap: FetchGap): void;
}

/**
 * Pushes any chunking of one unidirectional data stream's bytes through to a sink.
 *
 * Errors are CountersignError. One with a `protocolCode` ends the session with that code. One without ends less: "limit-exceeded" is our
 * own cap, so only this stream is refused; "malformed-track" condemns the track, so its subscription or fetch is cancelled (§2.4.2).
 */
export interface DataStreamDecoder {
  /** Takes the chunk's bytes; views of it are handed to the sink, so the caller must not write to it afterwards. */
  push(chunk: Uint8Array): void;
  /** The stream ended with FIN. Throws when that cuts an object short (§11.4). */
  finish(): void;
}

/** A decoded datagram: an object (§11.3.1) or padding. */
export type Datagram =
  | {
      readonly type: "object";
      readonly trackAlias: VarInt;
      readonly endOfGroup: boolean;
      readonly object: MoqObject;
    }
  | { readonly type: "padding" };
