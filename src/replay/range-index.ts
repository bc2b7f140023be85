/**
 * Which groups a track has, readable at once however many there are.
 *
 * The list of ranges is kept in pages, each under the first group it speaks of, and changed in the transaction that writes or deletes the groups.
 * Three days of consecutive ids are one page with one range; ids that jump (a timestamp as group id makes every group a
 * range of its own) fill more pages, and a write still touches only one.
 */
import type { VarInt } from "../wire/varint.ts";
import { addInPlace, flatten, normalize, subtract, unflatten } from "./group-ranges.ts";
import type { IdKey, ReplayDatabase, WriteTransaction } from "./schema.ts";
import { idKey, toldByTransaction, trackRange } from "./schema.ts";
import type { GroupRange } from "./types.ts";

/** Past it a page splits in two. 256 ranges are a record of some 4 KB: cheap to rewrite four times a second, few enough pages to read at once. */
const MAX_RANGES_PER_PAGE = 256;

/** Opaque to the rest of the room. */
export interface Page {
  readonly key: IdKey | undefined;
  readonly ranges: GroupRange[];
}

type IndexStore = ReturnType<typeof indexStore>;

function indexStore(transaction: WriteTransaction) {
  return transaction.objectStore("index");
}

/**
 * The page that all groups from `first` to `last` belong to; undefined when a page begins in between. Asked for before the records are put, so that no
 * answer has to wait behind megabytes.
 */
export async function sharedPage(
  transaction: WriteTransaction,
  track: number,
  { first, last }: GroupRange,
): Promise<Page | undefined> {
  const store = indexStore(transaction);
  const [page, pageOfLast] = await Promise.all([
    pageAt(store, track, first),
    first === last ? undefined : pageAt(store, track, last),
  ]);
  return pageOfLast === undefined || pageOfLast.key === page.key ? page : undefined;
}

/** Adds groups that were not in the index before; `page` is theirs if they share one. */
export async function addGroups(
  transaction: WriteTransaction,
  track: number,
  groups: readonly VarInt[],
  page: Page | undefined,
): Promise<void> {
  const store = indexStore(transaction);
  if (page === undefined) {
    for (const group of groups) {
      const own = await pageAt(store, track, group);
      addInPlace(own.ranges, group);
      writePage(store, track, own);
    }
  } else if (groups.length > 0) {
    for (const group of groups) addInPlace(page.ranges, group);
    writePage(store, track, page);
  }
}

/** Takes the groups first..last out. */
export async function removeGroups(
  transaction: WriteTransaction,
  track: number,
  range: GroupRange,
): Promise<void> {
  const store = indexStore(transaction);
  const start = (await pageAt(store, track, range.first)).key;
  const lower = start === undefined ? [track] : [track, start];
  let cursor = await store.openCursor(IDBKeyRange.bound(lower, [track, idKey(range.last)]));
  while (cursor !== null) {
    const [, key] = cursor.key;
    const ranges = subtract(readPage(cursor.value), [range]);
    writePage(store, track, { key, ranges });
    cursor = await cursor.continue();
  }
}

/** All ranges of a track, merged over the borders of pages. */
export async function readRanges(database: ReplayDatabase, track: number): Promise<GroupRange[]> {
  const pages = await database.getAll("index", trackRange(track));
  return normalize(pages.flatMap(readPage));
}

export async function readOldest(database: ReplayDatabase, track: number): Promise<VarInt | undefined> {
  const [page] = await database.getAll("index", trackRange(track), 1);
  return page === undefined ? undefined : readPage(page)[0]?.first;
}

/** A page that is not a list of ranges counts as empty: the groups are still there, and reading one puts it back (repair.ts). */
function readPage(value: unknown): GroupRange[] {
  return unflatten(value) ?? [];
}

/** The page a group belongs to: the last one that begins at or before it, else the first of the track, else a new one. */
async function pageAt(store: IndexStore, track: number, group: VarInt): Promise<Page> {
  const cursor =
    (await store.openCursor(IDBKeyRange.bound([track], [track, idKey(group)]), "prev")) ??
    (await store.openCursor(trackRange(track)));
  if (cursor === null) return { key: undefined, ranges: [] };
  return { key: cursor.key[1], ranges: readPage(cursor.value) };
}

function writePage(store: IndexStore, track: number, { key, ranges }: Page): void {
  const pages: GroupRange[][] = [];
  if (ranges.length > MAX_RANGES_PER_PAGE) {
    // Splitting in the middle suits ids that come in any order; live ones only ever fill the last page.
    const middle = ranges.length >>> 1;
    pages.push(ranges.slice(0, middle), ranges.slice(middle));
  } else if (ranges.length > 0) {
    pages.push(ranges);
  }
  if (key !== undefined && (pages[0] === undefined || idKey(pages[0][0]!.first) !== key))
    toldByTransaction(store.delete([track, key]));
  for (const page of pages) toldByTransaction(store.put(flatten(page), [track, idKey(page[0]!.first)]));
}
