/** Which stored groups can be offered to a player, from their rows alone. */
import type { VarInt } from "../wire/varint.ts";
import { addInPlace } from "./group-ranges.ts";
import { readGroupRow } from "./group-row.ts";
import { type GroupRow, groupsRange, type ReplayDatabase } from "./schema.ts";
import type { GroupRange, TrackKey } from "./types.ts";

/** Rows read at a time: half a megabyte of them, so that hours of groups neither fill memory nor take a request each. */
const ROWS_PER_READ = 512;

/** The groups among first..last that were sealed whole, have their evidence, and have lost nothing since. */
export async function readWholeRanges(
  database: ReplayDatabase,
  track: TrackKey,
  range: GroupRange,
): Promise<GroupRange[]> {
  const id = (await database.getFromIndex("tracks", "key", track))?.id;
  const whole: GroupRange[] = [];
  if (id === undefined) return whole;
  let first: VarInt | undefined = range.first;
  while (first !== undefined) {
    const rows: GroupRow[] = await database.getAll(
      "groups",
      groupsRange(id, first, range.last),
      ROWS_PER_READ,
    );
    for (const row of rows) {
      const state = readGroupRow(row);
      const sound = state?.sealed && state.lost.length === 0 && state.evidence.byteLength > 0;
      if (sound && state.objects.length > 0) addInPlace(whole, state.group);
    }
    const last: VarInt | undefined = rows.length < ROWS_PER_READ ? undefined : rows.at(-1)?.group;
    first = last === undefined || last >= range.last ? undefined : following(last);
  }
  return whole;
}

function following(group: VarInt): VarInt {
  return typeof group === "number" && group < Number.MAX_SAFE_INTEGER ? group + 1 : BigInt(group) + 1n;
}
