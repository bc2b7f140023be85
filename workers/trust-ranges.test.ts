import { expect, test } from "vitest";
import type { RejectReason } from "../src/merge/types.ts";
import type { TrustState } from "../src/trust/types.ts";
import type { Playing } from "./playing.ts";
import type { TrackPipeline } from "./track-pipeline.ts";
import { TrustRanges } from "./trust-ranges.ts";

const GROUP_MS = 1000;
const EPOCH_MS = 1_800_000_000_000;

function pipeline(name: string, state: TrustState, waitingGroups: readonly number[] = [], edgeS?: number) {
  const endTicks = edgeS === undefined ? undefined : edgeS * 48_000;
  const parts = {
    playable: { name, timescale: 48_000 },
    trust: { state },
    merger: { waitingGroups },
    window: { endTicks },
  };
  return parts as unknown as TrackPipeline;
}

const spanOf = (group: number) => ({ startMs: group * GROUP_MS, endMs: (group + 1) * GROUP_MS });

function playing(...pipelines: readonly TrackPipeline[]): Pick<Playing, "pipelines" | "times" | "spanOf"> {
  const times = { epochMs: EPOCH_MS, isClocked: true, groupMs: GROUP_MS, regular: true };
  return { pipelines, times, spanOf: (_pipeline, group) => spanOf(Number(group)) };
}

const video = pipeline("video", "verified");
const refuse = (ranges: TrustRanges, relay: string, group: number, reason: RejectReason = "mismatch") =>
  ranges.rejected([video, relay, group, 0, reason], spanOf(group));

test("what was verified and what waits is told of its time, neighbouring groups as one", () => {
  const ranges = new TrustRanges();
  const now = playing(pipeline("video", "verified", [9, 7, 8, 12], 7), pipeline("audio", "verified"));
  expect(ranges.collect([{ startMs: 0, endMs: 7000 }], now, EPOCH_MS + 13_000)).toEqual([
    { state: "verified", startMs: 0, endMs: 7000 },
    { state: "waiting", track: "video", startMs: 7000, endMs: 10_000 },
    { state: "waiting", track: "video", startMs: 12_000, endMs: 13_000 },
  ]);
});

test("a signer that fell silent leaves everything stale from the last verified part to now, and no longer than it is silent", () => {
  const ranges = new TrustRanges();
  const silent = playing(pipeline("video", "stale", [], 7), pipeline("audio", "verified", [], 7));
  expect(ranges.collect([], silent, EPOCH_MS + 12_000)).toEqual([
    { state: "stale", track: "video", startMs: 7000, endMs: 12_000 },
  ]);
  expect(ranges.collect([], playing(video), EPOCH_MS + 12_000)).toEqual([]);
});

test("a contradiction is told of the track it is in", () => {
  const disputed = playing(pipeline("audio", "equivocation", [], 3));
  expect(new TrustRanges().collect([], disputed, EPOCH_MS + 4000)).toEqual([
    { state: "equivocation", track: "audio", startMs: 3000, endMs: 4000 },
  ]);
});

test("refusals name relay and reason; those of neighbouring groups are one, those of others are not", () => {
  const ranges = new TrustRanges();
  for (const group of [5, 5, 6, 8]) refuse(ranges, "https://a/", group);
  refuse(ranges, "https://b/", 6, "unsigned");
  const of = (startMs: number, endMs: number, relay = "https://a/", reason = "mismatch") => ({
    state: "rejected",
    track: "video",
    relay,
    reason,
    startMs,
    endMs,
  });
  expect(ranges.collect([], undefined, 0)).toEqual([
    of(5000, 7000),
    of(8000, 9000),
    of(6000, 7000, "https://b/", "unsigned"),
  ]);
});

test("however much is refused, the list stays bounded, and the newest is in it", () => {
  const ranges = new TrustRanges();
  for (let group = 0; group < 1000; group += 2) refuse(ranges, "https://a/", group);
  const kept = ranges.collect([], undefined, 0);
  expect(kept.length).toBeLessThanOrEqual(128);
  expect(kept.at(-1)?.startMs).toBe(998_000);
});
