/** When groups play, for broadcasts whose groups have no fixed length: learnt from the live window as it goes. */
import type { TrackWindow } from "../src/playback/track-window.ts";
import type { LearntTimeline, MediaRange } from "../src/replay/media-range.ts";
import type { VarInt } from "../src/wire/varint.ts";

/** Follows the window until the returned function is called. A group is learnt when it is whole: when the next one has begun; `seen` is told of each. */
export function learnTimes(
  timeline: LearntTimeline,
  window: TrackWindow,
  seen: (group: VarInt, time: MediaRange) => void,
): () => void {
  const { timescale } = window.track;
  let learnt: VarInt = -1;
  return window.onChange(() => {
    const newest = window.segments.at(-1)?.group;
    if (newest === undefined || newest === learnt) return;
    let current: { group: VarInt; startTicks: number; endTicks: number } | undefined;
    const learn = (): void => {
      if (!current || current.group <= learnt || current.group === newest) return;
      learnt = current.group;
      const { group, startTicks, endTicks } = current;
      const time = { startMs: (startTicks / timescale) * 1000, endMs: (endTicks / timescale) * 1000 };
      timeline.learn(group, time);
      seen(group, time);
    };
    // A long group is several segments.
    for (const { kind, group, startTicks, durationTicks } of window.segments) {
      if (kind === "gap") continue;
      const endTicks = startTicks + durationTicks;
      if (current?.group === group) {
        current.endTicks = endTicks;
        continue;
      }
      learn();
      current = { group, startTicks, endTicks };
    }
  });
}
