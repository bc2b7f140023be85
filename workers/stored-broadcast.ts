/**
 * What this browser kept of a broadcast: its catalog and its groups, verified again on the way out.
 *
 * The catalog is kept with the envelopes that prove it, under the broadcast's name; it names the stream, under which the groups are kept. So a page that is
 * loaded with no network finds everything from the name alone.
 */
import type { StoredSegment } from "../src/playback/segment.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { storedTrackKey } from "../src/replay/track-key.ts";
import type { GroupRange, ReplayStore } from "../src/replay/types.ts";
import { verifyStoredGroup } from "../src/trust/archive.ts";
import type { VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import { decodeCbor, isMap } from "../src/trust/cbor.ts";
import { encodeCbor } from "../src/trust/cbor-writer.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { type FullTrackName, type Namespace, namespaceKey } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { canonical, type VarInt } from "../src/wire/varint.ts";
import type { CatalogProof } from "./recorder.ts";

/** The kept catalog, as it is encoded. */
interface CatalogRecord {
  readonly v: 1;
  readonly group: number | bigint;
  readonly object: number | bigint;
  readonly payload: Uint8Array;
  readonly evidence: readonly Uint8Array[];
}

/** A catalog that was verified in an earlier session. */
export interface StoredCatalog {
  readonly payload: Uint8Array;
  readonly streamId: Uint8Array;
  readonly proof: CatalogProof;
}

const EMPTY = new Uint8Array(0);

function metaKey(namespace: Namespace): string {
  return `catalog/${namespaceKey(namespace)}`;
}

/** Keeps a verified catalog, in place of an older one. */
export function keepCatalog(store: ReplayStore, namespace: Namespace, catalog: VerifiedCatalog): void {
  const record: CatalogRecord = {
    v: 1,
    group: catalog.object.group,
    object: catalog.object.object,
    payload: catalog.object.payload,
    evidence: catalog.evidence,
  };
  store.putMeta(metaKey(namespace), encodeCbor(new Map(Object.entries(record))));
}

function recordIn(bytes: Uint8Array): Partial<CatalogRecord> | undefined {
  const map = decodeCbor(bytes);
  return isMap(map) ? (Object.fromEntries(map) as Partial<CatalogRecord>) : undefined;
}

function readRecord(bytes: Uint8Array): CatalogRecord | undefined {
  try {
    const record = recordIn(bytes);
    const sound =
      record?.v === 1 &&
      record.payload instanceof Uint8Array &&
      Array.isArray(record.evidence) &&
      record.evidence.every((envelope) => envelope instanceof Uint8Array) &&
      record.group !== undefined &&
      record.object !== undefined;
    return sound ? (record as CatalogRecord) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The kept catalog, if there is one and its proof still holds for the keys pinned now. Rejects when the store cannot be read; a record that is damaged or no longer
 * trusted counts as none.
 */
export async function readCatalog(
  store: ReplayStore,
  namespace: Namespace,
  catalogTrack: FullTrackName,
  keyRing: KeyRing,
): Promise<StoredCatalog | undefined> {
  const bytes = await store.getMeta(metaKey(namespace));
  const record = bytes && readRecord(bytes);
  if (!record) return undefined;
  const object: MoqObject = {
    group: canonical(BigInt(record.group)),
    object: canonical(BigInt(record.object)),
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: EMPTY,
    payload: record.payload,
  };
  const verdict = await verifyStoredGroup(
    { group: object.group, evidence: record.evidence, objects: [object] },
    { track: catalogTrack, keyRing },
  );
  const [verified] = verdict.objects;
  if (!verified || !verdict.streamId) return undefined;
  const { payload } = verified;
  const proof = { group: object.group, object: object.object, payload, evidence: record.evidence };
  return { payload, streamId: verdict.streamId, proof };
}

export interface StoredTrackOptions {
  readonly store: ReplayStore;
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
}

/** The stored groups of one track. */
export class StoredTrack {
  readonly key: string;
  readonly #options: StoredTrackOptions;

  constructor(options: StoredTrackOptions) {
    this.#options = options;
    this.key = storedTrackKey(options.streamId, options.track);
  }

  ranges(): Promise<readonly GroupRange[]> {
    return this.#options.store.ranges(this.key);
  }

  /**
   * The newest groups that are stored whole, at most `most` and oldest first, without any at or above `below`; placed in time by the broadcast's regular group length. Their
   * proof is checked when they are read; groups that were cut short when a page went away have none and are left out.
   */
  async segments(
    playable: PlayableTrack,
    groupMs: number,
    most: number,
    below?: VarInt,
  ): Promise<StoredSegment[]> {
    const { store } = this.#options;
    const ticks = (groupMs / 1000) * playable.timescale;
    const newest = (await this.ranges()).at(-1)?.last;
    if (newest === undefined) return [];
    const last = below !== undefined && below <= newest ? Number(below) - 1 : Number(newest);
    const first = Math.max(0, last - most + 1);
    if (last < first) return [];
    const segments: StoredSegment[] = [];
    for (const range of await store.wholeRanges(this.key, { first, last })) {
      for (let group = Number(range.first); group <= Number(range.last); group++) {
        segments.push({ group, startTicks: group * ticks, durationTicks: ticks });
      }
    }
    return segments;
  }
}
