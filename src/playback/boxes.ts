/**
 * Walking the boxes of an ISO base media file (ISO/IEC 14496-12 §4.2) without trusting a byte of it.
 *
 * What is read here was signed, but a signer can be wrong too. So every length is checked against what holds it, and every loop is bounded by the
 * bytes there are.
 */
import { CountersignError } from "../errors.ts";

/** A box by position: its content is bytes[start, end). */
export interface Box {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Boxes looked at within one container. Real chunks have at most a dozen per level; a stream of empty boxes would otherwise cost 8 bytes each to send and
 * a call each to read. Past it the container is refused.
 */
const MAX_BOXES_PER_LEVEL = 256;

const BOX_HEADER_BYTES = 8;

/** The refusal of bytes that are not what the catalog promised. */
export function malformedMedia(what: string): CountersignError {
  return new CountersignError("media-error", `This is not playable CMAF: ${what}.`, {
    hint: "Check the publisher: every object of a CMAF track is one or more whole moof+mdat pairs, and initData is ftyp+moov.",
  });
}

/** A four-letter type as the number it is read as. */
export function fourcc(text: string): number {
  return (
    (((text.charCodeAt(0) & 0xff) << 24) |
      ((text.charCodeAt(1) & 0xff) << 16) |
      ((text.charCodeAt(2) & 0xff) << 8) |
      (text.charCodeAt(3) & 0xff)) >>>
    0
  );
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The boxes in view[start, end), in order. Throws CountersignError `media-error` for lengths that do not fit. */
export function boxesIn(view: DataView, start: number, end: number): Box[] {
  const boxes: Box[] = [];
  let at = start;
  while (at < end) {
    if (boxes.length === MAX_BOXES_PER_LEVEL)
      throw malformedMedia(`more than ${MAX_BOXES_PER_LEVEL} boxes side by side`);
    if (end - at < BOX_HEADER_BYTES) throw malformedMedia("a box header is cut short");
    const size32 = view.getUint32(at);
    const type = view.getUint32(at + 4);
    let headerBytes = BOX_HEADER_BYTES;
    let size = size32;
    if (size32 === 1) {
      if (end - at < 16) throw malformedMedia("a 64-bit box length is cut short");
      // Above 2^53 the value is inexact, and larger than any buffer all the same.
      size = view.getUint32(at + 8) * 0x1_0000_0000 + view.getUint32(at + 12);
      headerBytes = 16;
    } else if (size32 === 0) {
      size = end - at; // to the end of the file (§4.2.2)
    }
    if (size < headerBytes || size > end - at) throw malformedMedia("a box is longer than what holds it");
    boxes.push({ type, start: at + headerBytes, end: at + size });
    at += size;
  }
  return boxes;
}

/** A cursor over one box's fields; each read is checked against the box's end. */
export class FieldReader {
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  constructor(view: DataView, box: Box) {
    this.#view = view;
    this.#at = box.start;
    this.#end = box.end;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  #take(bytes: number): number {
    if (this.remaining < bytes) throw malformedMedia("a field is cut short");
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** Refuses values that a number cannot hold exactly: no clock that counts ticks reaches them. */
  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw malformedMedia("a time is beyond 2^53 ticks");
    return value;
  }
}
