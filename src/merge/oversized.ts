import type { VarInt } from "../wire/varint.ts";
import { OVERSIZED_MAX_PLACES } from "./limits.ts";
import type { ScoreCounters } from "./source-scores.ts";

/** An object that was too large to wait for its manifest. */
export interface Oversized {
  readonly from: ScoreCounters;
  readonly group: VarInt;
  readonly object: VarInt;
  readonly payloadLength: number;
}

/**
 * What was refused for its length alone, before anybody had signed it: when the manifest comes, it says whether that length was a lie. Only places and lengths are
 * kept, a few of each source; the oldest is forgotten first, so a source that floods is forgiven some of its own lies, never another's.
 */
export class OversizedPlaces {
  readonly #bySource = new Map<ScoreCounters, Oversized[]>();

  add(place: Oversized): void {
    const places = this.#bySource.get(place.from) ?? [];
    places.push(place);
    if (places.length > OVERSIZED_MAX_PLACES) places.shift();
    this.#bySource.set(place.from, places);
  }

  /** Those of a group about which the manifests have something to say by now; they are forgotten. */
  takeJudged(group: VarInt, isKnown: (object: VarInt) => boolean): readonly Oversized[] {
    const judged: Oversized[] = [];
    for (const [from, places] of this.#bySource) {
      const left = places.filter((place) => {
        if (place.group !== group || !isKnown(place.object)) return true;
        judged.push(place);
        return false;
      });
      if (left.length === 0) this.#bySource.delete(from);
      else this.#bySource.set(from, left);
    }
    return judged;
  }

  clear(): void {
    this.#bySource.clear();
  }
}
