/**
 * Serves one track to any number of subscribers: live objects as they come, recent ones by FETCH.
 *
 * A publisher feeds it what it cuts, a relay what its upstreams deliver; both answer SUBSCRIBE and FETCH through it, so there is one
 * implementation of what a peer on the other side sees.
 */
import type { IncomingFetch, IncomingSubscribe } from "../transport/connection.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { addVarInt, type VarInt } from "../wire/varint.ts";
import { Downstream, type SubgroupFlags } from "./downstream.ts";
import { GroupCache } from "./group-cache.ts";

/** REQUEST_ERROR codes used here (draft-18 §14.8.2). */
const INTERNAL_ERROR = 0x0;
const INVALID_RANGE = 0x11;

/** Groups for which a subscriber's ended streams are remembered: late copies come from the recent past only. */
const REMEMBERED_GROUPS = 8;

export interface TrackServerOptions {
  readonly track: FullTrackName;
  readonly cache?: GroupCache;
  /**
   * Called before a FETCH is answered whose range reaches below what the cache holds; it may put older objects into the cache. Absent: nothing older can be had.
   */
  readonly backfill?: (first: VarInt, last: VarInt) => Promise<void>;
}

export class TrackServer {
  readonly track: FullTrackName;
  readonly cache: GroupCache;
  readonly #backfill: ((first: VarInt, last: VarInt) => Promise<void>) | undefined;
  readonly #downstreams = new Set<Downstream>();
  /** Told when the number of subscribers changes. */
  onSubscribers: ((count: number) => void) | undefined;

  constructor(options: TrackServerOptions) {
    this.track = options.track;
    this.cache = options.cache ?? new GroupCache();
    this.#backfill = options.backfill;
  }

  get subscribers(): number {
    return this.#downstreams.size;
  }

  /** A new live object: cached and sent on. False: it was known. */
  publish(object: MoqObject, flags: SubgroupFlags): boolean {
    const before = this.cache.largest;
    if (!this.cache.put(object)) return false;
    if (before === undefined || object.group > before.group) this.#forgetOld(object.group);
    for (const downstream of this.#downstreams) downstream.offer(object, flags);
    return true;
  }

  /** An old object, for FETCH only. */
  cacheOnly(object: MoqObject): boolean {
    return this.cache.put(object);
  }

  endSubgroup(
    group: VarInt,
    subgroup: VarInt,
    end: { readonly clean: boolean; readonly endOfGroup: boolean; readonly resetCode?: number },
  ): void {
    if (end.clean && end.endOfGroup) this.cache.markComplete(group);
    for (const downstream of this.#downstreams)
      downstream.endSubgroup(group, subgroup, end.clean, end.resetCode);
  }

  subscribe(request: IncomingSubscribe): void {
    const largest = this.cache.largest;
    const downstream = new Downstream(request.accept(largest ? { largest } : {}), largest);
    this.#downstreams.add(downstream);
    this.onSubscribers?.(this.#downstreams.size);
    void downstream.ended.then(() => {
      if (this.#downstreams.delete(downstream)) this.onSubscribers?.(this.#downstreams.size);
    });
  }

  async fetch(request: IncomingFetch): Promise<void> {
    try {
      await this.#fetch(request);
    } catch (thrown) {
      request.reject({
        errorCode: INTERNAL_ERROR,
        reason: thrown instanceof Error ? thrown.message : "fetch failed",
      });
    }
  }

  /** The track ends for everybody. */
  async done(statusCode: number, reason: string): Promise<void> {
    await Promise.all([...this.#downstreams].map((downstream) => downstream.done(statusCode, reason)));
    this.#downstreams.clear();
  }

  async #fetch(request: IncomingFetch): Promise<void> {
    if (this.#backfill && this.#lacks(request.start, request.end))
      await this.#backfill(request.start.group, request.end.group);
    const largest = this.cache.largest;
    if (!largest || beyond(request.start, largest)) {
      request.reject({
        errorCode: INVALID_RANGE,
        reason: "nothing is published in that range",
        retryAfterMs: 1000,
      });
      return;
    }
    const end = clampEnd(request.end, largest);
    const writer = await request.accept({ end, endOfTrack: false });
    let cancelled = false;
    void writer.cancelled.then(() => {
      cancelled = true;
    });
    const groups = [...this.cache.range(request.start.group, end.group)];
    if (request.parameters.groupOrder === "descending") groups.reverse();
    for (const group of groups) {
      for (const object of [...group.objects]) {
        if (cancelled) return;
        if (inRange(object, request.start, end)) await writer.write(object);
      }
    }
    if (!cancelled) await writer.close();
  }

  /** Whether the cache may lack part of the range: it starts below the cache, or reaches beyond what is known to be whole. */
  #lacks(start: Location, end: { group: VarInt; object?: VarInt }): boolean {
    const oldest = this.cache.oldest;
    if (oldest === undefined || start.group < oldest) return true;
    const largest = this.cache.largest;
    for (const group of this.cache.range(start.group, end.group)) {
      const first = group.objects[0]?.object;
      const wanted = group.group === start.group ? start.object : 0;
      if (first === undefined || first > wanted) return true;
      if (group.objects.length > 1 && hasInnerGap(group.objects)) return true;
      if (!group.complete && largest !== undefined && group.group < largest.group) return true;
    }
    return false;
  }

  #forgetOld(group: VarInt): void {
    if (group < REMEMBERED_GROUPS) return;
    const floor = typeof group === "number" ? group - REMEMBERED_GROUPS : group - BigInt(REMEMBERED_GROUPS);
    for (const downstream of this.#downstreams) downstream.forgetBefore(floor);
  }
}

function beyond(start: Location, largest: Location): boolean {
  return start.group > largest.group || (start.group === largest.group && start.object > largest.object);
}

function clampEnd(
  end: { group: VarInt; object?: VarInt },
  largest: Location,
): { group: VarInt; object?: VarInt } {
  if (end.group < largest.group) return end;
  if (end.group > largest.group || end.object === undefined || end.object > largest.object)
    return { group: largest.group, object: largest.object };
  return end;
}

function inRange(object: MoqObject, start: Location, end: { group: VarInt; object?: VarInt }): boolean {
  if (object.group === start.group && object.object < start.object) return false;
  return !(object.group === end.group && end.object !== undefined && object.object > end.object);
}

function hasInnerGap(objects: readonly MoqObject[]): boolean {
  for (let i = 1; i < objects.length; i++) {
    if ((objects[i] as MoqObject).object !== addVarInt((objects[i - 1] as MoqObject).object, 1)) return true;
  }
  return false;
}
