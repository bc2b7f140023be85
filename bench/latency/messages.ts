/** What the page of the latency benchmark measured. Plain JSON. */

export interface Slice {
  /** Ages, in ms, of the frames that were shown: expected display less the frame's own media time on the wall clock. */
  readonly ages: readonly number[];
  /** The same for frames that begin an object, less the object's duration: from the publisher's cut to the screen. */
  readonly sinceCut: readonly number[];
}

export interface Watched {
  readonly slices: readonly Slice[];
  readonly stalls: number;
  readonly droppedFrames: number;
  readonly longTasks: number;
  readonly longestTaskMs: number;
}

export interface WatchOptions {
  readonly slices: number;
  readonly sliceMs: number;
  readonly objectMs: number;
  /** Objects begin anew with each group. */
  readonly groupMs: number;
}
