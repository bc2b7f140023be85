import { deleteDB, openDB } from "idb";
import { afterEach, describe, expect, it } from "vitest";
import { contractLeafDigest, contractObject } from "./group-source.contract.ts";
import { openReplayStore } from "./open-replay-store.ts";
import { RecordPacker } from "./record.ts";
import type { Migration, ReplaySchema } from "./schema.ts";
import { MIGRATIONS, migrate, SCHEMA_VERSION } from "./schema.ts";

const name = `schema-${crypto.randomUUID()}`;

afterEach(() => deleteDB(name));

function open(version: number, migrations: readonly Migration[]) {
  return openDB<ReplaySchema>(name, version, {
    upgrade: (database, oldVersion, _newVersion, transaction) => {
      migrate(database, oldVersion, transaction, migrations);
    },
  });
}

const TRACK = "0123/example--video";

/** A database as version 1 of the schema wrote it, spelled out: what is released does not change with the code of today. */
async function openVersion1(databaseName: string) {
  const packer = new RecordPacker();
  const object = contractObject(4, 0);
  packer.add(object, await contractLeafDigest(object));
  const [record] = packer.finish();
  const database = await openDB(databaseName, 1, {
    upgrade: (created) => {
      const tracks = created.createObjectStore("tracks", { keyPath: "id", autoIncrement: true });
      tracks.createIndex("key", "key", { unique: true });
      for (const store of ["groups", "parts", "index", "meta"]) created.createObjectStore(store);
    },
  });
  const row = {
    group: 4,
    writtenAtMs: Date.now(),
    bytes: 256 + record!.bytes.byteLength,
    evidence: new ArrayBuffer(0),
    parts: 1,
    records: 1,
    sealed: false,
    objects: [0, 0],
    lost: [],
  };
  await database.add("tracks", { id: 1, key: TRACK, bytes: row.bytes, groups: 1 });
  await database.put("groups", row, [1, 4]);
  await database.put("parts", record!.bytes, [1, 4, 0]);
  await database.put("index", [4, 4], [1, 4]);
  return database;
}

describe("migrations", () => {
  it("are one for each version, and build the first from nothing", async () => {
    expect(MIGRATIONS).toHaveLength(SCHEMA_VERSION);
    const database = await open(SCHEMA_VERSION, MIGRATIONS);
    expect([...database.objectStoreNames].sort()).toEqual([
      "groups",
      "index",
      "meta",
      "parts",
      "segments",
      "tracks",
    ]);
    database.close();
  });

  it("take an older database on from where it is, with what is in it, each once and in order", async () => {
    const first = await open(SCHEMA_VERSION, MIGRATIONS);
    await first.put("meta", { value: new ArrayBuffer(1), writtenAtMs: 7 }, "kept");
    first.close();
    const ran: string[] = [];
    const next: Migration[] = [
      ...MIGRATIONS,
      async (_database, transaction) => {
        ran.push("second");
        const row = (await transaction.objectStore("meta").get("kept"))!;
        await transaction.objectStore("meta").put({ ...row, writtenAtMs: row.writtenAtMs + 1 }, "kept");
      },
      async () => void ran.push("third"),
    ];
    const third = await open(MIGRATIONS.length + 2, next);
    expect(ran).toEqual(["second", "third"]);
    expect((await third.get("meta", "kept"))?.writtenAtMs).toBe(8);
    third.close();
  });

  it("take media that the first released version stored to this one, to be read and added to as before", async () => {
    const first = await openVersion1(name);
    first.close();
    const { store, warning } = await openReplayStore({ databaseName: name, leafDigest: contractLeafDigest });
    expect(warning).toBeUndefined();
    expect(await store.ranges(TRACK)).toEqual([{ first: 4, last: 4 }]);
    expect((await store.group(TRACK, 4))?.objects).toEqual([contractObject(4, 0)]);
    const next = contractObject(5, 0);
    store.put(TRACK, next, await contractLeafDigest(next));
    await store.flush();
    expect(await store.ranges(TRACK)).toEqual([{ first: 4, last: 5 }]);
    expect((await store.group(TRACK, 5))?.objects).toEqual([next]);
    await store.close();
  });

  it("leave the old database whole when one fails", async () => {
    const first = await open(SCHEMA_VERSION, MIGRATIONS);
    await first.put("meta", { value: new ArrayBuffer(1), writtenAtMs: 7 }, "kept");
    first.close();
    const failing: Migration = (database) => {
      database.deleteObjectStore("meta");
      throw new RangeError("made to fail");
    };
    await expect(open(SCHEMA_VERSION + 1, [...MIGRATIONS, failing])).rejects.toThrow();
    const again = await openDB<ReplaySchema>(name);
    expect(again.version).toBe(SCHEMA_VERSION);
    expect((await again.get("meta", "kept"))?.writtenAtMs).toBe(7);
    again.close();
  });
});
