import { createHash } from "node:crypto";
import { chmod, copyFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import {
  ALL_FORMATS,
  BufferTarget,
  Conversion,
  FilePathSource,
  Input,
  type InputFormat,
  MkvOutputFormat,
  MpegTsOutputFormat,
  Output,
} from "mediabunny";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { GroupCutter } from "../../../src/publish/group-cutter.ts";
import type { AssembledClip } from "./assemble-clip.ts";
import { clipFromBytes } from "./clip-from-bytes.ts";
import { BUNDLED_CLIP_PATH, loadClip, MAX_INPUT_BYTES } from "./load-clip.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "countersign-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const code = (value: string) => expect.objectContaining({ code: value });

/** The bundled clip in another container, written by mediabunny without touching a sample. */
async function remuxed(format: MpegTsOutputFormat | MkvOutputFormat): Promise<Uint8Array> {
  const input = new Input({
    formats: ALL_FORMATS satisfies InputFormat[],
    source: new FilePathSource(BUNDLED_CLIP_PATH),
  });
  const output = new Output({ format, target: new BufferTarget() });
  await (await Conversion.init({ input, output, showWarnings: false })).execute();
  return new Uint8Array(output.target.buffer!);
}

test("the bundled clip is what its README says: 16 s that loop without a seam", async () => {
  const { clip, seam } = await loadClip();
  expect(seam).toBeUndefined();
  expect(clip.durationTicks).toBe(16 * 48_000);
  const [video, audio] = clip.tracks;
  expect(video).toMatchObject({ name: "video", codec: "avc1.4d401e", width: 640, height: 360 });
  expect(audio).toMatchObject({ name: "audio", codec: "mp4a.40.2", sampleRate: 48_000, channels: 2 });
  expect(video?.samples.map((s) => s.keyframe)).toEqual(Array.from({ length: 400 }, (_, i) => i % 25 === 0));
  expect(new Set(video?.samples.map((s) => s.durationTicks))).toEqual(new Set([1920]));
  expect(video?.samples.every((s) => s.compositionOffsetTicks === 0)).toBe(true);
  expect(audio?.samples).toHaveLength(750);
  expect(new Set(audio?.samples.map((s) => s.durationTicks))).toEqual(new Set([1024]));
  expect(new GroupCutter(clip, { objectMs: 200 }).plan.regularGroupMs).toBe(1000);
});

/** A clip with digests for data: quick to compare, and short when two differ. */
function digested({ clip }: AssembledClip) {
  const digest = (data: Uint8Array) => createHash("sha256").update(data).digest("base64");
  return clip.tracks.map((track) => ({
    ...track,
    samples: track.samples.map((sample) => ({ ...sample, data: digest(sample.data) })),
  }));
}

test("the same media in a transport stream give the same clip, to the byte", async () => {
  const stream = await remuxed(new MpegTsOutputFormat());
  expect(stream[0]).toBe(0x47);
  expect(digested(await clipFromBytes(stream))).toEqual(digested(await loadClip()));
});

test("the same media in Matroska, whose times are rounded to milliseconds, give the same samples", async () => {
  const samples = (clip: AssembledClip) =>
    digested(clip).map((track) => track.samples.map(({ data }) => data));
  expect(samples(await clipFromBytes(await remuxed(new MkvOutputFormat())))).toEqual(
    samples(await loadClip()),
  );
});

test("a file that is not there or too large is refused by its option", async () => {
  await expect(loadClip(join(folder, "nowhere.mp4"))).rejects.toThrow(code("invalid-options"));
  const huge = join(folder, "huge.mp4");
  await writeFile(huge, "");
  await truncate(huge, MAX_INPUT_BYTES + 1); // sparse: it takes no room
  await expect(loadClip(huge)).rejects.toThrow(code("invalid-options"));
});

test("a URL that tells its length is an input like a file; one that is endless, missing or away is refused", async () => {
  const media = await readFile(BUNDLED_CLIP_PATH);
  const server = createServer((request, response) => {
    if (request.url === "/clip.mp4")
      response.end(media); // Node tells the length of what is ended at once
    else if (request.url === "/live.ts") response.write(media.subarray(0, 1000));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}`;
  try {
    expect((await loadClip(`${address}/clip.mp4`)).clip.durationTicks).toBe(16 * 48_000);
    await expect(loadClip(`${address}/live.ts`)).rejects.toThrow(/does not say how long/);
    await expect(loadClip(`${address}/nothing.mp4`)).rejects.toThrow(code("invalid-options"));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await expect(loadClip(`${address}/clip.mp4`)).rejects.toThrow(code("invalid-options"));
});

test("bytes that are no media, or end too early, are refused as unsupported", async () => {
  await expect(clipFromBytes(new TextEncoder().encode("not a film"))).rejects.toThrow(
    code("media-unsupported"),
  );
  await expect(clipFromBytes(new Uint8Array())).rejects.toThrow(code("media-unsupported"));
});

test("without ffmpeg, the reason given is the one that made a conversion necessary", async () => {
  vi.stubEnv("PATH", folder);
  const text = join(folder, "text.mp4");
  await writeFile(text, "not a film");
  await expect(loadClip(text)).rejects.toThrow(/no media file/);
  vi.unstubAllEnvs();
});

test.skipIf(process.platform === "win32")(
  "with ffmpeg, what it makes of the input is loaded; its failure is told",
  async () => {
    const tools = await mkdtemp(join(folder, "tools-"));
    const ffmpeg = join(tools, "ffmpeg");
    // Stands in for ffmpeg: the last argument is where the result belongs.
    await writeFile(
      ffmpeg,
      `#!/bin/sh\nfor last; do :; done\ncp "$(dirname "$0")/result.mp4" "$last" || { echo "no result" >&2; exit 1; }\n`,
    );
    await chmod(ffmpeg, 0o755);
    vi.stubEnv("PATH", `${tools}${delimiter}${process.env["PATH"]}`);
    const text = join(folder, "text.mp4");
    await writeFile(text, "not a film");
    await expect(loadClip(text)).rejects.toThrow(/no result/);
    await copyFile(BUNDLED_CLIP_PATH, join(tools, "result.mp4"));
    expect((await loadClip(text)).clip.durationTicks).toBe(16 * 48_000);
    vi.unstubAllEnvs();
  },
);
