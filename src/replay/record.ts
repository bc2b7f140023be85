/**
 * The form of media on disk: objects packed into records, each a bare ArrayBuffer.
 *
 * A record is a 4-byte mark and then entries: a fixed header (checksummed, so that a flipped bit in a length is noticed before it is
 * believed) followed by the object's properties and payload. An object that does not fit into what is left of a record is cut, and goes on in
 * the next one; so records are full whatever the objects' sizes, small objects share a record and large ones never become
 * files of their own. Integrity of properties and payload is the leaf digest's business (read-group.ts).
 */
import type { MoqObject, ObjectStatus } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/**
 * Largest value Chromium keeps inline in its database: one byte more and every value becomes a file, at less than half the speed
 * (measured: 194 MB/s at 60 KB, 74 MB/s at 64 KB). Firefox has no edge near this size.
 */
export const MAX_RECORD_BYTES = 65_515;

/**
 * First allocation of a group's first record; it grows by four from here, so that a 200-byte audio object does not reserve 64 KB. A group that
 * filled one record will fill most of another: the next ones are allocated whole, and nothing is copied twice.
 */
const FIRST_RECORD_BYTES = 4_096;

/** An object is cut only when at least this much of it lands in the record at hand: smaller pieces cost a header for nothing. */
const MIN_FRAGMENT_BYTES = 1_024;

/** Kept for re-use: what one full batch needs, 4 MB. */
const MAX_FREE_BUFFERS = 64;

const OBJECT_MARK = 0x43535231; // "CSR1"
const EVIDENCE_MARK = 0x43534531; // "CSE1"
const MARK_BYTES = 4;
const DIGEST_BYTES = 32;

/*
 * Entry header, big-endian: checksum u32 | object u64 | subgroup u64 | flags u8 | priority u8 | 0 u16 |
 * propertiesLength u32 | payloadLength u32 | offset u32 | length u32 | digest 32 bytes |
 * checksum of properties u32. `offset` and `length` say which bytes of properties || payload follow. Checksums are FNV-1a, the first of
 * the header's other bytes; properties have one because the leaf digest covers only those that relays must not change.
 */
const HEADER_BYTES = 76;
const FLAG_SUBGROUP = 1;
const FLAG_PRIORITY = 2;
const STATUS_SHIFT = 2;
const STATUSES: readonly ObjectStatus[] = ["normal", "end-of-group", "end-of-track"];

export interface StoredObject {
  readonly object: MoqObject;
  /** The leaf digest it was put with. */
  readonly digest: Uint8Array;
}

export interface PackedRecord {
  readonly bytes: ArrayBuffer;
  /** Ids of the objects that have bytes here. */
  readonly objects: readonly VarInt[];
}

/** FNV-1a, 32 bits: against bit rot in our own bookkeeping, not against an adversary (that is what the digests are for). */
function checksum(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

function writeVarInt(view: DataView, at: number, value: VarInt): void {
  if (typeof value === "number") {
    view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    view.setUint32(at + 4, value >>> 0);
  } else {
    view.setBigUint64(at, value);
  }
}

function readVarInt(view: DataView, at: number): VarInt {
  const high = view.getUint32(at);
  return high < 0x20_0000 ? high * 0x1_0000_0000 + view.getUint32(at + 4) : view.getBigUint64(at);
}

/**
 * Buffers of records that have been written, to be filled again. Fresh memory costs the writer more than the copying does (page by page, at
 * first touch), and a store would otherwise leave 64 KB of garbage for every 64 KB of media.
 */
export class RecordBuffers {
  readonly #free: ArrayBuffer[] = [];

  take(): ArrayBuffer | undefined {
    return this.#free.pop();
  }

  /** Of buffers of other sizes nothing is kept, nor more than MAX_FREE_BUFFERS. The caller must not touch it again. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === MAX_RECORD_BYTES && this.#free.length < MAX_FREE_BUFFERS)
      this.#free.push(buffer);
  }
}

/** Packs the objects of one group, in the order they come. Copies: what was added may be dropped at once. */
export class RecordPacker {
  readonly #buffers: RecordBuffers | undefined;
  readonly #full: PackedRecord[] = [];
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #objects: VarInt[] = [];
  #packedBytes = 0;

  /** With `buffers`, records may lie in used ones; who has written them gives them back. */
  constructor(buffers?: RecordBuffers) {
    this.#buffers = buffers;
  }

  /** Bytes of all records so far. */
  get byteLength(): number {
    return this.#packedBytes + this.#used;
  }

  add(object: MoqObject, digest: Uint8Array): void {
    if (digest.length !== DIGEST_BYTES) throw new RangeError("a digest has 32 bytes");
    const total = object.properties.length + object.payload.length;
    let offset = 0;
    do {
      const rest = total - offset;
      if (this.#used + HEADER_BYTES + Math.min(rest, MIN_FRAGMENT_BYTES) > MAX_RECORD_BYTES)
        this.#closeRecord();
      const used = Math.max(this.#used, MARK_BYTES);
      const length = Math.min(rest, MAX_RECORD_BYTES - used - HEADER_BYTES);
      this.#reserve(used + HEADER_BYTES + length);
      if (this.#used === 0) this.#view.setUint32(0, OBJECT_MARK);
      this.#writeEntry(used, object, digest, offset, length);
      this.#used = used + HEADER_BYTES + length;
      if (this.#objects.at(-1) !== object.object) this.#objects.push(object.object);
      offset += length;
    } while (offset < total);
  }

  /** The records; the packer is empty afterwards. */
  finish(): PackedRecord[] {
    this.#closeRecord();
    this.#packedBytes = 0;
    return this.#full.splice(0);
  }

  #writeEntry(at: number, object: MoqObject, digest: Uint8Array, offset: number, length: number): void {
    const view = this.#view;
    const status = STATUSES.indexOf(object.status);
    writeVarInt(view, at + 4, object.object);
    writeVarInt(view, at + 12, object.subgroup ?? 0);
    const flags =
      (object.subgroup === undefined ? 0 : FLAG_SUBGROUP) |
      (object.priority === undefined ? 0 : FLAG_PRIORITY) |
      (status << STATUS_SHIFT);
    view.setUint8(at + 20, flags);
    view.setUint8(at + 21, object.priority ?? 0);
    view.setUint16(at + 22, 0);
    view.setUint32(at + 24, object.properties.length);
    view.setUint32(at + 28, object.payload.length);
    view.setUint32(at + 32, offset);
    view.setUint32(at + 36, length);
    this.#bytes.set(digest, at + 40);
    view.setUint32(at + 72, checksum(object.properties, 0, object.properties.length));
    view.setUint32(at, checksum(this.#bytes, at + 4, at + HEADER_BYTES));
    let target = at + HEADER_BYTES;
    const fromProperties = object.properties.subarray(offset, offset + length);
    this.#bytes.set(fromProperties, target);
    target += fromProperties.length;
    const payloadOffset = Math.max(0, offset - object.properties.length);
    const payloadLength = length - fromProperties.length;
    this.#bytes.set(object.payload.subarray(payloadOffset, payloadOffset + payloadLength), target);
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const wanted =
      this.#full.length > 0 ? MAX_RECORD_BYTES : Math.max(size, 4 * this.#bytes.length, FIRST_RECORD_BYTES);
    const used = this.#buffers?.take();
    const grown =
      used === undefined ? new Uint8Array(Math.min(MAX_RECORD_BYTES, wanted)) : new Uint8Array(used);
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #closeRecord(): void {
    if (this.#used === 0) return;
    const { buffer } = this.#bytes;
    const full = this.#used === buffer.byteLength;
    const bytes = full ? buffer : buffer.slice(0, this.#used);
    if (!full) this.#buffers?.give(buffer);
    this.#full.push({ bytes, objects: this.#objects });
    this.#packedBytes += this.#used;
    this.#bytes = new Uint8Array(0);
    this.#used = 0;
    this.#objects = [];
  }
}

interface Entry {
  readonly view: DataView;
  readonly at: number;
  readonly object: VarInt;
  readonly total: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** What the records of one group hold. Nothing here has been checked against its digest yet. */
export interface Unpacked {
  /** Per object the copies found, in order of object id: two tabs may have written the same one. Any may be damaged. */
  readonly candidates: readonly (readonly StoredObject[])[];
  /** A record was not as it was written. */
  readonly damaged: boolean;
}

export function unpackRecords(group: VarInt, records: readonly unknown[]): Unpacked {
  const byObject = new Map<VarInt, Entry[]>();
  let damaged = false;
  for (const record of records) {
    if (!readEntries(record, byObject)) damaged = true;
  }
  const ids = [...byObject.keys()].sort((a, b) => (a < b ? -1 : 1));
  const candidates = ids.map((id) => assemble(group, byObject.get(id)!));
  return { candidates: candidates.filter((copies) => copies.length > 0), damaged };
}

/** Collects the entries of a record; false when the record is not wholly sound (what came before the damage is kept). */
function readEntries(record: unknown, byObject: Map<VarInt, Entry[]>): boolean {
  if (!(record instanceof ArrayBuffer) || record.byteLength < MARK_BYTES) return false;
  const bytes = new Uint8Array(record);
  const view = new DataView(record);
  if (view.getUint32(0) !== OBJECT_MARK) return false;
  let at = MARK_BYTES;
  while (at < bytes.length) {
    if (bytes.length - at < HEADER_BYTES) return false;
    if (view.getUint32(at) !== checksum(bytes, at + 4, at + HEADER_BYTES)) return false;
    const total = view.getUint32(at + 24) + view.getUint32(at + 28);
    const offset = view.getUint32(at + 32);
    const length = view.getUint32(at + 36);
    if (offset + length > total || length > bytes.length - at - HEADER_BYTES) return false;
    const object = readVarInt(view, at + 4);
    const data = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const entries = byObject.get(object);
    const entry = { view, at, object, total, offset, data };
    if (entries === undefined) byObject.set(object, [entry]);
    else entries.push(entry);
    at += HEADER_BYTES + length;
  }
  return true;
}

/** Whole entries first, views of their record; then one put together from pieces, if they cover it. */
function assemble(group: VarInt, entries: readonly Entry[]): StoredObject[] {
  const result: StoredObject[] = [];
  const pieces: Entry[] = [];
  const take = (entry: Entry, data: Uint8Array): void => {
    const stored = toObject(group, entry, data);
    const { properties } = stored.object;
    if (entry.view.getUint32(entry.at + 72) === checksum(properties, 0, properties.length))
      result.push(stored);
  };
  for (const entry of entries) {
    if (entry.offset === 0 && entry.data.length === entry.total) take(entry, entry.data);
    else pieces.push(entry);
  }
  if (pieces.length === 0) return result;
  pieces.sort((a, b) => a.offset - b.offset);
  const { total } = pieces[0]!;
  const chosen: Entry[] = [];
  let covered = 0;
  // Pieces of two writers may be cut differently. They are pieces of the same bytes, so any that reach further will do.
  for (const piece of pieces) {
    if (piece.offset > covered || piece.total !== total) break;
    if (piece.offset + piece.data.length <= covered) continue;
    chosen.push(piece);
    covered = piece.offset + piece.data.length;
  }
  if (covered !== total) return result;
  const whole = new Uint8Array(total);
  for (const piece of chosen) whole.set(piece.data, piece.offset);
  take(chosen[0]!, whole);
  return result;
}

function toObject(group: VarInt, { view, at, object }: Entry, data: Uint8Array): StoredObject {
  const flags = view.getUint8(at + 20);
  const propertiesLength = view.getUint32(at + 24);
  return {
    object: {
      group,
      object,
      subgroup: (flags & FLAG_SUBGROUP) === 0 ? undefined : readVarInt(view, at + 12),
      priority: (flags & FLAG_PRIORITY) === 0 ? undefined : view.getUint8(at + 21),
      status: STATUSES[flags >> STATUS_SHIFT] ?? "normal",
      properties: data.subarray(0, propertiesLength),
      payload: data.subarray(propertiesLength),
    },
    digest: new Uint8Array(view.buffer, at + 40, DIGEST_BYTES),
  };
}

/** Envelopes as one record: mark u32 | checksum u32 of the rest | then each envelope as length u32 and bytes. */
export function packEvidence(envelopes: readonly Uint8Array[]): ArrayBuffer {
  const size = envelopes.reduce((sum, envelope) => sum + 4 + envelope.length, 2 * MARK_BYTES);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 2 * MARK_BYTES;
  for (const envelope of envelopes) {
    view.setUint32(at, envelope.length);
    bytes.set(envelope, at + 4);
    at += 4 + envelope.length;
  }
  view.setUint32(0, EVIDENCE_MARK);
  view.setUint32(MARK_BYTES, checksum(bytes, 2 * MARK_BYTES, size));
  return bytes.buffer;
}

/** The envelopes, or undefined when the record is damaged. */
export function unpackEvidence(record: unknown): Uint8Array[] | undefined {
  if (!(record instanceof ArrayBuffer) || record.byteLength < 2 * MARK_BYTES) return undefined;
  const bytes = new Uint8Array(record);
  const view = new DataView(record);
  if (view.getUint32(0) !== EVIDENCE_MARK) return undefined;
  if (view.getUint32(MARK_BYTES) !== checksum(bytes, 2 * MARK_BYTES, bytes.length)) return undefined;
  const envelopes: Uint8Array[] = [];
  let at = 2 * MARK_BYTES;
  while (at < bytes.length) {
    if (bytes.length - at < 4) return undefined;
    const length = view.getUint32(at);
    if (length > bytes.length - at - 4) return undefined;
    envelopes.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return envelopes;
}
