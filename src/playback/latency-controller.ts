/**
 * Keeps the picture at a chosen distance from the live edge: the decision, ten times a second, from plain numbers.
 *
 * Small differences are worked off by playing a few percent faster or slower, which nobody hears; only when the picture is more than a second behind, and the
 * media to skip to are already buffered, it jumps. A viewer who pauses or seeks back is left alone until the live edge is asked for again.
 */

/** How often {@link LatencyController.tick} is meant to be called. */
export const TICK_MS = 100;

/** Differences below this are left alone: finer than a frame, and rate changes cost the audio a little each time. */
const DEAD_BAND_MS = 20;
/** Once outside the dead band, correction goes on to here, so that it does not hover at the band's edge. */
const SETTLED_MS = 4;
/** Speed change per second of difference: 100 ms are worked off at 4%, in some 3 s. */
const GAIN_PER_S = 0.4;
/** Pitch-corrected audio is unobtrusive within these. */
const SLOWEST = 0.94;
const FASTEST = 1.1;
/** Behind by more than this, playing faster takes too long to be noticed as anything but late. */
const JUMP_BEHIND_MS = 1000;
/** Left buffered at the place that is jumped to, so that playback goes on there at once. */
const JUMP_RESERVE_MS = 100;
/** Playing faster into an empty buffer would only stall. */
const MIN_BUFFER_TO_SPEED_UP_MS = 60;
/** Not moving for this long at the end of a buffered range, with more behind it, is a hole and not a hiccup. */
const HOLE_PATIENCE_MS = 250;
/** At the end of a range means within this of it: decoders stop up to some frames before. */
const HOLE_REACH_MS = 200;
/** Just inside the next range: its first frame, not the boundary, which rounding may put outside. */
const HOLE_LANDING_MS = 2;
/** What a target must leave beyond what the arrival of parts requires: decoding, a timer that fires late, the page's own work. */
const TARGET_MARGIN_MS = 80;
/** A stall shows that the margin is too small on this machine: a busy page hands buffers over late, which the worker cannot see. Each one adds this much, */
const STALL_STEP_MS = 100;
/** up to this. */
const MAX_STALL_MARGIN_MS = 1000;
/** After this long without one, what was added is taken back, */
const CALM_AFTER_MS = 10_000;
/** this much per second: far slower than it came, so that a page which stalls once a minute does not go on doing so. */
const STALL_MARGIN_DECAY_PER_S = 5;

/** All times in ms of media since the epoch unless said otherwise. */
export interface PlaybackSample {
  /** Any clock, in ms. */
  readonly nowMs: number;
  readonly positionMs: number;
  /** Buffered ranges in order. */
  readonly buffered: readonly { readonly startMs: number; readonly endMs: number }[];
  /** Where the live edge is now. */
  readonly edgeMs: number;
  /** The distance from it that the arrival of parts requires (EdgeClock.requiredMs). */
  readonly requiredMs: number;
  readonly rate: number;
  /** Paused, seeking, or not begun. */
  readonly idle: boolean;
}

export interface PlaybackDecision {
  /** Undefined: leave it. */
  readonly rate?: number;
  readonly jumpToMs?: number;
  readonly reason?: "behind" | "hole";
}

const NOTHING: PlaybackDecision = {};

export class LatencyController {
  readonly #targetMs: number;
  #following = true;
  #correcting = false;
  #ownRate = 1;
  #stallMarginMs = 0;
  #stalledAtMs = Number.NEGATIVE_INFINITY;
  #stuck: { readonly positionMs: number; readonly sinceMs: number } | undefined;

  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** True: at the live edge or on the way there. False: the viewer chose to be elsewhere. */
  get following(): boolean {
    return this.#following;
  }

  /** The distance aimed for with parts like these: never below what they allow. */
  targetFor(requiredMs: number): number {
    return Math.max(this.#targetMs, requiredMs + TARGET_MARGIN_MS) + this.#stallMarginMs;
  }

  /** The picture stood still for want of media while it followed the edge: from now on it keeps a little further back. */
  stalled(nowMs: number): void {
    if (!this.#following) return;
    this.#stalledAtMs = nowMs;
    this.#stallMarginMs = Math.min(MAX_STALL_MARGIN_MS, this.#stallMarginMs + STALL_STEP_MS);
  }

  follow(): void {
    this.#following = true;
  }

  /** Leaves rate and position to the viewer. */
  release(): void {
    this.#following = false;
    this.#correcting = false;
  }

  tick(sample: PlaybackSample): PlaybackDecision {
    if (sample.nowMs - this.#stalledAtMs > CALM_AFTER_MS)
      this.#stallMarginMs = Math.max(0, this.#stallMarginMs - (STALL_MARGIN_DECAY_PER_S * TICK_MS) / 1000);
    if (sample.idle) {
      this.#stuck = undefined;
      return NOTHING;
    }
    return this.#overHole(sample) ?? (this.#following ? this.#towardsEdge(sample) : this.#leaveAlone(sample));
  }

  /** Past media that will not come. Holds for rewound viewers too: nobody chose to look at a frozen picture. */
  #overHole(sample: PlaybackSample): PlaybackDecision | undefined {
    const { nowMs, positionMs, buffered } = sample;
    if (this.#stuck?.positionMs !== positionMs) {
      this.#stuck = { positionMs, sinceMs: nowMs };
      return undefined;
    }
    if (nowMs - this.#stuck.sinceMs < HOLE_PATIENCE_MS) return undefined;
    const here = buffered.find((range) => range.startMs <= positionMs && positionMs <= range.endMs);
    if (here && here.endMs - positionMs > HOLE_REACH_MS) return undefined;
    const next = buffered.find((range) => range.startMs > positionMs);
    if (next === undefined || next.endMs - next.startMs < HOLE_LANDING_MS) return undefined;
    this.#stuck = undefined;
    return { jumpToMs: next.startMs + HOLE_LANDING_MS, reason: "hole" };
  }

  #leaveAlone(sample: PlaybackSample): PlaybackDecision {
    // A rate of ours must not stay behind; one that the viewer chose is theirs.
    if (sample.rate === this.#ownRate && this.#ownRate !== 1) {
      this.#ownRate = 1;
      return { rate: 1 };
    }
    return NOTHING;
  }

  #towardsEdge(sample: PlaybackSample): PlaybackDecision {
    const { positionMs, edgeMs, buffered } = sample;
    const targetMs = this.targetFor(sample.requiredMs);
    const behindMs = edgeMs - positionMs - targetMs;
    const bufferedToMs = buffered.at(-1)?.endMs ?? positionMs;

    if (behindMs > JUMP_BEHIND_MS) {
      const to = Math.min(edgeMs - targetMs, bufferedToMs - JUMP_RESERVE_MS);
      const lands = buffered.some((range) => range.startMs <= to && to < range.endMs);
      if (lands && to - positionMs > JUMP_BEHIND_MS) {
        this.#correcting = false;
        return { ...this.#rate(sample, 1), jumpToMs: to, reason: "behind" };
      }
    }
    if (Math.abs(behindMs) > DEAD_BAND_MS) this.#correcting = true;
    else if (Math.abs(behindMs) < SETTLED_MS) this.#correcting = false;
    if (!this.#correcting) return this.#rate(sample, 1);

    const wanted = Math.min(FASTEST, Math.max(SLOWEST, 1 + (behindMs / 1000) * GAIN_PER_S));
    const starving = wanted > 1 && bufferedToMs - positionMs < MIN_BUFFER_TO_SPEED_UP_MS;
    return this.#rate(sample, starving ? 1 : wanted);
  }

  /** In steps of half a percent: every change makes the browser re-plan its audio. */
  #rate(sample: PlaybackSample, wanted: number): PlaybackDecision {
    const rate = Math.round(wanted * 200) / 200;
    this.#ownRate = rate;
    return sample.rate === rate ? NOTHING : { rate };
  }
}
