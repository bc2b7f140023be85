/**
 * A resume plan carried out: groups one after the other from wherever they are, every hole named, up to the live edge or the end.
 *
 * The first group is read before the start is told, so the start told is the start served. What is available is asked anew before every step, because floors move while
 * we read; whatever has gone since then is a hole of its own, never a silence. An error is thrown where it happens, with the position kept by the reader: whoever goes
 * on begins with the group that failed.
 */
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, MAX_VARINT } from "../wire/varint.ts";
import { subtract } from "./group-ranges.ts";
import type { Available, ResumePlan, Wanted } from "./resume-plan.ts";
import { planResume, replanFrom } from "./resume-plan.ts";
import type { GroupRange } from "./types.ts";

export type ReplayStep<G> =
  /** First of all, and once. */
  | { readonly type: "start"; readonly start: VarInt; readonly clamped: boolean }
  | { readonly type: "group"; readonly group: VarInt; readonly from: "store" | "fetch"; readonly value: G }
  /** Nobody has these groups. */
  | { readonly type: "hole"; readonly first: VarInt; readonly last: VarInt }
  /** From this group on the live subscription has everything. The last step. */
  | { readonly type: "live"; readonly first: VarInt }
  /** There is no more. The last step. `last`: the last group handed out; undefined: there was none. */
  | { readonly type: "end"; readonly last: VarInt | undefined };

export interface ReplayReaderOptions<G> {
  /** What can be had now. Asked before every step. */
  available(): Promise<Available>;
  /** One group; undefined: it is certainly not there any more. */
  read(from: "store" | "fetch", group: VarInt): Promise<G | undefined>;
}

/** Groups that were announced and then not there when the start was looked for; more than this many in a row are not a moving floor but a source that lies. */
const MAX_VANISHED = 4096;

/**
 * Reads what is wanted. Ends with a "live" or "end" step; rejects with what `available` and `read` reject with.
 */
export async function* replay<G>(
  wanted: Wanted,
  options: ReplayReaderOptions<G>,
): AsyncGenerator<ReplayStep<G>, void, void> {
  const found = await firstGroup(wanted, options);
  if (found === undefined) {
    yield { type: "end", last: undefined };
    return;
  }
  const { plan, first } = found;
  const start = plan.start as VarInt;
  yield { type: "start", start, clamped: start !== wanted.first };
  let last: VarInt | undefined;
  let next: VarInt | undefined = start;
  if (first !== undefined) {
    yield { type: "group", group: start, ...first };
    last = start;
    next = following(start);
  }
  while (next !== undefined) {
    const [piece] = replanFrom(next, wanted.last, await options.available());
    if (piece === undefined) break;
    if (piece.from === "live") {
      yield { type: "live", first: piece.first };
      return;
    }
    if (piece.from === "unavailable") {
      // Only live has no end.
      const end = piece.last as VarInt;
      yield { type: "hole", first: piece.first, last: end };
      next = following(end);
      continue;
    }
    const value: G | undefined = await options.read(piece.from, next);
    if (value === undefined) yield { type: "hole", first: next, last: next };
    else {
      yield { type: "group", group: next, from: piece.from, value };
      last = next;
    }
    next = following(next);
  }
  yield { type: "end", last };
}

interface First<G> {
  readonly plan: ResumePlan;
  /** Undefined: the start is live. */
  readonly first: { readonly from: "store" | "fetch"; readonly value: G } | undefined;
}

/** The start that is really there: what vanished between being announced and being read moves it on. */
async function firstGroup<G>(wanted: Wanted, options: ReplayReaderOptions<G>): Promise<First<G> | undefined> {
  const vanished: GroupRange[] = [];
  for (let tries = 0; tries < MAX_VANISHED; tries++) {
    const available = await options.available();
    const plan = planResume(wanted, {
      ...available,
      stored: subtract(available.stored, vanished),
      fetchable: subtract(available.fetchable, vanished),
    });
    const [piece] = plan.pieces;
    if (plan.start === undefined || piece === undefined) return undefined;
    if (piece.from === "live") return { plan, first: undefined };
    if (piece.from === "unavailable") return undefined;
    const value = await options.read(piece.from, plan.start);
    if (value !== undefined) return { plan, first: { from: piece.from, value } };
    const previous = vanished.at(-1);
    if (previous !== undefined && following(previous.last) === plan.start)
      vanished[vanished.length - 1] = { first: previous.first, last: plan.start };
    else if (previous === undefined || previous.last < plan.start)
      vanished.push({ first: plan.start, last: plan.start });
    else vanished.splice(0, vanished.length, { first: plan.start, last: previous.last });
  }
  return undefined;
}

function following(group: VarInt): VarInt | undefined {
  return group === MAX_VARINT ? undefined : addVarInt(group, 1);
}
