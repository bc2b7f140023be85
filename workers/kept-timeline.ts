/** The media timeline as this browser kept it: so that what is stored has its times before, and without, the network. */
import type { ReplayStore } from "../src/replay/types.ts";
import { verifyStoredGroup } from "../src/trust/archive.ts";
import { decodeCbor, isMap } from "../src/trust/cbor.ts";
import { encodeCbor } from "../src/trust/cbor-writer.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { type FullTrackName, trackKey } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import { canonical, type VarInt } from "../src/wire/varint.ts";

/** The newest group of the timeline track: its documents from object 0 on, and what proves them. */
export interface TimelineGroup {
  readonly group: VarInt;
  readonly documents: readonly Uint8Array[];
  readonly evidence: readonly Uint8Array[];
}

/** Whose timeline it is. */
export interface TimelineIdentity {
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
  readonly keyRing: KeyRing;
}

const EMPTY = new Uint8Array(0);

function metaKey({ track }: TimelineIdentity): string {
  return `timeline/${trackKey(track)}`;
}

/** In place of what was kept before. */
export function keepTimeline(
  store: ReplayStore,
  identity: TimelineIdentity,
  { group, documents, evidence }: TimelineGroup,
): void {
  const record = { v: 1, group, documents, evidence };
  store.putMeta(metaKey(identity), encodeCbor(new Map(Object.entries(record))));
}

function isBytes(value: unknown): value is readonly Uint8Array[] {
  return Array.isArray(value) && value.every((item) => item instanceof Uint8Array);
}

function read(bytes: Uint8Array): TimelineGroup | undefined {
  try {
    const map = decodeCbor(bytes);
    if (!isMap(map) || map.get("v") !== 1) return undefined;
    const [group, documents, evidence] = ["group", "documents", "evidence"].map((name) => map.get(name));
    if (typeof group !== "number" && typeof group !== "bigint") return undefined;
    if (!isBytes(documents) || !isBytes(evidence)) return undefined;
    return { group: canonical(BigInt(group)), documents, evidence };
  } catch {
    return undefined;
  }
}

/**
 * The kept documents, if there are some and their proof holds for the stream and the keys pinned now; verified as anything else that comes off a disk. Rejects when the
 * store cannot be read.
 */
export async function readTimeline(
  store: ReplayStore,
  identity: TimelineIdentity,
): Promise<readonly Uint8Array[] | undefined> {
  const bytes = await store.getMeta(metaKey(identity));
  const kept = bytes && read(bytes);
  if (!kept) return undefined;
  const { group, evidence } = kept;
  const objects = kept.documents.map(
    (payload, object): MoqObject => ({
      ...{ group, object, subgroup: 0, priority: undefined, status: "normal", properties: EMPTY, payload },
    }),
  );
  const { failed, objects: verified } = await verifyStoredGroup({ group, evidence, objects }, identity);
  return failed.length === 0 ? verified.map(({ payload }) => payload) : undefined;
}
