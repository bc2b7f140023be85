/** The bundled clip, cut and repeated, in the Media Source Extensions of a real browser: the last word on what we write. */
import { expect, test } from "vitest";
import { GroupCutter } from "../../../src/publish/group-cutter.ts";
import type { AssembledClip } from "./assemble-clip.ts";
import { clipFromBytes } from "./clip-from-bytes.ts";

async function bundledClip(): Promise<AssembledClip> {
  const response = await fetch(new URL("../../media/countersign.mp4", import.meta.url));
  return clipFromBytes(new Uint8Array(await response.arrayBuffer()));
}

function event(target: EventTarget, type: string): Promise<void> {
  return new Promise((resolve, reject) => {
    target.addEventListener(type, () => resolve(), { once: true });
    target.addEventListener("error", () => reject(new Error(`error while waiting for ${type}`)), {
      once: true,
    });
  });
}

/** A <video> with everything of groups `from` to `to` appended, one SourceBuffer per track. */
async function play(cutter: GroupCutter, from: number, to: number) {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await event(source, "sourceopen");
  // All buffers before the first byte: Chromium takes no new one once it has seen an initialization segment.
  const buffers = cutter.tracks.map(({ clipTrack }) =>
    source.addSourceBuffer(`${clipTrack.kind}/mp4; codecs="${clipTrack.codec}"`),
  );
  for (const [i, { clipTrack, initSegment }] of cutter.tracks.entries()) {
    const buffer = buffers[i]!;
    const append = async (bytes: BufferSource): Promise<void> => {
      buffer.appendBuffer(bytes);
      await event(buffer, "updateend");
    };
    await append(initSegment);
    for (let group = from; group <= to; group++) {
      // Object by object, as they arrive: the browser sees every boundary that we cut.
      for (const { payload } of cutter.group(clipTrack.name, group)) await append(payload);
    }
  }
  return { video, buffers };
}

const ranges = (buffered: TimeRanges) =>
  Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)] as const);

test.each([40, 200])(
  "two loops and a half of %i ms objects are one buffered range per track, exact to the tick",
  async (objectMs) => {
    const cutter = new GroupCutter((await bundledClip()).clip, { objectMs });
    const { video, buffers } = await play(cutter, 0, 39);
    for (const [i, buffer] of buffers.entries()) {
      const { clipTrack } = cutter.tracks[i]!;
      const objects = cutter.group(clipTrack.name, 39);
      const last = objects.at(-1)!;
      const endSeconds = (last.mediaStartTicks + last.durationTicks) / 48_000;
      expect(ranges(buffer.buffered)).toHaveLength(1);
      expect(buffer.buffered.start(0)).toBe(0);
      expect(Math.abs(buffer.buffered.end(0) - endSeconds)).toBeLessThan(1e-5);
    }
    video.remove();
  },
);

test("both tracks decode over the end of the loop, days after the epoch", async () => {
  const cutter = new GroupCutter((await bundledClip()).clip, { objectMs: 200 });
  const loopEnd = 16 * 30_000; // about five and a half days
  const { video } = await play(cutter, loopEnd - 2, loopEnd + 1);
  video.currentTime = loopEnd - 0.6;
  await event(video, "seeked");
  await video.play();
  await new Promise<void>((resolve, reject) => {
    video.addEventListener("timeupdate", () => {
      if (video.currentTime > loopEnd + 0.4) resolve();
    });
    video.addEventListener("error", () => reject(new Error(video.error?.message ?? "media error")));
  });
  const quality = video.getVideoPlaybackQuality();
  expect(video.error).toBeNull();
  expect(quality.totalVideoFrames).toBeGreaterThan(0);
  expect(quality.corruptedVideoFrames ?? 0).toBe(0);
  expect([video.videoWidth, video.videoHeight]).toEqual([640, 360]);
  video.remove();
});

test("the audio of the clip decodes to a bell on every second", async () => {
  const cutter = new GroupCutter((await bundledClip()).clip, { objectMs: 1000 });
  const track = cutter.tracks.find(({ clipTrack }) => clipTrack.kind === "audio")!;
  const parts = [
    track.initSegment,
    ...[14, 15, 16, 17].flatMap((group) => cutter.group("audio", group).map((o) => o.payload)),
  ];
  const file = await new Blob(parts).arrayBuffer();
  const decoded = await new OfflineAudioContext(2, 48_000, 48_000).decodeAudioData(file);
  const left = decoded.getChannelData(0);
  const loudness = (fromSeconds: number): number => {
    const from = Math.round(fromSeconds * 48_000);
    return Math.max(...left.subarray(from, from + 2400).map(Math.abs));
  };
  // Group 14 begins up to one frame late; the second after it is far enough from the decoder's first frame.
  for (const second of [1, 2, 3]) expect(loudness(second)).toBeGreaterThan(3 * loudness(second - 0.1));
});
