import { BufferSource, EncodedPacketSink, Input, MP4 } from "mediabunny";
import { expect, test } from "vitest";
import { concatBytes } from "./boxes.ts";
import { chunk } from "./chunk.ts";
import type { ClipSample, ClipTrack } from "./clip.ts";
import { initSegment } from "./init-segment.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const clip = syntheticClip({ seconds: 8 });
const video = clip.tracks[0] as ClipTrack;
const audio = clip.tracks[1] as ClipTrack;

/** Reads a header and chunks with mediabunny: a reader that shares no code with our writer. */
async function read(track: ClipTrack, ...chunks: Uint8Array[]) {
  const input = new Input({
    formats: [MP4],
    source: new BufferSource(concatBytes([initSegment(track), ...chunks])),
  });
  const [found] = await input.getTracks();
  if (found === undefined) throw new Error("no track was found");
  const packets: { seconds: number; durationSeconds: number; key: boolean; data: Uint8Array }[] = [];
  for await (const packet of new EncodedPacketSink(found).packets()) {
    packets.push({
      seconds: packet.timestamp,
      durationSeconds: packet.duration,
      key: packet.type === "key",
      data: packet.data,
    });
  }
  return { track: found, packets };
}

function sample(overrides: Partial<ClipSample>): ClipSample {
  return {
    data: Uint8Array.of(1, 2, 3),
    durationTicks: 1920,
    keyframe: false,
    compositionOffsetTicks: 0,
    ...overrides,
  };
}

test("an independent reader finds codec, dimensions and decoder configuration of a video track", async () => {
  const { track } = await read(video, chunk(video, video.samples.slice(0, 5), 0, 1));
  if (!track.isVideoTrack()) throw new Error("not a video track");
  expect(await track.getCodecParameterString()).toBe(video.codec);
  expect([await track.getCodedWidth(), await track.getCodedHeight()]).toEqual([640, 360]);
  const config = await track.getDecoderConfig();
  expect(new Uint8Array(config?.description as Uint8Array)).toEqual(video.decoderConfig);
});

test("an independent reader finds codec, rate and channels of an audio track", async () => {
  const { track } = await read(audio, chunk(audio, audio.samples.slice(0, 9), 0, 1));
  if (!track.isAudioTrack()) throw new Error("not an audio track");
  expect(await track.getCodecParameterString()).toBe(audio.codec);
  expect([await track.getSampleRate(), await track.getNumberOfChannels()]).toEqual([48_000, 2]);
  const config = await track.getDecoderConfig();
  expect(new Uint8Array(config?.description as Uint8Array)).toEqual(audio.decoderConfig);
});

test("samples come back with their bytes, times and keyframe flags", async () => {
  const start = 48_000 * 86_400 * 365; // a year after the epoch: more than 32 bits of ticks
  const { packets } = await read(
    video,
    chunk(video, video.samples.slice(0, 5), start, 1),
    chunk(video, video.samples.slice(5, 10), start + 5 * 1920, 2),
  );
  expect(packets.map((packet) => packet.data)).toEqual(video.samples.slice(0, 10).map((s) => s.data));
  expect(packets.map((packet) => Math.round(packet.seconds * 48_000) - start)).toEqual(
    Array.from({ length: 10 }, (_, i) => i * 1920),
  );
  expect(packets.map((packet) => packet.key)).toEqual([true, ...Array<boolean>(9).fill(false)]);
});

test("unequal durations, keyframes in the middle and negative composition offsets are carried", async () => {
  const samples = [
    sample({ keyframe: true, durationTicks: 1000 }),
    sample({ durationTicks: 2000, compositionOffsetTicks: 3000 }),
    sample({ durationTicks: 1500, compositionOffsetTicks: -1500 }),
    sample({ keyframe: true, durationTicks: 1920 }),
  ];
  const { packets } = await read(video, chunk(video, samples, 96_000, 1));
  const inDecodeOrder = packets.map((packet) => Math.round(packet.seconds * 48_000) - 96_000);
  expect(inDecodeOrder).toEqual([0, 4000, 1500, 4500]);
  expect(packets.map((packet) => packet.key)).toEqual([true, false, false, true]);
});

test("every audio sample is a sync sample", async () => {
  const { packets } = await read(audio, chunk(audio, audio.samples.slice(0, 9), 0, 1));
  expect(packets.every((packet) => packet.key)).toBe(true);
});

test("a chunk owns its whole buffer, so that it can be transferred", () => {
  const bytes = chunk(video, video.samples.slice(0, 5), 0, 1);
  expect(bytes.byteOffset).toBe(0);
  expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
});

test("the sequence number is written modulo 2^32", () => {
  const bytes = chunk(video, video.samples.slice(0, 1), 0, 2 ** 32 + 7);
  // moof header 8, mfhd header 8, version and flags 4, then the number
  expect(new DataView(bytes.buffer).getUint32(20)).toBe(7);
});

test("a codec without a sample entry is refused by name", () => {
  expect(() => initSegment({ ...video, codec: "vp09.00.10.08" } as ClipTrack)).toThrow(
    expect.objectContaining({ code: "media-unsupported", message: expect.stringContaining("vp09") }),
  );
  expect(() => initSegment({ ...audio, codec: "opus" } as ClipTrack)).toThrow(
    expect.objectContaining({ code: "media-unsupported" }),
  );
});
