/** Dropping what was found damaged: the group is written anew from what is sound, and counts as incomplete until the rest was put again. */
import type { VarInt } from "../wire/varint.ts";
import { addInPlace, subtract, union } from "./group-ranges.ts";
import { newGroupState, readGroupRow, toGroupRow } from "./group-row.ts";
import { addGroups, removeGroups } from "./range-index.ts";
import type { Damage } from "./read-group.ts";
import { packEvidence, RecordPacker } from "./record.ts";
import type { ReplayDatabase } from "./schema.ts";
import { idKey, partsRange, toldByTransaction } from "./schema.ts";
import { dropParts } from "./segment-count.ts";
import type { GroupRange, TrackKey } from "./types.ts";
import { inWriteTransaction } from "./write-batch.ts";

/** Resolves to false when the group has been written to since it was read: then the next read judges it anew. */
export function repairGroup(
  database: ReplayDatabase,
  track: TrackKey,
  group: VarInt,
  damage: Damage,
): Promise<boolean> {
  const packer = new RecordPacker();
  const present: GroupRange[] = [];
  for (const { object, digest } of damage.good) {
    packer.add(object, digest);
    addInPlace(present, object.object);
  }
  const records = packer.finish();
  const evidence =
    damage.evidence === undefined || damage.evidence.length === 0 ? undefined : packEvidence(damage.evidence);

  return inWriteTransaction(database, async (transaction) => {
    const tracks = transaction.objectStore("tracks");
    const groups = transaction.objectStore("groups");
    const parts = transaction.objectStore("parts");
    const trackRow = await tracks.index("key").get(track);
    if (trackRow?.id === undefined) return false;
    const { id } = trackRow;
    const key = idKey(group);
    const row = await groups.get([id, key]);
    const before = row === undefined ? undefined : readGroupRow(row);
    if (before?.parts !== damage.parts) return false;

    const state = newGroupState(group);
    if (before !== undefined) {
      // Numbers go on counting, so that a stale reader of this group is recognized above.
      state.parts = before.parts;
      state.writtenAtMs = before.writtenAtMs;
      state.sealed = before.sealed && damage.evidence !== undefined;
      state.lost = subtract(union(before.lost, damage.objects), present);
    }
    state.objects = present;
    await dropParts(transaction, partsRange(id, group, group));
    for (const { bytes } of records) {
      toldByTransaction(parts.put(bytes, [id, key, state.parts]));
      state.parts++;
      state.records++;
      state.bytes += bytes.byteLength;
    }
    if (evidence !== undefined) {
      state.bytes += evidence.byteLength;
      state.evidence = evidence;
    }
    const keepRow = present.length > 0 || evidence !== undefined;
    if (keepRow) toldByTransaction(groups.put(toGroupRow(state), [id, key]));
    else toldByTransaction(groups.delete([id, key]));

    if (present.length > 0) await addGroups(transaction, id, [group], undefined);
    else await removeGroups(transaction, id, { first: group, last: group });
    const bytes = Math.max(0, trackRow.bytes - (before?.bytes ?? 0) + (keepRow ? state.bytes : 0));
    const count = Math.max(0, trackRow.groups - (row === undefined ? 0 : 1) + (keepRow ? 1 : 0));
    toldByTransaction(tracks.put({ ...trackRow, bytes, groups: count }));
    return true;
  });
}
