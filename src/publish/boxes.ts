/** Writing ISO base media file format boxes (ISO/IEC 14496-12 §4.2): the few bytes of it that a publisher needs. */

export type Bytes = Uint8Array<ArrayBuffer>;

export function concatBytes(parts: readonly Uint8Array[]): Bytes {
  let size = 0;
  for (const part of parts) size += part.byteLength;
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

export function u8(...values: number[]): Bytes {
  return Uint8Array.from(values);
}

export function u16(...values: number[]): Bytes {
  const out = new Uint8Array(values.length * 2);
  const view = new DataView(out.buffer);
  values.forEach((value, i) => {
    view.setUint16(i * 2, value);
  });
  return out;
}

/** Each value modulo 2^32, so that signed fields are written by the same function. */
export function u32(...values: number[]): Bytes {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value);
  });
  return out;
}

/** A non-negative safe integer in 8 bytes. */
export function u64(value: number): Bytes {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out;
}

/** Latin text without terminator: box types, brands, handler names. */
export function ascii(text: string): Bytes {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** A box: size, four-letter type, content. */
export function box(type: string, ...content: Uint8Array[]): Bytes {
  const body = concatBytes(content);
  return concatBytes([u32(8 + body.byteLength), ascii(type), body]);
}

/** A box that begins with a version and 24 bits of flags. */
export function fullBox(type: string, version: number, flags: number, ...content: Uint8Array[]): Bytes {
  return box(type, u32(version * 0x100_0000 + flags), ...content);
}
