import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { canonical } from "../wire/varint.ts";
import { FakeJudge, junkAt, objectAt } from "./fakes.ts";
import { TrackMerger } from "./track-merger.ts";

/** What a source may do with its copy of one object; only "good" is honest. */
const copies = {
  good: (group: VarInt, object: VarInt) => objectAt(group, object),
  junk: (group: VarInt, object: VarInt) => junkAt(group, object),
  short: (group: VarInt, object: VarInt) => objectAt(group, object, new Uint8Array(3)),
  long: (group: VarInt, object: VarInt) => objectAt(group, object, new Uint8Array(200)),
  /** The payload of another place. */
  moved: (group: VarInt, object: VarInt) => ({ ...objectAt(group === 3 ? 4 : 3, object), group }),
  unsigned: (group: VarInt) => objectAt(group, 999),
  status: (group: VarInt, object: VarInt): MoqObject => ({
    ...objectAt(group, object, new Uint8Array(0)),
    status: "end-of-group",
  }),
};
type Copy = keyof typeof copies;

const ids: readonly VarInt[] = [0, 1, 2, Number.MAX_SAFE_INTEGER, canonical(2n ** 53n), 2n ** 64n - 1n];
const groups: readonly VarInt[] = [3, 4, 2n ** 64n - 1n];

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("offer" as const),
      source: fc.integer({ min: 0, max: 4 }),
      group: fc.constantFrom(...groups),
      object: fc.constantFrom(...ids),
      copy: fc.constantFrom<Copy>("good", "junk", "junk", "short", "long", "moved", "unsigned", "status"),
      ask: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("sign" as const),
      group: fc.constantFrom(...groups),
      count: fc.integer({ min: 1, max: ids.length }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("finish" as const), which: fc.nat(50) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("remove" as const), source: fc.integer({ min: 0, max: 4 }) }),
  },
);

it("delivers each signed object that an honest source sent, once, and nothing else ever", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.constantFrom<readonly number[]>([0], [0, 1], [4]),
      async (steps, honest) => {
        const clock = new FakeClock();
        const judge = new FakeJudge();
        judge.manual = true;
        const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
        const delivered: string[] = [];
        merger.on("delivered", ({ object }) => {
          expect(object.payload).toEqual(objectAt(object.group, object.object).payload);
          expect(judge.lookup(object.group, object.object).state).toBe("signed");
          delivered.push(`${object.group}/${object.object}`);
        });
        const served = new Set<string>();
        for (const each of steps) {
          if (each.do === "offer") {
            const source = `s${each.source}`;
            const copy = honest.includes(each.source) ? "good" : each.copy;
            const object = copies[copy](each.group, each.object);
            const start = {
              group: object.group,
              object: object.object,
              payloadLength: object.payload.byteLength,
            };
            // An honest source has only what was published.
            if (honest.includes(each.source)) served.add(`${object.group}/${object.object}`);
            if (!each.ask || merger.accept(source, start)) merger.offer(source, object);
          } else if (each.do === "sign") {
            const known = judge.truth(each.group)?.entries.length ?? 0;
            judge.sign(each.group, ids.slice(0, Math.max(known, each.count)));
          } else if (each.do === "remove") merger.removeSource(`s${each.source}`);
          else {
            judge.waiting.splice(each.which % Math.max(1, judge.waiting.length), 1)[0]?.finish();
            await Promise.resolve();
          }
        }
        for (const group of groups) judge.sign(group, ids, true);
        while (judge.waiting.length > 0) {
          for (const verification of judge.waiting.splice(0)) verification.finish();
          await settle();
        }
        expect(new Set(delivered).size).toBe(delivered.length);
        for (const place of served) expect(delivered).toContain(place);
        for (let source = 0; source < 5; source++) {
          expect(merger.score(`s${source}`)).toMatchObject({ pendingObjects: 0, pendingBytes: 0 });
          if (honest.includes(source))
            expect(merger.score(`s${source}`)).toMatchObject({ junk: 0, unsigned: 0 });
        }
        merger.close();
        expect(clock.pending).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

it("keeps each source within its own caps, and an honest one unharmed by the floods of the others", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(20), fc.nat(20), fc.nat(60)), {
        maxLength: 200,
      }),
      async (floods) => {
        const judge = new FakeJudge();
        const merger = new TrackMerger<Verified<MoqObject>>(
          { kind: "judged", judge },
          { clock: new FakeClock(), pendingMaxBytes: 200, pendingMaxObjects: 8 },
        );
        const delivered: VarInt[] = [];
        merger.on("delivered", ({ object }) => delivered.push(object.object));
        for (let object = 0; object < 4; object++) merger.offer("honest", objectAt(0, object));
        for (const [source, group, object, size] of floods) {
          const flood = `flood${source}`;
          merger.offer(flood, objectAt(group, object, new Uint8Array(size)));
          const { pendingBytes, pendingObjects } = merger.score(flood);
          expect(pendingObjects).toBeLessThanOrEqual(8);
          expect(pendingBytes).toBeLessThanOrEqual(200);
        }
        judge.sign(0, [0, 1, 2, 3]);
        await settle();
        expect([...delivered].sort()).toEqual([0, 1, 2, 3]);
        merger.close();
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);
