/** A group's row as it is worked with: ranges instead of flat lists, checked on the way in. */
import type { VarInt } from "../wire/varint.ts";
import { flatten, unflatten } from "./group-ranges.ts";
import type { GroupRow } from "./schema.ts";
import type { GroupRange } from "./types.ts";

/** What a stored group costs beyond its records: its row, its keys, its share of the index. An estimate that budgets can work with. */
export const ROW_OVERHEAD_BYTES = 256;

export interface GroupState extends Omit<GroupRow, "objects" | "lost"> {
  objects: readonly GroupRange[];
  lost: readonly GroupRange[];
}

export function newGroupState(group: VarInt): GroupState {
  return {
    group,
    writtenAtMs: 0,
    bytes: ROW_OVERHEAD_BYTES,
    evidence: new ArrayBuffer(0),
    parts: 0,
    records: 0,
    sealed: false,
    objects: [],
    lost: [],
  };
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** The state of a row, or undefined when the row is not one that we wrote. */
export function readGroupRow(row: GroupRow): GroupState | undefined {
  const objects = unflatten(row.objects);
  const lost = unflatten(row.lost);
  if (objects === undefined || lost === undefined || !(row.evidence instanceof ArrayBuffer)) return undefined;
  const counts = [row.bytes, row.parts, row.records];
  if (!counts.every(isCount) || !Number.isFinite(row.writtenAtMs) || typeof row.sealed !== "boolean")
    return undefined;
  return { ...row, objects, lost };
}

export function toGroupRow(state: GroupState): GroupRow {
  return { ...state, objects: flatten(state.objects), lost: flatten(state.lost) };
}
