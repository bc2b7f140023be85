/**
 * Serves one track to any number of subscribers: live objects as they come, recent ones by FETCH.
 *
 * A publisher feeds it what it cuts, a relay what its upstreams deliver; both answer SUBSCRIBE and FETCH through it, so there is one
 * implementation of what a peer on the other side sees.
 */
import type { IncomingFetch, IncomingSubscribe, PublishedTrack } from "../transport/connection.ts";
import type { KeyValue } from "../wire/messages.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { addVarInt, compareVarInt, MAX_VARINT, subVarInt, type VarInt } from "../wire/varint.ts";
import { Downstream, type SubgroupFlags } from "./downstream.ts";
import { type CachedGroup, GroupCache } from "./group-cache.ts";

/** REQUEST_ERROR codes used here (draft-18 §14.8.2). */
const INTERNAL_ERROR = 0x0;
const INVALID_RANGE = 0x11;

/**
 * The newest groups published, by count: what is of an older one is not sent live any more, only fetched. A subscriber's ended streams are remembered for as long, so that the rest of a
 * subgroup that comes late never opens a second stream. As many as the merger's ledger knows object by object (`LEDGER_WINDOW_GROUPS`), which lets nothing older through.
 */
const LIVE_GROUPS = 32;

/** Groups read from the older source at a time while a FETCH is answered: what one request can make us hold. */
const FETCH_WINDOW_GROUPS = 30;

/** Older groups are not looked for in ranges wider than this: three days of one-second groups. */
const MAX_OLDER_RANGE_GROUPS = 259_200;

export interface TrackServerOptions {
  readonly track: FullTrackName;
  readonly cache?: GroupCache;
  /**
   * Where groups that the cache lacks can be had: at most {@link FETCH_WINDOW_GROUPS} at a time, first and last included, ascending. Absent: nowhere.
   */
  readonly older?: (first: VarInt, last: VarInt) => Promise<readonly CachedGroup[]>;
  /**
   * The first group at or after this one that `older` has; undefined: none. What lies before it is not looked for; holes are told as gaps (draft-18 §11.4.4.2). Asked at each step, since the floor
   * moves while a long answer is read. Absent: every group may be there.
   */
  readonly oldest?: (from: VarInt) => Promise<VarInt | undefined>;
  /** The largest object that `older` has, for a server that has just been started. */
  readonly largestKept?: () => Promise<Location | undefined>;
}

export class TrackServer {
  readonly track: FullTrackName;
  readonly cache: GroupCache;
  readonly #options: TrackServerOptions;
  readonly #downstreams = new Set<Downstream>();
  /** Ascending: the newest groups, at most {@link LIVE_GROUPS}. */
  readonly #live: VarInt[] = [];
  #objectsSent = 0;
  /** Track Properties (draft-18 §2.5), for every answer. A relay learns them from upstream, and before anybody is answered. */
  properties: readonly KeyValue[] = [];
  /** Told when the number of subscribers changes. */
  onSubscribers: ((count: number) => void) | undefined;

  constructor(options: TrackServerOptions) {
    this.track = options.track;
    this.cache = options.cache ?? new GroupCache();
    this.#options = options;
  }

  get subscribers(): number {
    return this.#downstreams.size;
  }

  /** Objects that were written out, to subscribers and in answer to fetches; one that was dropped for a slow reader is not among them. */
  get objectsSent(): number {
    return this.#objectsSent;
  }

  /** A new live object: cached and sent on. False: it was known. */
  publish(object: MoqObject, flags: SubgroupFlags): boolean {
    if (!this.cache.put(object)) return false;
    if (!this.#isLive(object.group)) return true;
    // Flags are those of the stream it came by; who joins in the middle gets one that begins there.
    const firstObject = flags.firstObject && this.#isFirst(object);
    for (const downstream of this.#downstreams) downstream.offer(object, { ...flags, firstObject });
    return true;
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
    this.attach(
      request.accept({
        ...(largest && { largest }),
        largestNow: () => this.cache.largest,
        trackProperties: this.properties,
      }),
    );
  }

  /** Sends what is published from now on to this subscriber, however the subscription came about. */
  attach(published: PublishedTrack): void {
    const downstream = new Downstream(published, () => this.#objectsSent++);
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
    const largest = this.cache.largest ?? (await this.#options.largestKept?.());
    if (!largest || beyond(request.start, largest)) {
      request.reject({
        errorCode: INVALID_RANGE,
        reason: "nothing is published in that range",
        retryAfterMs: 1000,
      });
      return;
    }
    const end = clampEnd(request.end, largest);
    const writer = await request.accept({ end, endOfTrack: false, trackProperties: this.properties });
    let cancelled = false;
    void writer.cancelled.then(() => {
      cancelled = true;
    });
    const descending = request.parameters.groupOrder === "descending";
    // Where we know what is there at all, what is not is said: a reader must not take a hole for silence.
    const telling = this.#options.oldest !== undefined && !descending;
    let expected: VarInt | undefined = request.start.group;
    const tellGapBefore = async (group: VarInt): Promise<void> => {
      if (telling && expected !== undefined && group > expected)
        await writer.gap({ kind: "unknown", group: subVarInt(group, 1), object: MAX_VARINT });
    };
    for (const [first, last] of this.#windows(request.start, end, descending)) {
      if (cancelled) return;
      if (await this.#isEmpty(request.start, first, last)) continue;
      const groups = await this.#groups(request.start, first, last);
      if (descending) groups.reverse();
      for (const group of groups) {
        await tellGapBefore(group.group);
        for (const object of [...group.objects]) {
          if (cancelled) return;
          if (!inRange(object, request.start, end)) continue;
          await writer.write(object);
          this.#objectsSent++;
        }
        expected = group.group === end.group ? undefined : addVarInt(group.group, 1);
      }
    }
    if (cancelled) return;
    if (telling && expected !== undefined)
      await writer.gap({ kind: "unknown", group: end.group, object: end.object ?? MAX_VARINT });
    await writer.close();
  }

  /** Nothing of first..last is in the cache, nor below it. The floor is looked at anew each time. */
  async #isEmpty(start: Location, first: VarInt, last: VarInt): Promise<boolean> {
    const { oldest } = this.#options;
    if (!oldest || !this.#lacks(start, first, last) || this.cache.range(first, last).length > 0) return false;
    const kept = await oldest(first);
    return kept === undefined || kept > last;
  }

  /** The range in pieces, so that no request makes us hold more than a piece of what is not in the cache. */
  *#windows(start: Location, end: FetchEnd, descending: boolean): Generator<readonly [VarInt, VarInt]> {
    const width = subVarInt(end.group, start.group);
    if (
      !this.#options.older ||
      width > MAX_OLDER_RANGE_GROUPS ||
      !this.#lacks(start, start.group, end.group)
    ) {
      yield [start.group, end.group];
      return;
    }
    const pieces = Math.floor(Number(width) / FETCH_WINDOW_GROUPS) + 1;
    for (let i = 0; i < pieces; i++) {
      const piece = descending ? pieces - 1 - i : i;
      const first = addVarInt(start.group, piece * FETCH_WINDOW_GROUPS);
      const last = addVarInt(first, FETCH_WINDOW_GROUPS - 1);
      yield [first, last < end.group ? last : end.group];
    }
  }

  /** What can be had of first..last, ascending: cached objects, and older ones where the cache lacks some. */
  async #groups(start: Location, first: VarInt, last: VarInt): Promise<CachedGroup[]> {
    const cached = this.cache.range(first, last);
    if (!this.#options.older || !this.#lacks(start, first, last)) return [...cached];
    const merged = new Map<VarInt, CachedGroup>();
    for (const group of await this.#options.older(first, last)) merged.set(group.group, group);
    for (const group of this.cache.range(first, last)) {
      const other = merged.get(group.group);
      if (!other || other.objects.length <= group.objects.length) merged.set(group.group, group);
    }
    return [...merged.values()].sort((a, b) => compareVarInt(a.group, b.group));
  }

  /** Whether the cache may lack part of first..last: groups missing, begun in the middle, or cut short. */
  #lacks(start: Location, first: VarInt, last: VarInt): boolean {
    const newest = this.cache.largest?.group;
    let expected = first;
    for (const group of this.cache.range(first, last)) {
      if (group.group !== expected) return true;
      expected = addVarInt(group.group, 1);
      const wanted = group.group === start.group ? start.object : 0;
      const begins = group.objects[0]?.object;
      if (begins === undefined || begins > wanted || hasInnerGap(group.objects)) return true;
      if (!group.complete && newest !== undefined && group.group < newest) return true;
    }
    return expected <= last;
  }

  /** Whether nothing of its subgroup that is here comes before it. */
  #isFirst(object: MoqObject): boolean {
    return (
      this.cache.get(object.group)?.objects.find(({ subgroup }) => subgroup === object.subgroup) === object
    );
  }

  /** Whether the group is among the newest ones. A new one pushes the oldest out, and with it what is remembered of its streams. */
  #isLive(group: VarInt): boolean {
    const live = this.#live;
    let at = live.length;
    while (at > 0 && compareVarInt(live[at - 1] as VarInt, group) > 0) at--;
    if (at > 0 && live[at - 1] === group) return true;
    if (at === 0 && live.length === LIVE_GROUPS) return false;
    live.splice(at, 0, group);
    if (live.length > LIVE_GROUPS) {
      live.shift();
      for (const downstream of this.#downstreams) downstream.forgetBefore(live[0] as VarInt);
    }
    return true;
  }
}

type FetchEnd = { readonly group: VarInt; readonly object?: VarInt };

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

function inRange(object: MoqObject, start: Location, end: FetchEnd): boolean {
  if (object.group === start.group && object.object < start.object) return false;
  return !(object.group === end.group && end.object !== undefined && object.object > end.object);
}

function hasInnerGap(objects: readonly MoqObject[]): boolean {
  for (let i = 1; i < objects.length; i++) {
    if ((objects[i] as MoqObject).object !== addVarInt((objects[i - 1] as MoqObject).object, 1)) return true;
  }
  return false;
}
