/** A stretch of the broadcast as a file. What makes files is loaded when the first is asked for. */
import { CountersignError, toCountersignError } from "../errors.ts";
import type { Recording } from "../recording/assemble.ts";
import type { WorkerClient } from "../rpc/connect.ts";
import type { TimeRange } from "../rpc/protocol.ts";

export interface ExportProgress {
  /** 0 to 1. */
  readonly share: number;
  /** Of media so far. */
  readonly bytes: number;
}

export interface ExportOptions {
  /** Time of day by the broadcast's clock, or media time in ms. */
  readonly from: Date | number;
  readonly to: Date | number;
  /** Ends it; the promise rejects with `destroyed`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ExportProgress) => void;
}

/** Rejects as Player.export() does. */
export async function exportRange(
  client: WorkerClient,
  range: TimeRange,
  { signal, onProgress }: Pick<ExportOptions, "signal" | "onProgress">,
): Promise<Recording> {
  if (!(range.startMs < range.endMs)) {
    throw new CountersignError("invalid-options", "An export ends before it begins.", {
      hint: "Pass `from` before `to`, as Dates or as media times in ms.",
    });
  }
  const plan = await client.recordingPlan(range);
  const { assembleRecording } = await import("../recording/assemble.ts");
  try {
    return await assembleRecording(plan, {
      part: (track, group) => client.recordingPart(track, group),
      signal,
      onProgress,
    });
  } catch (thrown) {
    throw toCountersignError(thrown, "internal");
  }
}
