/**
 * How far back relays reach.
 *
 * No message asks for it (draft-18 has the largest location, not the smallest), so it is found out: steps back from the live edge that double until nothing is there, then the
 * border between the two by halves. That is some forty small questions for three days, asked again now and then, since caches forget.
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
  // The newest may just be coming; the one before it is there if anything is.
  let known: VarInt | undefined;
  let low: VarInt | undefined;
  for (let step: VarInt = 1; low === undefined; step = addVarInt(step, step)) {
    signal?.throwIfAborted();
    const group: VarInt = step <= newest ? subVarInt(newest, step) : 0;
    if (await has(group)) {
      known = group;
      if (group === 0) return group;
    } else low = group;
    if (group === 0) break;
  }
  if (known === undefined) return (await has(newest)) ? newest : undefined;
  // `low` lacks it, `known` has it.
  let above = known;
  let below = low ?? 0;
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
