import fc from "fast-check";
import { expect, it } from "vitest";
import type { VarInt } from "../wire/varint.ts";
import { canonical } from "../wire/varint.ts";
import { DeliveryLedger } from "./delivery-ledger.ts";

/** The same promises with nothing clever: every claim is kept for ever. */
class Model {
  readonly claimed = new Map<VarInt, Set<VarInt>>();
  readonly window: VarInt[] = [];
  readonly #windowGroups: number;

  constructor(windowGroups: number) {
    this.#windowGroups = windowGroups;
  }

  claim(group: VarInt, object: VarInt): string {
    const full = this.window.length >= this.#windowGroups;
    if (this.claimed.get(group)?.has(object)) return "delivered";
    if (!this.window.includes(group)) {
      if (full && group < this.window[0]!) return "below-window";
      this.window.push(group);
      this.window.sort((a, b) => (a < b ? -1 : 1));
      if (this.window.length > this.#windowGroups) this.window.shift();
    }
    const objects = this.claimed.get(group) ?? new Set();
    this.claimed.set(group, objects.add(object));
    return "new";
  }
}

const id = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -3, max: 3 })
      .map((n) => canonical(BigInt(Number.MAX_SAFE_INTEGER) + BigInt(n))),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 }).map((n) => 2n ** 64n - 1n - BigInt(n)) },
);

it("agrees with a model that never forgets, for any order of claims", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.tuple(id, id), { maxLength: 200 }),
      (windowGroups, claims) => {
        const ledger = new DeliveryLedger({ windowGroups });
        const model = new Model(windowGroups);
        for (const [group, object] of claims) {
          const expected = model.claim(group, object);
          expect(ledger.claim(group, object)).toBe(expected);
          expect(ledger.size.groups).toBeLessThanOrEqual(windowGroups);
        }
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

it("hands out no location twice and stays within its caps, however small those are", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(id, id), { maxLength: 300 }), (claims) => {
      const ledger = new DeliveryLedger({ windowGroups: 2, groupIntervals: 2, summaryRuns: 2 });
      const out = new Set<string>();
      for (const [group, object] of claims) {
        if (ledger.claim(group, object) !== "new") continue;
        const key = `${group}/${object}`;
        expect(out.has(key)).toBe(false);
        out.add(key);
      }
      expect(ledger.size.groups).toBeLessThanOrEqual(2);
      expect(ledger.size.runs).toBeLessThanOrEqual(2);
    }),
    { numRuns: 300 },
  );
}, 60_000);
