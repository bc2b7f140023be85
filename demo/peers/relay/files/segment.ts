/** One append-only file of groups, one frame after the other (src/replay/group-file.ts). */
import { type FileHandle, open, rm } from "node:fs/promises";
import { FRAME_HEAD_BYTES, type FrameHead, readFrameHead } from "../../../../src/replay/group-file.ts";

/** Heads are read this much at a time when a file is walked: thousands of small groups, or part of a large one. */
const WALK_BYTES = 256 * 1024;

export interface Frame extends FrameHead {
  readonly at: number;
}

export class Segment {
  readonly path: string;
  readonly number: number;
  /** When its last group was written, ms since 1970. */
  writtenAtMs: number;
  firstWrittenAtMs: number;
  readonly #file: FileHandle;
  #size: number;

  private constructor(path: string, number: number, file: FileHandle, size: number, writtenAtMs: number) {
    this.path = path;
    this.number = number;
    this.#file = file;
    this.#size = size;
    this.writtenAtMs = writtenAtMs;
    this.firstWrittenAtMs = writtenAtMs;
  }

  get size(): number {
    return this.#size;
  }

  static async create(path: string, number: number, nowMs: number): Promise<Segment> {
    return new Segment(path, number, await open(path, "wx+"), 0, nowMs);
  }

  /** Opens one that is there. What a crash left half written at its end is cut off; `each` is told of every frame, in order. */
  static async read(path: string, number: number, each: (frame: Frame) => void): Promise<Segment> {
    const file = await open(path, "r+");
    const { size, mtimeMs, birthtimeMs } = await file.stat();
    const buffer = new Uint8Array(WALK_BYTES);
    let from = 0;
    let length = 0;
    let at = 0;
    while (at < size) {
      if (at < from || at + FRAME_HEAD_BYTES > from + length) {
        from = at;
        length = (await file.read(buffer, 0, WALK_BYTES, from)).bytesRead;
      }
      const head = readFrameHead(buffer.subarray(at - from, Math.min(length, at - from + FRAME_HEAD_BYTES)));
      if (head === undefined || at + head.byteLength > size) break;
      each({ ...head, at });
      at += head.byteLength;
    }
    if (at < size) await file.truncate(at);
    const segment = new Segment(path, number, file, at, mtimeMs);
    segment.firstWrittenAtMs = Math.min(mtimeMs, birthtimeMs);
    return segment;
  }

  /** Returns where it begins. */
  async append(bytes: Uint8Array, nowMs: number): Promise<number> {
    const at = this.#size;
    // Counted before it is written: an append that fails leaves a gap that nobody points into, never an overlap.
    this.#size += bytes.length;
    this.writtenAtMs = nowMs;
    await this.#file.write(bytes, 0, bytes.length, at);
    return at;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, at);
    return bytes.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }
}
