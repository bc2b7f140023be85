/** What playback has to know of an initialization segment (ISO/IEC 14496-12 §8): timescale and the defaults that chunks may leave out. */
import { type Box, boxesIn, FieldReader, fourcc, malformedMedia, viewOf } from "./boxes.ts";

/** `trex` (§8.8.3): what holds for samples of which neither `tfhd` nor `trun` says anything. */
export interface TrackDefaults {
  readonly sampleDurationTicks: number | undefined;
  readonly sampleFlags: number;
}

export interface InitSegmentInfo {
  /** Ticks per second of the media, from `mdhd`. */
  readonly timescale: number;
  /** The sample entry's four letters, e.g. `avc1`. */
  readonly sampleEntry: string;
  readonly defaults: TrackDefaults;
}

const MOOV = fourcc("moov");
const TRAK = fourcc("trak");
const MDIA = fourcc("mdia");
const MDHD = fourcc("mdhd");
const MINF = fourcc("minf");
const STBL = fourcc("stbl");
const STSD = fourcc("stsd");
const MVEX = fourcc("mvex");
const TREX = fourcc("trex");

function child(view: DataView, parent: Box, type: number, name: string): Box {
  const box = boxesIn(view, parent.start, parent.end).find((candidate) => candidate.type === type);
  if (box === undefined) throw malformedMedia(`the initialization segment has no ${name} box`);
  return box;
}

function letters(type: number): string {
  return String.fromCharCode(type >>> 24, (type >>> 16) & 0xff, (type >>> 8) & 0xff, type & 0xff);
}

/** Throws CountersignError `media-error` when it is not the initialization segment of exactly one track. */
export function readInitSegment(bytes: Uint8Array): InitSegmentInfo {
  const view = viewOf(bytes);
  const moov = child(view, { type: 0, start: 0, end: bytes.byteLength }, MOOV, "moov");
  const traks = boxesIn(view, moov.start, moov.end).filter((box) => box.type === TRAK);
  const [trak] = traks;
  if (trak === undefined || traks.length > 1) {
    throw malformedMedia(`the initialization segment has ${traks.length} tracks instead of one`);
  }
  const mdia = child(view, trak, MDIA, "mdia");
  const mdhd = new FieldReader(view, child(view, mdia, MDHD, "mdhd"));
  mdhd.skip(mdhd.u32() >>> 24 === 0 ? 8 : 16); // creation and modification time
  const timescale = mdhd.u32();
  if (timescale === 0) throw malformedMedia("a timescale of 0");

  const stbl = child(view, child(view, mdia, MINF, "minf"), STBL, "stbl");
  const stsd = child(view, stbl, STSD, "stsd");
  if (stsd.end - stsd.start < 8) throw malformedMedia("a field is cut short");
  const [entry] = boxesIn(view, stsd.start + 8, stsd.end);
  if (entry === undefined) throw malformedMedia("the initialization segment names no codec");

  const trex = new FieldReader(view, child(view, child(view, moov, MVEX, "mvex"), TREX, "trex"));
  trex.skip(12); // version and flags, track_ID, default_sample_description_index
  const sampleDurationTicks = trex.u32();
  trex.skip(4); // default_sample_size
  return {
    timescale,
    sampleEntry: letters(entry.type),
    defaults: {
      sampleDurationTicks: sampleDurationTicks === 0 ? undefined : sampleDurationTicks,
      sampleFlags: trex.u32(),
    },
  };
}
