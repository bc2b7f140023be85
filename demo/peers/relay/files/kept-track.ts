/**
 * One track of the relay and its files: groups are written when they are whole, or as they are when they will not become so any more; older ones are read back a window at a time.
 *
 * A failing disk costs history, never live: what cannot be written is told and forgotten. A failing read is an error of that request.
 */
import type { CachedGroup, GroupCache } from "../../../../src/publish/group-cache.ts";
import { contains, firstAtOrAbove } from "../../../../src/replay/group-ranges.ts";
import type { TrackKey } from "../../../../src/replay/types.ts";
import type { Location } from "../../../../src/wire/names.ts";
import { addVarInt, subVarInt, type VarInt } from "../../../../src/wire/varint.ts";
import type { FileGroups } from "./file-groups.ts";

/** A group this far behind the newest gets no more objects: late copies come from the recent past only. */
const SETTLED_AFTER_GROUPS = 3;

export class KeptTrack {
  readonly #key: TrackKey;
  readonly #files: FileGroups;
  readonly #cache: GroupCache;
  readonly #onFailed: (thrown: unknown) => void;
  /** Groups of the cache that have objects which are in no file. */
  readonly #unsaved = new Set<VarInt>();

  constructor(key: TrackKey, files: FileGroups, cache: GroupCache, onFailed: (thrown: unknown) => void) {
    this.#key = key;
    this.#files = files;
    this.#cache = cache;
    this.#onFailed = onFailed;
  }

  /** The largest object there is a file of; undefined: none. */
  async largest(): Promise<Location | undefined> {
    const newest = (await this.#files.ranges(this.#key)).at(-1)?.last;
    const object =
      newest === undefined ? undefined : (await this.#files.group(this.#key, newest))?.objects.at(-1);
    return object && { group: object.group, object: object.object };
  }

  /** The first group at or after `group` that there is a file of. Asked anew at each step, since retention goes on. */
  async floor(group: VarInt): Promise<VarInt | undefined> {
    return firstAtOrAbove(await this.#files.ranges(this.#key), group);
  }

  /** What the files have of first..last, ascending, and whether that is all of it. */
  async read(
    first: VarInt,
    last: VarInt,
  ): Promise<{ readonly groups: CachedGroup[]; readonly all: boolean }> {
    const ranges = await this.#files.ranges(this.#key);
    const groups: CachedGroup[] = [];
    let all = true;
    for (let group = first; group <= last; group = addVarInt(group, 1)) {
      const stored = contains(ranges, group) ? await this.#files.group(this.#key, group) : undefined;
      if (stored === undefined) all = false;
      else groups.push({ group, objects: [...stored.objects], complete: stored.complete });
    }
    return { groups, all };
  }

  /** A new object is in the cache. */
  added(group: VarInt): void {
    this.#unsaved.add(group);
    for (const open of this.#unsaved) {
      if (group > open && subVarInt(group, open) >= SETTLED_AFTER_GROUPS) void this.#save(open);
    }
  }

  /** Its last object is known. */
  completed(group: VarInt): void {
    if (this.#unsaved.has(group)) void this.#save(group);
  }

  /** Writes what there is, as it is. */
  async flush(): Promise<void> {
    await Promise.all([...this.#unsaved].map((group) => this.#save(group)));
  }

  async #save(group: VarInt): Promise<void> {
    this.#unsaved.delete(group);
    const cached = this.#cache.get(group);
    if (cached === undefined) return;
    const { complete } = cached;
    try {
      // A status says that nothing is there; files hold what is.
      const objects = cached.objects.filter(({ status }) => status === "normal");
      await this.#files.write(this.#key, { group, complete, evidence: [], objects });
    } catch (thrown) {
      this.#onFailed(thrown);
    }
  }
}
