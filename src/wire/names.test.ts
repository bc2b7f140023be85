import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorOf } from "./draft18/fixtures.ts";
import {
  compareLocations,
  namespaceKey,
  namespaceOf,
  parseNamespaceKey,
  parseTrackKey,
  trackKey,
  trackOf,
} from "./names.ts";

describe("printable names (§1.5)", () => {
  it("§1.5: renders the draft's example", () => {
    const track = trackOf(namespaceOf("example.net", "team2", "project_x"), "report");
    expect(trackKey(track)).toBe("example.2enet-team2-project_x--report");
    expect(parseTrackKey("example.2enet-team2-project_x--report")).toEqual(track);
  });

  it.each([
    ["upper-case hex", "a.2E--b"],
    ["a byte in hex that stands for itself", ".61--b"],
    ["a trailing period", "a.--b"],
    ["one hex digit", "a.2--b"],
    ["a character that must be in hex", "a/b--c"],
    ["no border between namespace and name", "a-b"],
    ["an empty namespace field", "a---b"],
    ["a hyphen in the name", "a--b-c"],
  ])("§1.5.1: refuses %s", (_what, text) => {
    expect(errorOf(() => parseTrackKey(text)).code).toBe("invalid-options");
  });

  it("is one to one: parsing a rendered name gives it back, and different names differ", () => {
    const field = fc.uint8Array({ minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(field, { maxLength: 5 }), fc.uint8Array({ maxLength: 12 }), (namespace, name) => {
        const parsed = parseTrackKey(trackKey({ namespace, name }));
        expect(parsed.namespace.map((bytes) => [...bytes])).toEqual(namespace.map((bytes) => [...bytes]));
        expect([...parsed.name]).toEqual([...name]);
        expect(parseNamespaceKey(namespaceKey(namespace))).toHaveLength(namespace.length);
      }),
    );
  });
});

describe("locations (§1.4.2)", () => {
  it("§1.4.2: are ordered by group, then object, over all 64 bits", () => {
    const ordered = [
      { group: 0, object: 0 },
      { group: 0, object: 2n ** 63n },
      { group: 1, object: 0 },
      { group: 2n ** 53n, object: 1 },
      { group: 2n ** 64n - 1n, object: 0 },
    ];
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries())
        expect(Math.sign(compareLocations(a, b))).toBe(Math.sign(i - j));
    }
  });
});
