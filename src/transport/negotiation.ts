/**
 * Agreeing on a draft.
 *
 * Where WebTransport negotiates (`protocols`), the server's choice is spoken. Where it does not, or the browser cannot tell (Firefox), both ends go by their
 * configuration: the first version is spoken, and if that fails before the peer's SETUP came, the next one of another kind is dialed.
 */
import { CountersignError } from "../errors.ts";
import type { Version } from "../wire/codec.ts";
import { sessionErrors } from "../wire/codes.ts";
import { openingOf, versionOf } from "../wire/registry.ts";
import type { WebTransportPort } from "./port.ts";

/** The version of a session. `unnegotiated` is spoken when nothing was chosen. Closes the port and throws "version-unsupported" for a choice that was not offered. */
export function chooseVersion(
  port: WebTransportPort,
  versions: readonly Version[],
  unnegotiated: Version,
): Version {
  const { protocol } = port;
  if (!protocol) return versionOf(unnegotiated);
  if (versions.some((version) => version === protocol)) return versionOf(protocol);
  port.close();
  throw unsupported(versions, [protocol], `it chose "${protocol}", which was not offered`);
}

/**
 * The versions to dial with, one after the other, while nothing is negotiated: the first of each kind. Versions of a kind begin alike, so a peer that does not
 * answer one does not answer the others.
 */
export function candidates(versions: readonly Version[]): readonly Version[] {
  const kinds = new Set<string>();
  return versions.filter((version) => {
    const { unidirectionalControl, inBandVersion } = openingOf(version);
    const kind = `${unidirectionalControl} ${inBandVersion}`;
    if (kinds.has(kind)) return false;
    kinds.add(kind);
    return true;
  });
}

const VERSION_NEGOTIATION_FAILED = sessionErrors["version-negotiation-failed"];

/** Whether a session may have failed because its ends speak different drafts: it was told so, or it ended before SETUP without a negotiated version. */
export function mayBeVersion(error: CountersignError, negotiated: boolean): boolean {
  if (error.protocolCode === VERSION_NEGOTIATION_FAILED) return true;
  return !negotiated && FOREIGN.has(error.code) && !CLEAR.has(error.protocolCode);
}

/** Whether another version of ours may be worth a dial after this failure of one that was not negotiated: not if the peer named its own and none is ours. */
export function mayBeAnother(error: CountersignError, versions: readonly Version[]): boolean {
  if (!mayBeVersion(error, false)) return false;
  const named = error.protocolCode === VERSION_NEGOTIATION_FAILED ? namedIn(error.message) : [];
  return named.length === 0 || named.some((version) => versions.some((ours) => ours === version));
}

/** Of the failures of several versions, the one that says most: the peer's own words before a version that did not fit, before silence. */
export function mostTelling(failures: readonly CountersignError[]): CountersignError | undefined {
  return (
    failures.find(({ versions }) => versions !== undefined && versions.peer.length > 0) ??
    failures.find(({ code }) => code === "version-unsupported") ??
    failures.at(-1)
  );
}

/** What the bytes of another draft, or silence, or whoever did not understand ours, look like at the beginning of a session. */
const FOREIGN: ReadonlySet<CountersignError["code"]> = new Set([
  "protocol-violation",
  "malformed-message",
  "connect-timeout",
  "session-closed",
]);

/** Reasons to close a session that was understood well. */
const CLEAR: ReadonlySet<number | undefined> = new Set([
  sessionErrors.unauthorized,
  sessionErrors["malformed-auth-token"],
  sessionErrors["expired-auth-token"],
  sessionErrors["invalid-path"],
  sessionErrors["invalid-authority"],
]);

/** The same failure as "version-unsupported", where it is one; silence and a closed session without a reason stay what they are, with a hint. */
export function explained(
  error: CountersignError,
  versions: readonly Version[],
  negotiated: boolean,
): CountersignError {
  const told = error.protocolCode === VERSION_NEGOTIATION_FAILED;
  if (told) return unsupported(versions, namedIn(error.message), "it says so", error);
  if (!mayBeVersion(error, negotiated)) return error;
  if (error.code === "protocol-violation" || error.code === "malformed-message") {
    return unsupported(
      versions,
      [],
      `it chose none, and what it sent is none of them (${error.message})`,
      error,
    );
  }
  return new CountersignError(error.code, error.message, {
    ...error.toData(),
    cause: error.cause ?? error,
    hint: `No version was negotiated: it may speak none of ${versions.join(", ")}. ${error.hint ?? ""}`.trim(),
  });
}

function unsupported(
  ours: readonly Version[],
  peer: readonly string[],
  how: string,
  cause?: CountersignError,
): CountersignError {
  const theirs = peer.length > 0 ? peer.join(", ") : "no version that it named";
  return new CountersignError("version-unsupported", `The peer speaks none of our MOQT versions: ${how}.`, {
    versions: { ours, peer },
    hint: `It offers ${theirs}; we speak ${ours.join(", ")}. Use a relay that speaks one of these, or name others in \`versions\`.`,
    ...(cause && { cause }),
    ...(cause?.protocolCode !== undefined && { protocolCode: cause.protocolCode }),
  });
}

/** Versions in words of the peer: `moqt-14`, or the number of a draft as in-band negotiation writes it (0xff00000e). */
function namedIn(text: string): string[] {
  const names = text.match(/\bmoqt-[0-9]+\b/g) ?? [];
  const numbers = [...text.matchAll(/\b0xff0000([0-9a-f]{2})\b/gi)].map(
    ([, number = ""]) => `moqt-${Number.parseInt(number, 16).toString().padStart(2, "0")}`,
  );
  return [...new Set([...names, ...numbers])];
}
