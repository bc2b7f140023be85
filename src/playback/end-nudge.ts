/**
 * Firefox does not go on when the picture waited for media at the moment in which the end was declared: at the end itself it does not end, and shortly before it does not play what is left, though
 * that is buffered. A seek makes it look again; once for each place, for a browser that has another opinion is not to be argued with ten times a second.
 */

/** This close to the end there is no further frame. */
const END_REACH_S = 0.01;

/** Ticks without a new frame, of ten a second, before a picture counts as standing: far more than decoding takes. */
const STANDING_TICKS = 10;

/** Where a standing picture goes on: too little to be seen, enough to be a seek. */
const STEP_S = 0.001;

/** The part of a media element that is looked at. */
export type NudgedElement = Pick<
  HTMLVideoElement,
  "duration" | "currentTime" | "ended" | "paused" | "seeking" | "readyState"
> & { readonly buffered: Pick<TimeRanges, "length" | "start" | "end"> };

export class EndNudge {
  #nudgedAtS: number | undefined;
  #standsAtS: number | undefined;
  #ticks = 0;

  /** To be asked ten times a second: the element time to seek to, if that is needed now. */
  check(video: NudgedElement): number | undefined {
    const { duration, currentTime, ended, paused, seeking } = video;
    if (!Number.isFinite(duration) || ended || paused || seeking) {
      this.#standsAtS = undefined;
      return undefined;
    }
    if (duration - currentTime <= END_REACH_S) return this.#once(duration, duration);
    if (currentTime !== this.#standsAtS) {
      this.#standsAtS = currentTime;
      this.#ticks = 0;
      return undefined;
    }
    this.#ticks += 1;
    if (this.#ticks < STANDING_TICKS || !hasTheRest(video)) return undefined;
    return this.#once(currentTime, currentTime + STEP_S);
  }

  #once(placeS: number, toS: number): number | undefined {
    if (this.#nudgedAtS === placeS) return undefined;
    this.#nudgedAtS = placeS;
    return toS;
  }
}

/** All from here to the end is buffered, and the element does not play it. */
function hasTheRest({ readyState, buffered, currentTime, duration }: NudgedElement): boolean {
  // HAVE_FUTURE_DATA
  if (readyState >= 3) return false;
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime && buffered.end(i) >= duration - END_REACH_S) return true;
  }
  return false;
}
