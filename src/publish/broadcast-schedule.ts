/** When each object of a broadcast is handed out: the one place of this room that knows the time. */
import type { Clock } from "../clock.ts";
import { TICKS_PER_MS } from "./clip.ts";
import type { CutObject, GroupCutter } from "./group-cutter.ts";

/** An object whose time has come. */
export interface ScheduledObject extends CutObject {
  readonly trackName: string;
  readonly group: number;
}

export interface BroadcastScheduleOptions {
  /** Wall clock, in ms since 1970, of media time 0. Every peer of a broadcast has the same. */
  readonly epochMs: number;
  readonly clock: Clock;
  /** Tracks to hand out, by name; all of the clip when left out. */
  readonly trackNames?: readonly string[];
  /** What lies this far back when it begins is handed out first, at once: as if it had been publishing for that long. Default 0. */
  readonly historyMs?: number;
  /** Wait this long before the first object; the broadcast itself goes on meanwhile. Default 0. */
  readonly startupDelayMs?: number;
  /** End this long after the start-up delay is over. Default: never. */
  readonly stopAfterMs?: number;
  /** Ends the broadcast early: the generator returns, it does not throw. */
  readonly signal?: AbortSignal;
  /** Told when groups were left out because this process had stood still; see {@link MAX_CATCH_UP_MS}. */
  readonly onSkip?: (skipped: { readonly fromGroup: number; readonly toGroup: number }) => void;
}

/**
 * How far behind a publisher may fall and still hand out everything it missed. After a longer standstill (a laptop that
 * slept) it starts over at the current group, for nobody watches live media that old and the burst would only delay what is new.
 */
export const MAX_CATCH_UP_MS = 10_000;

/** Timers beyond 2^31 - 1 ms fire at once in every host; a longer wait is made of pieces. */
const MAX_TIMER_MS = 60 * 60 * 1000;

/** Resolves true at `timeMs` or later, or false as soon as the signal is aborted. */
function waitUntil(clock: Clock, timeMs: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    let cancel: (() => void) | undefined;
    const finish = (arrived: boolean): void => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
      resolve(arrived);
    };
    const onAbort = (): void => finish(false);
    const step = (): void => {
      cancel = undefined;
      const leftMs = timeMs - clock.now();
      // Asked again rather than trusted: a timer may fire early by a fraction, and a wall clock may be set.
      if (leftMs <= 0) finish(true);
      else cancel = clock.setTimer(Math.min(leftMs, MAX_TIMER_MS), step);
    };
    if (signal?.aborted) {
      resolve(false);
      return;
    }
    signal?.addEventListener("abort", onAbort);
    step();
  });
}

/** The objects of one group over all tracks, in the order in which they become available. */
function objectsOf(cutter: GroupCutter, trackNames: readonly string[], group: number): ScheduledObject[] {
  const objects = trackNames.flatMap((trackName) =>
    cutter.group(trackName, group).map((object) => ({ ...object, trackName, group })),
  );
  // Stable: objects of one instant stay in the order of the tracks, and those of one track in their own.
  return objects.sort((a, b) => a.availableAtMs - b.availableAtMs);
}

/**
 * Hands out the objects of a broadcast, each at `epochMs + availableAtMs` or as soon as possible after it, never before.
 *
 * It begins with the first object of the group that is current when the start-up delay is over, so what it hands out always begins at
 * a keyframe; the part of that group that is in the past comes at once. A consumer that is slow is waited for, and what became due meanwhile
 * comes without delay; since every object is timed from the epoch, nothing drifts.
 *
 * All objects of group g come before any of group g + 1, over all tracks. The last audio frame of a group reaches up to one frame beyond
 * the boundary; with objects shorter than an audio frame the first video object of the next group waits those few milliseconds.
 *
 * To end it from outside use the signal: `return()` on a generator is only heard when it is not waiting.
 */
export async function* scheduleBroadcast(
  cutter: GroupCutter,
  options: BroadcastScheduleOptions,
): AsyncGenerator<ScheduledObject, void, undefined> {
  const { epochMs, clock, signal, onSkip } = options;
  const trackNames = options.trackNames ?? cutter.clip.tracks.map((track) => track.name);
  const beginMs = clock.now() + (options.startupDelayMs ?? 0);
  const endMs = beginMs + (options.stopAfterMs ?? Number.POSITIVE_INFINITY);

  if (!(await waitUntil(clock, beginMs, signal))) return;
  const firstLive = cutter.groupAt(clock.now() - epochMs);
  let group = cutter.groupAt(Math.max(0, clock.now() - epochMs - (options.historyMs ?? 0)));
  for (;;) {
    for (const object of objectsOf(cutter, trackNames, group)) {
      const dueMs = epochMs + object.availableAtMs;
      const arrived = await waitUntil(clock, Math.min(dueMs, endMs), signal);
      if (!arrived || clock.now() >= endMs) return;
      yield object;
    }
    const current = cutter.groupAt(clock.now() - epochMs);
    const behindMs = clock.now() - epochMs - cutter.span(group).endTicks / TICKS_PER_MS;
    if (group >= firstLive && current > group + 1 && behindMs > MAX_CATCH_UP_MS) {
      onSkip?.({ fromGroup: group + 1, toGroup: current - 1 });
      group = current;
    } else {
      group += 1;
    }
  }
}
