/** What the browser tests of the store share: opening one, filling it, listening to it, and reaching under it. */
import { deleteDB, openDB } from "idb";
import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { contractLeafDigest, contractObject } from "./group-source.contract.ts";
import type { OpenReplayStoreOptions } from "./open-replay-store.ts";
import { openReplayStore } from "./open-replay-store.ts";
import type { ReplayDatabase, ReplaySchema } from "./schema.ts";
import type { ReplayStore, ReplayStoreEvents } from "./types.ts";

export const TRACK = "0123/example--video";

export type Heard = { readonly [K in keyof ReplayStoreEvents]: ReplayStoreEvents[K][] };

export interface Bench {
  readonly name: string;
  readonly store: ReplayStore;
  readonly heard: Heard;
}

let count = 0;

/** A store on a database of its own (or on `databaseName`), with everything it reports written down. */
export async function openBench(options: OpenReplayStoreOptions = {}): Promise<Bench> {
  const name = options.databaseName ?? `replay-bench-${count++}-${crypto.randomUUID()}`;
  const { store, warning } = await openReplayStore({
    leafDigest: contractLeafDigest,
    ...options,
    databaseName: name,
  });
  const heard: Heard = { warning: [], corrupt: [], evicted: [], lost: [], estimate: [] };
  for (const type of ["warning", "corrupt", "evicted", "lost", "estimate"] as const)
    record(store, heard, type);
  if (warning !== undefined) heard.warning.push(warning);
  return { name, store, heard };
}

function record<K extends keyof ReplayStoreEvents>(store: ReplayStore, heard: Heard, type: K): void {
  store.on(type, (event) => heard[type].push(event));
}

export async function closeBench({ name, store }: Bench): Promise<void> {
  await store.close();
  await deleteDB(name);
}

export async function put(
  store: ReplayStore,
  group: VarInt,
  objects: readonly VarInt[],
  size = 100,
): Promise<void> {
  // All at once, so that they are one batch however slow the machine is.
  const made = objects.map((id) => contractObject(group, id, size));
  const digests = await Promise.all(made.map((object) => contractLeafDigest(object)));
  made.forEach((object, i) => {
    store.put(TRACK, object, digests[i]!);
  });
}

/** A second connection, as another tab or a failing disk would have it. */
export async function under<T>(name: string, work: (database: ReplayDatabase) => Promise<T>): Promise<T> {
  const database = await openDB<ReplaySchema>(name);
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

/** Ids of the objects that a group has, and whether it says it is complete. */
export async function read(store: ReplayStore, group: VarInt, track = TRACK): Promise<string> {
  const stored = await store.group(track, group);
  if (stored === undefined) return "nothing";
  return `${stored.objects.map(({ object }) => object).join(",")}${stored.complete ? " complete" : ""}`;
}

/** The wall clock with short waits: none to speak of between writes, half a second where the store waits for others. */
export const hastyClock: Clock = {
  now: systemClock.now,
  setTimer: (delayMs, fn) => systemClock.setTimer(delayMs < 1_000 ? Math.min(delayMs, 5) : 500, fn),
};

/** Waits until `condition` holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
