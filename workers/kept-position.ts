/** Where the viewer was: kept beside the groups while playing, so that a reload can go on there. */
import type { Clock } from "../src/clock.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import { type Namespace, namespaceKey } from "../src/wire/names.ts";

/** The position is kept this often while playing. */
const KEEP_INTERVAL_MS = 2000;

/** A media time as it is kept: one float64, big-endian, in ms since the broadcast's epoch. */
const RECORD_BYTES = 8;

export class KeptPosition {
  readonly #clock: Clock;
  readonly #key: string;
  #keptAtMs = 0;

  constructor(namespace: Namespace, clock: Clock) {
    this.#clock = clock;
    this.#key = `position/${namespaceKey(namespace)}`;
  }

  /** To be told every position; most calls do nothing. */
  keep(store: ReplayStore | undefined, positionMs: number | undefined): void {
    const nowMs = this.#clock.now();
    if (!store || positionMs === undefined || nowMs - this.#keptAtMs < KEEP_INTERVAL_MS) return;
    this.#keptAtMs = nowMs;
    const value = new Uint8Array(RECORD_BYTES);
    new DataView(value.buffer).setFloat64(0, positionMs);
    store.putMeta(this.#key, value);
  }

  /** Media time in ms; undefined when none was kept. A position that cannot be read counts as none: the store tells of its own troubles. */
  async read(store: ReplayStore | undefined): Promise<number | undefined> {
    try {
      const value = await store?.getMeta(this.#key);
      if (value?.byteLength !== RECORD_BYTES) return undefined;
      return new DataView(value.buffer, value.byteOffset).getFloat64(0);
    } catch {
      return undefined;
    }
  }
}
