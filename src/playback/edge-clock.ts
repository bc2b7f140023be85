/**
 * Where the live edge is now, in media time.
 *
 * The worker tells each time the edge moved: to which media time, and when. Between those steps, about one per object, the edge goes on at the speed of time. The
 * clock follows the promptest steps of the last seconds, so that one late object does not look like a slower broadcast.
 */

/** How far back the promptest step may lie. A route that became slower for good is believed after this. */
const MEMORY_MS = 10_000;

/** For this long after the first step nothing counts as late: whoever joins gets what is already there in one burst. */
const JOINING_MS = 500;

/** The share of steps that may come later than {@link EdgeClock.requiredMs} says: one hiccup in ten seconds is no reason to stay further behind. */
const OUTLIERS = 0.05;

/**
 * How far beyond the last step the edge is extrapolated, at least; more when steps come more rarely. Past it the broadcast
 * stands still, and so does the clock.
 */
const EXTRAPOLATION_MS = 1_000;

/** Steps kept at most: 10 s of 25 a second and track, and some. */
const MAX_STEPS = 1024;

interface Step {
  readonly fromMs: number;
  readonly toMs: number;
  readonly atMs: number;
}

export class EdgeClock {
  #steps: Step[] = [];
  #joinedAtMs = 0;
  #offsetMs = 0;
  #requiredMs = 0;

  /** End of the newest media, in ms since the epoch; undefined before the first step. */
  get edgeMs(): number | undefined {
    return this.#steps.at(-1)?.toMs;
  }

  /**
   * The least distance from the edge at which the picture never waits: media that follow the picture must have come when it gets there. With parts that come
   * on time it is their duration, and it grows with every unevenness. 0 until something is known.
   */
  get requiredMs(): number {
    return this.#requiredMs;
  }

  /** The edge is at `edgeMs` (media time) since `atMs` (ms since 1970). */
  update(edgeMs: number, atMs: number): void {
    const last = this.#steps.at(-1);
    if (last && edgeMs === last.toMs) return; // no movement says nothing
    if (last === undefined || edgeMs < last.toMs) {
      // Backwards is a new broadcast under the old name.
      this.#steps = [{ fromMs: edgeMs, toMs: edgeMs, atMs }];
      this.#joinedAtMs = atMs;
      this.#offsetMs = edgeMs - atMs;
      this.#requiredMs = 0;
      return;
    }
    this.#steps.push({ fromMs: last.toMs, toMs: edgeMs, atMs });
    const oldest = this.#steps.findIndex((step) => step.atMs >= atMs - MEMORY_MS);
    this.#steps.splice(0, Math.max(oldest, this.#steps.length - MAX_STEPS));

    const settled = this.#steps.filter((step) => step.atMs >= this.#joinedAtMs + JOINING_MS);
    const counted = settled.length > 0 ? settled : this.#steps;
    this.#offsetMs = Math.max(...counted.map((step) => step.toMs - step.atMs));
    // When a step came, the picture must not yet have been past the place where it begins.
    const required = settled.map((step) => this.#offsetMs - (step.fromMs - step.atMs)).sort((a, b) => a - b);
    this.#requiredMs = required[Math.floor((required.length - 1) * (1 - OUTLIERS))] ?? 0;
  }

  /** The edge at `nowMs` (ms since 1970); undefined before the first step. */
  edgeAt(nowMs: number): number | undefined {
    const last = this.#steps.at(-1);
    if (last === undefined) return undefined;
    const furthest = last.toMs + Math.max(EXTRAPOLATION_MS, 2 * (last.toMs - last.fromMs));
    return Math.min(nowMs + this.#offsetMs, furthest);
  }
}
