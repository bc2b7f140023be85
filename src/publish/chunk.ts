/** One CMAF chunk: a `moof` with one `trun`, and the `mdat` it describes (ISO/IEC 23000-19 §7.3.2). One MOQT object. */
import { type Bytes, box, fullBox, u32, u64 } from "./boxes.ts";
import type { ClipSample, ClipTrack } from "./clip.ts";
import { trackIdOf } from "./init-segment.ts";

/** Sample flags of ISO/IEC 14496-12 §8.8.3.1: depends on no other sample. */
const SAMPLE_SYNC = 0x0200_0000;
/** Depends on others, and is not a sync sample. */
const SAMPLE_NON_SYNC = 0x0101_0000;

// tf_flags (§8.8.7.1) and tr_flags (§8.8.8.1) of the same standard.
const TFHD_DEFAULT_DURATION = 0x00_0008;
const TFHD_DEFAULT_FLAGS = 0x00_0020;
const TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000;
const TRUN_DATA_OFFSET = 0x0001;
const TRUN_FIRST_SAMPLE_FLAGS = 0x0004;
const TRUN_DURATION = 0x0100;
const TRUN_SIZE = 0x0200;
const TRUN_FLAGS = 0x0400;
const TRUN_COMPOSITION_OFFSET = 0x0800;

const MDAT_HEADER_BYTES = 8;

function flagsOf(sample: ClipSample): number {
  return sample.keyframe ? SAMPLE_SYNC : SAMPLE_NON_SYNC;
}

/** What the header says once for all samples, and what it has to say for each. */
interface Layout {
  readonly durationTicks: number;
  readonly flags: number;
  readonly firstFlags: number | undefined;
  readonly trunFlags: number;
}

function layoutOf(samples: readonly [ClipSample, ...ClipSample[]]): Layout {
  const [first, ...others] = samples;
  const durationTicks = first.durationTicks;
  // The flags of the second sample are those of the rest, nearly always: a keyframe and what follows from it.
  const flags = flagsOf(others[0] ?? first);
  let trunFlags = TRUN_DATA_OFFSET | TRUN_SIZE;
  if (others.some((sample) => flagsOf(sample) !== flags)) trunFlags |= TRUN_FLAGS;
  else if (flagsOf(first) !== flags) trunFlags |= TRUN_FIRST_SAMPLE_FLAGS;
  if (others.some((sample) => sample.durationTicks !== durationTicks)) trunFlags |= TRUN_DURATION;
  if (samples.some((sample) => sample.compositionOffsetTicks !== 0)) trunFlags |= TRUN_COMPOSITION_OFFSET;
  return {
    durationTicks,
    flags,
    firstFlags: trunFlags & TRUN_FIRST_SAMPLE_FLAGS ? flagsOf(first) : undefined,
    trunFlags,
  };
}

function trackRun(samples: readonly ClipSample[], layout: Layout, dataOffset: number): Bytes {
  const fields: number[] = [samples.length, dataOffset];
  if (layout.firstFlags !== undefined) fields.push(layout.firstFlags);
  for (const sample of samples) {
    if (layout.trunFlags & TRUN_DURATION) fields.push(sample.durationTicks);
    fields.push(sample.data.byteLength);
    if (layout.trunFlags & TRUN_FLAGS) fields.push(flagsOf(sample));
    if (layout.trunFlags & TRUN_COMPOSITION_OFFSET) fields.push(sample.compositionOffsetTicks);
  }
  return fullBox("trun", 1, layout.trunFlags, u32(...fields)); // version 1: composition offsets are signed
}

/**
 * Samples as a chunk that begins at `baseDecodeTimeTicks`, in one new buffer (which the caller owns and may transfer).
 *
 * `sequence` goes into `mfhd`, modulo 2^32. A pure function of its arguments: equal arguments give equal bytes.
 * `samples` must not be empty (RangeError: that is a mistake of the caller, no input leads to it).
 */
export function chunk(
  track: Pick<ClipTrack, "kind">,
  samples: readonly ClipSample[],
  baseDecodeTimeTicks: number,
  sequence: number,
): Bytes {
  const [first, ...others] = samples;
  if (first === undefined) throw new RangeError("a chunk needs at least one sample");
  const layout = layoutOf([first, ...others]);
  const moof = (dataOffset: number): Bytes =>
    box(
      "moof",
      fullBox("mfhd", 0, 0, u32(sequence)),
      box(
        "traf",
        fullBox(
          "tfhd",
          0,
          TFHD_DEFAULT_BASE_IS_MOOF | TFHD_DEFAULT_DURATION | TFHD_DEFAULT_FLAGS,
          u32(trackIdOf(track), layout.durationTicks, layout.flags),
        ),
        fullBox("tfdt", 1, 0, u64(baseDecodeTimeTicks)),
        trackRun(samples, layout, dataOffset),
      ),
    );
  // The data begin right behind the header whose size has to be known to say so; it does not depend on the value.
  const dataStart = moof(0).byteLength + MDAT_HEADER_BYTES;
  let size = dataStart;
  for (const sample of samples) size += sample.data.byteLength;

  const out = new Uint8Array(size);
  const header = moof(dataStart);
  out.set(header);
  out.set(u32(size - header.byteLength), header.byteLength);
  out.set([0x6d, 0x64, 0x61, 0x74], header.byteLength + 4); // mdat
  let at = dataStart;
  for (const sample of samples) {
    out.set(sample.data, at);
    at += sample.data.byteLength;
  }
  return out;
}
