/** Fields of draft-14's messages that later drafts made parameters and track extensions. */
import { type Cursor, readU8 } from "../cursor.ts";
import { violation } from "../early/faults.ts";
import { readFlag, readLocation, writeLocation } from "../early/fields.ts";
import type { KeyValue, Parameters, SubscriptionFilter } from "../messages.ts";
import type { Location } from "../names.ts";
import { propertyTypes } from "../properties.ts";
import { type Writer, writeU8 } from "../writer.ts";

/** The middle of all priorities; later drafts make it the default (draft-16 §7). */
export const DEFAULT_SUBSCRIBER_PRIORITY = 128;

/** §9.7: a subscription that passes everything; SUBSCRIBE has to have a filter. */
export const UNFILTERED: SubscriptionFilter = { type: "absolute-start", start: { group: 0, object: 0 } };

type GroupOrder = NonNullable<Parameters["groupOrder"]>;

/** 0 leaves it to the original publisher, where that may be said. */
export function readGroupOrder(cursor: Cursor, zero: "allowed" | "refused"): GroupOrder | undefined {
  const value = readU8(cursor, "the group order");
  if (value > 2 || (value === 0 && zero === "refused")) {
    throw violation(cursor, `The peer sent the group order ${value}.`);
  }
  return value === 0 ? undefined : value === 1 ? "ascending" : "descending";
}

export function writeGroupOrder(writer: Writer, order: GroupOrder | undefined): void {
  writeU8(writer, order === undefined ? 0 : order === "ascending" ? 1 : 2);
}

/** The publisher's order, which newer drafts tell as a track property and leave out when it is ascending. */
export function orderProperty(order: GroupOrder | undefined): readonly KeyValue[] {
  return order === "descending" ? [{ type: propertyTypes.defaultPublisherGroupOrder, value: 2 }] : [];
}

export function orderOf(properties: readonly KeyValue[]): GroupOrder {
  const property = properties.find(({ type }) => type === propertyTypes.defaultPublisherGroupOrder);
  return property?.value === 2 ? "descending" : "ascending";
}

/** Content Exists and, if so, the largest location. */
export function readLargest(cursor: Cursor): Location | undefined {
  return readFlag(cursor, "Content Exists") ? readLocation(cursor, "the largest location") : undefined;
}

export function writeLargest(writer: Writer, largest: Location | undefined): void {
  writeU8(writer, largest ? 1 : 0);
  if (largest) writeLocation(writer, largest);
}
