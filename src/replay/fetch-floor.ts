/**
 * How far back relays reach.
 *
 * No message asks for it (draft-18 has the largest location, not the smallest), so it is found out: steps back from the live edge that double, down to the first group of all, and then the
 * border below the last of them that is there by halves. So a hole near the edge is not taken for the end. That is some forty small questions, asked again now and then, since caches forget.
 */
import type { Clock } from "../clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, subVarInt } from "../wire/varint.ts";
import type { TrackKey } from "./types.ts";

/** How long an answer is good for. A floor that has risen meanwhile shows as groups that are not there; readers name those. */
const FLOOR_GOOD_FOR_MS = 30_000;

interface Known {
  readonly floor: VarInt | undefined;
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
    const floor = await search(newest, signal, has);
    this.#known.set(track, { floor, atMs: this.#clock.now() });
    return floor;
  }
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
