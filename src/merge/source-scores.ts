import type { VarInt } from "../wire/varint.ts";
import { LATE_AFTER_MS, MAX_SOURCES } from "./limits.ts";
import type { SourceId, SourceScore } from "./types.ts";

/** Weight of the newest sample in a source's running lag: about the last 20 objects count. */
const LAG_WEIGHT = 0.1;

/** First-arrival times are kept for the newest groups only, and for ids a live group has: enough to compare sources that are any use. */
const TIMED_GROUPS = 8;
const TIMED_OBJECTS = 4096;

/** What is counted of one source; see {@link SourceScore}. */
export interface ScoreCounters {
  readonly source: SourceId;
  good: number;
  duplicate: number;
  late: number;
  junk: number;
  unsigned: number;
  withheld: number;
  pendingObjects: number;
  pendingBytes: number;
  bytes: number;
  /** Being hashed. */
  judgingObjects: number;
  judgingBytes: number;
  /** The furthest object that was worth something and came by its subscription, not by a fetch. */
  furthest: { group: VarInt; object: VarInt } | undefined;
  /** Running mean of how far its copies come behind the first copy, in ms; 0 for the fastest. */
  lagMs: number;
}

export class SourceScores {
  readonly #sources = new Map<SourceId, ScoreCounters>();
  readonly #arrivals = new Map<VarInt, number[]>();
  #recentGroup: VarInt | undefined;
  #recent: number[] | undefined;

  of(source: SourceId): ScoreCounters {
    let counters = this.#sources.get(source);
    if (counters === undefined) {
      if (this.#sources.size >= MAX_SOURCES) this.#dropSilent();
      counters = {
        source,
        good: 0,
        duplicate: 0,
        late: 0,
        junk: 0,
        unsigned: 0,
        withheld: 0,
        pendingObjects: 0,
        pendingBytes: 0,
        bytes: 0,
        judgingObjects: 0,
        judgingBytes: 0,
        furthest: undefined,
        lagMs: 0,
      };
      this.#sources.set(source, counters);
    }
    return counters;
  }

  snapshot(source: SourceId): SourceScore {
    const { good, duplicate, late, junk, unsigned, withheld, pendingObjects, pendingBytes, bytes } =
      this.of(source);
    return { good, duplicate, late, junk, unsigned, withheld, pendingObjects, pendingBytes, bytes };
  }

  sources(): readonly SourceId[] {
    return [...this.#sources.keys()];
  }

  /** The copy that was delivered. `live`: by the source's subscription; what a fetch brings is late by nature and says nothing of how it keeps up. */
  first(counters: ScoreCounters, group: VarInt, object: VarInt, receivedAtMs: number, live: boolean): void {
    counters.good++;
    if (live) {
      counters.lagMs -= counters.lagMs * LAG_WEIGHT;
      moveOn(counters, group, object);
    }
    if (typeof object !== "number" || object >= TIMED_OBJECTS) return;
    if (group !== this.#recentGroup) this.#turnTo(group);
    this.#recent![object] = receivedAtMs;
  }

  /** Another copy of something delivered. */
  again(counters: ScoreCounters, group: VarInt, object: VarInt, receivedAtMs: number, live: boolean): void {
    counters.duplicate++;
    if (!live) return;
    moveOn(counters, group, object);
    if (typeof object !== "number") return;
    const times = group === this.#recentGroup ? this.#recent : this.#arrivals.get(group);
    const firstAtMs = times?.[object];
    if (firstAtMs === undefined) return;
    const lagMs = Math.max(0, receivedAtMs - firstAtMs);
    counters.lagMs += (lagMs - counters.lagMs) * LAG_WEIGHT;
    if (lagMs > LATE_AFTER_MS) counters.late++;
  }

  #turnTo(group: VarInt): void {
    let times = this.#arrivals.get(group);
    if (times === undefined) {
      times = [];
      this.#arrivals.set(group, times);
      if (this.#arrivals.size > TIMED_GROUPS) this.#arrivals.delete(this.#arrivals.keys().next().value!);
    }
    this.#recentGroup = group;
    this.#recent = times;
  }

  #dropSilent(): void {
    for (const [source, counters] of this.#sources) {
      if (counters.pendingObjects === 0) {
        this.#sources.delete(source);
        return;
      }
    }
  }
}

function moveOn(counters: ScoreCounters, group: VarInt, object: VarInt): void {
  const { furthest } = counters;
  // The book's own object, changed in place: this happens for each copy of each object.
  if (furthest === undefined) counters.furthest = { group, object };
  else if (group > furthest.group || (group === furthest.group && object > furthest.object)) {
    furthest.group = group;
    furthest.object = object;
  }
}
