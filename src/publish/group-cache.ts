/**
 * The recent groups of one track, in memory: what a publisher or relay can still serve by FETCH.
 *
 * Objects may come in any order and more than once; the first copy stays.
 */

import { compareLocations, type Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { compareVarInt, type VarInt } from "../wire/varint.ts";

/** Groups kept: a minute of one-second groups, enough for a viewer who joins late or lost a relay, small enough for hundreds of tracks. */
export const DEFAULT_CACHE_GROUPS = 60;

/** Bytes kept per track whatever the group count says: 60 s at 8 Mb/s. Past it the oldest groups go. */
export const DEFAULT_CACHE_BYTES = 60 * 1024 * 1024;

export interface CachedGroup {
  readonly group: VarInt;
  /** Sorted by object id. */
  readonly objects: MoqObject[];
  /** The last object is known to be the group's last. */
  complete: boolean;
}

export class GroupCache {
  readonly #maxGroups: number;
  readonly #maxBytes: number;
  /** Ascending by group id. */
  readonly #groups: CachedGroup[] = [];
  #bytes = 0;
  #largest: Location | undefined;

  constructor(maxGroups = DEFAULT_CACHE_GROUPS, maxBytes = DEFAULT_CACHE_BYTES) {
    this.#maxGroups = maxGroups;
    this.#maxBytes = maxBytes;
  }

  /** The largest location ever put, cached or not. */
  get largest(): Location | undefined {
    return this.#largest;
  }

  /** The oldest group still here. */
  get oldest(): VarInt | undefined {
    return this.#groups[0]?.group;
  }

  /** False when the object is here already, or so old that keeping it would evict something newer. */
  put(object: MoqObject): boolean {
    const location = { group: object.group, object: object.object };
    if (!this.#largest || compareLocations(location, this.#largest) > 0) this.#largest = location;
    const group = this.#open(object.group);
    if (!group) return false;
    const at = insertionPoint(group.objects, object.object);
    if (group.objects[at]?.object === object.object) return false;
    group.objects.splice(at, 0, object);
    this.#bytes += object.payload.byteLength;
    this.#evict();
    return true;
  }

  markComplete(groupId: VarInt): void {
    const group = this.get(groupId);
    if (group) group.complete = true;
  }

  get(groupId: VarInt): CachedGroup | undefined {
    const at = this.#indexOf(groupId);
    const group = this.#groups[at];
    return group?.group === groupId ? group : undefined;
  }

  /** Cached groups with first <= id <= last, ascending. */
  range(first: VarInt, last: VarInt): readonly CachedGroup[] {
    return this.#groups.filter((group) => group.group >= first && group.group <= last);
  }

  #open(groupId: VarInt): CachedGroup | undefined {
    const at = this.#indexOf(groupId);
    const found = this.#groups[at];
    if (found?.group === groupId) return found;
    if (at === 0 && this.#groups.length >= this.#maxGroups) return undefined;
    const group: CachedGroup = { group: groupId, objects: [], complete: false };
    this.#groups.splice(at, 0, group);
    return group;
  }

  #evict(): void {
    while (
      this.#groups.length > 1 &&
      (this.#groups.length > this.#maxGroups || this.#bytes > this.#maxBytes)
    ) {
      const oldest = this.#groups.shift();
      for (const object of oldest?.objects ?? []) this.#bytes -= object.payload.byteLength;
    }
  }

  /** Where `groupId` is or belongs; searched from the end, where live traffic is. */
  #indexOf(groupId: VarInt): number {
    let at = this.#groups.length;
    while (at > 0 && compareVarInt((this.#groups[at - 1] as CachedGroup).group, groupId) >= 0) at--;
    return at;
  }
}

function insertionPoint(objects: readonly MoqObject[], id: VarInt): number {
  let at = objects.length;
  while (at > 0 && compareVarInt((objects[at - 1] as MoqObject).object, id) >= 0) at--;
  return at;
}
