/**
 * A track as deep as it goes: what is stored, what the app's own source has, what relays still have, in this order of cost.
 *
 * Whatever comes out was verified on the way, wherever it was; what had to be fetched is put into the store, so that it is fetched once. That is also how a damaged record
 * comes back: the store drops it, the group is no longer whole, and the next who wants it fetches what is lacking.
 */
import { CountersignError, toCountersignError } from "../src/errors.ts";
import { FETCH_SOON, type FetchSource } from "../src/replay/fetch-source.ts";
import { subtract, union } from "../src/replay/group-ranges.ts";
import { storedTrackKey } from "../src/replay/track-key.ts";
import type { GroupRange, GroupSource, ReplayStore } from "../src/replay/types.ts";
import { verifyStoredGroup } from "../src/trust/archive.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { objectLeaf } from "../src/trust/leaf.ts";
import type { Verified } from "../src/trust/types.ts";
import type { FullTrackName } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { compareVarInt, type VarInt } from "../src/wire/varint.ts";

/** Sorted, disjoint; none is in two of them. */
export interface DeepRanges {
  /** In the store, whole or in part. */
  readonly stored: readonly GroupRange[];
  /** Not stored, but the app's source or some relay says to have it. */
  readonly fetchable: readonly GroupRange[];
  /** Between the oldest and the newest of these, and nobody has it. */
  readonly missing: readonly GroupRange[];
}

export interface DeepGroup {
  readonly group: VarInt;
  /** Every object that the signer named is here. */
  readonly complete: boolean;
  readonly objects: readonly Verified<MoqObject>[];
  /** Signed envelopes that prove the objects. */
  readonly evidence: readonly Uint8Array[];
  /** Where (the rest of) it came from. */
  readonly from: "store" | "app" | "fetch";
}

export interface DeepTrackOptions {
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
  readonly keyRing: KeyRing;
  readonly store: ReplayStore | undefined;
  /** The app's own source. */
  readonly app: GroupSource | undefined;
  /** Undefined: nobody to fetch from. */
  readonly fetch: FetchSource | undefined;
  /** When a group was on, in ms since 1970, as far as that is known: what is stored now must not outlive what was stored then. */
  readonly playedAtMs?: (group: VarInt) => number | undefined;
  /** Something stored was not what was signed; it is fetched again when it can be had. */
  readonly onCorrupt: (error: CountersignError) => void;
}

export class DeepTrack {
  readonly key: string;
  readonly #options: DeepTrackOptions;

  constructor(options: DeepTrackOptions) {
    this.#options = options;
    this.key = storedTrackKey(options.streamId, options.track);
  }

  /** Rejects when the store cannot be read. Sources that cannot tell at the moment have nothing fetchable. */
  async ranges(signal?: AbortSignal): Promise<DeepRanges> {
    const [stored, elsewhere] = await Promise.all([
      this.#options.store?.ranges(this.key, signal) ?? [],
      this.elsewhere(signal),
    ]);
    const fetchable = subtract(elsewhere, stored);
    const all = union(stored, fetchable);
    const [first] = all;
    const last = all.at(-1);
    const missing = first && last ? subtract([{ first: first.first, last: last.last }], all) : [];
    return { stored, fetchable, missing };
  }

  /** What the app's source and relays say to have, stored or not. Who cannot tell at the moment has nothing. */
  async elsewhere(signal?: AbortSignal): Promise<readonly GroupRange[]> {
    const { app, fetch } = this.#options;
    const [ofApp, ofRelays] = await Promise.all([
      orNothing(app?.ranges(this.key, signal), signal),
      orNothing(fetch?.ranges(this.key, signal), signal),
    ]);
    return union(ofApp, ofRelays);
  }

  /**
   * A group, whole if anybody has it whole; undefined: certainly nobody has any of it. Rejects when that cannot be told (the store cannot be read, nobody can be
   * reached), and with the signal's reason.
   */
  async group(
    group: VarInt,
    options: { readonly signal?: AbortSignal; readonly priority?: number } = {},
  ): Promise<DeepGroup | undefined> {
    const { signal, priority = FETCH_SOON } = options;
    const { store, app, fetch } = this.#options;
    let failure: CountersignError | undefined;
    let best: DeepGroup | undefined;
    const attempts: (() => Promise<DeepGroup | undefined>)[] = [
      () => this.#verified("store", store, group, signal),
      () => this.#verified("app", app, group, signal),
      async () => {
        const found = await fetch?.read(this.key, group, { priority, ...(signal && { signal }) });
        return found && { ...found, from: "fetch" as const };
      },
    ];
    for (const attempt of attempts) {
      try {
        const found = await attempt();
        if (found === undefined) continue;
        best = together(best, found);
        if (found.from !== "store") await this.#keep(found);
        if (best.complete) return best;
      } catch (thrown) {
        signal?.throwIfAborted();
        failure ??= toCountersignError(thrown, "range-unavailable");
      }
    }
    if (best !== undefined) return best;
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async #verified(
    from: "store" | "app",
    source: GroupSource | undefined,
    group: VarInt,
    signal: AbortSignal | undefined,
  ): Promise<DeepGroup | undefined> {
    const stored = await source?.group(this.key, group, signal);
    if (stored === undefined) return undefined;
    const { track, streamId, keyRing, onCorrupt } = this.#options;
    const verdict = await verifyStoredGroup(stored, { track, keyRing, streamId });
    if (verdict.error !== undefined && stored.evidence.length > 0) onCorrupt(verdict.error);
    const { objects, complete } = verdict;
    if (objects.length > 0) return { group, complete, objects, evidence: stored.evidence, from };
    throw (
      verdict.error ??
      new CountersignError(
        "range-unavailable",
        `Group ${group} is stored without its proof, so it cannot be played.`,
      )
    );
  }

  /** What was fetched once need not be fetched again. */
  async #keep({ group, complete, objects, evidence }: DeepGroup): Promise<void> {
    const { store, playedAtMs } = this.#options;
    if (store === undefined) return;
    for (const object of objects) store.put(this.key, object, await objectLeaf(object));
    store.seal(this.key, group, evidence, complete, playedAtMs?.(group));
  }
}

/** The whole one; two halves as what they have together. */
function together(a: DeepGroup | undefined, b: DeepGroup): DeepGroup {
  if (a === undefined || b.complete) return b;
  const objects = new Map([...a.objects, ...b.objects].map((object) => [object.object, object]));
  const proven = a.evidence.length >= b.evidence.length ? a : b;
  return {
    ...b,
    evidence: proven.evidence,
    objects: [...objects.values()].sort((x, y) => compareVarInt(x.object, y.object)),
  };
}

async function orNothing(
  asked: Promise<readonly GroupRange[]> | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly GroupRange[]> {
  try {
    return (await asked) ?? [];
  } catch {
    signal?.throwIfAborted();
    return [];
  }
}
