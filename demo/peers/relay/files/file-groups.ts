/**
 * Groups of tracks in files: what a relay can serve beyond its memory, and after a restart.
 *
 * A folder per track, in it append-only files; a group is one frame, written when it is whole. What is where is kept in memory and found again by walking the files' frame heads. Retention
 * deletes whole files, oldest first, per track. A group that is written again (it was incomplete) is appended; the fuller one counts.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../../src/clock.ts";
import { decodeStoredGroup, encodeStoredGroup } from "../../../../src/replay/group-file.ts";
import { addInPlace, subtract } from "../../../../src/replay/group-ranges.ts";
import type { GroupRange, GroupSource, StoredGroup, TrackKey } from "../../../../src/replay/types.ts";
import type { VarInt } from "../../../../src/wire/varint.ts";
import { Segment } from "./segment.ts";

/** 72 hours. */
export const DEFAULT_RETENTION_MS = 72 * 3_600_000;

/** A new file is begun past this size: 64 MB is a minute of 8 Mb/s, few files for three days and small steps for retention. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** Nor does a file cover more than this share of the retention, so that no more than that outlives it. */
const SEGMENTS_PER_RETENTION = 24;

/** File names have at most 255 bytes; longer track names are known by their digest. The key itself is in a file beside the groups. */
const MAX_FOLDER_NAME = 200;
const KEY_FILE = "track";

interface Place {
  readonly segment: Segment;
  readonly at: number;
  readonly byteLength: number;
  readonly objects: number;
  readonly complete: boolean;
}

interface TrackFiles {
  readonly folder: string;
  readonly segments: Segment[];
  readonly places: Map<VarInt, Place>;
  ranges: GroupRange[];
  /** Writes come one after the other. */
  tail: Promise<unknown>;
}

export interface FileGroupsOptions {
  readonly folder: string;
  readonly clock: Clock;
  /** How long the groups of a track are kept, by when they were written; default DEFAULT_RETENTION_MS. */
  readonly retentionMs?: (track: TrackKey) => number;
  readonly segmentBytes?: number;
}

export class FileGroups implements GroupSource {
  readonly #options: FileGroupsOptions;
  readonly #tracks = new Map<TrackKey, Promise<TrackFiles | undefined>>();
  #closed = false;

  constructor(options: FileGroupsOptions) {
    this.#options = options;
  }

  /** Keys of the tracks that have files. */
  async tracks(): Promise<TrackKey[]> {
    const folders = await readdir(this.#options.folder).catch(() => []);
    const keys = await Promise.all(
      folders.map((folder) => readFile(join(this.#options.folder, folder, KEY_FILE), "utf8").catch(() => "")),
    );
    return keys.filter((key) => key !== "");
  }

  async ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    signal?.throwIfAborted();
    return [...((await this.#open(track, false))?.ranges ?? [])];
  }

  async oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    signal?.throwIfAborted();
    return (await this.#open(track, false))?.ranges[0]?.first;
  }

  async group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    signal?.throwIfAborted();
    const files = await this.#open(track, false);
    const place = files?.places.get(group);
    if (files === undefined || place === undefined) return undefined;
    try {
      const bytes = await place.segment.read(place.at, place.byteLength);
      signal?.throwIfAborted();
      return decodeStoredGroup(bytes);
    } catch (thrown) {
      signal?.throwIfAborted();
      // Retention may have taken the file meanwhile: then it is gone, not damaged.
      if (!files.places.has(group)) return undefined;
      // What cannot be read is not offered again; this once it is an error and not an absence.
      if (files.places.get(group) === place) this.#drop(files, [group]);
      throw thrown;
    }
  }

  /** Keeps a group; one that is there already only when this one has more. Rejects when it cannot be written. */
  async write(track: TrackKey, group: StoredGroup): Promise<void> {
    if (this.#closed || group.objects.length === 0) return;
    const files = await this.#open(track, true);
    if (files === undefined) return;
    const written = files.tail.then(() => this.#append(track, files, group));
    files.tail = written.catch(() => undefined);
    await written;
  }

  /** Deletes what is past its track's retention. */
  async sweep(): Promise<void> {
    const now = this.#options.clock.now();
    for (const track of await this.tracks()) {
      const files = await this.#open(track, false);
      if (files === undefined) continue;
      const before = now - this.#retentionOf(track);
      while (files.segments[0] !== undefined && files.segments[0].writtenAtMs < before) {
        const segment = files.segments.shift()!;
        this.#drop(
          files,
          [...files.places].filter(([, place]) => place.segment === segment).map(([group]) => group),
        );
        await segment.remove();
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const opening of this.#tracks.values()) {
      const files = await opening.catch(() => undefined);
      await files?.tail;
      for (const segment of files?.segments ?? []) await segment.close();
    }
    this.#tracks.clear();
  }

  #retentionOf(track: TrackKey): number {
    return this.#options.retentionMs?.(track) ?? DEFAULT_RETENTION_MS;
  }

  #drop(files: TrackFiles, groups: readonly VarInt[]): void {
    const dropped: GroupRange[] = [];
    for (const group of groups) {
      files.places.delete(group);
      addInPlace(dropped, group);
    }
    files.ranges = subtract(files.ranges, dropped);
  }

  async #append(track: TrackKey, files: TrackFiles, group: StoredGroup): Promise<void> {
    const known = files.places.get(group.group);
    if (known !== undefined && (known.complete || known.objects >= group.objects.length)) return;
    const { clock, segmentBytes = SEGMENT_BYTES } = this.#options;
    const now = clock.now();
    let segment = files.segments.at(-1);
    const spanMs = this.#retentionOf(track) / SEGMENTS_PER_RETENTION;
    if (segment === undefined || segment.size >= segmentBytes || now - segment.firstWrittenAtMs > spanMs) {
      const number = (segment?.number ?? 0) + 1;
      segment = await Segment.create(join(files.folder, `${number}.groups`), number, now);
      files.segments.push(segment);
    }
    const bytes = encodeStoredGroup(group);
    const at = await segment.append(bytes, now);
    const { complete, objects } = group;
    const place = { segment, at, byteLength: bytes.length, objects: objects.length, complete };
    files.places.set(group.group, place);
    addInPlace(files.ranges, group.group);
  }

  #open(track: TrackKey, create: boolean): Promise<TrackFiles | undefined> {
    if (this.#closed) return Promise.reject(new Error("the files are closed"));
    let opening = this.#tracks.get(track);
    if (opening === undefined) {
      opening = this.#load(track, create);
      this.#tracks.set(track, opening);
      // What is not there, or could not be read, is looked for again by the next who asks.
      const forget = (): void => {
        if (this.#tracks.get(track) === opening) this.#tracks.delete(track);
      };
      opening.then((files) => (files === undefined ? forget() : undefined), forget);
    } else if (create) {
      return opening.then((files) => files ?? this.#open(track, true));
    }
    return opening;
  }

  async #load(track: TrackKey, create: boolean): Promise<TrackFiles | undefined> {
    const folder = join(this.#options.folder, folderOf(track));
    if (create) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, KEY_FILE), track);
    }
    const names = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return undefined;
      throw thrown;
    });
    if (names === undefined) return undefined;
    const files: TrackFiles = {
      folder,
      segments: [],
      places: new Map(),
      ranges: [],
      tail: Promise.resolve(),
    };
    const numbers = names.flatMap((name) => /^(\d+)\.groups$/.exec(name)?.[1] ?? []).map(Number);
    for (const number of numbers.sort((a, b) => a - b)) {
      const found: [VarInt, Omit<Place, "segment">][] = [];
      const segment = await Segment.read(join(folder, `${number}.groups`), number, ({ group, ...frame }) =>
        found.push([group, frame]),
      );
      files.segments.push(segment);
      for (const [group, frame] of found) {
        // Of two the later one, which was written because it has more.
        files.places.set(group, { segment, ...frame });
        addInPlace(files.ranges, group);
      }
    }
    return files;
  }
}

function folderOf(track: TrackKey): string {
  const safe = /^[A-Za-z0-9_.-]+$/.test(track) && !track.startsWith(".");
  return safe && track.length <= MAX_FOLDER_NAME
    ? track
    : `sha256-${createHash("sha256").update(track).digest("hex")}`;
}
