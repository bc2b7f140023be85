/** Where a group that is stored or was fetched lies in time. */
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { malformedMedia } from "./boxes.ts";
import { readInitSegment } from "./init-segment.ts";
import { readChunkTiming } from "./moof.ts";
import type { StoredSegment } from "./segment.ts";
import type { PlayableTrack } from "./types.ts";

/**
 * Where a stored group lies in time, from its objects in order: what {@link TrackWindow.prepend} wants to know.
 * Throws CountersignError `media-error` when the objects are not CMAF; undefined when there are none.
 */
export function measureGroup(
  track: PlayableTrack,
  group: VarInt,
  objects: readonly Pick<MoqObject, "payload">[],
): StoredSegment | undefined {
  const [first] = objects;
  const last = objects.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const { defaults } = readInitSegment(track.initSegment);
  const { baseDecodeTimeTicks: startTicks } = readChunkTiming(first.payload, defaults);
  const end = readChunkTiming(last.payload, defaults);
  const durationTicks = end.baseDecodeTimeTicks + end.durationTicks - startTicks;
  if (durationTicks <= 0) throw malformedMedia(`group ${group} runs backwards`);
  return { group, startTicks, durationTicks };
}
