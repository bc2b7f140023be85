import { deleteDB, openDB } from "idb";
import { afterEach, describe, expect, it } from "vitest";
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

describe("migrations", () => {
  it("are one for each version, and build the first from nothing", async () => {
    expect(MIGRATIONS).toHaveLength(SCHEMA_VERSION);
    const database = await open(SCHEMA_VERSION, MIGRATIONS);
    expect([...database.objectStoreNames].sort()).toEqual(["groups", "index", "meta", "parts", "tracks"]);
    database.close();
  });

  it("take an older database on from where it is, with what is in it, each once and in order", async () => {
    const first = await open(1, MIGRATIONS);
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

  it("leave the old database whole when one fails", async () => {
    const first = await open(1, MIGRATIONS);
    await first.put("meta", { value: new ArrayBuffer(1), writtenAtMs: 7 }, "kept");
    first.close();
    const failing: Migration = (database) => {
      database.deleteObjectStore("meta");
      throw new RangeError("made to fail");
    };
    await expect(open(2, [...MIGRATIONS, failing])).rejects.toThrow();
    const again = await openDB<ReplaySchema>(name);
    expect(again.version).toBe(1);
    expect((await again.get("meta", "kept"))?.writtenAtMs).toBe(7);
    again.close();
  });
});
