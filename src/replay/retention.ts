/**
 * What goes, and when: oldest first, in small steps.
 *
 * Each track gives way from its lowest group up, so that its window stays one piece; among tracks the one whose lowest group was written
 * longest ago, or was on longest ago where it was fetched later, goes first, so audio and video of one broadcast, and broadcasts nobody watches any more, leave in order. A step is one
 * short transaction: deleting a gigabyte at once would hold the database for 14 s (measured), and every write behind it.
 */
import type { VarInt } from "../wire/varint.ts";
import { isQuotaError } from "./database.ts";
import { contains, firstAtOrAbove } from "./group-ranges.ts";
import { readGroupRow } from "./group-row.ts";
import { isPinKey, pinKey } from "./pins.ts";
import { removeGroups } from "./range-index.ts";
import type { ReplayDatabase, TrackRow, WriteTransaction } from "./schema.ts";
import { groupsRange, idKey, idOf, partsRange, toldByTransaction, trackRange } from "./schema.ts";
import { dropParts } from "./segment-count.ts";
import type { Evicted, GroupRange, TrackKey } from "./types.ts";
import { inWriteTransaction } from "./write-batch.ts";

/** Groups per step, however small: a step is one transaction, and writes wait for it. One-second groups are limited by their bytes. */
const MAX_GROUPS_PER_STEP = 256;

/** And bytes per step, for groups that are large. At least one group goes per step. */
const MAX_BYTES_PER_STEP = 16 * 1024 * 1024;

/** A track may be this far ahead of the next one in being evicted; keeps tracks in step without a transaction per group. */
const STEP_SPAN_MS = 30_000;

export interface EvictionGoal {
  /** Groups written, or where they came late: on, before this go. */
  readonly writtenBeforeMs: number;
  /** More goes until at most this much is stored. */
  readonly maxBytes: number;
  readonly kept: ReadonlyMap<TrackKey, readonly GroupRange[]>;
}

export interface EvictionStep {
  readonly evicted: Omit<Evicted, "cause"> | undefined;
  /** True when it went because of its age, false when because of the budget. */
  readonly aged: boolean;
  readonly totalBytes: number;
}

interface Candidate {
  readonly track: TrackRow & { readonly id: number };
  readonly group: VarInt;
  readonly writtenAtMs: number;
}

/** What a step deletes. */
interface Taken {
  readonly track: TrackKey;
  readonly id: number;
  readonly first: VarInt;
  readonly last: VarInt;
  readonly bytes: number;
  readonly count: number;
}

/** One step; `evicted` undefined: nothing (more) to do. */
export async function evictStep(database: ReplayDatabase, goal: EvictionGoal): Promise<EvictionStep> {
  try {
    return await inWriteTransaction(database, (transaction) => step(transaction, goal, bookkeep));
  } catch (thrown) {
    if (!isQuotaError(thrown)) throw thrown;
  }
  // On a disk that is full to the last kilobyte even smaller counters do not fit (seen in Chromium). Deleting always does, and then they fit.
  // Between the two the index promises too much, for as long as it takes; a crash just there is found by the next read.
  let taken: Taken | undefined;
  const result = await inWriteTransaction(database, (transaction) =>
    step(transaction, goal, async (_transaction, what) => {
      taken = what;
    }),
  );
  const done = taken;
  if (done !== undefined) await inWriteTransaction(database, (transaction) => bookkeep(transaction, done));
  return result;
}

async function step(
  transaction: WriteTransaction,
  goal: EvictionGoal,
  then: (transaction: WriteTransaction, taken: Taken) => Promise<void>,
): Promise<EvictionStep> {
  const tracks = await transaction.objectStore("tracks").getAll();
  const totalBytes = tracks.reduce((sum, track) => sum + track.bytes, 0);
  const candidates = await Promise.all(tracks.map((track) => oldestCandidate(transaction, track, goal.kept)));
  const byAge = candidates.filter((candidate) => candidate !== undefined);
  byAge.sort((a, b) => (a.writtenAtMs < b.writtenAtMs ? -1 : 1));
  const [victim, next] = byAge;
  const aged = victim !== undefined && victim.writtenAtMs < goal.writtenBeforeMs;
  if (victim === undefined || (!aged && totalBytes <= goal.maxBytes)) {
    return { evicted: undefined, aged: false, totalBytes };
  }
  const untilMs = (next?.writtenAtMs ?? Number.POSITIVE_INFINITY) + STEP_SPAN_MS;
  const excess = totalBytes - goal.maxBytes;
  const wanted = (writtenAtMs: number, freed: number) =>
    writtenAtMs <= untilMs && (writtenAtMs < goal.writtenBeforeMs || freed < excess);
  const taken = await take(transaction, victim, goal.kept.get(victim.track.key) ?? [], wanted);
  await then(transaction, taken);
  const { track, first, last, bytes } = taken;
  return { evicted: { track, first, last, bytes }, aged, totalBytes: totalBytes - bytes };
}

/** The lowest group of a track that may go. */
async function oldestCandidate(
  transaction: WriteTransaction,
  row: TrackRow,
  kept: ReadonlyMap<TrackKey, readonly GroupRange[]>,
): Promise<Candidate | undefined> {
  if (row.id === undefined) return undefined;
  const track = { ...row, id: row.id };
  const ranges = kept.get(track.key) ?? [];
  let cursor = await transaction.objectStore("groups").openCursor(trackRange(track.id));
  while (cursor !== null) {
    const group = idOf(cursor.key[1]);
    if (group !== undefined && !contains(ranges, group)) {
      // A row that cannot be read is worth nothing: it is older than everything.
      return {
        track,
        group,
        writtenAtMs: readGroupRow(cursor.value)?.writtenAtMs ?? Number.NEGATIVE_INFINITY,
      };
    }
    const range = ranges.find(({ first, last }) => group !== undefined && first <= group && group <= last);
    cursor = range === undefined ? await cursor.continue() : await continueAfter(cursor, track.id, range);
  }
  return undefined;
}

interface GroupCursor {
  continue(key?: [number, number | string]): Promise<this | null>;
}

/** Past a kept range in one request, however many groups it has. */
async function continueAfter<C extends GroupCursor & { readonly key: [number, number | string] }>(
  cursor: C,
  track: number,
  range: GroupRange,
): Promise<C | null> {
  const lastKey = idKey(range.last);
  if (cursor.key[1] === lastKey) return cursor.continue();
  const atEnd = await cursor.continue([track, lastKey]);
  return atEnd !== null && atEnd.key[1] === lastKey ? atEnd.continue() : atEnd;
}

/** Deletes a stretch of groups and their records, from the victim up. */
async function take(
  transaction: WriteTransaction,
  victim: Candidate,
  kept: readonly GroupRange[],
  wanted: (writtenAtMs: number, freed: number) => boolean,
): Promise<Taken> {
  const { track } = victim;
  const groups = transaction.objectStore("groups");
  const nextKept = firstAtOrAbove(kept, victim.group);
  const range =
    nextKept === undefined
      ? IDBKeyRange.bound([track.id, idKey(victim.group)], [track.id, []])
      : IDBKeyRange.bound([track.id, idKey(victim.group)], [track.id, idKey(nextKept)], false, true);
  const [keys, rows] = await Promise.all([
    groups.getAllKeys(range, MAX_GROUPS_PER_STEP),
    groups.getAll(range, MAX_GROUPS_PER_STEP),
  ]);
  let last = victim.group;
  let bytes = 0;
  let count = 0;
  for (const [index, row] of rows.entries()) {
    const group = idOf(keys[index]?.[1]);
    const state = readGroupRow(row);
    if (count > 0 && (bytes >= MAX_BYTES_PER_STEP || !wanted(state?.writtenAtMs ?? 0, bytes))) break;
    if (group !== undefined) last = group;
    bytes += state?.bytes ?? 0;
    count++;
  }
  toldByTransaction(groups.delete(groupsRange(track.id, victim.group, last)));
  await dropParts(transaction, partsRange(track.id, victim.group, last));
  return { track: track.key, id: track.id, first: victim.group, last, bytes, count };
}

/** Brings index and counters up to date with what was taken. */
async function bookkeep(
  transaction: WriteTransaction,
  { id, first, last, bytes, count }: Taken,
): Promise<void> {
  await removeGroups(transaction, id, { first, last });
  const tracks = transaction.objectStore("tracks");
  const row = await tracks.get(id);
  if (row === undefined) return;
  const groups = Math.max(0, row.groups - count);
  if (groups > 0) toldByTransaction(tracks.put({ ...row, bytes: Math.max(0, row.bytes - bytes), groups }));
  else await deleteTrack(transaction, id);
}

async function deleteTrack(transaction: WriteTransaction, id: number): Promise<void> {
  toldByTransaction(transaction.objectStore("tracks").delete(id));
  for (const store of ["groups", "index"] as const)
    toldByTransaction(transaction.objectStore(store).delete(trackRange(id)));
  await dropParts(transaction, trackRange(id));
}

/** Deletes the tracks and small values whose key begins with `prefix`, one step at a time like any eviction. */
export async function forgetPrefix(database: ReplayDatabase, prefix: string): Promise<void> {
  for (;;) {
    const more = await inWriteTransaction(database, async (transaction) => {
      const tracks = await transaction.objectStore("tracks").getAll();
      const track = tracks.find((row) => row.key.startsWith(prefix));
      if (track?.id === undefined) return false;
      const first = await transaction.objectStore("groups").openKeyCursor(trackRange(track.id));
      const group = first === null ? undefined : idOf(first.key[1]);
      if (group === undefined) {
        await deleteTrack(transaction, track.id);
      } else {
        const victim = { track: { ...track, id: track.id }, group, writtenAtMs: 0 };
        await bookkeep(transaction, await take(transaction, victim, [], () => true));
      }
      return true;
    });
    if (!more) break;
  }
  const meta = database.transaction("meta", "readwrite", { durability: "relaxed" });
  // U+FFFF sorts after every character a key goes on with.
  await Promise.all([
    ...[prefix, pinKey(prefix)].map((start) => meta.store.delete(IDBKeyRange.bound(start, `${start}\uffff`))),
    meta.done,
  ]);
}

/** Deletes small values last written before a time. */
export async function evictMeta(database: ReplayDatabase, writtenBeforeMs: number): Promise<void> {
  const transaction = database.transaction("meta", "readwrite", { durability: "relaxed" });
  let cursor = await transaction.store.openCursor();
  while (cursor !== null) {
    if (!(cursor.value.writtenAtMs >= writtenBeforeMs) && !isPinKey(cursor.key))
      toldByTransaction(cursor.delete());
    cursor = await cursor.continue();
  }
  await transaction.done;
}
