/**
 * Who has been delivered: the memory behind "exactly once".
 *
 * An object is {group, object} of its track and nothing else; a subgroup is only the stream it happened to travel on. The most recent groups are known
 * object by object. Older ones shrink to runs of groups with the same stretches, so hours of even groups cost one run. What falls out of both is
 * answered "below-window": it may or may not have been delivered, so it never goes to the viewer again, only to the store. No cache is involved: a relay
 * that lags further behind than any cache still sends nothing twice.
 */

import type { VarInt } from "../wire/varint.ts";
import { IntervalSet, nextId } from "./interval-set.ts";
import {
  LEDGER_GROUP_INTERVALS,
  LEDGER_SUMMARY_INTERVALS,
  LEDGER_SUMMARY_RUNS,
  LEDGER_WINDOW_GROUPS,
} from "./limits.ts";

/** "new": may be claimed. "delivered": was claimed. "below-window": too old to tell or to deliver. */
export type LedgerStatus = "new" | "delivered" | "below-window";

export interface LedgerOptions {
  readonly windowGroups?: number;
  readonly groupIntervals?: number;
  readonly summaryRuns?: number;
}

interface Run {
  readonly first: VarInt;
  last: VarInt;
  readonly objects: IntervalSet;
}

export class DeliveryLedger {
  readonly #windowGroups: number;
  readonly #groupIntervals: number;
  readonly #summaryRuns: number;
  readonly #window = new Map<VarInt, IntervalSet>();
  /** Ascending, disjoint: groups leave the window lowest first. */
  readonly #runs: Run[] = [];
  #oldest: VarInt | undefined;
  #newest: VarInt | undefined;
  /** The group asked for last: objects come in bursts of one group. */
  #recentGroup: VarInt | undefined;
  #recent: IntervalSet | undefined;

  constructor(options: LedgerOptions = {}) {
    this.#windowGroups = options.windowGroups ?? LEDGER_WINDOW_GROUPS;
    this.#groupIntervals = options.groupIntervals ?? LEDGER_GROUP_INTERVALS;
    this.#summaryRuns = options.summaryRuns ?? LEDGER_SUMMARY_RUNS;
  }

  /** The lowest and highest group of the window; undefined before the first claim. */
  get oldestGroup(): VarInt | undefined {
    return this.#oldest;
  }

  get newestGroup(): VarInt | undefined {
    return this.#newest;
  }

  /** Groups known object by object, and runs of groups below them: what the ledger's memory is made of. */
  get size(): { readonly groups: number; readonly runs: number } {
    return { groups: this.#window.size, runs: this.#runs.length };
  }

  status(group: VarInt, object: VarInt): LedgerStatus {
    const objects = this.#find(group);
    if (objects !== undefined) return statusIn(objects, object);
    if (!this.#isBelow(group)) return "new";
    const run = this.#findRun(group);
    return run?.objects.has(object) ? "delivered" : "below-window";
  }

  /** Marks an object as delivered. Answers "new" exactly once for each: then, and only then, the caller delivers it. */
  claim(group: VarInt, object: VarInt): LedgerStatus {
    let objects = this.#find(group);
    if (objects === undefined) {
      if (this.#isBelow(group)) return this.status(group, object);
      objects = new IntervalSet(this.#groupIntervals);
      this.#insert(group, objects);
    }
    if (objects.add(object)) return "new";
    return statusIn(objects, object);
  }

  #find(group: VarInt): IntervalSet | undefined {
    if (group === this.#recentGroup) return this.#recent;
    const objects = this.#window.get(group);
    if (objects !== undefined) {
      this.#recentGroup = group;
      this.#recent = objects;
    }
    return objects;
  }

  #isBelow(group: VarInt): boolean {
    return this.#window.size >= this.#windowGroups && this.#oldest !== undefined && group < this.#oldest;
  }

  #insert(group: VarInt, objects: IntervalSet): void {
    this.#window.set(group, objects);
    this.#recentGroup = group;
    this.#recent = objects;
    if (this.#newest === undefined || group > this.#newest) this.#newest = group;
    if (this.#oldest === undefined || group < this.#oldest) this.#oldest = group;
    if (this.#window.size > this.#windowGroups) this.#retire(this.#oldest);
  }

  #retire(group: VarInt): void {
    const objects = this.#window.get(group)!;
    this.#window.delete(group);
    let oldest: VarInt | undefined;
    for (const candidate of this.#window.keys()) {
      if (oldest === undefined || candidate < oldest) oldest = candidate;
    }
    this.#oldest = oldest;
    this.#summarize(group, objects);
  }

  #summarize(group: VarInt, objects: IntervalSet): void {
    if (objects.intervalCount > LEDGER_SUMMARY_INTERVALS) return;
    const last = this.#runs.at(-1);
    if (last !== undefined && nextId(last.last) === group && last.objects.equals(objects)) {
      last.last = group;
      return;
    }
    this.#runs.push({ first: group, last: group, objects });
    if (this.#runs.length > this.#summaryRuns) this.#runs.shift();
  }

  #findRun(group: VarInt): Run | undefined {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = this.#runs[middle]!;
      if (group < run.first) high = middle - 1;
      else if (group > run.last) low = middle + 1;
      else return run;
    }
    return undefined;
  }
}

function statusIn(objects: IntervalSet, object: VarInt): LedgerStatus {
  if (objects.has(object)) return "delivered";
  return object < objects.forgottenBelow ? "below-window" : "new";
}
