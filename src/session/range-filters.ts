/**
 * Range filters (draft-19 §5.1.3) in a session: whether they may be sent, and with what they are refused.
 *
 * We take none ourselves: our SETUP has no MAX_FILTER_RANGES, so a peer that sends one gets INVALID_FILTER. A player or a relay of whole tracks has no use for
 * them, and a publisher that takes them has to look into every object for every subscriber.
 */
import { CountersignError } from "../errors.ts";
import { requestErrors } from "../wire/codes.ts";
import type { Parameters, SetupMessage } from "../wire/messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { refusal } from "./filters.ts";
import type { RefusalBody } from "./types.ts";

/** The refusal of a request, or of an update of one, for its range filters. Taking away what was never set is no fault. */
export function refusalOfFilters(parameters: Parameters, isUpdate: boolean): RefusalBody | undefined {
  const set = parameters.rangeFilters?.find((filter) => !("removed" in filter && isUpdate));
  if (!set) return undefined;
  const why = "invalid" in set ? set.invalid : "No range filters are taken here.";
  return refusal(requestErrors["invalid-filter"], why);
}

/** Why a request of ours may not be sent with these filters: more ranges than the peer takes, which is none unless it said so. */
export function filtersNotTaken(
  parameters: Parameters,
  peer: SetupMessage | undefined,
): CountersignError | undefined {
  const filters = parameters.rangeFilters ?? [];
  if (filters.length === 0) return undefined;
  const limit: VarInt = peer?.maxFilterRanges ?? 0;
  const ranges = filters.reduce((sum, filter) => sum + ("ranges" in filter ? filter.ranges.length : 0), 0);
  if (limit !== 0 && ranges <= limit) return undefined;
  return new CountersignError("invalid-options", `The peer takes ${limit} filter ranges, not ${ranges}.`, {
    protocolCode: requestErrors["invalid-filter"],
    section: "draft-ietf-moq-transport-19 §5.1.3",
    hint: "Ask without range filters, and leave out what is not wanted on receipt.",
  });
}
