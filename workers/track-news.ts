/** What happens to a track, as the page is told it. */
import type { Hole, RejectReason, SourceId } from "../src/merge/types.ts";
import type { TimeRange, WorkerEvent } from "../src/rpc/protocol.ts";
import type { VarInt } from "../src/wire/varint.ts";
import type { TimeRanges } from "./time-ranges.ts";
import type { TrackPipeline } from "./track-pipeline.ts";

export function rejectedEvent(
  pipeline: TrackPipeline,
  url: SourceId,
  group: VarInt,
  object: VarInt,
  reason: RejectReason,
): WorkerEvent {
  const track = pipeline.playable.name;
  return { type: "rejected", track, url, group: String(group), object: String(object), reason };
}

/** `span`: when its groups play. */
export function holeEvent(pipeline: TrackPipeline, hole: Hole, span: TimeRange): WorkerEvent {
  return { type: "hole", track: pipeline.playable.name, ...span, cause: hole.cause };
}

/** Notes the time that the newest part of the pipeline's window covers. */
export function noteVerified(verified: TimeRanges, pipeline: TrackPipeline): void {
  const part = pipeline.window.segments.at(-1)?.parts.at(-1);
  if (!part) return;
  const { timescale } = pipeline.playable;
  verified.add(
    (part.startTicks / timescale) * 1000,
    ((part.startTicks + part.durationTicks) / timescale) * 1000,
  );
}
