/**
 * Where on a data stream the decoder stands: the object at hand and, until its fields are read, the one before, to which the ids of the
 * next are relative (draft-18 §11.4.2, §11.4.4.1).
 */
import type { FetchGap } from "../objects.ts";
import { addVarInt, MAX_VARINT, subVarInt, type VarInt } from "../varint.ts";
import { FETCH } from "./stream-types.ts";
import { violation } from "./violation.ts";

export interface Place {
  /** Nothing came yet. */
  first: boolean;
  group: VarInt;
  object: VarInt;
  /** Undefined: a datagram object, or a subgroup named by a first object that is yet to come. */
  subgroup: VarInt | undefined;
  /** Undefined: inherited, or, in a fetch, not told yet. */
  priority: number | undefined;
  /** Fetch: the last subgroup id there was; a datagram object has none of its own. */
  priorSubgroup: VarInt | undefined;
  /** Fetch: groups come in descending order. */
  descending: boolean;
}

export function newPlace(): Place {
  return {
    first: true,
    group: 0,
    object: 0,
    subgroup: undefined,
    priority: undefined,
    priorSubgroup: undefined,
    descending: false,
  };
}

/** §11.4.2: Object ID Delta within a subgroup. */
export function nextInSubgroup(at: Place, delta: VarInt): void {
  if (at.first) {
    at.first = false;
    at.object = delta;
    return;
  }
  const object = addVarInt(addVarInt(at.object, delta), 1);
  if (object > MAX_VARINT) throw violation("§11.4.2", "The peer sent an object id above 2^64 - 1.");
  at.object = object;
}

/** §11.4.4.1: the ids of the next object in a fetch; undefined where the field is absent. */
export function nextInFetch(
  at: Place,
  groupDelta: VarInt | undefined,
  objectDelta: VarInt | undefined,
): void {
  if (at.first) {
    if (groupDelta === undefined) throw noPrior("group id");
    if (objectDelta === undefined) throw noPrior("object id");
    at.first = false;
    at.group = groupDelta;
    at.object = objectDelta;
    return;
  }
  if (groupDelta !== undefined) {
    const step = addVarInt(groupDelta, 1);
    if (at.descending ? step > at.group : addVarInt(at.group, step) > MAX_VARINT) {
      throw violation("§11.4.4.1", "The peer sent a group id below 0 or above 2^64 - 1.");
    }
    at.group = at.descending ? subVarInt(at.group, step) : addVarInt(at.group, step);
  } else if (objectDelta === 0) {
    throw violation("§10.12.3", "The peer sent an object twice in one fetch; within a group ids ascend.");
  }
  const absolute = groupDelta !== undefined && objectDelta !== undefined;
  const object = absolute ? objectDelta : addVarInt(at.object, objectDelta ?? 1);
  if (object > MAX_VARINT) throw violation("§11.4.4.1", "The peer sent an object id above 2^64 - 1.");
  at.object = object;
}

/** §11.4.4.1: the subgroup of the next object in a fetch. `field` is undefined where absent. */
export function subgroupInFetch(at: Place, flags: number, field: VarInt | undefined): void {
  if ((flags & FETCH.datagram) !== 0) {
    at.subgroup = undefined;
    return;
  }
  at.subgroup = fetchSubgroup(at.priorSubgroup, flags & FETCH.subgroupMask, field);
  at.priorSubgroup = at.subgroup;
}

function fetchSubgroup(prior: VarInt | undefined, mode: number, field: VarInt | undefined): VarInt {
  if (mode === FETCH.subgroupZero) return 0;
  if (field !== undefined) return field;
  if (prior === undefined) throw noPrior("subgroup id");
  if (mode === FETCH.subgroupPrior) return prior;
  const next = addVarInt(prior, 1);
  if (next > MAX_VARINT) throw violation("§11.4.4.1", "The peer sent a subgroup id above 2^64 - 1.");
  return next;
}

/** §11.4.4.1: the priority of the next object in a fetch; undefined where the field is absent. */
export function priorityInFetch(at: Place, field: number | undefined): void {
  if (field !== undefined) at.priority = field;
  else if (at.priority === undefined) throw noPrior("priority");
}

/** §11.4.4.2: the gap's location becomes the prior one; subgroup and priority stay those of the last object. */
export function gapInFetch(at: Place, kind: FetchGap["kind"], group: VarInt, object: VarInt): FetchGap {
  if (!at.first) {
    const forward =
      group === at.group ? object > at.object : at.descending ? group < at.group : group > at.group;
    if (!forward) throw violation("§11.4.4.2", "The peer ended a range before the last object it sent.");
  }
  at.first = false;
  at.group = group;
  at.object = object;
  return { kind, group, object };
}

function noPrior(field: string): Error {
  return violation(
    "§11.4.4.1",
    `The peer sent an object that refers to a prior ${field} where there is none.`,
  );
}
