/**
 * How far back relays reach.
 *
 * No message asks for it (draft-18 has the largest location, not the smallest), so it is found out: steps back from the live edge that double, down to the first group of all, and then the
 * border below the last of them that is there by halves. So a hole near the edge is not taken for the end. That is some forty small questions, once. Caches forget, so it is asked again now and then;
 * but nearly always the floor is where it was (an archive) or has moved along with the live edge (a cache), and two to four questions tell.
 */
import type { Clock } from "../clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, subVarInt } from "../wire/varint.ts";
import type { TrackKey } from "./types.ts";

/** How long an answer is good for. A floor that has risen meanwhile shows as groups that are not there; readers name those. */
const FLOOR_GOOD_FOR_MS = 30_000;

interface Known {
  readonly floor: VarInt | undefined;
  /** The live edge at that time. */
  readonly newest: VarInt;
  readonly atMs: number;
}

export class FetchFloor {
  readonly #clock: Clock;
  readonly #known = new Map<TrackKey, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The oldest group below `newest` that `has`; undefined when there is none. Rejects with what `has` rejects with. */
  async of(
    track: TrackKey,
    newest: VarInt,
    signal: AbortSignal | undefined,
    has: (group: VarInt) => Promise<boolean>,
  ): Promise<VarInt | undefined> {
    const known = this.#known.get(track);
    if (known !== undefined && this.#clock.now() - known.atMs < FLOOR_GOOD_FOR_MS) return known.floor;
    const confirmed = known && (await confirm(known, newest, signal, has));
    const floor = confirmed ?? (await search(newest, signal, has));
    this.#known.set(track, { floor, newest, atMs: this.#clock.now() });
    return floor;
  }
}

/** The floor, if it is where one would expect it after the last time; undefined: it has to be searched for. */
async function confirm(
  { floor, newest: newestThen }: Known,
  newest: VarInt,
  signal: AbortSignal | undefined,
  has: (group: VarInt) => Promise<boolean>,
): Promise<VarInt | undefined> {
  if (floor === undefined || newest < newestThen) return undefined;
  const moved = subVarInt(newest, newestThen);
  for (const expected of moved === 0 ? [floor] : [floor, addVarInt(floor, moved)]) {
    signal?.throwIfAborted();
    if ((await has(expected)) && (expected === 0 || !(await has(subVarInt(expected, 1))))) return expected;
  }
  return undefined;
}

async function search(
  newest: VarInt,
  signal: AbortSignal | undefined,
  has: (group: VarInt) => Promise<boolean>,
): Promise<VarInt | undefined> {
  // The newest may just be coming, but is there when nothing else is.
  let known: VarInt | undefined = (await has(newest)) ? newest : undefined;
  let low: VarInt | undefined;
  for (let step: VarInt = 1, group = newest; group > 0; step = addVarInt(step, step)) {
    signal?.throwIfAborted();
    group = step <= newest ? subVarInt(newest, step) : 0;
    if (await has(group)) {
      known = group;
      low = undefined;
    } else low ??= group;
  }
  if (known === undefined || low === undefined) return known;
  // `low` lacks it, `known` has it.
  let above = known;
  let below = low;
  while (subVarInt(above, below) > 1) {
    signal?.throwIfAborted();
    const middle = addVarInt(below, half(subVarInt(above, below)));
    if (await has(middle)) above = middle;
    else below = middle;
  }
  return above;
}

function half(value: VarInt): VarInt {
  return typeof value === "number" ? Math.floor(value / 2) : addVarInt(value >> 1n, 0);
}
