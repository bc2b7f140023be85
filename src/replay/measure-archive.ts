/**
 * What three days cost: a store filled with as many groups as 72 hours have, against one with almost none. For bench/, in a browser's worker.
 *
 * Metadata are real (a row per group with its ranges, signed evidence of usual size, index, digests that are checked on read); payloads are small, so that the disk holds it.
 */
import { deleteDB } from "idb";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { openReplayStore } from "./open-replay-store.ts";
import type { ReplayStore } from "./types.ts";

/** 72 hours of one-second groups. */
export const THREE_DAYS_GROUPS = 259_200;

const TRACK = "measure";
const OBJECTS = 5;
const OBJECT_BYTES = 40;
/** What one closing manifest of 25 objects takes. */
const EVIDENCE_BYTES = 400;
const GROUPS_PER_FLUSH = 2_048;

export interface ArchiveMeasure {
  readonly groups: number;
  /** From nothing open to the list of what is stored. */
  readonly startMs: readonly number[];
  /** From the wish for a group, chosen at random, to its first checked bytes. */
  readonly seekMs: readonly number[];
}

const digest = new Uint8Array(32);

function open(databaseName: string, maxBytes = Number.POSITIVE_INFINITY) {
  return openReplayStore({
    databaseName,
    maxBytes,
    maxQueuedBytes: Number.POSITIVE_INFINITY,
    // All payloads are alike and so are their digests; a real one is as long and computed over as many bytes.
    leafDigest: async ({ payload }) => {
      await crypto.subtle.digest("SHA-256", payload as Uint8Array<ArrayBuffer>);
      return digest;
    },
  });
}

function object(group: number, id: number, payload: Uint8Array): Verified<MoqObject> {
  const value: MoqObject = {
    group,
    object: id,
    subgroup: 0,
    priority: 128,
    status: "normal",
    properties: new Uint8Array(0),
    payload,
  };
  return value as Verified<MoqObject>;
}

/** Fills a store through its own front door; resolves to groups per second. */
export async function fillArchive(databaseName: string, groups: number): Promise<number> {
  await deleteDB(databaseName);
  const { store, warning } = await open(databaseName);
  if (warning !== undefined) throw warning;
  const payload = crypto.getRandomValues(new Uint8Array(OBJECT_BYTES));
  const evidence = [crypto.getRandomValues(new Uint8Array(EVIDENCE_BYTES))];
  const start = performance.now();
  for (let group = 0; group < groups; group++) {
    for (let id = 0; id < OBJECTS; id++) store.put(TRACK, object(group, id, payload), digest);
    store.seal(TRACK, group, evidence, true);
    if (group % GROUPS_PER_FLUSH === GROUPS_PER_FLUSH - 1) await store.flush();
  }
  await store.flush();
  const seconds = (performance.now() - start) / 1000;
  await store.close();
  return groups / seconds;
}

/** A store that is open and knows what it has. */
export interface OpenArchive {
  /** Reads groups at random; resolves with how long each took to its first checked bytes, in ms. */
  read(seeks: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** Throws RangeError when it has not as many groups, or when one that is read is not whole. */
export async function openArchive(databaseName: string, groups: number): Promise<OpenArchive> {
  const { store } = await open(databaseName);
  const [range] = await store.ranges(TRACK);
  if (range === undefined || Number(range.last) - Number(range.first) + 1 !== groups)
    throw new RangeError(`the store does not have its ${groups} groups`);
  return {
    async read(seeks) {
      const seekMs: number[] = [];
      for (let seek = 0; seek < seeks; seek++) {
        const group = Math.floor(Math.random() * groups);
        const wished = performance.now();
        const stored = await store.group(TRACK, group);
        seekMs.push(performance.now() - wished);
        if (stored?.objects.length !== OBJECTS || !stored.complete)
          throw new RangeError(`group ${group} is not whole`);
      }
      return seekMs;
    },
    close: () => store.close(),
  };
}

/** Opens it `rounds` times and reads `seeks` groups of it at random each time. */
export async function measureArchive(
  databaseName: string,
  groups: number,
  rounds: number,
  seeks: number,
): Promise<ArchiveMeasure> {
  const startMs: number[] = [];
  const seekMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const opened = performance.now();
    const archive = await openArchive(databaseName, groups);
    startMs.push(performance.now() - opened);
    seekMs.push(...(await archive.read(seeks)));
    await archive.close();
  }
  return { groups, startMs, seekMs };
}

export interface EvictionMeasure {
  readonly groupsPerSecond: number;
  readonly megabytesPerSecond: number;
}

/** Opens the store with room for a share of it, and times the eviction of `groups` of them, pauses included: what a full store can take in at most. */
export async function measureEviction(
  databaseName: string,
  groups: number,
  keepShare: number,
): Promise<EvictionMeasure> {
  const { store: whole } = await open(databaseName);
  const { bytes } = await whole.estimate();
  await whole.close();
  const { store } = await open(databaseName, Math.floor(bytes * keepShare));
  let evicted = 0;
  let evictedBytes = 0;
  const start = performance.now();
  await new Promise<void>((resolve) => {
    store.on("evicted", ({ first, last, bytes: freed }) => {
      evicted += Number(last) - Number(first) + 1;
      evictedBytes += freed;
      if (evicted >= groups) resolve();
    });
    // A write makes it look at its budget.
    wake(store);
  });
  const seconds = (performance.now() - start) / 1000;
  await store.close();
  return { groupsPerSecond: evicted / seconds, megabytesPerSecond: evictedBytes / 1e6 / seconds };
}

function wake(store: ReplayStore): void {
  store.put(TRACK, object(THREE_DAYS_GROUPS * 2, 0, new Uint8Array(OBJECT_BYTES)), digest);
}
