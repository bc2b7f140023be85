/**
 * How fast the store writes, against a bare loop that puts the same bytes into IndexedDB: for bench/, in a browser.
 *
 * The bare loop is the best there is without any of what a store is for: records of the largest inline size, 64 per relaxed transaction, no rows, no
 * index, no digests, buffers ready before the clock starts. The store is timed from the first put until everything is written.
 */
import { deleteDB, openDB } from "idb";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { openReplayStore } from "./open-replay-store.ts";
import { MAX_RECORD_BYTES } from "./record.ts";

export interface PutShape {
  readonly objectBytes: number;
  readonly objectsPerGroup: number;
  readonly groups: number;
}

/** One-second groups at 1 Mb/s, 40 ms objects. */
export const LIVE_SHAPE: PutShape = { objectBytes: 5_000, objectsPerGroup: 25, groups: 512 };
/** Objects just above what a record holds, the size at which a naive store falls off Chromium's edge. */
export const LARGE_SHAPE: PutShape = { objectBytes: 65_536, objectsPerGroup: 16, groups: 61 };

export interface PutMeasure {
  /** MB (10^6 bytes of payload) per second, one per round. */
  readonly store: readonly number[];
  /** The same with payloads in files (`store: "opfs"`); empty where there are none. */
  readonly files: readonly number[];
  readonly bare: readonly number[];
  /** Appending the same bytes to one file of the private file system, nothing else; empty where there is none. */
  readonly bareFile: readonly number[];
  /** Milliseconds per object that put() itself took from its caller, one per round. */
  readonly putMs: readonly number[];
}

const BARE_RECORDS_PER_TRANSACTION = 64;

/** Rounds alternate between the two, so that both meet the same state of the disk. */
export async function measurePut(shape: PutShape, rounds: number): Promise<PutMeasure> {
  const store: number[] = [];
  const files: number[] = [];
  const bare: number[] = [];
  const bareFile: number[] = [];
  const putMs: number[] = [];
  const megabytes = (shape.objectBytes * shape.objectsPerGroup * shape.groups) / 1e6;
  for (let round = 0; round < rounds; round++) {
    bare.push(megabytes / (await timeBare(shape)));
    const ours = await timeStore(shape, "indexeddb");
    store.push(megabytes / ours.seconds);
    putMs.push((1_000 * ours.putSeconds) / (shape.objectsPerGroup * shape.groups));
    const appended = await timeBareFile(shape);
    if (appended === undefined) continue;
    bareFile.push(megabytes / appended);
    files.push(megabytes / (await timeStore(shape, "opfs")).seconds);
  }
  return { store, files, bare, bareFile, putMs };
}

/** Bytes that do not compress: Firefox would store zeros for nothing. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536)
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, length)));
  return bytes;
}

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1_000;

async function timeBare({ objectBytes, objectsPerGroup, groups }: PutShape): Promise<number> {
  const name = `measure-bare-${crypto.randomUUID()}`;
  const database = await openDB(name, 1, { upgrade: (created) => void created.createObjectStore("records") });
  const total = objectBytes * objectsPerGroup * groups;
  const record = randomBytes(MAX_RECORD_BYTES).buffer;
  const count = Math.floor(total / record.byteLength);
  const start = performance.now();
  for (let from = 0; from < count; from += BARE_RECORDS_PER_TRANSACTION) {
    const transaction = database.transaction("records", "readwrite", { durability: "relaxed" });
    const until = Math.min(from + BARE_RECORDS_PER_TRANSACTION, count);
    for (let key = from; key < until; key++) transaction.store.put(record, key).catch(() => undefined);
    await transaction.done;
  }
  const seconds = (secondsSince(start) * total) / (count * record.byteLength);
  database.close();
  await deleteDB(name);
  return seconds;
}

/** Undefined where files cannot be written: outside of workers. */
async function timeBareFile({ objectBytes, objectsPerGroup, groups }: PutShape): Promise<number | undefined> {
  const root = await navigator.storage.getDirectory();
  const name = `measure-${crypto.randomUUID()}`;
  const file = (await root.getFileHandle(name, { create: true })) as FileSystemFileHandle & {
    createSyncAccessHandle?(): Promise<{
      write(bytes: ArrayBuffer, options: { at: number }): number;
      flush(): void;
      close(): void;
    }>;
  };
  const handle = await file.createSyncAccessHandle?.();
  const total = objectBytes * objectsPerGroup * groups;
  const record = randomBytes(MAX_RECORD_BYTES).buffer;
  const start = performance.now();
  for (let at = 0; handle !== undefined && at + record.byteLength <= total; at += record.byteLength)
    handle.write(record, { at });
  const seconds = secondsSince(start);
  handle?.close();
  await root.removeEntry(name);
  return handle === undefined ? undefined : seconds;
}

async function timeStore(
  shape: PutShape,
  payloads: "indexeddb" | "opfs",
): Promise<{ readonly seconds: number; readonly putSeconds: number }> {
  const databaseName = `measure-store-${crypto.randomUUID()}`;
  const { store, warning } = await openReplayStore({
    databaseName,
    payloads,
    maxBytes: Number.POSITIVE_INFINITY,
    // The measure puts faster than any network; nothing may be dropped from it.
    maxQueuedBytes: Number.POSITIVE_INFINITY,
  });
  if (warning !== undefined) throw warning;
  const payload = randomBytes(shape.objectBytes);
  const digest = randomBytes(32);
  const evidence = [randomBytes(400)];
  const start = performance.now();
  let putSeconds = 0;
  for (let group = 0; group < shape.groups; group++) {
    const groupStart = performance.now();
    for (let object = 0; object < shape.objectsPerGroup; object++) {
      store.put("measure", measuredObject(group, object, payload), digest);
    }
    putSeconds += secondsSince(groupStart);
    store.seal("measure", group, evidence, true);
    if (group % 8 === 7) await nextTask();
  }
  await store.flush();
  const seconds = secondsSince(start);
  if (payloads === "opfs") await store.forget("");
  await store.close();
  await deleteDB(databaseName);
  return { seconds, putSeconds };
}

/** Lets events in, as the gaps between network reads do. A timer would do, were it not held back to 4 ms. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Not verified, and not played: only its size matters here. */
function measuredObject(group: number, object: number, payload: Uint8Array): Verified<MoqObject> {
  const value: MoqObject = {
    group,
    object,
    subgroup: 0,
    priority: 128,
    status: "normal",
    properties: new Uint8Array(0),
    payload,
  };
  return value as Verified<MoqObject>;
}
