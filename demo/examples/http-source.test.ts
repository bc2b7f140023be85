import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contractGroups, groupSourceContract } from "../../src/replay/group-source.contract.ts";
import type { StoredGroup } from "../../src/replay/types.ts";
import { type GroupDescription, httpSource } from "./http-source.ts";

const TRACK = "0123/example--video";
let folder: string;
let server: Server;
let base: string;
let broken = false;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

async function upload({ group, complete, evidence, objects }: StoredGroup): Promise<void> {
  const description: GroupDescription = {
    complete,
    evidence: evidence.map(base64),
    objects: objects.map(({ object, subgroup, priority, properties, payload }) => ({
      object: String(object),
      subgroup: subgroup === undefined ? null : String(subgroup),
      priority: priority ?? null,
      properties: base64(properties),
      size: payload.length,
    })),
  };
  const path = join(folder, encodeURIComponent(TRACK));
  await mkdir(path, { recursive: true });
  await writeFile(join(path, `${group}.json`), JSON.stringify(description));
  await writeFile(join(path, `${group}.bin`), Buffer.concat(objects.map(({ payload }) => payload)));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "countersign-http-"));
  for (const group of contractGroups()) await upload(group);
  const ranges = [
    ["5", "6"],
    ["9", "9"],
  ];
  await writeFile(join(folder, encodeURIComponent(TRACK), "ranges.json"), JSON.stringify(ranges));
  // A static server: the path is the file, and nothing else is known.
  server = createServer((request, response) => {
    readFile(join(folder, request.url ?? "")).then(
      (found) => response.writeHead(broken ? 503 : 200).end(found),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

describe("an object store on the web keeps the contract of a source", () => {
  for (const { name, run } of groupSourceContract({ track: TRACK, open: async () => httpSource(base) }))
    it(name, run);

  it("says that it failed when its server does, and not that nothing is there", async () => {
    broken = true;
    try {
      await expect(httpSource(base).group(TRACK, 5)).rejects.toThrow("503");
      await expect(httpSource(base).ranges(TRACK)).rejects.toThrow("503");
    } finally {
      broken = false;
    }
    expect((await httpSource(base).group(TRACK, 5))?.objects).toHaveLength(2);
  });
});
