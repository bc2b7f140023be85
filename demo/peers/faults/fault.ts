/**
 * The lies a relay can be made to tell, for the demo's "make it lie" and for the e2e suite's adversaries.
 *
 * Nothing of the relay proper knows of them: they wrap what the relay writes to (object-faults.ts) or the session it writes through (byte-faults.ts).
 */

export const FAULTS = {
  none: "Serves honestly",
  alter: "Changes one byte of every media payload",
  "junk-first": "Sends a junk copy of every object first and the good one a little later",
  move: "Serves each object under the next object's id",
  replay: "Serves an old object in place of each new one",
  foreign: "Serves another broadcast's object of the same track name and place",
  unsigned: "Adds objects that nobody signed",
  skip: "Leaves out every fifth object, on the stream and when it is fetched",
  flood: "Adds objects of groups that are far ahead, which nobody can judge yet",
  endless: "Promises an object of a terabyte in every group and never stops sending it",
  truncate: "Ends every stream cleanly in the middle of an object",
  reset: "Resets every stream in the middle of an object",
  throttle: "Sends everything, far more slowly than it is made",
  gaps: "Leaves every third object out of its live streams, though it has it for whoever fetches",
  withhold: "Accepts subscriptions and sends nothing",
} as const;

export type FaultName = keyof typeof FAULTS;

export function isFaultName(text: string): text is FaultName {
  return Object.hasOwn(FAULTS, text);
}

/** The fault in force; shared by all sessions of one relay so that a switch takes effect at once. */
export interface FaultSwitch {
  current: FaultName;
  /** Endless objects that were begun, those of them whose receiver would not have them, and the bytes that all receivers took. */
  readonly endless: { begun: number; refused: number; bytes: number };
  /** While throttled: when the line is free again (ms since 1970). */
  lineFreeAtMs: number;
}

export function honest(): FaultSwitch {
  return { current: "none", endless: { begun: 0, refused: 0, bytes: 0 }, lineFreeAtMs: 0 };
}
