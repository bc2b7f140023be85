/** Converting what we cannot package, with the ffmpeg of the machine. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CountersignError } from "../../../src/errors.ts";

/** As much of ffmpeg's complaints as an error message can bear. */
const MAX_COMPLAINT_CHARACTERS = 400;

function runFfmpeg(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("ffmpeg", args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-MAX_COMPLAINT_CHARACTERS);
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else
        reject(
          new CountersignError(
            "media-unsupported",
            `ffmpeg could not convert the input: ${complaint.trim()}`,
          ),
        );
    });
  });
}

/**
 * Converts a file, given as its bytes, to an MP4 of H.264 (no B-frames, a keyframe per second) and AAC, and gives that to `use`.
 * One thread and no encoder tags, so that the same ffmpeg gives the same bytes.
 *
 * Throws `unsupported`, the reason why a conversion was wanted, when there is no ffmpeg; CountersignError `media-unsupported` when it fails.
 */
export async function withConvertedCopy<T>(
  original: Uint8Array,
  unsupported: CountersignError,
  use: (converted: Uint8Array) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-input-"));
  try {
    const path = join(folder, "original");
    const copy = join(folder, "converted.mp4");
    await writeFile(path, original);
    await runFfmpeg(
      ["-v", "error", "-i", path, "-map", "0:v:0?", "-map", "0:a:0?"].concat(
        ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0", "-threads", "1"],
        ["-force_key_frames", "expr:gte(t,n_forced)", "-sc_threshold", "0", "-x264-params", "open-gop=0"],
        ["-c:a", "aac", "-ar", "48000", "-ac", "2", "-fflags", "+bitexact", "-map_metadata", "-1", copy],
      ),
    ).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") throw unsupported;
      throw error;
    });
    return await use(await readFile(copy));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
