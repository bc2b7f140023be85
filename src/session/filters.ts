/** Subscription filters (draft-18 §5.1.2) and the ranges of joining fetches (§10.12.2.1), computed where the publisher stands. */
import { requestErrors } from "../wire/codes.ts";
import type { FetchRange, SubscriptionFilter } from "../wire/messages.ts";
import { compareLocations, type FullTrackName, type Location } from "../wire/names.ts";
import { addVarInt, subVarInt, type VarInt } from "../wire/varint.ts";
import type { RefusalBody } from "./types.ts";

/** The stretch of a track that a filter lets pass. */
export interface FilterRange {
  readonly start: Location;
  /** Inclusive; undefined: open. */
  readonly endGroup: VarInt | undefined;
}

/** What a subscription without a filter means: everything that is published from now on (§5.1.2). */
export const UNFILTERED: SubscriptionFilter = { type: "absolute-start", start: { group: 0, object: 0 } };

/** Fixes a filter that is relative to the largest object at the moment it is processed. */
export function resolveFilter(filter: SubscriptionFilter, largest: Location | undefined): FilterRange {
  switch (filter.type) {
    case "largest-object":
      return { start: largest ? afterObject(largest) : { group: 0, object: 0 }, endGroup: undefined };
    case "next-group-start":
      return {
        start: { group: largest ? addVarInt(largest.group, 1) : 0, object: 0 },
        endGroup: undefined,
      };
    case "absolute-start":
      return { start: filter.start, endGroup: undefined };
    case "absolute-range":
      return { start: filter.start, endGroup: filter.endGroup };
  }
}

export function passes(range: FilterRange, location: Location): boolean {
  if (compareLocations(location, range.start) < 0) return false;
  return range.endGroup === undefined || location.group <= range.endGroup;
}

export function afterObject(location: Location): Location {
  return { group: location.group, object: addVarInt(location.object, 1) };
}

export function largerOf(a: Location | undefined, b: Location | undefined): Location | undefined {
  if (!a || !b) return a ?? b;
  return compareLocations(a, b) >= 0 ? a : b;
}

/** True when a wire end (last object + 1, or object 0 for the whole group) lies before `start`. */
export function endsBefore(end: Location, start: Location): boolean {
  if (end.group !== start.group) return end.group < start.group;
  return end.object !== 0 && end.object <= start.object;
}

/** The standalone fetch that a joining one means, or why it is refused. */
export function joiningRange(
  range: Exclude<FetchRange, { kind: "standalone" }>,
  subscription: {
    readonly track: FullTrackName;
    readonly forward: boolean;
    readonly joining: Location | undefined;
  },
): Extract<FetchRange, { kind: "standalone" }> | RefusalBody {
  const { track, forward, joining } = subscription;
  if (!forward)
    return refusal(requestErrors["invalid-range"], "The subscription to join has Forward State 0.");
  if (!joining) return refusal(requestErrors["invalid-range"], "Nothing was published yet.");
  // The draft subtracts without saying what happens below group 0; the track begins there.
  const relative = range.kind === "relative-joining" && range.joiningStart <= joining.group;
  const group =
    range.kind === "absolute-joining"
      ? range.joiningStart
      : relative
        ? subVarInt(joining.group, range.joiningStart)
        : 0;
  const start = { group, object: 0 };
  const end = afterObject(joining);
  if (endsBefore(end, start))
    return refusal(requestErrors["invalid-range"], "The range ends before it starts.");
  return { kind: "standalone", track, start, end };
}

export function refusal(errorCode: number, reason: string, retryInterval: VarInt = 0): RefusalBody {
  return { errorCode, retryInterval, reason };
}
