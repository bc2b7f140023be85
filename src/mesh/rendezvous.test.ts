import { expect, it } from "vitest";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { laneOf, ownerOf, PARTITIONS, partitionOf, Rendezvous } from "./rendezvous.ts";

const LIVE = namespaceOf("example.com", "live");

function partition(...fields: string[]): number {
  const name = fields.pop() ?? "";
  return partitionOf(namespaceOf(...fields), trackOf(LIVE, name).name);
}

it("keeps the partitions of known tracks for ever: other versions and other languages must come to the same", () => {
  // Computed apart from this code: FNV-1a of the draft's printable form, folded by xor of its four bytes.
  expect(partition("example.com", "live", "video")).toBe(85);
  expect(partition("example.com", "live", "audio")).toBe(204);
});

it("tells apart names whose bytes are the same in a row", () => {
  const tracks = [
    partition("ab", "c", "d"),
    partition("a", "bc", "d"),
    partition("a", "b", "cd"),
    partition("abc", "d"),
  ];
  expect(new Set(tracks).size).toBeGreaterThan(1);
});

it("has no owner where there is no member, and none of weight 0", () => {
  expect(ownerOf([], 1)).toBeUndefined();
  expect(ownerOf([{ id: "a", weight: 0 }], 1)).toBeUndefined();
  expect(ownerOf([{ id: "a", weight: 0 }, { id: "b" }], 1)).toBe("b");
});

it("refuses two members of one name and weights that mean nothing", () => {
  const bad = [
    [{ id: "a" }, { id: "a" }],
    [{ id: "a", weight: -1 }],
    [{ id: "a", weight: Number.NaN }],
    [{ id: "a", weight: Number.POSITIVE_INFINITY }],
  ];
  for (const members of bad)
    expect(() => new Rendezvous(members)).toThrow(expect.objectContaining({ code: "invalid-options" }));
});

it("spreads the viewers of one track over all members by their lanes", () => {
  const relays = new Rendezvous(Array.from({ length: 8 }, (_, i) => ({ id: `https://relay-${i}.example/` })));
  const hot = partition("example.com", "live", "video");
  const viewers = new Map<string, number>();
  for (let viewer = 0; viewer < 8000; viewer++) {
    const owner = relays.owner(hot, laneOf(`viewer ${viewer}`))?.id ?? "";
    viewers.set(owner, (viewers.get(owner) ?? 0) + 1);
  }
  expect(viewers.size).toBe(8);
  for (const count of viewers.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

it("owns every partition by somebody, numbers beyond 32 bits of lane included", () => {
  const relays = new Rendezvous([{ id: "a" }, { id: "b" }]);
  for (let at = 0; at < PARTITIONS; at++) expect(relays.owner(at, 2 ** 40 + at)).toBeDefined();
});
