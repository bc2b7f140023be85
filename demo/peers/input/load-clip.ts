/**
 * What a publisher of the demo broadcasts: `--input` as a file or a finite URL, by default the bundled clip.
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

function tooLarge(bytes: number): CountersignError {
  return new CountersignError(
    "invalid-options",
    `The input has ${bytes} bytes; the limit is ${MAX_INPUT_BYTES}.`,
    {
      hint: "Cut a shorter piece out of it; it is repeated anyway.",
    },
  );
}

function unreadable(input: string, cause: unknown): CountersignError {
  return new CountersignError("invalid-options", `The input ${input} cannot be read.`, {
    cause,
    hint: "Check the value of --input.",
  });
}

async function readPath(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_INPUT_BYTES) throw tooLarge(size);
    return await readFile(path);
  } catch (error) {
    throw error instanceof CountersignError ? error : unreadable(path, error);
  }
}

async function readUrl(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw unreadable(url, `HTTP status ${response.status}`);
    const announced = response.headers.get("content-length");
    const size = announced === null ? Number.NaN : Number(announced);
    if (!(size <= MAX_INPUT_BYTES)) {
      await response.body?.cancel();
      if (size > MAX_INPUT_BYTES) throw tooLarge(size);
      throw new CountersignError("invalid-options", `The input ${url} does not say how long it is.`, {
        hint: "A live stream cannot be the input; record a piece of it into a file and give that.",
      });
    }
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw error instanceof CountersignError ? error : unreadable(url, error);
  }
}

/**
 * The clip in a file, or behind an http(s) URL that tells its length; the bundled clip by default. Codecs and containers that we cannot carry
 * are converted by ffmpeg, if there is one; publishers then agree only if they have the same build of it.
 *
 * Throws CountersignError `invalid-options` (not there, too large, endless, nothing to loop) or `media-unsupported` (cannot be read or
 * packaged, and ffmpeg is missing or fails too).
 */
export async function loadClip(input: string = BUNDLED_CLIP_PATH): Promise<AssembledClip> {
  const bytes = await (/^https?:/i.test(input) ? readUrl(input) : readPath(input));
  try {
    return await clipFromBytes(bytes);
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code !== "media-unsupported") throw error;
    return withConvertedCopy(bytes, error, clipFromBytes);
  }
}
