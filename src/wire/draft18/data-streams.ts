/**
 * Decoding of unidirectional data streams (draft-18 §11.4, §11.5): SUBGROUP, FETCH and padding.
 *
 * One state machine takes any chunking. Fixed fields (a header, the fields before an object's properties, those before its payload) are
 * parsed as a whole; when a chunk ends within them, their bytes, at most {@link CARRY_BYTES}, are carried over and tried again with the
 * next chunk, so re-reading is bounded. Properties and payloads are views where that is possible (gather.ts).
 */
import { CountersignError } from "../../errors.ts";
import { type Cursor, INCOMPLETE, tryVi64 } from "../cursor.ts";
import type { DataStreamDecoder, DataStreamSink, ObjectStatus, SubgroupHeader } from "../objects.ts";
import { inspectObjectProperties } from "../properties.ts";
import type { VarInt } from "../varint.ts";
import { Gatherer } from "./gather.ts";
import {
  gapInFetch,
  newPlace,
  nextInFetch,
  nextInSubgroup,
  type Place,
  priorityInFetch,
  subgroupInFetch,
} from "./place.ts";
import { FETCH, isSubgroupType, objectStatus, SUBGROUP, uniStreamKind } from "./stream-types.ts";
import { clause, violation } from "./violation.ts";

/** Above the longest run of fixed fields: a fetch object's flags, three ids, priority and properties length take 46 bytes. */
const CARRY_BYTES = 64;

/**
 * The most properties one object may carry, in bytes. The draft sets no limit; they are metadata that is held and hashed with each
 * object. This holds the largest single value there is (65,535 bytes) with some others. Past it the stream ends with "limit-exceeded".
 */
export const MAX_PROPERTIES_BYTES = 68 * 1024;

const NOTHING: Uint8Array = new Uint8Array(0);

/** Which field comes next. Numbers, not names: this is compared several times per object. */
const START = 0;
const SUBGROUP_FIELDS = 1;
const FETCH_FIELDS = 2;
const PROPERTIES = 3;
const PAYLOAD_LENGTH = 4;
const PAYLOAD = 5;
const SKIP = 6;
const PADDING = 7;

/** A decoder that throws "protocol-violation", "limit-exceeded" or "malformed-track", and from then on only that. */
export function dataStreamDecoder(sink: DataStreamSink, maxObjectBytes: number): DataStreamDecoder {
  return new Draft18DataStreamDecoder(sink, maxObjectBytes);
}

class Draft18DataStreamDecoder implements DataStreamDecoder {
  readonly #sink: DataStreamSink;
  readonly #maxObjectBytes: number;
  readonly #cursor: Cursor = { bytes: NOTHING, pos: 0, end: 0, section: clause("§11.4") };
  readonly #carry = new Uint8Array(CARRY_BYTES);
  #carried = 0;
  #state = START;
  #failure: unknown;

  // The stream
  #isFetch = false;
  #hasProperties = false;
  #firstObjectIsSubgroup = false;
  #ended = false;

  readonly #at: Place = newPlace();
  #properties = NOTHING;
  readonly #run = new Gatherer();

  constructor(sink: DataStreamSink, maxObjectBytes: number) {
    this.#sink = sink;
    this.#maxObjectBytes = maxObjectBytes;
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
    if (this.#state === PADDING) return;
    const betweenObjects =
      this.#carried === 0 && (this.#state === SUBGROUP_FIELDS || this.#state === FETCH_FIELDS);
    if (!betweenObjects)
      throw violation("§11.4", "The peer ended a stream in the middle of a header or object.");
  }

  #consume(chunk: Uint8Array): void {
    const cursor = this.#cursor;
    let from = 0;
    if (this.#carried > 0) {
      // Fixed fields began in an earlier chunk: try them again with as much of this one as could belong to them.
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
    cursor.bytes = NOTHING;
  }

  #consumeFrom(cursor: Cursor): void {
    while (cursor.pos < cursor.end) {
      const state = this.#state;
      if (state === PAYLOAD) {
        const bytes = this.#run.take(cursor);
        if (bytes === undefined) return;
        this.#nextObject();
        this.#emit("normal", bytes);
      } else if (state === PROPERTIES) {
        const bytes = this.#run.take(cursor);
        if (bytes === undefined) return;
        inspectObjectProperties(bytes, this.#at.group, this.#at.object);
        this.#properties = bytes;
        this.#state = PAYLOAD_LENGTH;
      } else if (state === SKIP) {
        if (this.#run.skip(cursor)) this.#nextObject();
      } else if (state === PADDING) {
        // §11.5.1: discarded, whatever it holds.
        cursor.pos = cursor.end;
      } else if (!this.#readFields(cursor)) {
        // Fixed fields are shorter than the carry, so what there is of them fits.
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
            ? this.#readFetchFields(cursor)
            : this.#readHeader(cursor);
    if (!done) cursor.pos = from;
    return done;
  }

  /** §11.4.2, §11.4.4, §11.5.1. */
  #readHeader(cursor: Cursor): boolean {
    const type = tryVi64(cursor);
    if (type === INCOMPLETE) return false;
    if (isSubgroupType(type)) return this.#readSubgroupHeader(cursor, Number(type));
    const kind = uniStreamKind(type);
    if (kind === "padding") {
      this.#state = PADDING;
      return true;
    }
    if (kind !== "fetch") throw violation("§3.4", "The peer opened a second control stream.");
    const requestId = tryVi64(cursor);
    if (requestId === INCOMPLETE) return false;
    this.#isFetch = true;
    this.#state = FETCH_FIELDS;
    this.#sink.fetch(requestId);
    this.#at.descending = this.#sink.fetchOrder?.(requestId) === "descending";
    return true;
  }

  #readSubgroupHeader(cursor: Cursor, type: number): boolean {
    // A field that is not all there leaves the cursor in place and those after it without meaning: hence one look at all of them.
    const trackAlias = tryVi64(cursor);
    const group = tryVi64(cursor);
    const idMode = type & SUBGROUP.idMask;
    const subgroup =
      idMode === SUBGROUP.idPresent ? tryVi64(cursor) : idMode === SUBGROUP.idZero ? 0 : undefined;
    const priority = (type & SUBGROUP.defaultPriority) !== 0 ? undefined : tryU8(cursor);
    if (
      trackAlias === INCOMPLETE ||
      group === INCOMPLETE ||
      subgroup === INCOMPLETE ||
      priority === INCOMPLETE
    ) {
      return false;
    }
    this.#at.group = group;
    this.#at.subgroup = subgroup;
    this.#at.priority = priority;
    this.#firstObjectIsSubgroup = idMode === SUBGROUP.idFirstObject;
    this.#hasProperties = (type & SUBGROUP.properties) !== 0;
    this.#state = SUBGROUP_FIELDS;
    const header: SubgroupHeader = {
      trackAlias,
      group,
      subgroup,
      priority,
      hasProperties: this.#hasProperties,
      endOfGroup: (type & SUBGROUP.endOfGroup) !== 0,
      firstObject: (type & SUBGROUP.firstObject) !== 0,
    };
    this.#sink.subgroup(header);
    return true;
  }

  /** Object ID Delta and Properties Length of an object in a subgroup (§11.4.2). */
  #readSubgroupFields(cursor: Cursor): boolean {
    if (this.#ended) {
      throw violation("§11.4.3", "The peer sent an object behind the one that ended the group or track.");
    }
    const delta = tryVi64(cursor);
    if (delta === INCOMPLETE) return false;
    let propertiesLength: VarInt = 0;
    if (this.#hasProperties) {
      propertiesLength = tryVi64(cursor);
      if (propertiesLength === INCOMPLETE) return false;
    }
    if (this.#at.first && this.#firstObjectIsSubgroup) this.#at.subgroup = delta;
    nextInSubgroup(this.#at, delta);
    this.#expectProperties(propertiesLength);
    return true;
  }

  /** Everything of an object in a fetch before its properties, or an End of Range (§11.4.4). */
  #readFetchFields(cursor: Cursor): boolean {
    const flags = tryVi64(cursor);
    if (flags === INCOMPLETE) return false;
    if (flags >= FETCH.end) return this.#readEndOfRange(cursor, flags);
    const bits = Number(flags);
    const isDatagram = (bits & FETCH.datagram) !== 0;
    const subgroupMode = isDatagram ? FETCH.subgroupZero : bits & FETCH.subgroupMask;
    const groupDelta = (bits & FETCH.groupId) !== 0 ? tryVi64(cursor) : undefined;
    const subgroupField = subgroupMode === FETCH.subgroupPresent ? tryVi64(cursor) : undefined;
    const objectDelta = (bits & FETCH.objectId) !== 0 ? tryVi64(cursor) : undefined;
    const priority = (bits & FETCH.priority) !== 0 ? tryU8(cursor) : undefined;
    const propertiesLength = (bits & FETCH.properties) !== 0 ? tryVi64(cursor) : 0;
    if (
      groupDelta === INCOMPLETE ||
      subgroupField === INCOMPLETE ||
      objectDelta === INCOMPLETE ||
      priority === INCOMPLETE ||
      propertiesLength === INCOMPLETE
    ) {
      return false;
    }
    nextInFetch(this.#at, groupDelta, objectDelta);
    priorityInFetch(this.#at, priority);
    subgroupInFetch(this.#at, bits, subgroupField);
    this.#expectProperties(propertiesLength);
    return true;
  }

  /**
   * §11.4.4.2. The ids are absolute and no payload length follows: the text leaves that to inference; implementations are reported to agree on
   * it (moq-wg/moq-transport issue 1861).
   */
  #readEndOfRange(cursor: Cursor, flags: VarInt): boolean {
    if (flags !== FETCH.endOfNonExistentRange && flags !== FETCH.endOfUnknownRange) {
      throw violation("§11.4.4", `The peer sent the unknown serialization flags 0x${flags.toString(16)}.`);
    }
    const group = tryVi64(cursor);
    const object = tryVi64(cursor);
    if (group === INCOMPLETE || object === INCOMPLETE) return false;
    const kind = flags === FETCH.endOfNonExistentRange ? "non-existent" : "unknown";
    this.#sink.gap(gapInFetch(this.#at, kind, group, object));
    return true;
  }

  #expectProperties(length: VarInt): void {
    this.#properties = NOTHING;
    if (length === 0) {
      this.#state = PAYLOAD_LENGTH;
      return;
    }
    if (length > MAX_PROPERTIES_BYTES) throw tooLarge("properties", length, MAX_PROPERTIES_BYTES);
    this.#run.expect(Number(length));
    this.#state = PROPERTIES;
  }

  /** Object Payload Length and, in a subgroup when that is 0, Object Status. */
  #readPayloadLength(cursor: Cursor): boolean {
    const length = tryVi64(cursor);
    if (length === INCOMPLETE) return false;
    if (length === 0) {
      let status: ObjectStatus = "normal";
      if (!this.#isFetch) {
        const value = tryVi64(cursor);
        if (value === INCOMPLETE) return false;
        status = objectStatus(value);
      }
      this.#gotEmpty(status);
      return true;
    }
    const payloadLength = Number(length);
    // Also of one that is refused for its size: whoever knows what the object must be can tell that its sender lies.
    const wanted = this.#sink.accept({ group: this.#at.group, object: this.#at.object, payloadLength });
    if (length > this.#maxObjectBytes) throw tooLarge("payload", length, this.#maxObjectBytes);
    this.#run.expect(payloadLength);
    this.#state = wanted ? PAYLOAD : SKIP;
    return true;
  }

  #gotEmpty(status: ObjectStatus): void {
    this.#nextObject();
    if (status !== "normal") {
      if (this.#properties.length > 0) {
        throw violation("§11.2.1.2", "The peer sent properties on an object whose status is not Normal.");
      }
      this.#ended = true;
    } else if (!this.#sink.accept({ group: this.#at.group, object: this.#at.object, payloadLength: 0 })) {
      return;
    }
    this.#emit(status, NOTHING);
  }

  #nextObject(): void {
    this.#state = this.#isFetch ? FETCH_FIELDS : SUBGROUP_FIELDS;
  }

  #emit(status: ObjectStatus, payload: Uint8Array): void {
    this.#sink.object({
      group: this.#at.group,
      object: this.#at.object,
      subgroup: this.#at.subgroup,
      priority: this.#at.priority,
      status,
      properties: this.#properties,
      payload,
    });
  }
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
