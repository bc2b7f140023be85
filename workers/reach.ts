/** How far back viewers of a broadcast can go, and where they cannot: for bars that show it, and for seeks. */
import type { Clock } from "../src/clock.ts";
import { subtract, union } from "../src/replay/group-ranges.ts";
import type { GroupTimeline } from "../src/replay/media-range.ts";
import type { TimeRange } from "../src/rpc/protocol.ts";
import { type ReadableRanges, type ReadableTrack, readableRanges, storedRanges } from "./readable-tracks.ts";

/** What relays have is found out by asking them: some forty small questions at first, a few from then on (fetch-floor.ts). They are asked once live media flow, and then this often. */
const FIRST_ASKED_AFTER_MS = 3000;
const ASKED_EVERY_MS = 30_000;

/** Media times of what is not live; sorted, and none is in two of them. */
export interface Reachable {
  /** What the live list has; empty when nothing is live. */
  readonly live: readonly TimeRange[];
  readonly stored: readonly TimeRange[];
  /** Not stored, but to be had from relays or the app's source. */
  readonly fetchable: readonly TimeRange[];
  /** Between the oldest and the newest of these, and nobody has it. */
  readonly missing: readonly TimeRange[];
}

export const NOTHING_REACHABLE: Reachable = { live: [], stored: [], fetchable: [], missing: [] };

export interface ReachOptions {
  readonly tracks: readonly ReadableTrack[];
  readonly timeline: GroupTimeline;
  readonly clock: Clock;
  readonly live: () => readonly TimeRange[];
}

export class Reach {
  readonly #options: ReachOptions;
  #elsewhere: ReadableRanges["fetchable"] = [];
  #askAtMs: number;
  #asking = false;

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#askAtMs = options.clock.now() + FIRST_ASKED_AFTER_MS;
  }

  /** Rejects when the store cannot be read. What relays have is as they last said. */
  async now(): Promise<Reachable> {
    const { tracks, timeline, live } = this.#options;
    this.#ask();
    const stored = union(await storedRanges(tracks), []);
    const fetchable = subtract(union(this.#elsewhere, []), stored);
    const all = union(stored, fetchable);
    const [first] = all;
    const last = all.at(-1);
    return {
      live: live(),
      stored: timeline.timesOf(stored),
      fetchable: timeline.timesOf(fetchable),
      missing:
        first && last ? timeline.timesOf(subtract([{ first: first.first, last: last.last }], all)) : [],
    };
  }

  #ask(): void {
    const { tracks, clock } = this.#options;
    if (this.#asking || clock.now() < this.#askAtMs) return;
    this.#asking = true;
    readableRanges(tracks)
      .then(({ fetchable }) => {
        this.#elsewhere = fetchable;
      })
      // Nobody could be asked, or the store failed, which it tells itself: what was known stays.
      .catch(() => undefined)
      .finally(() => {
        this.#asking = false;
        this.#askAtMs = clock.now() + ASKED_EVERY_MS;
      });
  }
}
