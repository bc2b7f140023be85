/** AAC as transport streams carry it: each access unit behind an ADTS header (ISO/IEC 13818-7 §6.2). */

/** What the header says of the access unit behind it. */
export interface AdtsFrame {
  /** The raw access unit, a view. */
  readonly data: Uint8Array;
  /** The AudioSpecificConfig that means the same (ISO/IEC 14496-3 §1.6.2.1). */
  readonly config: Uint8Array;
  readonly objectType: number;
}

/** The access unit behind an ADTS header, or undefined when there is none (the data are a raw access unit already). */
export function readAdts(packet: Uint8Array): AdtsFrame | undefined {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = packet;
  if (packet.byteLength < 7 || b0 !== 0xff || (b1 & 0xf6) !== 0xf0) return undefined;
  const headerBytes = b1 & 1 ? 7 : 9; // with a checksum when protection is not absent
  const objectType = (b2 >> 6) + 1;
  const rateIndex = (b2 >> 2) & 0xf;
  const channels = ((b2 & 1) << 2) | (b3 >> 6);
  const bits = (objectType << 11) | (rateIndex << 7) | (channels << 3);
  return { data: packet.subarray(headerBytes), config: Uint8Array.of(bits >> 8, bits & 0xff), objectType };
}
