/** The errors that this draft's parsers throw, all with the session error code and the clause that was broken. */
import { CountersignError } from "../../errors.ts";
import { type SessionErrorName, sessionErrors } from "../codes.ts";

export const DRAFT = "draft-ietf-moq-transport-18";

/** `§10.7` as errors carry it. */
export function clause(section: string): string {
  return `${DRAFT} ${section}`;
}

/** The peer did what the draft forbids. `name` is the session error that the draft assigns. */
export function violation(
  section: string,
  message: string,
  name: SessionErrorName = "protocol-violation",
): CountersignError {
  return new CountersignError("protocol-violation", message, {
    protocolCode: sessionErrors[name],
    section: clause(section),
  });
}

/** The peer exceeded a limit that the draft sets. */
export function overLimit(section: string, message: string): CountersignError {
  return new CountersignError("limit-exceeded", message, {
    protocolCode: sessionErrors["protocol-violation"],
    section: clause(section),
  });
}

/** The peer's bytes cannot be read as what they say they are. */
export function malformedMessage(
  section: string,
  message: string,
  name: SessionErrorName = "protocol-violation",
): CountersignError {
  return new CountersignError("malformed-message", message, {
    protocolCode: sessionErrors[name],
    section: clause(section),
  });
}
