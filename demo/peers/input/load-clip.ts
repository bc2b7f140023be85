/**
 * What a publisher of the demo broadcasts: `--input` as a file, by default the bundled clip.
 *
 * mediabunny reads the container (MP4, MOV, MPEG-TS, Matroska ...); what comes out is a {@link Clip}, whole in memory, to be repeated without
 * end. Where the codec is one that we cannot package, or the container one that mediabunny cannot read, ffmpeg converts the file first if the
 * machine has it; nothing else here needs ffmpeg.
 */
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CountersignError } from "../../../src/errors.ts";
import type { AssembledClip } from "./assemble-clip.ts";
import { clipFromBytes } from "./clip-from-bytes.ts";
import { withConvertedCopy } from "./ffmpeg.ts";

/** The clip in the repository; see demo/media/README.md. */
export const BUNDLED_CLIP_PATH: string = fileURLToPath(
  new URL("../../media/countersign.mp4", import.meta.url),
);

/** A file is held in memory, twice while it is read. Longer ones are refused: cut them, the demo repeats its input anyway. */
export const MAX_INPUT_BYTES: number = 512 * 1024 * 1024;

/**
 * The clip in a file. Codecs and containers that we cannot carry are converted by ffmpeg, if there is one; publishers then agree
 * only if they have the same build of it.
 *
 * Throws CountersignError `invalid-options` (no such file, too large, nothing to loop) or `media-unsupported` (cannot be read or packaged, and ffmpeg is
 * missing or fails too).
 */
export async function loadClip(path: string = BUNDLED_CLIP_PATH): Promise<AssembledClip> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new CountersignError("invalid-options", `The input ${path} cannot be read.`, {
      cause,
      hint: "Check the value of --input.",
    });
  });
  if (found.size > MAX_INPUT_BYTES) {
    throw new CountersignError(
      "invalid-options",
      `The input has ${found.size} bytes; the limit is ${MAX_INPUT_BYTES}.`,
      {
        hint: "Cut a shorter piece out of it; it is repeated anyway.",
      },
    );
  }
  try {
    return await clipFromBytes(await readFile(path));
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code !== "media-unsupported") throw error;
    return withConvertedCopy(path, error, async (copy) => clipFromBytes(await readFile(copy)));
  }
}
