/**
 * Decoding of unidirectional data streams of drafts 14 to 16 (draft-16 §10.4, draft-14 §10.4): SUBGROUP and FETCH.
 *
 * The same machine as that of the newer drafts (draft18/data-streams.ts explains it), with QUIC's integers, absolute ids in fetches and extension
 * headers that are translated into the form all of Countersign knows. What only old drafts say is told in the newer drafts' words: Object Does
 * Not Exist in a fetch is a gap, and in a subgroup nothing at all.
 */
import { CountersignError } from "../../errors.ts";
import { type Cursor, INCOMPLETE } from "../cursor.ts";
import { Gatherer } from "../draft18/gather.ts";
import type { DataStreamDecoder, DataStreamSink, FetchGap } from "../objects.ts";
import { tryQuicVarint } from "../quic-varint.ts";
import { addVarInt, MAX_VARINT, type VarInt } from "../varint.ts";
import {
  at,
  type DataDialect,
  FETCH,
  FETCH_STREAM,
  isSubgroupType,
  objectStatus,
  SUBGROUP,
  uniStreamKind,
} from "./data-types.ts";
import { malformedTrack, violation } from "./faults.ts";
import { NO_BYTES, propertiesFromWire } from "./key-values.ts";

/** Above the longest run of fixed fields: a fetch object's flags, three ids, priority and extensions length take 49 bytes. */
const CARRY_BYTES = 64;

/** As in the newer drafts: the most extension headers that one object may carry, in bytes. Past it the stream ends with "limit-exceeded". */
export const MAX_EXTENSIONS_BYTES = 68 * 1024;

const START = 0;
const SUBGROUP_FIELDS = 1;
const FETCH_FIELDS = 2;
const EXTENSIONS = 3;
const PAYLOAD_LENGTH = 4;
const PAYLOAD = 5;
const SKIP = 6;

export class EarlyDataStreamDecoder implements DataStreamDecoder {
  readonly #dialect: DataDialect;
  readonly #sink: DataStreamSink;
  readonly #maxObjectBytes: number;
  readonly #cursor: Cursor;
  readonly #carry = new Uint8Array(CARRY_BYTES);
  #carried = 0;
  #state = START;
  #failure: unknown;

  #isFetch = false;
  #hasExtensions = false;
  #firstObjectIsSubgroup = false;
  #ended = false;

  // Where the stream stands.
  #first = true;
  #descending = false;
  #group: VarInt = 0;
  #object: VarInt = 0;
  #subgroup: VarInt | undefined;
  /** Fetch: the last subgroup id there was; a datagram object has none of its own. */
  #priorSubgroup: VarInt | undefined;
  #priority: number | undefined;
  #properties = NO_BYTES;
  readonly #run = new Gatherer();

  constructor(dialect: DataDialect, sink: DataStreamSink, maxObjectBytes: number) {
    this.#dialect = dialect;
    this.#sink = sink;
    this.#maxObjectBytes = maxObjectBytes;
    this.#cursor = { bytes: NO_BYTES, pos: 0, end: 0, ...at(dialect, "§10.4") };
  }

  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#consume(chunk);
    } catch (error) {
      // What follows a broken field has no meaning.
      this.#failure = error;
      this.#run.drop();
      throw error;
    }
  }

  finish(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const between = this.#carried === 0 && (this.#state === SUBGROUP_FIELDS || this.#state === FETCH_FIELDS);
    if (!between)
      throw violation(this.#cursor, "The peer ended a stream in the middle of a header or object.");
  }

  #consume(chunk: Uint8Array): void {
    const cursor = this.#cursor;
    let from = 0;
    if (this.#carried > 0) {
      const held = this.#carried;
      from = Math.min(CARRY_BYTES - held, chunk.length);
      this.#carry.set(chunk.subarray(0, from), held);
      cursor.bytes = this.#carry;
      cursor.pos = 0;
      cursor.end = held + from;
      if (!this.#readFields(cursor)) {
        this.#carried = held + from;
        return;
      }
      this.#carried = 0;
      from = cursor.pos - held;
    }
    cursor.bytes = chunk;
    cursor.pos = from;
    cursor.end = chunk.length;
    this.#consumeFrom(cursor);
    cursor.bytes = NO_BYTES;
  }

  #consumeFrom(cursor: Cursor): void {
    while (cursor.pos < cursor.end) {
      if (this.#state === PAYLOAD) {
        const bytes = this.#run.take(cursor);
        if (bytes === undefined) return;
        this.#nextObject();
        this.#emit("normal", bytes);
      } else if (this.#state === EXTENSIONS) {
        const bytes = this.#run.take(cursor);
        if (bytes === undefined) return;
        const where = { group: this.#group, object: this.#object };
        this.#properties = propertiesFromWire(bytes, this.#dialect.pairTypes, where, cursor.section);
        this.#state = PAYLOAD_LENGTH;
      } else if (this.#state === SKIP) {
        if (this.#run.skip(cursor)) this.#nextObject();
      } else if (!this.#readFields(cursor)) {
        this.#carried = cursor.end - cursor.pos;
        this.#carry.set(cursor.bytes.subarray(cursor.pos, cursor.end));
        return;
      }
    }
  }

  /** The fixed fields that are due. False, with the cursor where it was, when they are not all there. */
  #readFields(cursor: Cursor): boolean {
    const from = cursor.pos;
    const done =
      this.#state === SUBGROUP_FIELDS
        ? this.#readSubgroupFields(cursor)
        : this.#state === PAYLOAD_LENGTH
          ? this.#readPayloadLength(cursor)
          : this.#state === FETCH_FIELDS
            ? this.#dialect.fetchFlags
              ? this.#readFetchFields(cursor)
              : this.#readPlainFetchFields(cursor)
            : this.#readHeader(cursor);
    if (!done) cursor.pos = from;
    return done;
  }

  #readHeader(cursor: Cursor): boolean {
    const type = tryQuicVarint(cursor);
    if (type === INCOMPLETE) return false;
    if (isSubgroupType(type, this.#dialect)) return this.#readSubgroupHeader(cursor, Number(type));
    if (type !== FETCH_STREAM) uniStreamKind(type, this.#dialect);
    const requestId = tryQuicVarint(cursor);
    if (requestId === INCOMPLETE) return false;
    this.#isFetch = true;
    this.#state = FETCH_FIELDS;
    this.#sink.fetch(requestId);
    this.#descending = this.#sink.fetchOrder?.(requestId) === "descending";
    return true;
  }

  #readSubgroupHeader(cursor: Cursor, type: number): boolean {
    const trackAlias = tryQuicVarint(cursor);
    const group = tryQuicVarint(cursor);
    const idMode = type & SUBGROUP.idMask;
    const subgroup =
      idMode === SUBGROUP.idPresent ? tryQuicVarint(cursor) : idMode === SUBGROUP.idZero ? 0 : undefined;
    const priority = (type & SUBGROUP.defaultPriority) !== 0 ? undefined : tryU8(cursor);
    if (
      trackAlias === INCOMPLETE ||
      group === INCOMPLETE ||
      subgroup === INCOMPLETE ||
      priority === INCOMPLETE
    ) {
      return false;
    }
    this.#group = group;
    this.#subgroup = subgroup;
    this.#priority = priority;
    this.#firstObjectIsSubgroup = idMode === SUBGROUP.idFirstObject;
    this.#hasExtensions = (type & SUBGROUP.extensions) !== 0;
    this.#state = SUBGROUP_FIELDS;
    this.#sink.subgroup({
      trackAlias,
      group,
      subgroup,
      priority,
      hasProperties: this.#hasExtensions,
      endOfGroup: (type & SUBGROUP.endOfGroup) !== 0,
      // Not said in these drafts. Only relays ask, and "no" claims nothing.
      firstObject: false,
    });
    return true;
  }

  #readSubgroupFields(cursor: Cursor): boolean {
    if (this.#ended)
      throw violation(cursor, "The peer sent an object behind the one that ended the group or track.");
    const delta = tryQuicVarint(cursor);
    if (delta === INCOMPLETE) return false;
    let length: VarInt = 0;
    if (this.#hasExtensions) {
      length = tryQuicVarint(cursor);
      if (length === INCOMPLETE) return false;
    }
    if (this.#first) {
      this.#object = delta;
      if (this.#firstObjectIsSubgroup) this.#subgroup = delta;
    } else {
      this.#object = addVarInt(addVarInt(this.#object, delta), 1);
      if (this.#object > MAX_VARINT) throw violation(cursor, "The peer sent an object id above 2^64 - 1.");
    }
    this.#first = false;
    this.#expectExtensions(length);
    return true;
  }

  /** Draft-14 §10.4.4: every field, each time. */
  #readPlainFetchFields(cursor: Cursor): boolean {
    const group = tryQuicVarint(cursor);
    const subgroup = tryQuicVarint(cursor);
    const object = tryQuicVarint(cursor);
    const priority = tryU8(cursor);
    const length = tryQuicVarint(cursor);
    if (
      group === INCOMPLETE ||
      subgroup === INCOMPLETE ||
      object === INCOMPLETE ||
      priority === INCOMPLETE ||
      length === INCOMPLETE
    ) {
      return false;
    }
    this.#moveTo(group, object);
    this.#subgroup = subgroup;
    this.#priority = priority;
    this.#expectExtensions(length);
    return true;
  }

  /** Draft-16 §10.4.4: flags say which fields follow; ids are absolute. */
  #readFetchFields(cursor: Cursor): boolean {
    const flags = tryQuicVarint(cursor);
    if (flags === INCOMPLETE) return false;
    if (flags >= FETCH.end) return this.#readEndOfRange(cursor, flags);
    const bits = Number(flags);
    if ((bits & FETCH.datagram) !== 0 && !this.#dialect.fetchGaps) throw unknownFlags(cursor, flags);
    const mode = (bits & FETCH.datagram) !== 0 ? FETCH.subgroupZero : bits & FETCH.subgroupMask;
    const group = (bits & FETCH.groupId) !== 0 ? tryQuicVarint(cursor) : undefined;
    const subgroup = mode === FETCH.subgroupPresent ? tryQuicVarint(cursor) : undefined;
    const object = (bits & FETCH.objectId) !== 0 ? tryQuicVarint(cursor) : undefined;
    const priority = (bits & FETCH.priority) !== 0 ? tryU8(cursor) : undefined;
    const length = (bits & FETCH.extensions) !== 0 ? tryQuicVarint(cursor) : 0;
    if (
      group === INCOMPLETE ||
      subgroup === INCOMPLETE ||
      object === INCOMPLETE ||
      priority === INCOMPLETE ||
      length === INCOMPLETE
    ) {
      return false;
    }
    const noPrior = this.#first && (group === undefined || object === undefined);
    const noPriority = this.#priority === undefined && priority === undefined;
    const refers = mode === FETCH.subgroupPrior || mode === FETCH.subgroupPriorPlusOne;
    if (noPrior || noPriority || (refers && this.#priorSubgroup === undefined)) {
      throw violation(cursor, "The peer sent an object that refers to a prior one where there is none.");
    }
    const next = object ?? addVarInt(this.#object, 1);
    if (next > MAX_VARINT) throw violation(cursor, "The peer sent an object id above 2^64 - 1.");
    this.#moveTo(group ?? this.#group, next);
    if (priority !== undefined) this.#priority = priority;
    if ((bits & FETCH.datagram) !== 0) this.#subgroup = undefined;
    else {
      const prior = this.#priorSubgroup ?? 0;
      this.#subgroup =
        mode === FETCH.subgroupZero
          ? 0
          : (subgroup ?? (mode === FETCH.subgroupPrior ? prior : addVarInt(prior, 1)));
      this.#priorSubgroup = this.#subgroup;
    }
    this.#expectExtensions(length);
    return true;
  }

  #readEndOfRange(cursor: Cursor, flags: VarInt): boolean {
    const known = flags === FETCH.endOfNonExistentRange || flags === FETCH.endOfUnknownRange;
    if (!known || !this.#dialect.fetchGaps) throw unknownFlags(cursor, flags);
    const group = tryQuicVarint(cursor);
    const object = tryQuicVarint(cursor);
    if (group === INCOMPLETE || object === INCOMPLETE) return false;
    this.#gap(flags === FETCH.endOfNonExistentRange ? "non-existent" : "unknown", group, object);
    return true;
  }

  #gap(kind: FetchGap["kind"], group: VarInt, object: VarInt): void {
    this.#moveTo(group, object);
    this.#sink.gap({ kind, group, object });
  }

  /** Draft-16 §2.4.2: a fetch that does not go forward, in the order that was asked for, makes its track malformed. */
  #moveTo(group: VarInt, object: VarInt): void {
    if (!this.#first) {
      const forward =
        group === this.#group
          ? object > this.#object
          : this.#descending
            ? group < this.#group
            : group > this.#group;
      if (!forward)
        throw malformedTrack(
          at(this.#dialect, "§2.4.2"),
          "A fetch brought an object that does not follow the one before.",
        );
    }
    this.#first = false;
    this.#group = group;
    this.#object = object;
  }

  #expectExtensions(length: VarInt): void {
    this.#properties = NO_BYTES;
    if (length === 0) {
      this.#state = PAYLOAD_LENGTH;
      return;
    }
    if (length > MAX_EXTENSIONS_BYTES) throw tooLarge("extension headers", length, MAX_EXTENSIONS_BYTES);
    this.#run.expect(Number(length));
    this.#state = EXTENSIONS;
  }

  #readPayloadLength(cursor: Cursor): boolean {
    const length = tryQuicVarint(cursor);
    if (length === INCOMPLETE) return false;
    if (length === 0) {
      // From draft-16 on, fetches have no status.
      if (this.#isFetch && !this.#dialect.fetchStatus) {
        this.#gotEmpty("normal");
        return true;
      }
      const value = tryQuicVarint(cursor);
      if (value === INCOMPLETE) return false;
      this.#gotEmpty(objectStatus(value, this.#dialect));
      return true;
    }
    if (length > this.#maxObjectBytes) throw tooLarge("payload", length, this.#maxObjectBytes);
    const payloadLength = Number(length);
    this.#run.expect(payloadLength);
    const wanted = this.#sink.accept({ group: this.#group, object: this.#object, payloadLength });
    this.#state = wanted ? PAYLOAD : SKIP;
    return true;
  }

  #gotEmpty(status: ReturnType<typeof objectStatus>): void {
    this.#nextObject();
    if (status === "normal") {
      if (this.#sink.accept({ group: this.#group, object: this.#object, payloadLength: 0 }))
        this.#emit(status, NO_BYTES);
      return;
    }
    if (this.#properties.length > 0 && (status === "missing" || !this.#dialect.statusProperties)) {
      throw violation(
        this.#cursor,
        "The peer sent extension headers on an object whose status does not allow them.",
      );
    }
    if (this.#isFetch) {
      // All three say that nothing is at this place. The markers' own place is the first without an object.
      this.#sink.gap({ kind: "non-existent", group: this.#group, object: this.#object });
    } else if (status !== "missing") {
      this.#ended = true;
      this.#emit(status, NO_BYTES);
    }
  }

  #nextObject(): void {
    this.#state = this.#isFetch ? FETCH_FIELDS : SUBGROUP_FIELDS;
  }

  #emit(status: "normal" | "end-of-group" | "end-of-track", payload: Uint8Array): void {
    this.#sink.object({
      group: this.#group,
      object: this.#object,
      subgroup: this.#subgroup,
      priority: this.#priority,
      status,
      properties: this.#properties,
      payload,
    });
  }
}

function unknownFlags(cursor: Cursor, flags: VarInt): CountersignError {
  return violation(cursor, `The peer sent the unknown serialization flags 0x${flags.toString(16)}.`);
}

/** A byte, or INCOMPLETE. */
function tryU8(cursor: Cursor): number {
  return cursor.pos < cursor.end ? cursor.bytes[cursor.pos++]! : INCOMPLETE;
}

/** Our own limits: the peer broke no rule, so there is no protocol code and the session may go on without this stream. */
function tooLarge(what: string, length: VarInt, limit: number): CountersignError {
  return new CountersignError(
    "limit-exceeded",
    `The peer sends an object with ${length} bytes of ${what}; the limit is ${limit}.`,
    {
      hint: "Publish smaller objects, or raise the limit if this source is trusted with more memory.",
    },
  );
}
