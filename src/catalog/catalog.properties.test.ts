import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { utf8Encode } from "../utf8.ts";
import { namespaceOf } from "../wire/names.ts";
import { applyDelta } from "./delta.ts";
import { fullTrackName, initDataOf, manifestTrackFor, mediaTracks } from "./lookup.ts";
import { parseCatalog, parseDelta } from "./parse.ts";

const folder = new URL("./vectors/", import.meta.url);
const vectors = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => readFileSync(new URL(name, folder)));

/** Everything a player does with a catalog; true when it ended in a value or in the one error it may end in. */
function survives(bytes: Uint8Array): boolean {
  try {
    const catalog = parseCatalog(bytes);
    for (const track of mediaTracks(catalog)) {
      manifestTrackFor(catalog, track.name, track.namespace);
      fullTrackName(namespaceOf("example.com"), track);
      initDataOf(catalog, track);
    }
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code !== "catalog-malformed") throw error;
  }
  return true;
}

test("any bytes give a catalog or the error catalog-malformed", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), survives));
});

test("any JSON gives a catalog or the error catalog-malformed", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => survives(utf8Encode(text))));
});

test("known catalogs with damaged bytes give a catalog or the error catalog-malformed", () => {
  const damage = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...vectors),
      fc.array(damage, { minLength: 1, maxLength: 6 }),
      (vector, places) => {
        const bytes = Uint8Array.from(vector);
        for (const { at, byte } of places) bytes[at % bytes.length] = byte;
        return survives(bytes);
      },
    ),
    { numRuns: 500 },
  );
});

/** Known fields with values of any type: what byte damage rarely reaches. */
const anyFields = fc.dictionary(
  fc.constantFrom(
    "name",
    "namespace",
    "packaging",
    "isLive",
    "depends",
    "codec",
    "width",
    "bitrate",
    "initData",
    "initRef",
    "buffers",
    "template",
    "encryptionScheme",
    "__proto__",
  ),
  fc.oneof(fc.constantFrom("video", "cmaf", "", true, 0, null), fc.jsonValue({ maxDepth: 2 })),
);

test("known fields of any type give a catalog or the error catalog-malformed", () => {
  fc.assert(
    fc.property(fc.array(anyFields, { maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), (tracks, own) =>
      survives(utf8Encode(JSON.stringify({ version: 1, tracks, initDataList: own, "org.countersign": own }))),
    ),
    { numRuns: 500 },
  );
});

test("any delta applies wholly, or fails with catalog-malformed and leaves the catalog as it was", () => {
  const before = parseCatalog(readFileSync(new URL("msf-01-custom-fields.json", folder)));
  const copy = structuredClone(before);
  const operation = fc.record({
    op: fc.constantFrom("add", "remove", "clone", "update", "swap"),
    tracks: fc.array(
      fc.oneof(
        anyFields,
        fc.record({ parentName: fc.constantFrom("audio", "nobody"), name: fc.constantFrom("audio", "new") }),
      ),
      { maxLength: 3 },
    ),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4 }), (deltaUpdate) => {
      try {
        const after = applyDelta(before, parseDelta(utf8Encode(JSON.stringify({ deltaUpdate }))));
        const keys = after.tracks.map((track) => `${track.namespace}|${track.name}`);
        expect(new Set(keys).size).toBe(keys.length);
      } catch (error) {
        if (!(error instanceof CountersignError)) throw error;
        expect(error.code).toBe("catalog-malformed");
      }
      expect(before).toEqual(copy);
    }),
  );
});
