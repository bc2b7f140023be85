import type { Clock } from "../clock.ts";
import type { CountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { MAX_OPEN_SUBGROUPS, SUBGROUP_FAILOVER_MS } from "./limits.ts";
import type { SourceId, SubgroupEnd } from "./types.ts";

export interface SubgroupLimits {
  readonly subgroupFailoverMs?: number;
  readonly maxOpenSubgroups?: number;
}

interface MergedSubgroup {
  readonly group: VarInt;
  readonly subgroup: VarInt | undefined;
  /** Sources whose stream is open, and whether it began with the subgroup's first object. */
  readonly open: Map<SourceId, boolean>;
  readonly finished: Set<SourceId>;
  clean: boolean;
  endOfGroup: boolean;
  error: CountersignError | undefined;
  settled: boolean;
  cancelTimer: (() => void) | undefined;
}

/**
 * When a subgroup that several sources send is over. It ends cleanly once one source ended it cleanly, and as a reset only when all did:
 * - a clean end of a stream that held the subgroup from its first object settles it at once;
 * - a clean end of a stream that joined in the middle waits for the others, since the beginning may still be on its way from them;
 * - a reset waits a moment while another source of the track could carry the subgroup on, so that a subgroup is never split over two streams downstream.
 */
export class SubgroupEnds {
  readonly #clock: Clock;
  readonly #failoverMs: number;
  readonly #maxOpen: number;
  readonly #report: (end: SubgroupEnd) => void;
  readonly #sources = new Set<SourceId>();
  /** In order of first sight. Settled ones stay until pushed out, so that late ends of them are recognized. */
  readonly #subgroups = new Map<string, MergedSubgroup>();

  constructor(clock: Clock, limits: SubgroupLimits, report: (end: SubgroupEnd) => void) {
    this.#clock = clock;
    this.#failoverMs = limits.subgroupFailoverMs ?? SUBGROUP_FAILOVER_MS;
    this.#maxOpen = limits.maxOpenSubgroups ?? MAX_OPEN_SUBGROUPS;
    this.#report = report;
  }

  addSource(source: SourceId): void {
    this.#sources.add(source);
  }

  removeSource(source: SourceId): void {
    this.#sources.delete(source);
    for (const merged of [...this.#subgroups.values()]) {
      if (merged.settled) continue;
      merged.open.delete(source);
      // Also those without a stream of it: it may have been the one the subgroup was waiting for.
      this.#settle(merged);
    }
  }

  open(source: SourceId, group: VarInt, subgroup: VarInt | undefined, fromFirstObject: boolean): void {
    const merged = this.#of(group, subgroup);
    if (merged.settled) return;
    merged.finished.delete(source);
    merged.open.set(source, fromFirstObject);
    if (merged.clean) return;
    merged.cancelTimer?.();
    merged.cancelTimer = undefined;
  }

  end(source: SourceId, end: SubgroupEnd): void {
    const merged = this.#of(end.group, end.subgroup);
    if (merged.settled) return;
    const whole = merged.open.get(source) ?? false;
    merged.open.delete(source);
    merged.finished.add(source);
    if (end.complete) {
      merged.clean = true;
      merged.endOfGroup ||= end.endOfGroup;
      if (whole) {
        this.#finish(merged);
        return;
      }
    } else {
      merged.error = end.error;
    }
    this.#settle(merged);
  }

  close(): void {
    for (const merged of this.#subgroups.values()) merged.cancelTimer?.();
    this.#subgroups.clear();
    this.#sources.clear();
  }

  #settle(merged: MergedSubgroup): void {
    if (merged.open.size === 0) {
      const othersMayCome = [...this.#sources].some((source) => !merged.finished.has(source));
      if (merged.clean || !othersMayCome) {
        this.#finish(merged);
        return;
      }
    } else if (!merged.clean) {
      return;
    }
    merged.cancelTimer ??= this.#clock.setTimer(this.#failoverMs, () => this.#finish(merged));
  }

  #finish(merged: MergedSubgroup): void {
    if (merged.settled) return;
    merged.settled = true;
    merged.cancelTimer?.();
    merged.cancelTimer = undefined;
    merged.open.clear();
    merged.finished.clear();
    const { group, subgroup, clean, endOfGroup, error } = merged;
    this.#report({
      group,
      subgroup,
      complete: clean,
      endOfGroup,
      ...(!clean && error !== undefined && { error }),
    });
  }

  #of(group: VarInt, subgroup: VarInt | undefined): MergedSubgroup {
    const key = `${group}/${subgroup}`;
    let merged = this.#subgroups.get(key);
    if (merged === undefined) {
      merged = {
        group,
        subgroup,
        open: new Map(),
        finished: new Set(),
        clean: false,
        endOfGroup: false,
        error: undefined,
        settled: false,
        cancelTimer: undefined,
      };
      this.#subgroups.set(key, merged);
      if (this.#subgroups.size > this.#maxOpen) {
        const [oldestKey, oldest] = this.#subgroups.entries().next().value!;
        this.#subgroups.delete(oldestKey);
        this.#finish(oldest);
      }
    }
    return merged;
  }
}
