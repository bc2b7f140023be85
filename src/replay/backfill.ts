/**
 * Filling the store from relays in the background: newest first, so that the minutes one is most likely to rewind into come first; paced, so that live playback never notices.
 *
 * What is left to do is read from the store itself, a stretch at a time from the live edge down. So nothing has to be remembered: after a reload the same walk skips what is there. Each group
 * is followed by a rest at least as long as it took; as soon as live suffers the rests grow, and they shrink again slowly.
 */
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, compareVarInt, subVarInt } from "../wire/varint.ts";
import { countIds, intersect, subtract } from "./group-ranges.ts";
import type { GroupRange } from "./types.ts";

/** Groups looked at together: their rows are one read of the store. */
const STRETCH_GROUPS = 256;

/** While live suffers it is looked at again this often. */
const BUSY_POLL_MS = 250;

/** After an error (nobody connected, say) the same group is tried again after this, twice as long each time. */
const RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;

/** A group that fails this often in a row is left to the next walk. */
const MAX_TRIES = 3;

/** When everything wanted is there, or cannot be had: how long until it is looked at again. Relays come and go. */
const REST_MS = 30_000;

/** Rests are this many times as long as the work before them: 1 leaves live half of a slow link even if priorities are ignored on the way. */
const MIN_REST_FACTOR = 1;
const MAX_REST_FACTOR = 32;

/** Groups without a complaint of live before rests get shorter again. */
const CALM_GROUPS = 16;

export interface BackfillTrack {
  /** Which of these groups are stored whole. */
  whole(range: GroupRange, signal: AbortSignal): Promise<readonly GroupRange[]>;
  /** What relays say to have. */
  fetchable(signal: AbortSignal): Promise<readonly GroupRange[]>;
  /** Fetches and stores one; resolves to its bytes, or undefined when certainly nobody has it. Rejects when that cannot be told. */
  fetch(group: VarInt, signal: AbortSignal): Promise<number | undefined>;
}

/**
 * "full": the store's budget is used up; more would only push out what it has. "waiting": live comes first. "failed": it is tried again after a while.
 */
export type BackfillState = "looking" | "filling" | "waiting" | "full" | "failed" | "done";

export interface BackfillProgress {
  readonly state: BackfillState;
  /** Groups of all tracks in the window that is wanted and that relays have or had; grows while they are being looked at. */
  readonly wanted: number;
  readonly stored: number;
  /** Nobody has them. */
  readonly missing: number;
  /** Fetched by this backfill. */
  readonly fetched: number;
  readonly fetchedBytes: number;
  /** Why it does not go on, in state "failed". */
  readonly error: CountersignError | undefined;
}

export interface BackfillOptions {
  readonly clock: Clock;
  readonly tracks: readonly BackfillTrack[];
  /** Groups wanted now; undefined: not known yet. */
  window(): GroupRange | undefined;
  /** Live playback has all it needs. */
  mayRun(): boolean;
  /** The store takes more without losing older media. */
  hasRoom(): boolean;
  onProgress(progress: BackfillProgress): void;
}

interface Job {
  readonly track: BackfillTrack;
  readonly group: VarInt;
}

export class Backfill {
  readonly #options: BackfillOptions;
  readonly #abort = new AbortController();
  #progress: BackfillProgress = {
    state: "looking",
    wanted: 0,
    stored: 0,
    missing: 0,
    fetched: 0,
    fetchedBytes: 0,
    error: undefined,
  };
  #restFactor = MIN_REST_FACTOR;
  #calm = 0;
  #retryMs = RETRY_MS;

  constructor(options: BackfillOptions) {
    this.#options = options;
    void this.#run();
  }

  get progress(): BackfillProgress {
    return this.#progress;
  }

  close(): void {
    this.#abort.abort(new CountersignError("destroyed", "The backfill was ended."));
  }

  get #closed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const end = await this.#walk();
        if (end !== undefined) this.#tell({ state: end, error: undefined });
        this.#retryMs = RETRY_MS;
        await this.#sleep(end === undefined ? BUSY_POLL_MS : REST_MS);
      } catch (thrown) {
        if (this.#closed) return;
        this.#tell({ state: "failed", error: toCountersignError(thrown, "range-unavailable") });
        await this.#sleep(this.#retryMs);
        this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
      }
    }
  }

  /** Once from the newest group to the oldest wanted. Undefined: there was nothing to walk over yet. */
  async #walk(): Promise<"done" | "full" | undefined> {
    const window = this.#options.window();
    if (window === undefined) return undefined;
    this.#tell({ state: "looking", wanted: 0, stored: 0, missing: 0 });
    const { signal } = this.#abort;
    let last = window.last;
    for (;;) {
      const first =
        subVarInt(last, window.first) >= STRETCH_GROUPS ? subVarInt(last, STRETCH_GROUPS - 1) : window.first;
      for (const job of await this.#look({ first, last }, signal)) {
        await this.#turn();
        if (!this.#options.hasRoom()) return "full";
        await this.#fetch(job);
      }
      if (first <= window.first) return "done";
      last = subVarInt(first, 1);
    }
  }

  /** What is to be done in a stretch, newest first, tracks in step. */
  async #look(stretch: GroupRange, signal: AbortSignal): Promise<Job[]> {
    const jobs: Job[] = [];
    let wanted = 0;
    let stored = 0;
    for (const track of this.#options.tracks) {
      const whole = await track.whole(stretch, signal);
      const fetchable = intersect([stretch], await track.fetchable(signal));
      const todo = subtract(fetchable, whole);
      wanted += Number(countIds(whole)) + Number(countIds(todo));
      stored += Number(countIds(whole));
      for (const { first, last } of todo)
        for (let group = first; group <= last; group = addVarInt(group, 1)) jobs.push({ track, group });
    }
    this.#tell({ wanted: this.#progress.wanted + wanted, stored: this.#progress.stored + stored });
    return jobs.sort((a, b) => compareVarInt(b.group, a.group));
  }

  /** Waits until live has all it needs. */
  async #turn(): Promise<void> {
    while (!this.#closed && !this.#options.mayRun()) {
      this.#restFactor = Math.min(2 * this.#restFactor, MAX_REST_FACTOR);
      this.#calm = 0;
      this.#tell({ state: "waiting" });
      await this.#sleep(BUSY_POLL_MS);
    }
    this.#abort.signal.throwIfAborted();
  }

  async #fetch({ track, group }: Job): Promise<void> {
    const { clock } = this.#options;
    this.#tell({ state: "filling", error: undefined });
    for (let tries = 1; ; tries++) {
      const startedMs = clock.now();
      try {
        const bytes = await track.fetch(group, this.#abort.signal);
        this.#count(bytes);
        await this.#sleep((clock.now() - startedMs) * this.#restFactor);
        return;
      } catch (thrown) {
        this.#abort.signal.throwIfAborted();
        if (tries >= MAX_TRIES) throw thrown;
        await this.#sleep(RETRY_MS);
      }
    }
  }

  #count(bytes: number | undefined): void {
    const { fetched, fetchedBytes, stored, missing } = this.#progress;
    if (bytes === undefined) this.#tell({ missing: missing + 1 });
    else this.#tell({ fetched: fetched + 1, fetchedBytes: fetchedBytes + bytes, stored: stored + 1 });
    if (++this.#calm < CALM_GROUPS) return;
    this.#calm = 0;
    this.#restFactor = Math.max(MIN_REST_FACTOR, this.#restFactor / 2);
  }

  #tell(change: Partial<BackfillProgress>): void {
    if (this.#closed) return;
    this.#progress = { ...this.#progress, ...change };
    this.#options.onProgress(this.#progress);
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.setTimer(ms, done);
      function done(): void {
        signal.removeEventListener("abort", done);
        cancel();
        resolve();
      }
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
    });
  }
}
