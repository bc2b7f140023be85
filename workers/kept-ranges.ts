/** Stretches that the viewer keeps ("keep this match"), as media time; the store keeps the groups of them, over reloads too. */
import { CountersignError } from "../src/errors.ts";
import { normalize } from "../src/replay/group-ranges.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type { TimeRange } from "../src/rpc/protocol.ts";
import type { Playing } from "./playing.ts";

/** Stretches kept at most; an app that wants more joins some. */
export const MAX_KEPT_RANGES = 256;

/** In place of what was kept before; resolves with what is kept, in whole groups. Rejects with `invalid-options`, `storage-unavailable` or `storage-failed`. */
export async function keepRanges(
  store: ReplayStore | undefined,
  playing: Playing,
  ranges: readonly TimeRange[],
): Promise<readonly TimeRange[]> {
  if (ranges.length > MAX_KEPT_RANGES || !ranges.every(({ startMs, endMs }) => startMs < endMs)) {
    throw new CountersignError("invalid-options", "These are no stretches of time that can be kept.", {
      hint: `Pass at most ${MAX_KEPT_RANGES}, each with its start before its end.`,
    });
  }
  if (!store) throw new CountersignError("storage-unavailable", "Nothing is stored, so nothing can be kept.");
  const groups = normalize(ranges.flatMap((range) => playing.timeline.groupsIn(range)));
  for (const { key } of playing.deep.tracks) store.keep(key, groups);
  await store.flush();
  return playing.timeline.timesOf(groups);
}

/** What is kept, by this page or an earlier one. Rejects when the store cannot be read. */
export async function keptRanges(store: ReplayStore, playing: Playing): Promise<readonly TimeRange[]> {
  const [leading] = playing.deep.tracks;
  return leading ? playing.timeline.timesOf(await store.kept(leading.key)) : [];
}
