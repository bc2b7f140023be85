/**
 * "Play from T": which groups come from where, said before the first of them is handed out.
 *
 * What is stored, what relays can still FETCH and what live brings overlap and have gaps. A plan is the list of pieces that covers everything from the start
 * to the end exactly once, in order; what nobody has is a piece too, named `unavailable`, so that a hole is reported and never met by surprise. It is a
 * pure function of what is known now: the floors move while we read (stores evict, relays forget), so the reader plans again from the next group it
 * needs whenever one turns out to be missing, and the start it announced stays the start it served.
 */
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, MAX_VARINT, subVarInt } from "../wire/varint.ts";
import { firstAtOrAbove, intersect, normalize, subtract } from "./group-ranges.ts";
import type { GroupRange } from "./types.ts";

export type PieceSource = "store" | "fetch" | "live" | "unavailable";

export interface PlanPiece {
  readonly from: PieceSource;
  readonly first: VarInt;
  /** Included; undefined on the live piece of a broadcast that goes on. */
  readonly last: VarInt | undefined;
}

/** What can be had. Lists of ranges may overlap each other; they need not be sorted. */
export interface Available {
  readonly stored: readonly GroupRange[];
  /** What relays can be asked for: their largest group bounds it above, what they still cache below. */
  readonly fetchable: readonly GroupRange[];
  /** The first group that the live subscription brings whole; undefined when there is none (offline, or the broadcast has ended). */
  readonly liveFrom: VarInt | undefined;
}

export interface Wanted {
  readonly first: VarInt;
  /** Included; undefined: on to the live edge, or to the last there is. */
  readonly last: VarInt | undefined;
}

export interface ResumePlan {
  /** The group playback starts with: to be announced, and the first handed out. Undefined: nothing can be played. */
  readonly start: VarInt | undefined;
  /** True when `start` is not what was asked for. */
  readonly clamped: boolean;
  /** From `start` on, in order, each beginning right after the one before; no two neighbours have the same source. */
  readonly pieces: readonly PlanPiece[];
}

const NOTHING: ResumePlan = { start: undefined, clamped: true, pieces: [] };

/**
 * Plans from scratch. A start that does not exist moves to the next group that does; past everything there is, to the live edge or the last group.
 */
export function planResume(wanted: Wanted, available: Available): ResumePlan {
  const { liveFrom } = available;
  // Of live only its first group exists yet: a start in the future is a start at the edge.
  const edge = liveFrom === undefined ? [] : [{ first: liveFrom, last: liveFrom }];
  const existing = normalize([...available.stored, ...available.fetchable, ...edge]);
  const start = firstAtOrAbove(existing, wanted.first) ?? liveFrom ?? existing.at(-1)?.last;
  if (start === undefined || (wanted.last !== undefined && start > wanted.last)) return NOTHING;
  return { start, clamped: start !== wanted.first, pieces: cover(start, wanted.last, available) };
}

/**
 * Plans again from `next`, the group that is to be handed out next, with what is available now. Never moves the position: what has gone since is an
 * `unavailable` piece, to be reported like any hole.
 */
export function replanFrom(
  next: VarInt,
  last: VarInt | undefined,
  available: Available,
): readonly PlanPiece[] {
  if (last !== undefined && next > last) return [];
  return cover(next, last, available);
}

/** Live needs no upper bound: from its first group on, everything will be there. */
function liveRange({ liveFrom }: Available): GroupRange[] {
  return liveFrom === undefined ? [] : [{ first: liveFrom, last: MAX_VARINT }];
}

function everything(available: Available): GroupRange[] {
  return normalize([...available.stored, ...available.fetchable, ...liveRange(available)]);
}

function cover(first: VarInt, last: VarInt | undefined, available: Available): PlanPiece[] {
  const end = last ?? everything(available).at(-1)?.last;
  if (end === undefined || end < first) return [];
  const window = [{ first, last: end }];
  // Live is coming anyway and comes whole, where the store may have half a group from before a reload. Then the store, which costs
  // nothing; what is left costs a relay a FETCH.
  const live = intersect(window, liveRange(available));
  const before = subtract(window, live);
  const store = intersect(before, normalize(available.stored));
  const rest = subtract(before, store);
  const fetch = intersect(rest, normalize(available.fetchable));
  const unavailable = subtract(rest, fetch);
  const pieces = [
    ...store.map((range) => piece("store", range)),
    ...fetch.map((range) => piece("fetch", range)),
    ...unavailable.map((range) => piece("unavailable", range)),
  ];
  pieces.sort((a, b) => (a.first < b.first ? -1 : 1));
  for (const range of live) pieces.push({ from: "live", first: range.first, last });
  return pieces;
}

function piece(from: PieceSource, { first, last }: GroupRange): PlanPiece {
  return { from, first, last };
}

/** What of a plan is a hole, as ranges to report. */
export function holesOf(pieces: readonly PlanPiece[]): GroupRange[] {
  const holes: GroupRange[] = [];
  for (const { from, first, last } of pieces)
    if (from === "unavailable" && last !== undefined) holes.push({ first, last });
  return holes;
}

/** The group after a piece; undefined after one that has no end. */
export function nextAfter({ last }: PlanPiece): VarInt | undefined {
  return last === undefined || last === MAX_VARINT ? undefined : addVarInt(last, 1);
}

/** The last group of a plan: what is reported as the end. Undefined while it has none. */
export function endOf(pieces: readonly PlanPiece[]): VarInt | undefined {
  const tail = pieces.at(-1);
  if (tail === undefined || tail.from !== "unavailable") return tail?.last;
  // A hole at the end is not an end that anything of is handed out.
  return tail.first === 0 ? undefined : subVarInt(tail.first, 1);
}
