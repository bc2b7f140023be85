/** What the DVR bar shows, from the player's figures: which stretch of time is what. */
import type { PlayerStats, TimeRange } from "../../src/index.ts";
import { TRUST_LANES, trustLanes } from "./trust-lanes.ts";

/** From the back to the front: what is drawn later covers what was drawn before. */
export const LANES = ["fetchable", "stored", "verified", "missing", ...TRUST_LANES, "buffered"] as const;

export type Lane = (typeof LANES)[number];

export type LaneRanges = Readonly<Record<Lane | "live", readonly TimeRange[]>>;

/** `holes`: what the player told as missing. */
export function laneRanges(stats: PlayerStats, holes: readonly TimeRange[]): LaneRanges {
  return {
    fetchable: stats.fetchable,
    stored: stats.stored,
    verified: stats.verified,
    live: stats.live,
    missing: [...stats.missing, ...holes],
    ...trustLanes(stats.trustRanges),
    buffered: stats.playback.buffered,
  };
}

const PLACES = [
  ["live", "live"],
  ["stored", "stored in this browser"],
  ["fetchable", "at the relays"],
  ["missing", "missing"],
] as const;

/** What a viewer would be told of a time. What became of trust there is told by trust-lanes.ts. */
export function wordsAt(ranges: LaneRanges, ms: number): string {
  const has = (lane: Lane | "live"): boolean =>
    ranges[lane].some(({ startMs, endMs }) => startMs <= ms && ms < endMs);
  const place = PLACES.find(([lane]) => has(lane))?.[1] ?? "nothing here";
  return has("rejected") ? `${place}, some of it refused` : place;
}

/** The oldest that any of it shows. */
export function oldestOf(ranges: LaneRanges): number | undefined {
  const starts = (["stored", "fetchable", "live"] as const).flatMap((lane) =>
    ranges[lane].map(({ startMs }) => startMs),
  );
  return starts.length === 0 ? undefined : Math.min(...starts);
}

const MINUTE = 60_000;
/** Distances of marks that a clock's reader expects. */
const STEPS_MS = [
  5000,
  10_000,
  30_000,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  60 * MINUTE,
].concat([2, 6, 12, 24].map((hours) => hours * 60 * MINUTE));

/** Wall-clock times at which the scale is marked: round ones, at most `most` of them. */
export function marksOf(startMs: number, endMs: number, most: number): number[] {
  const step =
    STEPS_MS.find((candidate) => (endMs - startMs) / candidate <= most) ?? STEPS_MS.at(-1) ?? MINUTE;
  // Round by the viewer's clock, not by that of Greenwich.
  const zoneMs = new Date(endMs).getTimezoneOffset() * MINUTE;
  const marks: number[] = [];
  for (let at = Math.ceil((startMs - zoneMs) / step) * step + zoneMs; at <= endMs; at += step) marks.push(at);
  return marks;
}
