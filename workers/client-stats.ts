/** The figures of a client, summed over tracks. */
import type { SourceStatus } from "../src/merge/source-pool.ts";
import type { SourceId, SourceScore } from "../src/merge/types.ts";
import type { StoreEstimate } from "../src/replay/types.ts";
import type { BackfillStats, SourceStats, TimeRange, TrustRange, WorkerStats } from "../src/rpc/protocol.ts";
import type { TrustState } from "../src/trust/types.ts";
import type { ManifestIntake } from "./manifest-intake.ts";
import type { Reachable } from "./reach.ts";
import type { TrackPipeline } from "./track-pipeline.ts";

export interface StatsInput {
  readonly manifests: readonly SourceStatus[];
  readonly objects: readonly SourceStatus[];
  readonly isFound: (source: SourceId) => boolean;
  readonly pipelines: readonly TrackPipeline[];
  readonly catalogIntake: ManifestIntake | undefined;
  readonly trust: TrustState;
  readonly epochMs: number | undefined;
  readonly edge: { readonly edgeMs: number; readonly atMs: number } | undefined;
  readonly reachable: Reachable;
  readonly kept: readonly TimeRange[];
  readonly verified: readonly TimeRange[];
  readonly trustRanges: readonly TrustRange[];
  readonly storage: StoreEstimate | undefined;
  readonly backfill: BackfillStats | undefined;
}

const NO_SCORE: SourceScore = {
  good: 0,
  duplicate: 0,
  late: 0,
  junk: 0,
  unsigned: 0,
  withheld: 0,
  pendingObjects: 0,
  pendingBytes: 0,
  bytes: 0,
};

function add(a: SourceScore, b: Partial<SourceScore>): SourceScore {
  const sum: { -readonly [K in keyof SourceScore]: number } = { ...a };
  for (const key of Object.keys(NO_SCORE) as (keyof SourceScore)[]) sum[key] += b[key] ?? 0;
  return sum;
}

function statsOf(
  kind: SourceStats["kind"],
  { source, state, error }: SourceStatus,
  score: SourceScore,
  found = false,
): SourceStats {
  return { url: source, kind, state, found, score, ...(error && { error: error.toData() }) };
}

export function collectStats(input: StatsInput): WorkerStats {
  const { pipelines } = input;
  const manifests = input.manifests.map((status) => {
    const intakes = [input.catalogIntake, ...pipelines.map(({ intake }) => intake)];
    const score = intakes.reduce(
      (sum, intake) => (intake ? add(sum, intake.score(status.source)) : sum),
      NO_SCORE,
    );
    return statsOf("manifests", status, score);
  });
  const objects = input.objects.map((status) =>
    statsOf(
      "objects",
      status,
      pipelines.reduce((sum, { merger }) => add(sum, merger.score(status.source)), NO_SCORE),
      input.isFound(status.source),
    ),
  );
  const total = (of: (pipeline: TrackPipeline) => number): number =>
    pipelines.reduce((sum, pipeline) => sum + of(pipeline), 0);
  return {
    sources: [...objects, ...manifests],
    trust: input.trust,
    epochMs: input.epochMs,
    edgeMs: input.edge?.edgeMs,
    edgeAtMs: input.edge?.atMs,
    objects: {
      delivered: total(({ counts }) => counts.delivered),
      duplicate: total(({ merger }) => merger.duplicates),
      rejected: total(({ counts }) => counts.rejected),
      waiting: objects.reduce((sum, { score }) => sum + score.pendingObjects, 0),
      holes: total(({ counts }) => counts.holes),
    },
    bytes: {
      received: objects.reduce((sum, { score }) => sum + score.bytes, 0),
      delivered: total(({ counts }) => counts.deliveredBytes),
    },
    ...input.reachable,
    kept: input.kept,
    storage: input.storage,
    ...(input.backfill && { backfill: input.backfill }),
    verified: input.verified,
    trustRanges: input.trustRanges,
  };
}
