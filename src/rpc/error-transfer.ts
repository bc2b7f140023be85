/**
 * Errors across the worker's border.
 *
 * Comlink's own handler for what a call throws keeps message, name and stack, and so loses the code that apps branch on. This one carries
 * CountersignError as data and leaves everything else to Comlink's.
 */
import { type TransferHandler, transferHandlers } from "comlink";
import { CountersignError, type ErrorData } from "../errors.ts";

/** What Comlink wraps a thrown value in. */
interface ThrownValue {
  readonly value: unknown;
}

interface CarriedError {
  readonly countersign: ErrorData;
}

function isCarried(serialized: unknown): serialized is CarriedError {
  return typeof serialized === "object" && serialized !== null && "countersign" in serialized;
}

const HANDLER = "throw";
let installed = false;

/** Call on both sides before the first call crosses. Repeated calls do nothing. */
export function carryErrorCodes(): void {
  if (installed) return;
  const standard = transferHandlers.get(HANDLER) as TransferHandler<ThrownValue, unknown> | undefined;
  if (standard === undefined) {
    throw new CountersignError("internal", "This version of Comlink has no handler for thrown values.");
  }
  const handler: TransferHandler<ThrownValue, unknown> = {
    canHandle: (value): value is ThrownValue => standard.canHandle(value),
    serialize(thrown) {
      if (thrown.value instanceof CountersignError) {
        const carried: CarriedError = { countersign: thrown.value.toData() };
        return [carried, []];
      }
      return standard.serialize(thrown);
    },
    deserialize(serialized) {
      if (isCarried(serialized)) throw CountersignError.fromData(serialized.countersign);
      return standard.deserialize(serialized);
    },
  };
  transferHandlers.set(HANDLER, handler);
  installed = true;
}
