/** How a broken rule becomes an error: always typed, always with the draft's code and the section that was broken. */
import { CountersignError } from "../errors.ts";
import { sessionErrors } from "../wire/codes.ts";

/** The text whose rules session/ implements; other drafts' sessions follow it where they agree. */
const TEXT = "draft-ietf-moq-transport-18";

/** The peer broke a rule of the session: the session closes with `protocolCode`. */
export function violation(
  section: string,
  message: string,
  protocolCode: number = sessionErrors["protocol-violation"],
): CountersignError {
  return new CountersignError("protocol-violation", message, {
    protocolCode,
    section: `${TEXT} ${section}`,
    hint: "The peer's MOQT implementation has a fault; report it to whoever runs it.",
  });
}

/** The peer made us hold more than a named limit: the session closes with `protocolCode`. */
export function overLimit(
  section: string,
  message: string,
  protocolCode: number = sessionErrors["internal-error"],
): CountersignError {
  return new CountersignError("limit-exceeded", message, {
    protocolCode,
    section: `${TEXT} ${section}`,
  });
}

/** The session ended under a request that was still open. */
export function sessionClosed(cause: CountersignError | undefined): CountersignError {
  return new CountersignError(
    "session-closed",
    cause ? `The session ended: ${cause.message}` : "The session is closed.",
    {
      ...(cause?.protocolCode !== undefined && { protocolCode: cause.protocolCode }),
      ...(cause?.section !== undefined && { section: cause.section }),
      ...(cause && { cause }),
      hint: "Connect again; what was delivered so far stays good.",
    },
  );
}
