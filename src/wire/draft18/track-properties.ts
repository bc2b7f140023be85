/** The properties of a whole track, at the end of PUBLISH, SUBSCRIBE_OK, FETCH_OK and REQUEST_OK (draft-18 §2.5, §12). */
import type { Cursor } from "../cursor.ts";
import type { KeyValue } from "../messages.ts";
import { parseKeyValues, propertyTypes, writeKeyValues } from "../properties.ts";
import type { Writer } from "../writer.ts";
import { readRest } from "./fields.ts";
import { malformedMessage, violation } from "./violation.ts";

/** Everything that remains of the message. */
export function readTrackProperties(cursor: Cursor): KeyValue[] {
  const pairs = parseKeyValues(readRest(cursor));
  let immutable = false;
  for (const pair of pairs) {
    if (pair.type === propertyTypes.immutableProperties && typeof pair.value === "object") {
      if (immutable) throw malformedProperties("The peer sent Immutable Properties twice for one track.");
      immutable = true;
      for (const inner of parseKeyValues(pair.value)) {
        if (inner.type === propertyTypes.immutableProperties) {
          throw malformedProperties("The peer sent Immutable Properties within Immutable Properties.");
        }
        checkValue(inner);
      }
    } else {
      checkValue(pair);
    }
  }
  return pairs;
}

export function writeTrackProperties(writer: Writer, pairs: readonly KeyValue[]): void {
  writeKeyValues(writer, pairs);
}

function malformedProperties(message: string): Error {
  return malformedMessage("§12.7", message, "key-value-formatting-error");
}

/** Values that this draft restricts. Types it does not know are for others to judge. */
function checkValue({ type, value }: KeyValue): void {
  if (typeof value === "object") return;
  if (type === propertyTypes.defaultPublisherPriority && value > 255) {
    throw malformedMessage(
      "§12.4",
      `The peer sent the default priority ${value}.`,
      "key-value-formatting-error",
    );
  }
  if (type === propertyTypes.defaultPublisherGroupOrder && value !== 1 && value !== 2) {
    throw violation("§12.5", `The peer sent the default group order ${value}; it is 1 or 2.`);
  }
  if (type === propertyTypes.dynamicGroups && value > 1) {
    throw violation("§12.6", `The peer sent DYNAMIC_GROUPS ${value}; it is 0 or 1.`);
  }
}
