/**
 * Reading one group back, and noticing when it is not what was written.
 *
 * Every object is checked against the leaf digest it was put with before it is handed out, after the transaction (hashing must never be awaited inside
 * one). Whatever fails is left out and named, so that it can be fetched again; the reader still verifies what it gets against the
 * signer's word, because whoever could alter a record could alter its digest too.
 */
import { CountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { addInPlace, contains, subtract, unflatten } from "./group-ranges.ts";
import type { GroupState } from "./group-row.ts";
import { readGroupRow } from "./group-row.ts";
import type { PayloadFiles } from "./payload-files.ts";
import type { StoredObject } from "./record.ts";
import { unpackEvidence, unpackRecords } from "./record.ts";
import type { ReplayDatabase } from "./schema.ts";
import { idKey } from "./schema.ts";
import type { GroupRange, LeafDigest, StoredGroup, TrackKey } from "./types.ts";

/** What is wrong with a group, and what is left of it. */
export interface Damage {
  readonly message: string;
  /** Ids that were stored and cannot be served. */
  readonly objects: readonly GroupRange[];
  readonly good: readonly StoredObject[];
  readonly evidence: readonly Uint8Array[] | undefined;
  /** How many records had been written when it was read: the repair checks that it repairs what was seen. */
  readonly parts: number | undefined;
}

export interface ReadGroup {
  readonly stored: StoredGroup | undefined;
  readonly damage: Damage | undefined;
}

interface RawGroup {
  /** Undefined: no row. "damaged": a row that is not one of ours. */
  readonly state: GroupState | "damaged" | undefined;
  readonly indexed: boolean;
  readonly records: readonly unknown[];
}

const NOTHING: ReadGroup = { stored: undefined, damage: undefined };

export async function readGroup(
  database: ReplayDatabase,
  track: TrackKey,
  group: VarInt,
  leafDigest: LeafDigest,
  files?: PayloadFiles,
): Promise<ReadGroup> {
  const raw = await readRaw(database, track, group);
  if (raw === undefined) return NOTHING;
  const { state } = raw;
  if (state === undefined || state === "damaged") {
    const gone = state === undefined && !raw.indexed;
    return gone ? NOTHING : { stored: undefined, damage: lostRow(state) };
  }
  const evidence = state.evidence.byteLength === 0 ? [] : unpackEvidence(state.evidence);
  const records =
    files === undefined ? raw.records : await Promise.all(raw.records.map((r) => files.read(r)));
  const unpacked = unpackRecords(group, records);
  const checked = await Promise.all(unpacked.candidates.map((copies) => firstSound(copies, leafDigest)));
  const good = checked.filter((object) => object !== undefined);
  const present: GroupRange[] = [];
  for (const { object } of good) addInPlace(present, object.object);
  const missing = subtract(state.objects, present);
  const sound =
    missing.length === 0 && !unpacked.damaged && good.length === checked.length && evidence !== undefined;
  if (good.length === 0 && sound) return NOTHING;
  const complete = state.sealed && state.lost.length === 0 && missing.length === 0 && evidence !== undefined;
  const objects = good.map((stored) => stored.object);
  return {
    stored: good.length === 0 ? undefined : { group, complete, evidence: evidence ?? [], objects },
    damage: sound ? undefined : { ...findings(missing, evidence), good, evidence, parts: state.parts },
  };
}

function findings(missing: readonly GroupRange[], evidence: unknown): Pick<Damage, "message" | "objects"> {
  const what =
    missing.length > 0
      ? "Stored objects are damaged or gone."
      : evidence === undefined
        ? "Stored evidence is damaged."
        : "A stored record is damaged; other copies of its objects are sound.";
  return { message: what, objects: missing };
}

function lostRow(state: "damaged" | undefined): Damage {
  const message =
    state === undefined ? "A group in the index is not stored." : "A stored group's row is damaged.";
  return { message, objects: [], good: [], evidence: undefined, parts: undefined };
}

/** All of a group in one read transaction; undefined when the track is not stored at all. */
async function readRaw(
  database: ReplayDatabase,
  track: TrackKey,
  group: VarInt,
): Promise<RawGroup | undefined> {
  const transaction = database.transaction(["tracks", "groups", "parts", "index"]);
  transaction.done.catch(() => undefined);
  const id = (await transaction.objectStore("tracks").index("key").getKey(track)) as number | undefined;
  if (id === undefined) return undefined;
  const key = idKey(group);
  const [row, records] = await Promise.all([
    transaction.objectStore("groups").get([id, key]),
    transaction.objectStore("parts").getAll(IDBKeyRange.bound([id, key, 0], [id, key, []])),
  ]);
  if (row !== undefined) return { state: readGroupRow(row) ?? "damaged", indexed: true, records };
  const page = await transaction.objectStore("index").openCursor(IDBKeyRange.bound([id], [id, key]), "prev");
  const indexed = page !== null && contains(unflatten(page.value) ?? [], group);
  return { state: undefined, indexed, records };
}

/** The first copy whose bytes have the digest they were put with. */
async function firstSound(
  copies: readonly StoredObject[],
  leafDigest: LeafDigest,
): Promise<StoredObject | undefined> {
  for (const copy of copies) {
    if (await isSound(copy, leafDigest)) return copy;
  }
  return undefined;
}

async function isSound({ object, digest }: StoredObject, leafDigest: LeafDigest): Promise<boolean> {
  try {
    return equal(await leafDigest(object), digest);
  } catch (thrown) {
    // Damage within the properties. Anything else (no crypto) says nothing about the object and is an error of the read.
    if (thrown instanceof CountersignError && thrown.code === "malformed-track") return false;
    throw thrown;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
