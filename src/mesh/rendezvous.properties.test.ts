import fc from "fast-check";
import { expect, it } from "vitest";
import type { Member } from "./rendezvous.ts";
import { ownerOf, PARTITIONS, Rendezvous } from "./rendezvous.ts";

const ids = (count: number) =>
  fc.uniqueArray(fc.string({ minLength: 1, maxLength: 40 }), { minLength: count, maxLength: count });
const members = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1, maxLength: 40 }), weight: fc.integer({ min: 0, max: 8 }) }),
  { minLength: 1, maxLength: 12, selector: ({ id }) => id },
);
const place = fc.record({ partition: fc.integer({ min: 0, max: PARTITIONS - 1 }), lane: fc.nat() });

/** Lanes enough for the law of large numbers: 64 x 256 places, so that a member's share has a standard deviation of 2%. */
const LANES = 64;

function shares(of: readonly Member[]): Map<string, number> {
  const relays = new Rendezvous(of);
  const counts = new Map(of.map(({ id }) => [id, 0]));
  for (let lane = 0; lane < LANES; lane++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const id = relays.owner(partition, lane)?.id ?? "";
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

it("every node agrees, whatever order it learnt the members in", () => {
  fc.assert(
    fc.property(members, place, fc.infiniteStream(fc.nat()), (set, { partition, lane }, order) => {
      const shuffled = set
        .map((member) => ({ member, at: order.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ member }) => member);
      expect(ownerOf(shuffled, partition, lane)).toBe(ownerOf(set, partition, lane));
      expect(new Rendezvous(shuffled).ranked(partition, lane)).toEqual(
        new Rendezvous(set).ranked(partition, lane),
      );
    }),
  );
});

it("a member that leaves moves its own partitions and no other; they go to the next in rank", () => {
  fc.assert(
    fc.property(members, fc.nat(), fc.nat(), (set, who, lane) => {
      const gone = set[who % set.length];
      const before = new Rendezvous(set);
      const after = new Rendezvous(set.filter((member) => member !== gone));
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const ranked = before.ranked(partition, lane);
        const [first, second] = ranked;
        expect(before.owner(partition, lane)).toBe(first);
        // Weights that are all the same after a removal, and were not before, must not change the order either.
        expect(after.owner(partition, lane)).toBe(first === gone ? second : first);
      }
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

it("eight members own equal shares, to within 15 %", () => {
  fc.assert(
    fc.property(ids(8), (names) => {
      const fair = (PARTITIONS * LANES) / 8;
      for (const count of shares(names.map((id) => ({ id }))).values())
        expect(Math.abs(count / fair - 1)).toBeLessThan(0.15);
    }),
    { numRuns: 12, endOnFailure: true },
  );
});

it("shares follow the weights, to within 15 %", () => {
  fc.assert(
    fc.property(ids(4), (names) => {
      const weighted = names.map((id, at) => ({ id, weight: at + 1 }));
      const counts = shares(weighted);
      for (const { id, weight } of weighted) {
        const fair = (PARTITIONS * LANES * weight) / 10;
        expect(Math.abs((counts.get(id) ?? 0) / fair - 1)).toBeLessThan(0.15);
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
