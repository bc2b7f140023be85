/**
 * Fuzzing: targets are tried with inputs made by chance until the time is over or something is found.
 *
 * A target turns one seed into one input, gives it to the code under test, and throws when a promise is broken. What an execution does depends on
 * nothing but the run's seed, the target's name and the execution's number, so every finding can be repeated alone, whatever ran before it.
 */
import { Chance, seedOf } from "./chance.ts";

export interface FuzzTarget {
  readonly name: string;
  /** How long its turns are beside those of others; default 1. For targets whose executions take milliseconds. */
  readonly weight?: number;
  /** One execution. Throws, or rejects, when the code under test breaks a promise. */
  run(chance: Chance): void | Promise<void>;
}

export interface FuzzHost {
  /** Milliseconds on any clock that only moves forward. */
  now(): number;
  /** Milliseconds of processor time this process has used: what an execution costs, however busy the machine is. */
  cpuMs(): number;
  /** What failed outside of any call since it was asked last: rejections that nobody handled. */
  strayFailure?(): unknown;
  /** Told before each execution; a watchdog outside can name the one that does not come back. */
  beginning?(target: string, execution: number): void;
}

export interface FuzzOptions {
  readonly targets: readonly FuzzTarget[];
  readonly seed: number;
  readonly host: FuzzHost;
  /** Stop after this much time... */
  readonly forMs?: number;
  /** ...or when every target had this many executions. */
  readonly executionsEach?: number;
  /** Only this execution of each target. */
  readonly only?: number;
}

export interface Finding {
  readonly target: string;
  readonly execution: number;
  readonly seed: number;
  readonly error: unknown;
}

export interface FuzzReport {
  readonly executions: number;
  readonly perTarget: ReadonlyMap<string, number>;
  /** The first of each target: a target that has failed is not tried further. */
  readonly findings: readonly Finding[];
}

/**
 * Processor time of one execution. The largest inputs (96 KiB, a byte at a time) take about 50 ms here; ten times as much means a cost that
 * grows faster than its input. Past it: a finding, if the same execution is as slow once more.
 */
export const MAX_EXECUTION_CPU_MS = 500;

/** How long one target runs before the next has its turn. */
const TURN_MS = 100;

export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

interface Progress {
  readonly target: FuzzTarget;
  next: number;
  failed: boolean;
}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { targets, host, only, forMs = Number.POSITIVE_INFINITY } = options;
  const limit = only === undefined ? (options.executionsEach ?? Number.POSITIVE_INFINITY) : only + 1;
  const endsAt = host.now() + forMs;
  const findings: Finding[] = [];
  const progress: Progress[] = targets.map((target) => ({ target, next: only ?? 0, failed: false }));
  for (;;) {
    const open = progress.filter(({ next, failed }) => !failed && next < limit);
    if (open.length === 0 || host.now() >= endsAt) break;
    for (const turn of open) {
      const turnEndsAt = Math.min(host.now() + TURN_MS * (turn.target.weight ?? 1), endsAt);
      do {
        const execution = turn.next++;
        const error = await attempt(turn.target, execution, options);
        if (error !== undefined) {
          turn.failed = true;
          findings.push({ target: turn.target.name, execution, seed: options.seed, error });
        }
      } while (!turn.failed && turn.next < limit && host.now() < turnEndsAt);
    }
  }
  const perTarget = new Map(progress.map(({ target, next }) => [target.name, next - (only ?? 0)]));
  let executions = 0;
  for (const count of perTarget.values()) executions += count;
  return { executions, perTarget, findings };
}

/** What went wrong, or undefined. */
async function attempt(target: FuzzTarget, execution: number, options: FuzzOptions): Promise<unknown> {
  const first = await once(target, execution, options);
  if (!(first instanceof TooSlow)) return first;
  // A collection of garbage may have fallen into it; a cost of the code itself is there again.
  return once(target, execution, options);
}

async function once(target: FuzzTarget, execution: number, { seed, host }: FuzzOptions): Promise<unknown> {
  host.beginning?.(target.name, execution);
  const beganAt = host.cpuMs();
  try {
    const running = target.run(new Chance(seedOf(seed, target.name, execution)));
    // Most targets are synchronous, and an await would cost more than they do.
    if (running) await running;
  } catch (thrown) {
    return thrown ?? new Error("undefined was thrown");
  }
  const stray = host.strayFailure?.();
  if (stray !== undefined) return stray;
  const tookMs = host.cpuMs() - beganAt;
  if (tookMs <= MAX_EXECUTION_CPU_MS) return undefined;
  return new TooSlow(`One execution took ${Math.round(tookMs)} ms of processor time.`);
}
