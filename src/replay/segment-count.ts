/**
 * How many bytes of each payload file the database still points at, kept in the transactions that add and drop pointers (payload-files.ts).
 *
 * Where no file was ever written the store of counts is empty, and dropping records costs nothing more than it did.
 */
import type { PayloadFiles } from "./payload-files.ts";
import { readPointer } from "./payload-files.ts";
import type { ReplayDatabase, WriteTransaction } from "./schema.ts";
import { toldByTransaction } from "./schema.ts";

/** Adds what a batch appended to one file. */
export async function countAppended(
  transaction: WriteTransaction,
  segment: string,
  bytes: number,
): Promise<void> {
  const segments = transaction.objectStore("segments");
  const live = (await segments.get(segment)) ?? 0;
  toldByTransaction(segments.put(live + bytes, segment));
}

/** Deletes records, and takes what they point at off the counts. */
export async function dropParts(transaction: WriteTransaction, range: IDBKeyRange): Promise<void> {
  const parts = transaction.objectStore("parts");
  const segments = transaction.objectStore("segments");
  if ((await segments.count()) > 0) {
    const dropped = new Map<string, number>();
    for (const value of await parts.getAll(range)) {
      const pointer = readPointer(value);
      if (pointer !== undefined)
        dropped.set(pointer.segment, (dropped.get(pointer.segment) ?? 0) + pointer.length);
    }
    for (const [segment, bytes] of dropped) {
      const live = (await segments.get(segment)) ?? 0;
      toldByTransaction(segments.put(Math.max(0, live - bytes), segment));
    }
  }
  toldByTransaction(parts.delete(range));
}

/** Deletes the files that nothing points at: emptied ones, and with `strays` those of a crash before anything of them was counted. */
export async function removeEmptied(
  database: ReplayDatabase,
  files: PayloadFiles,
  strays: boolean,
): Promise<void> {
  const [names, counts] = await Promise.all([database.getAllKeys("segments"), database.getAll("segments")]);
  for (const [index, name] of names.entries()) {
    if ((counts[index] ?? 0) > 0 || name === files.segment) continue;
    if (await files.remove(name)) await database.delete("segments", name);
  }
  if (!strays) return;
  const known = new Set<string>(names);
  // One that another tab has just begun is open there, and stays.
  for (const name of await files.list()) if (!known.has(name)) await files.remove(name);
}
