/**
 * The tracks of a broadcast as deep as they can be read: what they have together, and one group of all of them at once.
 */
import { type CountersignError, toCountersignError } from "../src/errors.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { intersect, union } from "../src/replay/group-ranges.ts";
import type { GroupRange } from "../src/replay/types.ts";
import type { Verified } from "../src/trust/types.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import type { VarInt } from "../src/wire/varint.ts";

export interface ReadableRanges {
  readonly stored: readonly GroupRange[];
  readonly fetchable: readonly GroupRange[];
}

/** A track as deep as it can be read; see deep-source.ts. */
export interface ReadableTrack {
  readonly playable: PlayableTrack;
  /** What costs nothing to read; known at once. */
  stored(signal?: AbortSignal): Promise<readonly GroupRange[]>;
  /** Everything; relays may have to be asked. */
  ranges(signal?: AbortSignal): Promise<ReadableRanges>;
  /** Undefined: nobody has any of it. */
  group(
    group: VarInt,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly complete: boolean; readonly objects: readonly Verified<MoqObject>[] } | undefined>;
}

/** A group of one track, or why there is none. */
export type ReadResult =
  | { readonly complete: boolean; readonly objects: readonly Verified<MoqObject>[] }
  | { readonly cause: string; readonly error?: CountersignError };

/** One group of every track, in their order. Never rejects. */
export async function readGroup(
  tracks: readonly ReadableTrack[],
  group: VarInt,
  signal: AbortSignal,
): Promise<readonly ReadResult[]> {
  return Promise.all(
    tracks.map(async (track): Promise<ReadResult> => {
      try {
        const found = await track.group(group, { signal });
        if (!found || found.objects.length === 0) return { cause: "unavailable" };
        // A picture without its keyframe is none.
        if (track.playable.role !== "audio" && withoutTear(found.objects).length === 0)
          return { cause: "unavailable" };
        return { complete: found.complete, objects: found.objects };
      } catch (thrown) {
        const error = toCountersignError(thrown, "range-unavailable");
        return { cause: error.code === "store-corrupt" ? "rejected" : "store-error", error };
      }
    }),
  );
}

/** Up to the first object that lacks: what follows it in the group cannot be decoded without it. */
export function withoutTear(objects: readonly Verified<MoqObject>[]): readonly Verified<MoqObject>[] {
  const torn = objects.findIndex(({ object }, index) => object !== index);
  return torn === -1 ? objects : objects.slice(0, torn);
}

/** Those up to `last`; undefined: all of them. */
export function upTo(last: VarInt | undefined, { stored, fetchable }: ReadableRanges): ReadableRanges {
  if (last === undefined) return { stored, fetchable };
  const until = [{ first: 0, last }];
  return { stored: intersect(stored, until), fetchable: intersect(fetchable, until) };
}

/** What every track has stored. */
export async function storedRanges(
  tracks: readonly ReadableTrack[],
  signal?: AbortSignal,
): Promise<readonly GroupRange[]> {
  const [first = [], ...others] = await Promise.all(tracks.map((track) => track.stored(signal)));
  return others.reduce<readonly GroupRange[]>((common, ranges) => intersect(common, ranges), first);
}

/** What every track has: a picture without its sound is no place to begin, and seldom is only one of them stored. */
export async function readableRanges(
  tracks: readonly ReadableTrack[],
  signal?: AbortSignal,
): Promise<ReadableRanges> {
  const all = await Promise.all(tracks.map((track) => track.ranges(signal)));
  const [first, ...others] = all;
  if (!first) return { stored: [], fetchable: [] };
  const stored = others.reduce<readonly GroupRange[]>(
    (common, ranges) => intersect(common, ranges.stored),
    first.stored,
  );
  const any = others.reduce<readonly GroupRange[]>(
    (common, ranges) => intersect(common, union(ranges.stored, ranges.fetchable)),
    union(first.stored, first.fetchable),
  );
  return { stored, fetchable: any };
}
