/**
 * Firefox does not end when the picture had already come to where the end is then declared: it waits there for media. A seek to the end makes
 * it look again; once, for a browser that has another opinion is not to be argued with ten times a second.
 */

/** This close to the end there is no further frame. */
const END_REACH_S = 0.01;

export class EndNudge {
  #nudgedAtS: number | undefined;

  /** The element time to seek to, if that is needed now. */
  check({ duration, currentTime, ended, paused, seeking }: HTMLVideoElement): number | undefined {
    if (!Number.isFinite(duration) || ended || paused || seeking || this.#nudgedAtS === duration)
      return undefined;
    if (duration - currentTime > END_REACH_S) return undefined;
    this.#nudgedAtS = duration;
    return duration;
  }
}
