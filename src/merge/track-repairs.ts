import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import type { Connection, ObjectSink } from "../transport/connection.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import { compareLocations } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import { nextId } from "./interval-set.ts";
import { REPAIR_CONCURRENCY, REPAIR_MAX_QUEUE, REPAIR_TIMEOUT_MS } from "./limits.ts";
import type { MissingObjects, SourceId } from "./types.ts";

export interface RepairLimits {
  readonly repairConcurrency?: number;
  readonly repairTimeoutMs?: number;
}

/** A source that can be asked. */
export interface RepairSource {
  readonly source: SourceId;
  readonly connection: Connection;
}

export interface RepairContext {
  readonly clock: Clock;
  readonly track: FullTrackName;
  /** Connected sources, best first, for objects at `location`. */
  candidates(location: Location): readonly RepairSource[];
  sink(source: SourceId): ObjectSink;
  /** Not delivered, and its turn not past. */
  isLacked(group: VarInt, object: VarInt): boolean;
  /** A copy of it is being hashed right now. */
  isJudging(group: VarInt, object: VarInt): boolean;
  /** A source answered for the whole stretch and left out what is signed for. */
  withheld(source: SourceId, count: number): void;
  /** Everybody was asked in vain. */
  exhausted(group: VarInt, objects: readonly VarInt[]): void;
}

/** A stretch of one group that is lacked. */
interface Job {
  readonly group: VarInt;
  objects: readonly VarInt[];
  readonly asked: Set<SourceId>;
}

/** Hashing what one fetch brought takes milliseconds; a device so busy that it takes longer than these is no reason to fetch a second copy. */
const JUDGE_TURNS = 50;
const JUDGE_TURN_MS = 10;

/**
 * Fetches what is missing from whoever has it: in order of need, a few at a time, each source at most once per stretch. What a fetch brings goes through the
 * merger like anything else, so a repair can be refused as junk; whether it succeeded is asked of the ledger, not of the relay.
 */
export class TrackRepairs {
  readonly #context: RepairContext;
  readonly #concurrency: number;
  readonly #timeoutMs: number;
  readonly #queue: Job[] = [];
  readonly #abort = new AbortController();
  #running = 0;

  constructor(context: RepairContext, limits: RepairLimits = {}) {
    this.#context = context;
    this.#concurrency = limits.repairConcurrency ?? REPAIR_CONCURRENCY;
    this.#timeoutMs = limits.repairTimeoutMs ?? REPAIR_TIMEOUT_MS;
  }

  request(missing: MissingObjects): void {
    for (const objects of stretches(missing.objects))
      this.#enqueue({ group: missing.group, objects, asked: new Set() });
    this.#pump();
  }

  close(): void {
    this.#queue.length = 0;
    this.#abort.abort(new CountersignError("session-closed", "The track is not read any more."));
  }

  #enqueue(job: Job): void {
    const location = locationOf(job);
    let at = this.#queue.length;
    while (at > 0 && compareLocations(locationOf(this.#queue[at - 1]!), location) > 0) at--;
    this.#queue.splice(at, 0, job);
    if (this.#queue.length > REPAIR_MAX_QUEUE) this.#queue.pop();
  }

  #pump(): void {
    while (this.#running < this.#concurrency && this.#queue.length > 0 && !this.#abort.signal.aborted) {
      const job = this.#queue.shift()!;
      job.objects = this.#lacking(job);
      if (job.objects.length === 0) continue;
      const candidates = this.#context.candidates(locationOf(job));
      const next = candidates.find(({ source }) => !job.asked.has(source));
      if (next !== undefined) void this.#ask(job, next);
      else if (job.asked.size > 0) this.#context.exhausted(job.group, job.objects);
      else {
        // Nobody is connected: it keeps its place until somebody is, see resume().
        this.#queue.unshift(job);
        return;
      }
    }
  }

  /** A source is there again. */
  resume(): void {
    this.#pump();
  }

  async #ask(job: Job, { source, connection }: RepairSource): Promise<void> {
    const { clock, track } = this.#context;
    job.asked.add(source);
    this.#running++;
    const timeout = new AbortController();
    let cancelTimer: () => void = () => undefined;
    const timedOut = new Promise<false>((resolve) => {
      cancelTimer = clock.setTimer(this.#timeoutMs, () => {
        timeout.abort(new CountersignError("request-timeout", "The repair took too long.", { peer: source }));
        resolve(false);
      });
    });
    const fetched = connection
      .fetch(
        {
          track,
          start: locationOf(job),
          end: { group: job.group, object: job.objects.at(-1)! },
          // Ahead of the live streams: the viewer needs this first (§8).
          priority: 0,
          signal: AbortSignal.any([timeout.signal, this.#abort.signal]),
        },
        this.#context.sink(source),
      )
      .then(
        // What lies beyond the answer's end is not there yet, which is no fault of the source.
        ({ end }) =>
          end.group === job.group && end.object !== undefined
            ? end.object >= job.objects[0]!
            : end.group >= job.group,
        () => false,
      );
    // The timer decides even if the connection never does.
    const answered = await Promise.race([fetched, timedOut]);
    cancelTimer();
    this.#running--;
    if (this.#abort.signal.aborted) return;
    await this.#judged(job);
    job.objects = this.#lacking(job);
    if (job.objects.length > 0) {
      if (answered) this.#context.withheld(source, job.objects.length);
      this.#enqueue(job);
    }
    this.#pump();
  }

  /** A fetch may end before its objects are hashed: those are neither here nor lacking until they are. */
  async #judged(job: Job): Promise<void> {
    for (let turn = 0; turn < JUDGE_TURNS; turn++) {
      if (!job.objects.some((object) => this.#context.isJudging(job.group, object))) return;
      await new Promise<void>((resolve) => {
        this.#context.clock.setTimer(JUDGE_TURN_MS, resolve);
      });
    }
  }

  #lacking(job: Job): readonly VarInt[] {
    return job.objects.filter((object) => this.#context.isLacked(job.group, object));
  }
}

function locationOf(job: Job): Location {
  return { group: job.group, object: job.objects[0]! };
}

/** Ascending ids as runs without a gap: one fetch each. */
function stretches(objects: readonly VarInt[]): readonly (readonly VarInt[])[] {
  const runs: VarInt[][] = [];
  let expected: VarInt | undefined;
  for (const object of objects) {
    if (object === expected) runs.at(-1)!.push(object);
    else runs.push([object]);
    expected = nextId(object);
  }
  return runs;
}
