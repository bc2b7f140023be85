/** The CMAF header of a track: `ftyp` and `moov`, what a decoder needs before the first chunk (ISO/IEC 23000-19 §7.3.1). */
import { CountersignError } from "../errors.ts";
import { ascii, type Bytes, box, concatBytes, fullBox, u8, u16, u32 } from "./boxes.ts";
import { type AudioClipTrack, type ClipTrack, MEDIA_TIMESCALE, type VideoClipTrack } from "./clip.ts";

/** Different ids, so that the two tracks can also be put into one file side by side. */
export function trackIdOf(track: Pick<ClipTrack, "kind">): number {
  return track.kind === "video" ? 1 : 2;
}

/** Sample entry type to the type of its configuration box. */
const VIDEO_CONFIG_BOX: Readonly<Record<string, string>> = {
  avc1: "avcC",
  avc3: "avcC",
  hvc1: "hvcC",
  hev1: "hvcC",
};

const UNITY_MATRIX = u32(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000);
/** `und` in three times five bits (ISO/IEC 14496-12 §8.4.2.3). */
const LANGUAGE_UNDETERMINED = 0x55c4;
const RESOLUTION_72_DPI = 0x48_0000;

function unsupported(codec: string): never {
  throw new CountersignError(
    "media-unsupported",
    `No CMAF sample entry is written for the codec "${codec}".`,
    {
      hint: "Convert the input to H.264 or HEVC video and AAC audio.",
    },
  );
}

/** Whether {@link initSegment} can describe this codec. */
export function canPackage(kind: ClipTrack["kind"], codec: string): boolean {
  return kind === "video" ? (codec.split(".")[0] ?? "") in VIDEO_CONFIG_BOX : codec.startsWith("mp4a.40.");
}

function videoEntry(track: VideoClipTrack): Bytes {
  const type = track.codec.split(".")[0] ?? "";
  const configBox = VIDEO_CONFIG_BOX[type];
  if (configBox === undefined) unsupported(track.codec);
  return box(
    type,
    new Uint8Array(6), // reserved
    u16(1), // data_reference_index
    new Uint8Array(16), // pre_defined, reserved
    u16(track.width, track.height),
    u32(RESOLUTION_72_DPI, RESOLUTION_72_DPI, 0),
    u16(1), // frame_count
    new Uint8Array(32), // compressorname
    u16(0x18, 0xffff), // depth, pre_defined = -1
    box(configBox, track.decoderConfig),
  );
}

/** A descriptor of ISO/IEC 14496-1 §8.3.3; ours are all below 128 bytes but for absurd configurations. */
function descriptor(tag: number, ...content: Uint8Array[]): Bytes {
  const body = concatBytes(content);
  const size = body.byteLength;
  const length = size < 0x80 ? u8(size) : u8(0x80 | (size >> 7), size & 0x7f);
  return concatBytes([u8(tag), length, body]);
}

function audioEntry(track: AudioClipTrack): Bytes {
  if (!track.codec.startsWith("mp4a.40.")) unsupported(track.codec);
  const esds = descriptor(
    0x03, // ES_Descriptor
    u16(0), // ES_ID: 0 in files (ISO/IEC 14496-14 §3.1.2)
    u8(0),
    descriptor(
      0x04, // DecoderConfigDescriptor
      u8(0x40, 0x15), // MPEG-4 audio; audio stream, reserved bit
      u8(0, 0, 0), // bufferSizeDB: not said
      u32(0, 0), // maxBitrate, avgBitrate: not said
      descriptor(0x05, track.decoderConfig),
    ),
    descriptor(0x06, u8(2)), // SLConfigDescriptor, predefined for MP4
  );
  return box(
    "mp4a",
    new Uint8Array(6), // reserved
    u16(1), // data_reference_index
    new Uint8Array(8), // reserved
    u16(track.channels, 16, 0, 0), // channelcount, samplesize, pre_defined, reserved
    // 16.16 fixed point; rates that do not fit stand in the AudioSpecificConfig, where decoders look.
    u32(track.sampleRate < 0x1_0000 ? track.sampleRate * 0x1_0000 : 0),
    fullBox("esds", 0, 0, esds),
  );
}

function trackBox(track: ClipTrack): Bytes {
  const video = track.kind === "video";
  const size = video ? u32(track.width * 0x1_0000, track.height * 0x1_0000) : u32(0, 0);
  const sampleTable = box(
    "stbl",
    fullBox("stsd", 0, 0, u32(1), video ? videoEntry(track) : audioEntry(track)),
    fullBox("stts", 0, 0, u32(0)),
    fullBox("stsc", 0, 0, u32(0)),
    fullBox("stsz", 0, 0, u32(0, 0)),
    fullBox("stco", 0, 0, u32(0)),
  );
  return box(
    "trak",
    fullBox(
      "tkhd",
      0,
      7, // enabled, in movie, in preview
      u32(0, 0, trackIdOf(track), 0, 0, 0, 0),
      u16(0, 0, video ? 0 : 0x100, 0), // layer, alternate_group, volume, reserved
      UNITY_MATRIX,
      size,
    ),
    box(
      "mdia",
      fullBox("mdhd", 0, 0, u32(0, 0, MEDIA_TIMESCALE, 0), u16(LANGUAGE_UNDETERMINED, 0)),
      fullBox("hdlr", 0, 0, u32(0), ascii(video ? "vide" : "soun"), u32(0, 0, 0), ascii("Countersign\0")),
      box(
        "minf",
        video ? fullBox("vmhd", 0, 1, u16(0, 0, 0, 0)) : fullBox("smhd", 0, 0, u16(0, 0)),
        box("dinf", fullBox("dref", 0, 0, u32(1), fullBox("url ", 0, 1))),
        sampleTable,
      ),
    ),
  );
}

/**
 * The initialization segment of one track, a pure function of codec, dimensions and decoder configuration.
 * There is no edit list: a presentation time is decode time plus composition offset, and nothing else.
 * Throws CountersignError `media-unsupported` for a codec without a sample entry here.
 */
export function initSegment(track: ClipTrack): Bytes {
  const id = trackIdOf(track);
  return concatBytes([
    box("ftyp", ascii("iso6"), u32(0), ascii("iso6"), ascii("cmfc"), ascii("mp41")),
    box(
      "moov",
      fullBox(
        "mvhd",
        0,
        0,
        u32(0, 0, MEDIA_TIMESCALE, 0, 0x1_0000), // times, timescale, duration, rate 1.0
        u16(0x100, 0), // volume 1.0, reserved
        u32(0, 0),
        UNITY_MATRIX,
        new Uint8Array(24), // pre_defined
        u32(id + 1), // next_track_ID
      ),
      trackBox(track),
      box("mvex", fullBox("trex", 0, 0, u32(id, 1, 0, 0, 0))),
    ),
  ]);
}
