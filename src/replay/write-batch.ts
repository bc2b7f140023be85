/**
 * One batch, one transaction.
 *
 * Rows are read and written in the transaction that puts the records, so that two tabs writing the same broadcast add up instead of overwriting
 * each other, and byte counts and index never disagree with what is there. Nothing but IndexedDB requests is awaited in here: an
 * await of anything else would let the transaction commit half-way.
 */
import { compareVarInt, subVarInt } from "../wire/varint.ts";
import { isSubset, normalize, subtract, union } from "./group-ranges.ts";
import type { GroupState } from "./group-row.ts";
import { newGroupState, readGroupRow, toGroupRow } from "./group-row.ts";
import type { PayloadFiles } from "./payload-files.ts";
import { addGroups, sharedPage } from "./range-index.ts";
import type { GroupRow, ReplayDatabase, StoreName, TrackRow, WriteTransaction } from "./schema.ts";
import { groupsRange, idKey, partsRange, toldByTransaction } from "./schema.ts";
import { countAppended, dropParts } from "./segment-count.ts";
import type { GroupRange, TrackKey } from "./types.ts";
import type { GroupBatch, WriteBatch } from "./write-queue.ts";

export interface WriteOutcome {
  /** Bytes stored over all tracks, after this batch. */
  readonly totalBytes: number;
  /** Groups whose row was damaged: what they held is gone, what the batch had is stored. */
  readonly damaged: readonly GroupBatch[];
}

const MEDIA_STORES: readonly StoreName[] = ["tracks", "groups", "parts", "index", "segments"];

/** Runs `work` in one relaxed transaction over the media stores, and `meta` when asked. Rejects with what made it abort. */
export async function inWriteTransaction<T>(
  database: ReplayDatabase,
  work: (transaction: WriteTransaction) => Promise<T>,
  stores: readonly StoreName[] = MEDIA_STORES,
): Promise<T> {
  // Relaxed: committed when the operating system has it. A crash of the machine may cost a moment of history, which relays still have.
  const transaction = database.transaction([...stores], "readwrite", { durability: "relaxed" });
  // Taken now: if `work` throws first, an abort that nobody listens to would be an unhandled rejection.
  const done = transaction.done.then(
    () => undefined,
    (thrown: unknown) => ({ thrown }),
  );
  try {
    const result = await work(transaction);
    transaction.commit();
    const aborted = await done;
    if (aborted !== undefined) throw transaction.error ?? aborted.thrown;
    return result;
  } catch (thrown) {
    abort(transaction);
    await done;
    // The transaction knows the cause (QuotaExceededError); its requests only say that they were aborted.
    throw transaction.error ?? thrown;
  }
}

function abort(transaction: WriteTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has already ended; `done` knows how.
  }
}

export function writeBatch(
  database: ReplayDatabase,
  batch: WriteBatch,
  nowMs: number,
  files?: PayloadFiles,
): Promise<WriteOutcome> {
  const stores = batch.meta.size > 0 ? [...MEDIA_STORES, "meta" as const] : MEDIA_STORES;
  return inWriteTransaction(
    database,
    async (transaction) => {
      for (const [key, value] of batch.meta)
        toldByTransaction(transaction.objectStore("meta").put({ value, writtenAtMs: nowMs }, key));
      const rows = await transaction.objectStore("tracks").getAll();
      const byKey = new Map<TrackKey, TrackRow>(rows.map((row) => [row.key, row]));
      const damaged: GroupBatch[] = [];
      const payloads: Payloads = { files, appended: 0 };
      await Promise.all(
        [...groupByTrack(batch.groups)].map(async ([key, groups]) => {
          const track = byKey.get(key) ?? { key, bytes: 0, groups: 0 };
          byKey.set(key, track);
          damaged.push(...(await writeTrack(transaction, track, groups, nowMs, payloads)));
        }),
      );
      if (files?.segment !== undefined && payloads.appended > 0)
        await countAppended(transaction, files.segment, payloads.appended);
      let totalBytes = 0;
      for (const track of byKey.values()) totalBytes += track.bytes;
      return { totalBytes, damaged };
    },
    stores,
  );
}

/** Where records go, and how much went into the file. */
interface Payloads {
  readonly files: PayloadFiles | undefined;
  appended: number;
}

function groupByTrack(groups: readonly GroupBatch[]): Map<TrackKey, GroupBatch[]> {
  const byTrack = new Map<TrackKey, GroupBatch[]>();
  for (const group of groups) {
    const list = byTrack.get(group.track);
    if (list === undefined) byTrack.set(group.track, [group]);
    else list.push(group);
  }
  return byTrack;
}

/** Writes the groups of one track and brings its row and index up to date; returns the groups whose row was damaged. */
async function writeTrack(
  transaction: WriteTransaction,
  track: TrackRow,
  batches: GroupBatch[],
  nowMs: number,
  payloads: Payloads,
): Promise<GroupBatch[]> {
  const tracks = transaction.objectStore("tracks");
  const groups = transaction.objectStore("groups");
  const id = track.id ?? (await tracks.add(track));
  batches.sort((a, b) => compareVarInt(a.group, b.group));
  // All that has to be known is asked for before the first record is put: an answer would wait behind all of them.
  const stretch = { first: batches[0]!.group, last: batches.at(-1)!.group };
  const [rows, page] = await Promise.all([
    readRows(transaction, id, batches, stretch),
    sharedPage(transaction, id, stretch),
  ]);
  const damaged: GroupBatch[] = [];
  const appeared: GroupBatch[] = [];
  for (const [index, batch] of batches.entries()) {
    const row = rows[index];
    let state = row === undefined ? newGroupState(batch.group) : readGroupRow(row);
    if (state === undefined) {
      // A row that cannot be read cannot say what its records hold either: begin the group anew.
      damaged.push(batch);
      await dropParts(transaction, partsRange(id, batch.group, batch.group));
      if (Number.isSafeInteger(row?.bytes)) track.bytes -= row!.bytes;
      state = newGroupState(batch.group);
      track.bytes += state.bytes;
    } else if (row === undefined) {
      track.bytes += state.bytes;
      track.groups++;
    }
    const bytesBefore = state.bytes;
    const wasEmpty = state.objects.length === 0;
    writeRecords(transaction, id, state, batch, payloads);
    // A clock that is ahead of the signer's must not make a group younger than it is.
    state.writtenAtMs = Math.min(nowMs, batch.playedAtMs ?? nowMs);
    track.bytes += state.bytes - bytesBefore;
    toldByTransaction(groups.put(toGroupRow(state), [id, idKey(batch.group)]));
    if (wasEmpty && state.objects.length > 0) appeared.push(batch);
  }
  track.bytes = Math.max(0, track.bytes);
  await addGroups(
    transaction,
    id,
    appeared.map((batch) => batch.group),
    page,
  );
  toldByTransaction(tracks.put({ ...track, id }));
  return damaged;
}

/** The rows of the batch's groups, in its order. One request when they lie together, as live ones do: requests are what costs. */
async function readRows(
  transaction: WriteTransaction,
  id: number,
  batches: readonly GroupBatch[],
  { first, last }: GroupRange,
): Promise<(GroupRow | undefined)[]> {
  const groups = transaction.objectStore("groups");
  if (subVarInt(last, first) >= 2 * batches.length)
    return Promise.all(batches.map((batch) => groups.get([id, idKey(batch.group)])));
  const rows = await groups.getAll(groupsRange(id, first, last));
  const byGroup = new Map(rows.map((row) => [row.group, row]));
  return batches.map((batch) => byGroup.get(batch.group));
}

function writeRecords(
  transaction: WriteTransaction,
  id: number,
  state: GroupState,
  batch: GroupBatch,
  payloads: Payloads,
): void {
  const parts = transaction.objectStore("parts");
  const group = idKey(batch.group);
  for (const record of batch.records) {
    // Another tab, or this one before a reload, may have stored all of it already.
    const objects = normalize(record.objects.map((object) => ({ first: object, last: object })));
    if (isSubset(objects, state.objects)) continue;
    const value = payloads.files?.append(record.bytes) ?? record.bytes;
    if (value !== record.bytes) payloads.appended += record.bytes.byteLength;
    toldByTransaction(parts.put(value, [id, group, state.parts]));
    state.parts++;
    state.records++;
    state.bytes += record.bytes.byteLength;
  }
  // A tab that joined in mid-group proves less than one that sealed it whole: it must not take that away.
  if (batch.evidence !== undefined && (batch.sealed === true || !state.sealed)) {
    state.bytes += batch.evidence.byteLength - state.evidence.byteLength;
    state.evidence = batch.evidence;
  }
  if (batch.sealed === true) state.sealed = true;
  state.objects = union(state.objects, batch.objects);
  const expected = batch.sealed === true ? batch.expected : [];
  state.lost = subtract(union(state.lost, expected), state.objects);
}
