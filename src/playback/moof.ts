/**
 * What playback has to know of a CMAF chunk, read from its `moof` (ISO/IEC 14496-12 §8.8): when it begins, how long it
 * lasts, and whether a decoder can begin with it. The samples themselves are never looked at.
 */
import { type Box, boxesIn, FieldReader, fourcc, malformedMedia, viewOf } from "./boxes.ts";
import type { TrackDefaults } from "./init-segment.ts";

export interface ChunkTiming {
  /** Decode time of the first sample, in ticks of the track. */
  readonly baseDecodeTimeTicks: number;
  /** Sum over all samples; above 0. */
  readonly durationTicks: number;
  /** The first sample is a sync sample: decoding can begin here. */
  readonly independent: boolean;
  readonly samples: number;
}

const MOOF = fourcc("moof");
const MDAT = fourcc("mdat");
const TRAF = fourcc("traf");
const TFHD = fourcc("tfhd");
const TFDT = fourcc("tfdt");
const TRUN = fourcc("trun");

/**
 * Samples in one object. An hour of 60 fps video has 216,000; a count that needs no bytes per sample (all defaults) could otherwise
 * claim 2^32 of them and a duration of years. Past it the object is refused.
 */
const MAX_SAMPLES = 1_000_000;

// tf_flags, §8.8.7.1
const TFHD_BASE_DATA_OFFSET = 0x00_0001;
const TFHD_SAMPLE_DESCRIPTION = 0x00_0002;
const TFHD_DEFAULT_DURATION = 0x00_0008;
const TFHD_DEFAULT_SIZE = 0x00_0010;
const TFHD_DEFAULT_FLAGS = 0x00_0020;
// tr_flags, §8.8.8.1
const TRUN_DATA_OFFSET = 0x0001;
const TRUN_FIRST_SAMPLE_FLAGS = 0x0004;
const TRUN_DURATION = 0x0100;
const TRUN_SIZE = 0x0200;
const TRUN_FLAGS = 0x0400;
const TRUN_COMPOSITION_OFFSET = 0x0800;

/** sample_is_non_sync_sample, §8.8.3.1 */
const NON_SYNC = 0x0001_0000;

interface RunDefaults {
  readonly durationTicks: number | undefined;
  readonly flags: number;
}

interface Run {
  readonly durationTicks: number;
  readonly samples: number;
  readonly firstFlags: number;
}

function one(boxes: readonly Box[], type: number, name: string): Box {
  const found = boxes.filter((box) => box.type === type);
  const [box] = found;
  if (box === undefined) throw malformedMedia(`no ${name} box`);
  if (found.length > 1) throw malformedMedia(`${found.length} ${name} boxes where there must be one`);
  return box;
}

function readTrackHeader(view: DataView, box: Box, defaults: TrackDefaults): RunDefaults {
  const fields = new FieldReader(view, box);
  const flags = fields.u32() & 0xff_ffff;
  fields.skip(4); // track_ID: a track of MOQT holds one track of media, whatever its number
  if (flags & TFHD_BASE_DATA_OFFSET) fields.skip(8);
  if (flags & TFHD_SAMPLE_DESCRIPTION) fields.skip(4);
  const durationTicks = flags & TFHD_DEFAULT_DURATION ? fields.u32() : defaults.sampleDurationTicks;
  if (flags & TFHD_DEFAULT_SIZE) fields.skip(4);
  return { durationTicks, flags: flags & TFHD_DEFAULT_FLAGS ? fields.u32() : defaults.sampleFlags };
}

function readDecodeTime(view: DataView, box: Box): number {
  const fields = new FieldReader(view, box);
  const version = fields.u32() >>> 24;
  return version === 0 ? fields.u32() : fields.u64();
}

function readRun(view: DataView, box: Box, defaults: RunDefaults): Run {
  const fields = new FieldReader(view, box);
  const flags = fields.u32() & 0xff_ffff;
  const samples = fields.u32();
  if (flags & TRUN_DATA_OFFSET) fields.skip(4);
  let firstFlags = flags & TRUN_FIRST_SAMPLE_FLAGS ? fields.u32() : undefined;

  const flagsBehind = flags & TRUN_SIZE ? 4 : 0;
  const restBytes = flags & TRUN_COMPOSITION_OFFSET ? 4 : 0;
  const bytesPerSample =
    (flags & TRUN_DURATION ? 4 : 0) + flagsBehind + (flags & TRUN_FLAGS ? 4 : 0) + restBytes;
  if (fields.remaining < samples * bytesPerSample) throw malformedMedia("a run is shorter than its samples");

  let durationTicks = 0;
  if (flags & TRUN_DURATION || (flags & TRUN_FLAGS && firstFlags === undefined)) {
    for (let i = 0; i < samples; i++) {
      durationTicks += flags & TRUN_DURATION ? fields.u32() : (defaults.durationTicks ?? 0);
      fields.skip(flagsBehind);
      if (flags & TRUN_FLAGS) {
        const sampleFlags = fields.u32();
        if (i === 0) firstFlags ??= sampleFlags;
      }
      fields.skip(restBytes);
    }
  } else {
    durationTicks = samples * (defaults.durationTicks ?? 0);
  }
  return { durationTicks, samples, firstFlags: firstFlags ?? defaults.flags };
}

/** One moof: its track fragment's start and the sum of its runs. */
function readMoof(view: DataView, moof: Box, defaults: TrackDefaults): ChunkTiming {
  const traf = one(boxesIn(view, moof.start, moof.end), TRAF, "traf");
  const boxes = boxesIn(view, traf.start, traf.end);
  const runDefaults = readTrackHeader(view, one(boxes, TFHD, "tfhd"), defaults);
  const baseDecodeTimeTicks = readDecodeTime(view, one(boxes, TFDT, "tfdt"));
  let durationTicks = 0;
  let samples = 0;
  let firstFlags: number | undefined;
  for (const box of boxes) {
    if (box.type !== TRUN) continue;
    const run = readRun(view, box, runDefaults);
    if (run.samples > 0) firstFlags ??= run.firstFlags;
    durationTicks += run.durationTicks;
    samples += run.samples;
  }
  if (samples > MAX_SAMPLES) throw malformedMedia(`${samples} samples in one fragment`);
  return {
    baseDecodeTimeTicks,
    durationTicks,
    samples,
    independent: ((firstFlags ?? NON_SYNC) & NON_SYNC) === 0,
  };
}

/**
 * The timing of one object's payload: one chunk, or several in a row (a publisher may put a whole group into an object). Boxes that may
 * precede a chunk (`styp`, `prft`, `emsg`, `sidx`) are passed over.
 *
 * Throws CountersignError `media-error` for anything else; never anything but that, whatever the bytes.
 */
export function readChunkTiming(payload: Uint8Array, defaults: TrackDefaults): ChunkTiming {
  const view = viewOf(payload);
  let timing: ChunkTiming | undefined;
  let openMoof = false;
  for (const box of boxesIn(view, 0, payload.byteLength)) {
    if (box.type === MDAT) {
      if (!openMoof) throw malformedMedia("an mdat without its moof");
      openMoof = false;
    } else if (box.type === MOOF) {
      if (openMoof) throw malformedMedia("a moof without its mdat");
      openMoof = true;
      const next = readMoof(view, box, defaults);
      if (timing === undefined) {
        timing = next;
      } else {
        const durationTicks = next.baseDecodeTimeTicks + next.durationTicks - timing.baseDecodeTimeTicks;
        if (durationTicks < timing.durationTicks) throw malformedMedia("chunks of one object run backwards");
        timing = { ...timing, durationTicks, samples: timing.samples + next.samples };
      }
    }
  }
  if (timing === undefined) throw malformedMedia("no moof box");
  if (openMoof) throw malformedMedia("a moof without its mdat");
  if (timing.durationTicks <= 0) throw malformedMedia("a chunk without duration");
  if (!Number.isSafeInteger(timing.baseDecodeTimeTicks + timing.durationTicks)) {
    throw malformedMedia("a time is beyond 2^53 ticks");
  }
  return timing;
}
