/**
 * One group as bytes: how a relay keeps it in a file, and how an object store on the web can.
 *
 *   "CSG1" | length u32 | checksum u32 | group u64 | flags u8 (1: complete) | envelopes u16 | objects u32
 *   each envelope: length u32, bytes
 *   each object:   id u64 | subgroup u64 | flags u8 (1: has a subgroup, 2: has a priority) | priority u8 | properties length u32 | payload length u32, bytes of both
 *
 * Big-endian. `length` counts everything, so that frames can follow each other in a file and be walked without being read; the checksum (FNV-1a) covers what follows it, against
 * bit rot and torn writes. Against people there is the evidence.
 */
import { CountersignError } from "../errors.ts";
import type { MoqObject } from "../wire/objects.ts";
import { canonical, type VarInt } from "../wire/varint.ts";
import type { StoredGroup } from "./types.ts";

const MARK = 0x43534731; // "CSG1"
const HEAD_BYTES = 27;
const OBJECT_HEAD_BYTES = 26;
const FLAG_COMPLETE = 1;
const FLAG_SUBGROUP = 1;
const FLAG_PRIORITY = 2;

/** What of a frame has to be read to know where the next one begins, and of which group it is. */
export const FRAME_HEAD_BYTES: number = HEAD_BYTES;

/** Above what any group can need (MAX_FETCHED_GROUP_BYTES and its evidence): a length beyond it is damage. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export interface FrameHead {
  readonly group: VarInt;
  readonly byteLength: number;
  readonly complete: boolean;
  readonly objects: number;
}

function checksum(bytes: Uint8Array, start: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

export function encodeStoredGroup(stored: StoredGroup): Uint8Array<ArrayBuffer> {
  const { group, complete, evidence, objects } = stored;
  let size = HEAD_BYTES;
  for (const envelope of evidence) size += 4 + envelope.length;
  for (const object of objects) size += OBJECT_HEAD_BYTES + object.properties.length + object.payload.length;
  if (size > MAX_FRAME_BYTES)
    throw new CountersignError("limit-exceeded", `Group ${group} has ${size} bytes; too many for a file.`);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MARK);
  view.setUint32(4, size);
  view.setBigUint64(12, BigInt(group));
  view.setUint8(20, complete ? FLAG_COMPLETE : 0);
  view.setUint16(21, evidence.length);
  view.setUint32(23, objects.length);
  let at = HEAD_BYTES;
  for (const envelope of evidence) {
    view.setUint32(at, envelope.length);
    bytes.set(envelope, at + 4);
    at += 4 + envelope.length;
  }
  for (const object of objects) {
    view.setBigUint64(at, BigInt(object.object));
    view.setBigUint64(at + 8, BigInt(object.subgroup ?? 0));
    const flags =
      (object.subgroup === undefined ? 0 : FLAG_SUBGROUP) |
      (object.priority === undefined ? 0 : FLAG_PRIORITY);
    view.setUint8(at + 16, flags);
    view.setUint8(at + 17, object.priority ?? 0);
    view.setUint32(at + 18, object.properties.length);
    view.setUint32(at + 22, object.payload.length);
    bytes.set(object.properties, at + OBJECT_HEAD_BYTES);
    bytes.set(object.payload, at + OBJECT_HEAD_BYTES + object.properties.length);
    at += OBJECT_HEAD_BYTES + object.properties.length + object.payload.length;
  }
  view.setUint32(8, checksum(bytes, 12));
  return bytes;
}

/** What a frame says of itself in its first FRAME_HEAD_BYTES; undefined when it is not a frame. Its contents are not checked. */
export function readFrameHead(bytes: Uint8Array): FrameHead | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const byteLength = view.getUint32(4);
  if (view.getUint32(0) !== MARK || byteLength < HEAD_BYTES || byteLength > MAX_FRAME_BYTES) return undefined;
  return {
    group: canonical(view.getBigUint64(12)),
    byteLength,
    complete: (view.getUint8(20) & FLAG_COMPLETE) !== 0,
    objects: view.getUint32(23),
  };
}

/** The group, whose objects are views of `bytes`. Throws "store-corrupt" for anything that encodeStoredGroup() did not make. */
export function decodeStoredGroup(bytes: Uint8Array): StoredGroup {
  const head = readFrameHead(bytes);
  if (head === undefined || head.byteLength !== bytes.length) throw damaged("it is not one");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(8) !== checksum(bytes, 12)) throw damaged("its checksum is wrong");
  let at = HEAD_BYTES;
  /** Where `length` bytes more begin. */
  const take = (length: number): number => {
    if (length > bytes.length - at) throw damaged("it ends too soon");
    at += length;
    return at - length;
  };
  const evidence: Uint8Array[] = [];
  for (let left = view.getUint16(21); left > 0; left--) {
    const length = view.getUint32(take(4));
    const from = take(length);
    evidence.push(bytes.subarray(from, from + length));
  }
  const objects: MoqObject[] = [];
  for (let left = head.objects; left > 0; left--) {
    const from = take(OBJECT_HEAD_BYTES);
    const flags = view.getUint8(from + 16);
    const properties = view.getUint32(from + 18);
    const payload = view.getUint32(from + 22);
    const data = take(properties + payload);
    objects.push({
      group: head.group,
      object: canonical(view.getBigUint64(from)),
      subgroup: (flags & FLAG_SUBGROUP) === 0 ? undefined : canonical(view.getBigUint64(from + 8)),
      priority: (flags & FLAG_PRIORITY) === 0 ? undefined : view.getUint8(from + 17),
      status: "normal",
      properties: bytes.subarray(data, data + properties),
      payload: bytes.subarray(data + properties, data + properties + payload),
    });
  }
  if (at !== bytes.length) throw damaged("something follows it");
  return { group: head.group, complete: head.complete, evidence, objects };
}

function damaged(why: string): CountersignError {
  return new CountersignError("store-corrupt", `A stored group cannot be read: ${why}.`);
}
