/**
 * The database: what is where, and how older ones become this one.
 *
 * One database per origin holds every broadcast, so that one budget covers all and a broadcast nobody watches any more still ages out;
 * broadcasts are kept apart by the stream id in the track key. A track's key is spelled out once and numbered; all else is
 * under that number:
 *
 *   tracks  id             -> TrackRow      key, bytes and groups stored (kept up to date by every write, never counted)
 *   groups  [id, group]    -> GroupRow      what the group has and lacks
 *   parts   [id, group, n] -> ArrayBuffer   record n of the group (record.ts)
 *   index   [id, group]    -> ranges        pages of the track's list of stored groups (range-index.ts)
 *   meta    name           -> MetaRow       small values beside the media
 *   segments file          -> bytes         of a payload file that parts still point at (payload-files.ts); empty when payloads are in `parts`
 *
 * So a group is one range read, a stretch of groups one range delete, and opening a store of three days reads a handful of rows.
 */
import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreNames } from "idb";
import type { VarInt } from "../wire/varint.ts";

export const DATABASE_NAME = "countersign-replay";
export const SCHEMA_VERSION = 2;

/**
 * A group id as a key. IndexedDB orders numbers before strings, so ids up to 2^53 - 1 stay numbers and those above are 16 hex digits:
 * both sort right, and the common case costs nothing.
 */
export type IdKey = number | string;

export interface TrackRow {
  /** Given by the database, never given again. */
  readonly id?: number;
  readonly key: string;
  bytes: number;
  groups: number;
}

export interface GroupRow {
  /** Its own id, so that rows can be read by the stretch. */
  readonly group: VarInt;
  /** When it was last written to, ms since 1970 by the writer's clock; for a group that came late: when it was on. Its age counts from then. */
  writtenAtMs: number;
  /** Of its parts, evidence and row. */
  bytes: number;
  /** packEvidence(), empty when there is none. In the row and not a record of its own: a request costs more than its kilobytes. */
  evidence: ArrayBuffer;
  /** How many records were ever written: the next one's number. */
  parts: number;
  /** How many of them are there now. */
  records: number;
  /** The signer's whole group was put; complete if nothing of it is in `lost`. */
  sealed: boolean;
  /** Ids of its objects, flat ranges. */
  objects: VarInt[];
  /** Ids that were put and then lost or found damaged, flat ranges. */
  lost: VarInt[];
}

export interface MetaRow {
  readonly value: ArrayBuffer;
  readonly writtenAtMs: number;
}

export interface ReplaySchema extends DBSchema {
  tracks: { key: number; value: TrackRow; indexes: { key: string } };
  groups: { key: [number, IdKey]; value: GroupRow };
  parts: { key: [number, IdKey, number]; value: ArrayBuffer };
  index: { key: [number, IdKey]; value: VarInt[] };
  meta: { key: string; value: MetaRow };
  segments: { key: string; value: number };
}

export type ReplayDatabase = IDBPDatabase<ReplaySchema>;
export type StoreName = StoreNames<ReplaySchema>;
export type WriteTransaction = IDBPTransaction<ReplaySchema, StoreName[], "readwrite">;
export type UpgradeTransaction = IDBPTransaction<ReplaySchema, StoreName[], "versionchange">;

/** Takes a database of the version before its own to its own version, inside the upgrade's transaction. */
export type Migration = (database: ReplayDatabase, transaction: UpgradeTransaction) => void | Promise<void>;

/** Migration n leads to version n + 1. Released ones are never changed: every step from the first release on stays tested. */
export const MIGRATIONS: readonly Migration[] = [
  (database) => {
    const tracks = database.createObjectStore("tracks", { keyPath: "id", autoIncrement: true });
    tracks.createIndex("key", "key", { unique: true });
    database.createObjectStore("groups");
    database.createObjectStore("parts");
    database.createObjectStore("index");
    database.createObjectStore("meta");
  },
  // 2: payloads may lie in files.
  (database) => {
    database.createObjectStore("segments");
  },
];

/**
 * Runs the migrations from `oldVersion` (0: no database yet) in order, as idb's `upgrade` callback. A failing one aborts the upgrade, which makes the
 * opening fail, and leaves the old database whole.
 */
export function migrate(
  database: ReplayDatabase,
  oldVersion: number,
  transaction: UpgradeTransaction,
  migrations: readonly Migration[] = MIGRATIONS,
): void {
  // The opening tells of an abort; nobody waits for this promise, and idb waits for no promise of ours.
  toldByTransaction(transaction.done);
  void (async () => {
    try {
      for (const migration of migrations.slice(oldVersion)) await migration(database, transaction);
    } catch {
      transaction.abort();
    }
  })();
}

export function idKey(id: VarInt): IdKey {
  return typeof id === "number" ? id : id.toString(16).padStart(16, "0");
}

/** The id of a key, or undefined when no id has this key. */
export function idOf(key: unknown): VarInt | undefined {
  if (typeof key === "number") return Number.isSafeInteger(key) && key >= 0 ? key : undefined;
  if (typeof key !== "string" || !/^[0-9a-f]{16}$/.test(key)) return undefined;
  const id = BigInt(`0x${key}`);
  return id > BigInt(Number.MAX_SAFE_INTEGER) ? id : undefined;
}

/** Every key of a track in groups, parts or index: an empty array sorts above all ids. */
export function trackRange(id: number): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}

/** Every part of the groups first..last. */
export function partsRange(id: number, first: VarInt, last: VarInt): IDBKeyRange {
  return IDBKeyRange.bound([id, idKey(first)], [id, idKey(last), []]);
}

/** The rows of the groups first..last. */
export function groupsRange(id: number, first: VarInt, last: VarInt): IDBKeyRange {
  return IDBKeyRange.bound([id, idKey(first)], [id, idKey(last)]);
}

/**
 * For requests whose outcome nobody waits for: a failed one aborts its transaction, and the transaction's `done` tells why.
 * Without this the same failure would also surface as an unhandled rejection.
 */
export function toldByTransaction(request: Promise<unknown>): void {
  request.catch(() => undefined);
}
