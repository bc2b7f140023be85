/**
 * Tracks of CMAF in one file (ISO/IEC 14496-12 §8.8): one header for all of them, and their chunks, whose bytes stay as they were signed but for two fields.
 *
 * In a file tracks need numbers of their own, and time begins at 0 and not at the broadcast's epoch. So in each chunk the track's number (`tfhd`) and the decode
 * time (`tfdt`) are rewritten in place: same sizes, nothing moves, and whoever knows the track and where the file begins can undo it bit by bit and check signatures.
 */
import { CountersignError } from "../errors.ts";

/** Boxes looked at within one container; real chunks have at most a dozen. */
const MAX_BOXES = 256;

/** Of the movie header: milliseconds. */
const MOVIE_TIMESCALE = 1000;

interface Place {
  readonly type: string;
  /** Of the whole box. */
  readonly start: number;
  /** Of what it holds. */
  readonly content: number;
  readonly end: number;
}

function refuse(what: string): never {
  throw new CountersignError("media-error", `This cannot be put into a file: ${what}.`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function boxes(view: DataView, start: number, end: number): Place[] {
  const found: Place[] = [];
  let at = start;
  while (at < end) {
    if (end - at < 8 || found.length === MAX_BOXES) refuse("its boxes do not add up");
    let size = view.getUint32(at);
    let header = 8;
    if (size === 1) {
      if (end - at < 16) refuse("its boxes do not add up");
      size = view.getUint32(at + 8) * 0x1_0000_0000 + view.getUint32(at + 12);
      header = 16;
    } else if (size === 0) size = end - at;
    if (size < header || size > end - at) refuse("its boxes do not add up");
    const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
    found.push({ type, start: at, content: at + header, end: at + size });
    at += size;
  }
  return found;
}

function one(view: DataView, parent: Pick<Place, "content" | "end">, type: string): Place {
  const found = boxes(view, parent.content, parent.end).find((box) => box.type === type);
  return found ?? refuse(`there is no ${type} box`);
}

/** At least so many bytes of content. */
function holding(place: Place, bytes: number): Place {
  return place.end - place.content >= bytes ? place : refuse(`the ${place.type} box is cut short`);
}

function box(type: string, ...content: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = content.reduce((sum, { byteLength }) => sum + byteLength, 8);
  const out = new Uint8Array(size);
  new DataView(out.buffer).setUint32(0, size);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  let at = 8;
  for (const part of content) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

function u32(...values: number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value);
  });
  return out;
}

/** The `trak` and `trex` of an initialization segment, with another track number. */
function numbered(initSegment: Uint8Array, trackId: number): { trak: Uint8Array; trex: Uint8Array } {
  const copy = initSegment.slice();
  const view = viewOf(copy);
  const moov = one(view, { content: 0, end: copy.byteLength }, "moov");
  const trak = one(view, moov, "trak");
  const tkhd = holding(one(view, trak, "tkhd"), 24);
  // Behind version, flags and the times of creation and modification (§8.3.2).
  view.setUint32(tkhd.content + (view.getUint8(tkhd.content) === 1 ? 20 : 12), trackId);
  const trex = holding(one(view, one(view, moov, "mvex"), "trex"), 8);
  view.setUint32(trex.content + 4, trackId);
  return { trak: copy.subarray(trak.start, trak.end), trex: copy.subarray(trex.start, trex.end) };
}

/** What the file begins with: a pure function, so that a checker can write it again and compare. `durationMs` is what players show as its length. */
export function fileHeader(
  tracks: readonly { readonly initSegment: Uint8Array; readonly trackId: number }[],
  durationMs: number,
): Uint8Array<ArrayBuffer> {
  const parts = tracks.map(({ initSegment, trackId }) => numbered(initSegment, trackId));
  const next = Math.max(0, ...tracks.map(({ trackId }) => trackId)) + 1;
  const duration = Math.max(0, Math.min(0xffff_ffff, Math.round(durationMs)));
  const mvhd = box(
    "mvhd",
    u32(0, 0, 0, MOVIE_TIMESCALE, duration, 0x1_0000),
    new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), // volume 1.0, reserved
    u32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000), // no rotation
    new Uint8Array(24),
    u32(next),
  );
  const mvex = box("mvex", box("mehd", u32(0, duration)), ...parts.map(({ trex }) => trex));
  const ftyp = box("ftyp", letters("iso6"), u32(1), letters("iso6mp41cmfc"));
  return joined([ftyp, box("moov", mvhd, ...parts.map(({ trak }) => trak), mvex)]);
}

function letters(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** The track number of an initialization segment. Throws CountersignError `media-error`. */
export function trackIdOf(initSegment: Uint8Array): number {
  const view = viewOf(initSegment);
  const moov = one(view, { content: 0, end: initSegment.byteLength }, "moov");
  const tkhd = holding(one(view, one(view, moov, "trak"), "tkhd"), 24);
  return view.getUint32(tkhd.content + (view.getUint8(tkhd.content) === 1 ? 20 : 12));
}

/** Ticks per second of an initialization segment's track. Throws CountersignError `media-error`. */
export function timescaleOf(initSegment: Uint8Array): number {
  const view = viewOf(initSegment);
  const moov = one(view, { content: 0, end: initSegment.byteLength }, "moov");
  const mdhd = holding(one(view, one(view, one(view, moov, "trak"), "mdia"), "mdhd"), 24);
  return view.getUint32(mdhd.content + (view.getUint8(mdhd.content) === 1 ? 20 : 12));
}

/** Where a chunk says which track it is of, and when it is decoded. */
interface Fields {
  readonly trackId: number;
  readonly time: number;
  readonly isLong: boolean;
}

function fieldsOf(view: DataView): Fields[] {
  const fields: Fields[] = [];
  for (const moof of boxes(view, 0, view.byteLength)) {
    if (moof.type !== "moof") continue;
    for (const traf of boxes(view, moof.content, moof.end)) {
      if (traf.type !== "traf") continue;
      const tfhd = holding(one(view, traf, "tfhd"), 8);
      if (view.getUint32(tfhd.content) & 1) refuse("a chunk says where in a file it lies");
      const tfdt = holding(one(view, traf, "tfdt"), 8);
      const isLong = view.getUint8(tfdt.content) === 1;
      if (isLong) holding(tfdt, 12);
      fields.push({ trackId: tfhd.content + 4, time: tfdt.content + 4, isLong });
    }
  }
  return fields;
}

function timeAt(view: DataView, { time, isLong }: Fields): bigint {
  return isLong ? view.getBigUint64(time) : BigInt(view.getUint32(time));
}

/** The decode time of an object's first chunk, in ticks; undefined when it has none. */
export function decodeTimeOf(payload: Uint8Array): number | undefined {
  const view = viewOf(payload);
  const [first] = fieldsOf(view);
  return first && Number(timeAt(view, first));
}

export interface Renumbering {
  readonly fromTrackId: number;
  readonly toTrackId: number;
  /** Added to every decode time. */
  readonly addTicks: number;
}

/**
 * Rewrites the chunks of one object in place. Throws CountersignError `media-error` when it is not of the track that it is said to be, or when a time would not fit its field.
 * Done with the numbers exchanged and the time negated, it is undone.
 */
export function renumber(payload: Uint8Array, { fromTrackId, toTrackId, addTicks }: Renumbering): void {
  const view = viewOf(payload);
  for (const fields of fieldsOf(view)) {
    if (view.getUint32(fields.trackId) !== fromTrackId) refuse("a chunk is of another track");
    view.setUint32(fields.trackId, toTrackId);
    const time = timeAt(view, fields) + BigInt(addTicks);
    if (time < 0n || time >= 1n << (fields.isLong ? 64n : 32n)) refuse("a time does not fit");
    if (fields.isLong) view.setBigUint64(fields.time, time);
    else view.setUint32(fields.time, Number(time));
  }
}
