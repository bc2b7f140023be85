/** The errors that parsers of drafts 14 to 16 throw. The clause is the one that the cursor stands in. */
import { CountersignError, type ErrorCode } from "../../errors.ts";
import { type SessionErrorName, sessionErrors } from "../codes.ts";
import type { Cursor } from "../cursor.ts";

type Place = Pick<Cursor, "section">;

function fault(code: ErrorCode, place: Place, message: string, name: SessionErrorName): CountersignError {
  return new CountersignError(code, message, { protocolCode: sessionErrors[name], section: place.section });
}

/** The peer did what the draft forbids. */
export function violation(
  place: Place,
  message: string,
  name: SessionErrorName = "protocol-violation",
): CountersignError {
  return fault("protocol-violation", place, message, name);
}

/** The peer exceeded a limit that the draft sets. */
export function overLimit(place: Place, message: string): CountersignError {
  return fault("limit-exceeded", place, message, "protocol-violation");
}

/** The peer's bytes cannot be read as what they say they are. */
export function malformed(
  place: Place,
  message: string,
  name: SessionErrorName = "protocol-violation",
): CountersignError {
  return fault("malformed-message", place, message, name);
}

/** Condemns the track, not the session. */
export function malformedTrack(place: Place, message: string): CountersignError {
  return new CountersignError("malformed-track", message, { section: place.section });
}
