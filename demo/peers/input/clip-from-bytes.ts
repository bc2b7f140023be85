/** From the bytes of a media file to a clip: reading containers and bringing codecs into the form that CMAF has. Runs in Node and in a browser. */
import {
  ALL_FORMATS,
  BufferSource,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  type InputVideoTrack,
} from "mediabunny";
import { CountersignError, toCountersignError } from "../../../src/errors.ts";
import type { AudioClipTrack, VideoClipTrack } from "../../../src/publish/clip.ts";
import { canPackage } from "../../../src/publish/init-segment.ts";
import { readAdts } from "./adts.ts";
import { avcCodecString, avcConfigOf, lengthPrefixed } from "./annex-b.ts";
import {
  type AssembledClip,
  assembleClip,
  type InputPacket,
  type InputTrackPackets,
} from "./assemble-clip.ts";

function bytesOf(source: AllowSharedBufferSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/** H.264 outside these profiles has samples that browsers do not show (10 bits, 4:2:2, 4:4:4): baseline, main, extended, high. */
const SHOWN_AVC_PROFILE = /^avc[13]\.(?:42|4d|58|64)/i;

function canCarryVideo(codec: string): boolean {
  return canPackage("video", codec) && (!codec.startsWith("avc") || SHOWN_AVC_PROFILE.test(codec));
}

function cannotCarry(codec: string | null): CountersignError {
  return new CountersignError("media-unsupported", `The codec ${codec ?? "of a track"} cannot be packaged.`, {
    hint: "Install ffmpeg and try again, or convert the input to H.264 and AAC.",
  });
}

async function packetsOf(track: InputVideoTrack | InputAudioTrack): Promise<InputPacket[]> {
  const packets: InputPacket[] = [];
  for await (const packet of new EncodedPacketSink(track).packets(undefined, undefined, {
    verifyKeyPackets: true,
  })) {
    packets.push({
      data: packet.data,
      presentationSeconds: packet.timestamp,
      durationSeconds: packet.duration,
      keyframe: packet.type === "key",
    });
  }
  return packets;
}

async function readVideo(track: InputVideoTrack): Promise<InputTrackPackets<VideoClipTrack>> {
  const packets = await packetsOf(track);
  const config = await track.getDecoderConfig();
  const common = {
    kind: "video",
    name: "video",
    width: await track.getCodedWidth(),
    height: await track.getCodedHeight(),
  } as const;
  if (config?.description !== undefined && canCarryVideo(config.codec)) {
    return {
      describe: { ...common, codec: config.codec, decoderConfig: bytesOf(config.description) },
      packets,
    };
  }
  const inBand = packets.find((packet) => packet.keyframe);
  const decoderConfig = (await track.getCodec()) === "avc" && inBand ? avcConfigOf(inBand.data) : undefined;
  if (decoderConfig === undefined || !canCarryVideo(avcCodecString(decoderConfig)))
    throw cannotCarry(config?.codec ?? (await track.getCodec()));
  return {
    describe: { ...common, codec: avcCodecString(decoderConfig), decoderConfig },
    packets: packets.map((packet) => ({ ...packet, data: lengthPrefixed(packet.data) })),
  };
}

async function readAudio(track: InputAudioTrack): Promise<InputTrackPackets<AudioClipTrack>> {
  const packets = await packetsOf(track);
  const config = await track.getDecoderConfig();
  const common = {
    kind: "audio",
    name: "audio",
    sampleRate: await track.getSampleRate(),
    channels: await track.getNumberOfChannels(),
  } as const;
  if (config?.description !== undefined && canPackage("audio", config.codec)) {
    return {
      describe: { ...common, codec: config.codec, decoderConfig: bytesOf(config.description) },
      packets,
    };
  }
  const first = packets[0] && readAdts(packets[0].data);
  if ((await track.getCodec()) !== "aac" || first === undefined)
    throw cannotCarry(config?.codec ?? (await track.getCodec()));
  return {
    describe: { ...common, codec: `mp4a.40.${first.objectType}`, decoderConfig: first.config },
    packets: packets.map((packet) => ({ ...packet, data: readAdts(packet.data)?.data ?? packet.data })),
  };
}

/**
 * A clip from the bytes of a file (MP4, MOV, MPEG-TS, Matroska ...) with H.264 or HEVC and AAC; of several tracks of a kind the first.
 * Throws CountersignError `media-unsupported` for what cannot be read or packaged, `invalid-options` when nothing is there to loop.
 */
export async function clipFromBytes(bytes: Uint8Array): Promise<AssembledClip> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(bytes) });
  try {
    if (!(await input.canRead())) {
      throw new CountersignError("media-unsupported", "The input is no media file that can be read here.", {
        hint: "Use MP4 or MPEG-TS with H.264 and AAC; with ffmpeg installed, anything that ffmpeg reads.",
      });
    }
    const video = await input.getPrimaryVideoTrack();
    const audio = await input.getPrimaryAudioTrack();
    return assembleClip(
      video ? await readVideo(video) : undefined,
      audio ? await readAudio(audio) : undefined,
    );
  } catch (error) {
    throw toCountersignError(error, "media-unsupported");
  } finally {
    input.dispose();
  }
}
