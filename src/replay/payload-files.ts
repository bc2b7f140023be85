/**
 * Payloads in files of the origin's private file system, for archives of many gigabytes: `store: "opfs"`.
 *
 * Records are appended to segment files; what the database holds in their place is a pointer. All else stays as it is: rows, index, digests, retention. A file is written by one worker, through a
 * handle that nobody else can have; everybody reads it. How many bytes of a file are still pointed at is counted in the database, in the transactions that add and drop pointers; a file with none
 * is deleted. A crash may leave bytes that nobody points at, or a pointer to bytes that did not get to the disk: the first costs space until its file goes, the second is found by its digest
 * like any damage.
 */
import { CountersignError } from "../errors.ts";

/** Files are closed past this: some three minutes of 3 Mb/s, so that eviction frees space in small steps. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;

const FOLDER = "countersign-replay";
const POINTER_MARK = 0x43535031; // "CSP1"
const POINTER_HEAD_BYTES = 16;

/** Of other files' snapshots this many are kept at hand: a reader goes through one after the other. */
const MAX_OPEN_FILES = 8;

/**
 * Failures to make or write a file after which the database takes everything for the rest of the session. One alone says little: with a busy machine and a private context, Chromium 156 was
 * seen to refuse a handle to a file that it had just made, and to write part of a record.
 */
const MAX_FAILURES = 8;

/** The members of FileSystemSyncAccessHandle that are used. */
interface SyncHandle {
  write(bytes: ArrayBuffer, options: { at: number }): number;
  read(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

interface FileHandle {
  createSyncAccessHandle?(): Promise<SyncHandle>;
  getFile(): Promise<Blob>;
}

interface Folder {
  getFileHandle(name: string, options?: { create: boolean }): Promise<FileHandle>;
  getDirectoryHandle(name: string, options?: { create: boolean }): Promise<Folder>;
  removeEntry(name: string): Promise<void>;
  keys(): AsyncIterable<string>;
}

export interface Pointer {
  readonly segment: string;
  readonly at: number;
  readonly length: number;
}

/** What a value of the parts store points at; undefined: it is the record itself. */
export function readPointer(value: unknown): Pointer | undefined {
  if (!(value instanceof ArrayBuffer) || value.byteLength <= POINTER_HEAD_BYTES) return undefined;
  const view = new DataView(value);
  if (view.getUint32(0) !== POINTER_MARK) return undefined;
  const name = new Uint8Array(value, POINTER_HEAD_BYTES);
  const at = view.getFloat64(8);
  if (!Number.isSafeInteger(at) || at < 0) return undefined;
  return { segment: String.fromCharCode(...name), at, length: view.getUint32(4) };
}

function writePointer({ segment, at, length }: Pointer): ArrayBuffer {
  const bytes = new Uint8Array(POINTER_HEAD_BYTES + segment.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, POINTER_MARK);
  view.setUint32(4, length);
  view.setFloat64(8, at);
  for (let i = 0; i < segment.length; i++) bytes[POINTER_HEAD_BYTES + i] = segment.charCodeAt(i);
  return bytes.buffer;
}

/** False when the browser wrote something else than all of it, or nothing. Throws when the disk is full. */
function wholly(handle: SyncHandle, record: ArrayBuffer, at: number): boolean {
  try {
    return handle.write(record, { at }) === record.byteLength;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "QuotaExceededError") throw thrown;
    return false;
  }
}

interface Writing {
  readonly name: string;
  readonly handle: SyncHandle;
  size: number;
}

export interface PayloadFilesOptions {
  /** Files of one database lie together, apart from those of others. */
  readonly name: string;
  readonly segmentBytes?: number;
}

export class PayloadFiles {
  readonly #options: PayloadFilesOptions;
  readonly #files = new Map<string, Promise<Blob>>();
  #folder: Promise<Folder> | undefined;
  #writing: Writing | undefined;
  #closed = false;
  /** False: only reading, or the browser gives no files (any more); then payloads go into the database. */
  #wanted = false;
  #failures = 0;

  constructor(options: PayloadFilesOptions) {
    this.#options = options;
  }

  /** The file that is being written to. */
  get segment(): string | undefined {
    return this.#writing?.name;
  }

  /** From now on records are written to files. Rejects with "storage-unavailable" where files cannot be written: private windows, pages (only workers may), old browsers. */
  async open(): Promise<void> {
    try {
      await this.#begin();
      this.#wanted = true;
    } catch (thrown) {
      throw new CountersignError("storage-unavailable", "The browser gives no files to this page's worker.", {
        hint: "Media are kept in IndexedDB instead.",
        cause: thrown,
      });
    }
  }

  /** Before each batch: append() is called within a transaction, where nothing may be waited for. */
  async prepare(): Promise<void> {
    const { segmentBytes = SEGMENT_BYTES } = this.#options;
    if (!this.#wanted || (this.#writing !== undefined && this.#writing.size < segmentBytes)) return;
    try {
      await this.#begin();
    } catch {
      // The present file grows, or payloads go into the database, until the next batch gets a new file.
      this.#failed();
    }
  }

  /** Appends a record; returns what to store in its place: the record itself when there is no file to write to. Throws what the browser throws, QuotaExceededError above all. */
  append(record: ArrayBuffer): ArrayBuffer {
    const writing = this.#writing;
    if (writing === undefined) return record;
    const at = writing.size;
    // Counted first: what a failed write left there is not written over.
    writing.size += record.byteLength;
    if (!wholly(writing.handle, record, at)) {
      // The record is not lost for that: it goes into the database, and the next batch into another file.
      this.#failed();
      this.#end();
      return record;
    }
    return writePointer({ segment: writing.name, at, length: record.byteLength });
  }

  /** The record that a value of the parts store is or points at; undefined: it is not there any more. */
  async read(value: unknown): Promise<unknown> {
    const pointer = readPointer(value);
    if (pointer === undefined) return value;
    const { segment, at, length } = pointer;
    if (segment === this.#writing?.name) {
      const bytes = new Uint8Array(length);
      return this.#writing.handle.read(bytes, { at }) === length ? bytes.buffer : undefined;
    }
    // A file that another tab writes to is longer now than it was.
    for (const fresh of [false, true]) {
      const file = await this.#file(segment, fresh);
      if (file === undefined) return undefined;
      if (at + length <= file.size) return await file.slice(at, at + length).arrayBuffer();
    }
    return undefined;
  }

  /** Deletes a file that nothing points at any more. False: another tab has it open. */
  async remove(segment: string): Promise<boolean> {
    if (segment === this.#writing?.name) return false;
    this.#files.delete(segment);
    try {
      await (await this.#directory()).removeEntry(segment);
      return true;
    } catch (thrown) {
      return isNotFound(thrown);
    }
  }

  /** Names of all files there are, written to or not. */
  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of (await this.#directory()).keys()) names.push(name);
    return names;
  }

  close(): void {
    this.#closed = true;
    this.#end();
    this.#files.clear();
  }

  async #begin(): Promise<void> {
    const folder = await this.#directory();
    const name = `${Date.now().toString(36)}-${crypto.randomUUID()}`;
    const file = await folder.getFileHandle(name, { create: true });
    if (file.createSyncAccessHandle === undefined) throw new TypeError("no synchronous access to files here");
    const handle = await file.createSyncAccessHandle();
    this.#end();
    if (this.#closed) handle.close();
    // New, since nobody else has its name.
    else this.#writing = { name, handle, size: 0 };
  }

  #failed(): void {
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) this.#wanted = false;
  }

  #end(): void {
    const writing = this.#writing;
    this.#writing = undefined;
    try {
      writing?.handle.flush();
    } finally {
      writing?.handle.close();
    }
  }

  async #file(segment: string, fresh: boolean): Promise<Blob | undefined> {
    let opening = fresh ? undefined : this.#files.get(segment);
    if (opening === undefined) {
      opening = this.#directory()
        .then((folder) => folder.getFileHandle(segment))
        .then((handle) => handle.getFile());
      this.#files.delete(segment);
      this.#files.set(segment, opening);
      const [oldest] = this.#files.keys();
      if (this.#files.size > MAX_OPEN_FILES && oldest !== undefined) this.#files.delete(oldest);
    }
    try {
      return await opening;
    } catch (thrown) {
      this.#files.delete(segment);
      if (isNotFound(thrown)) return undefined;
      throw thrown;
    }
  }

  #directory(): Promise<Folder> {
    if (this.#folder === undefined) {
      const opening = openFolder(this.#options.name);
      this.#folder = opening;
      opening.catch(() => {
        this.#folder = undefined;
      });
    }
    return this.#folder;
  }
}

async function openFolder(name: string): Promise<Folder> {
  const { storage } = navigator as { readonly storage?: { getDirectory?(): Promise<unknown> } };
  if (storage?.getDirectory === undefined) throw new TypeError("no private file system here");
  const root = (await storage.getDirectory()) as Folder;
  const folder = await root.getDirectoryHandle(FOLDER, { create: true });
  return folder.getDirectoryHandle(name, { create: true });
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "NotFoundError";
}
