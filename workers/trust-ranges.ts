/**
 * What became of each stretch of the broadcast, for the page's timeline: verified, waiting for its manifest, stale, rejected (by whom and why), or in dispute.
 *
 * Each range is a fact of its own, and they may overlap: a second of video may be verified although one relay's copy of it was refused. Times are media time.
 */
import type { TimeRange, TrustRange } from "../src/rpc/protocol.ts";
import { compareVarInt } from "../src/wire/varint.ts";
import type { Playing } from "./playing.ts";
import type { TrackListener, TrackPipeline } from "./track-pipeline.ts";

/** Refusals kept, neighbours joined: minutes of a relay that lies all the time are one range. The oldest go. */
const MAX_REJECTED = 128;

type OpenRange = { -readonly [K in keyof TrustRange]: TrustRange[K] };

export class TrustRanges {
  #rejected: OpenRange[] = [];

  /** A copy was refused, as a pipeline's listener is told it; `span` is when its group plays. */
  rejected(
    [{ playable }, relay, , , reason]: Parameters<TrackListener["rejected"]>,
    { startMs, endMs }: TimeRange,
  ): void {
    const track = playable.name;
    const same = this.#rejected.findLast(
      (range) => range.relay === relay && range.track === track && range.reason === reason,
    );
    if (same && startMs >= same.startMs && startMs <= same.endMs) {
      same.endMs = Math.max(same.endMs, endMs);
      return;
    }
    this.#rejected.push({ state: "rejected", track, relay, reason, startMs, endMs });
    if (this.#rejected.length > MAX_REJECTED) this.#rejected.shift();
  }

  /** All that is known, at this time of the wall clock. */
  collect(
    verified: readonly TimeRange[],
    playing: Pick<Playing, "pipelines" | "times" | "spanOf"> | undefined,
    nowMs: number,
  ): readonly TrustRange[] {
    const known: TrustRange[] = verified.map((range) => ({ ...range, state: "verified" }));
    if (playing !== undefined) {
      for (const pipeline of playing.pipelines) {
        known.push(...waitingRanges(pipeline, playing), ...untold(pipeline, nowMs - playing.times.epochMs));
      }
    }
    return [...known, ...this.#rejected.map((range) => ({ ...range }))];
  }
}

/** Groups of which something waits, neighbours as one. */
function waitingRanges(pipeline: TrackPipeline, playing: Pick<Playing, "spanOf">): TrustRange[] {
  const ranges: OpenRange[] = [];
  for (const group of [...pipeline.merger.waitingGroups].sort(compareVarInt)) {
    const { startMs, endMs } = playing.spanOf(pipeline, group);
    const last = ranges.at(-1);
    if (last?.endMs === startMs) last.endMs = endMs;
    else ranges.push({ state: "waiting", track: pipeline.playable.name, startMs, endMs });
  }
  return ranges;
}

/** A signer that fell silent, or contradicted itself, says nothing that counts from the track's last verified part on. */
function untold({ playable, trust, window }: TrackPipeline, nowMs: number): TrustRange[] {
  const { state } = trust;
  if (state !== "stale" && state !== "equivocation") return [];
  const startMs = window.endTicks === undefined ? nowMs : (window.endTicks / playable.timescale) * 1000;
  return [{ state, track: playable.name, startMs, endMs: Math.max(startMs, nowMs) }];
}
