/**
 * H.264 as transport streams carry it, turned into what ISO files and MSE carry: NAL units behind start codes and parameter sets in
 * the stream (ITU-T H.264 Annex B) become NAL units behind lengths and parameter sets in an `avcC` (ISO/IEC 14496-15 §5.3).
 */

const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_ACCESS_UNIT_DELIMITER = 9;
const NAL_FILLER = 12;

/** The NAL units of an access unit, as views. */
export function* nalUnits(accessUnit: Uint8Array): Generator<Uint8Array, void, undefined> {
  let start = -1;
  let zeros = 0;
  for (let i = 0; i <= accessUnit.length; i++) {
    const byte = accessUnit[i];
    const atStartCode = byte === 1 && zeros >= 2;
    if ((atStartCode || byte === undefined) && start >= 0) {
      // Zeros before a start code belong to it (leading_zero_8bits), those at the end are trailing_zero_8bits.
      const end = i - zeros;
      if (end > start) yield accessUnit.subarray(start, end);
    }
    if (atStartCode) start = i + 1;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
}

function typeOf(unit: Uint8Array): number {
  return (unit[0] ?? 0) & 0x1f;
}

/** The access unit with four-byte lengths, without delimiters, filler and the parameter sets that the `avcC` has. */
export function lengthPrefixed(accessUnit: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  let size = 0;
  for (const unit of nalUnits(accessUnit)) {
    const type = typeOf(unit);
    if (type === NAL_SPS || type === NAL_PPS || type === NAL_ACCESS_UNIT_DELIMITER || type === NAL_FILLER)
      continue;
    kept.push(unit);
    size += 4 + unit.byteLength;
  }
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const unit of kept) {
    view.setUint32(at, unit.byteLength);
    out.set(unit, at + 4);
    at += 4 + unit.byteLength;
  }
  return out;
}

/** An `avcC` from the parameter sets of an access unit, or undefined when it lacks one of the two kinds. */
export function avcConfigOf(accessUnit: Uint8Array): Uint8Array | undefined {
  const sps: Uint8Array[] = [];
  const pps: Uint8Array[] = [];
  for (const unit of nalUnits(accessUnit)) {
    if (typeOf(unit) === NAL_SPS) sps.push(unit);
    else if (typeOf(unit) === NAL_PPS) pps.push(unit);
  }
  const [first] = sps;
  if (first === undefined || pps.length === 0) return undefined;
  const [, profile = 0, compatibility = 0, level = 0] = first;
  const parts: number[] = [1, profile, compatibility, level, 0xff, 0xe0 | sps.length];
  const put = (unit: Uint8Array): void => {
    parts.push(unit.byteLength >> 8, unit.byteLength & 0xff, ...unit);
  };
  sps.forEach(put);
  parts.push(pps.length);
  pps.forEach(put);
  // High says more of its samples, and it always is 4:2:0 with 8 bits; the profiles above it are refused by the caller.
  if (profile !== 66 && profile !== 77 && profile !== 88) parts.push(0xfc | 1, 0xf8, 0xf8, 0);
  return Uint8Array.from(parts);
}

/** The RFC 6381 codec string that belongs to an `avcC`. */
export function avcCodecString(avcConfig: Uint8Array): string {
  const hex = [...avcConfig.subarray(1, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `avc1.${hex}`;
}
