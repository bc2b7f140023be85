/**
 * Where the live edge is now, in media time.
 *
 * The worker tells each time the edge moved: to which media time, and when. Between those steps, one per object, the edge goes on at the speed of time. The
 * clock follows the promptest steps of the last seconds, so that one late object does not look like a slower broadcast.
 */

/** How far back the promptest step may lie. A route that became slower for good is believed after this. */
const MEMORY_MS = 10_000;

/**
 * How far beyond the last step the edge is extrapolated, at least; more when steps come more rarely. Past it the broadcast
 * stands still, and so does the clock.
 */
const EXTRAPOLATION_MS = 1_000;

/** For this long after the first step nothing counts as late: whoever joins gets what is already there in one burst. */
const JOINING_MS = 500;

/** The share of steps that may be later than the spread says: one hiccup in ten seconds is no reason to stay further behind. */
const OUTLIERS = 0.05;

/** Steps kept at most: 10 s of 25 a second, and some. */
const MAX_STEPS = 512;

interface Step {
  readonly edgeMs: number;
  readonly atMs: number;
}

export class EdgeClock {
  #steps: Step[] = [];
  #offsetMs = 0;
  #spreadMs = 0;
  #longestStepMs = 0;
  #joinedAtMs = 0;

  /** End of the newest media, in ms since the epoch; undefined before the first step. */
  get edgeMs(): number | undefined {
    return this.#steps.at(-1)?.edgeMs;
  }

  /** By how much steps of the last seconds came later than the promptest, but for a few outliers. */
  get spreadMs(): number {
    return this.#spreadMs;
  }

  /** The media time between two steps: the duration of a part. */
  get stepMs(): number {
    return this.#longestStepMs;
  }

  update(edgeMs: number, atMs: number): void {
    const last = this.#steps.at(-1);
    // Backwards is a new broadcast under the old name: begin anew. No movement says nothing.
    if (last && edgeMs < last.edgeMs) {
      this.#steps = [];
      this.#spreadMs = 0;
    } else if (last && edgeMs === last.edgeMs) return;
    this.#steps.push({ edgeMs, atMs });
    while (
      this.#steps.length > 1 &&
      (this.#steps.length > MAX_STEPS || this.#steps[0]!.atMs < atMs - MEMORY_MS)
    ) {
      this.#steps.shift();
    }
    if (this.#steps.length === 1) this.#joinedAtMs = atMs;
    let longest = 0;
    let previous: Step | undefined;
    const offsets: number[] = [];
    for (const step of this.#steps) {
      if (step.atMs >= this.#joinedAtMs + JOINING_MS) {
        offsets.push(step.edgeMs - step.atMs);
        if (previous) longest = Math.max(longest, step.edgeMs - previous.edgeMs);
      }
      previous = step;
    }
    this.#longestStepMs = longest;
    if (offsets.length === 0) {
      this.#offsetMs = edgeMs - atMs;
      return;
    }
    offsets.sort((a, b) => b - a);
    this.#offsetMs = offsets[0]!;
    this.#spreadMs = offsets[0]! - offsets[Math.ceil((offsets.length - 1) * (1 - OUTLIERS))]!;
  }

  /** The edge at `nowMs` (ms since 1970); undefined before the first step. */
  edgeAt(nowMs: number): number | undefined {
    const last = this.#steps.at(-1);
    if (last === undefined) return undefined;
    const furthest = last.edgeMs + Math.max(EXTRAPOLATION_MS, 2 * this.#longestStepMs);
    return Math.min(nowMs + this.#offsetMs, furthest);
  }
}
