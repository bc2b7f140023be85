/**
 * What eviction must not touch: the ranges the viewer keeps ("keep this match"), which outlive the page, and those that are being played, which do not.
 *
 * Kept ranges are small values beside the media, one per track. They are read before the first eviction, so that a page that is loaded again does not throw away in its first second what
 * the one before was told to keep.
 */
import { flatten, normalize, unflatten, union } from "./group-ranges.ts";
import type { ReplayDatabase } from "./schema.ts";
import type { GroupRange, TrackKey } from "./types.ts";

const PREFIX = "keep/";

export function pinKey(track: TrackKey): string {
  return `${PREFIX}${track}`;
}

/** Whether a small value is a pin: those do not go because of their age. */
export function isPinKey(key: string): boolean {
  return key.startsWith(PREFIX);
}

export class Pins {
  readonly #kept = new Map<TrackKey, readonly GroupRange[]>();
  readonly #held = new Map<TrackKey, readonly GroupRange[]>();
  #loaded = false;

  /** Reads what earlier pages kept; what this one has said meanwhile stands. */
  async load(database: ReplayDatabase): Promise<void> {
    if (this.#loaded) return;
    const range = IDBKeyRange.bound(PREFIX, `${PREFIX}\uffff`);
    const transaction = database.transaction("meta");
    const [keys, rows] = await Promise.all([
      transaction.store.getAllKeys(range),
      transaction.store.getAll(range),
    ]);
    for (const [index, row] of rows.entries()) {
      const track = keys[index]?.slice(PREFIX.length);
      const ranges = decodePin(new Uint8Array(row.value));
      if (track !== undefined && ranges !== undefined && !this.#kept.has(track))
        this.#kept.set(track, ranges);
    }
    this.#loaded = true;
  }

  /** Returns the small value to store. */
  keep(track: TrackKey, ranges: readonly GroupRange[]): Uint8Array {
    const sorted = normalize(ranges);
    this.#kept.set(track, sorted);
    return encodePin(sorted);
  }

  hold(track: TrackKey, ranges: readonly GroupRange[]): void {
    this.#held.set(track, normalize(ranges));
  }

  kept(track: TrackKey): readonly GroupRange[] {
    return this.#kept.get(track) ?? [];
  }

  forget(prefix: string): void {
    for (const track of this.#kept.keys()) if (track.startsWith(prefix)) this.#kept.delete(track);
  }

  /** Everything that is to be spared now. */
  all(): ReadonlyMap<TrackKey, readonly GroupRange[]> {
    if (this.#held.size === 0) return this.#kept;
    const both = new Map(this.#kept);
    for (const [track, ranges] of this.#held) both.set(track, union(both.get(track) ?? [], ranges));
    return both;
  }
}

function encodePin(ranges: readonly GroupRange[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(flatten(ranges).map(String)));
}

/** Undefined for anything that encodePin() did not make. */
function decodePin(bytes: Uint8Array): GroupRange[] | undefined {
  try {
    const flat = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    if (!Array.isArray(flat)) return undefined;
    return unflatten(
      flat.map((id) => (BigInt(id) <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : BigInt(id))),
    );
  } catch {
    return undefined;
  }
}
