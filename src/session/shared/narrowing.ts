/** SUBSCRIBE_UPDATE of draft-14 (§9.10): it repeats all of a subscription, has no relative filters, can only narrow it, and gets no answer. */
import type { Parameters, SubscriptionFilter } from "../../wire/messages.ts";
import { compareLocations } from "../../wire/names.ts";
import { type FilterRange, resolveFilter, UNFILTERED } from "../filters.ts";
import type { SharedRequest } from "./requests.ts";

/** True when `to` lets nothing pass that `from` does not. */
export function narrows(from: FilterRange, to: FilterRange): boolean {
  if (compareLocations(to.start, from.start) < 0) return false;
  return from.endGroup === undefined || (to.endGroup !== undefined && to.endGroup <= from.endGroup);
}

/** The range of a subscription of ours as far as it is known: filters relative to the largest object are only after its answer. */
export function rangeOf({ range, parameters }: SharedRequest): FilterRange | undefined {
  if (range) return range;
  const { filter = UNFILTERED } = parameters;
  return filter.type === "absolute-start" || filter.type === "absolute-range"
    ? resolveFilter(filter, undefined)
    : undefined;
}

/** The whole state after an update of ours, or, as text, why this draft has no way to ask for it. */
export function fullUpdate(request: SharedRequest, update: Parameters): Parameters | string {
  const from = rangeOf(request);
  if (!from) return "The subscription has no answer yet.";
  if (update.newGroupRequest !== undefined) return "This draft cannot ask for a new group.";
  const { filter } = update;
  if (filter && filter.type !== "absolute-start" && filter.type !== "absolute-range") {
    return "This draft updates a subscription to absolute ranges only.";
  }
  const to = filter ? resolveFilter(filter, undefined) : from;
  if (!narrows(from, to)) return "This draft can only narrow a subscription.";
  const absolute: SubscriptionFilter =
    to.endGroup === undefined
      ? { type: "absolute-start", start: to.start }
      : { type: "absolute-range", start: to.start, endGroup: to.endGroup };
  return { ...request.parameters, ...update, filter: absolute };
}
