import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../errors.ts";
import type { KeyValue } from "../messages.ts";
import type { FetchGap, MoqObject, SubgroupHeader } from "../objects.ts";
import { encodeProperties } from "../properties.ts";
import { canonical, type VarInt } from "../varint.ts";
import { collector, concat, cut, decodeStream, objectsOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

/** One seed for all of a run, printed so that a failure can be run again: SEED=... */
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
/** Thousands of runs on a loaded machine: nothing is measured, so there is no reason to hurry. */
const TIMEOUT_MS = 120_000;
const runs = { seed, numRuns: 300 };
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 });

/** All 64-bit values, small ones and the borders of encodings often. */
const varInt: fc.Arbitrary<VarInt> = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc
    .integer({ min: 0, max: 63 })
    .chain((bit) => fc.constantFrom(-1n, 0n, 1n).map((off) => canonical((1n << BigInt(bit)) + off))),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(canonical),
);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

function compareTypes(a: KeyValue, b: KeyValue): number {
  return a.type < b.type ? -1 : a.type > b.type ? 1 : 0;
}

function keyValues(type: fc.Arbitrary<VarInt>): fc.Arbitrary<KeyValue[]> {
  const pair = fc
    .tuple(type, varInt, bytes(12))
    .map(
      ([kind, number, data]): KeyValue => ({ type: kind, value: BigInt(kind) % 2n === 1n ? data : number }),
    );
  return fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.sort(compareTypes));
}

/** Types that no draft restricts, from those for applications upwards, without the Mandatory Track Properties. */
const freeType = varInt.filter((type) => type >= 0x80 && (type < 0x4000 || type > 0x7fff));
const objectProperties = keyValues(freeType);

const priority = fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined });

/** The content of an object: what is not its place. */
interface Content {
  readonly status: MoqObject["status"];
  readonly pairs: KeyValue[];
  readonly payload: Uint8Array;
}

const content: fc.Arbitrary<Content> = fc.record({
  status: fc.constant("normal" as const),
  pairs: objectProperties,
  payload: fc.uint8Array({ maxLength: 300 }),
});

/** Object ids that ascend from a start by given steps, as far as 64 bits go. */
function ascending(start: VarInt, steps: readonly VarInt[]): VarInt[] {
  const ids: bigint[] = [BigInt(start)];
  for (const step of steps) {
    const next = ids.at(-1)! + BigInt(step) + 1n;
    if (next >= 1n << 64n) break;
    ids.push(next);
  }
  return ids.map(canonical);
}

const subgroupHeader: fc.Arbitrary<SubgroupHeader> = fc.record({
  trackAlias: varInt,
  group: varInt,
  subgroup: fc.option(varInt, { nil: undefined }),
  priority,
  hasProperties: fc.boolean(),
  endOfGroup: fc.boolean(),
  firstObject: fc.boolean(),
});

/** What comes on a fetch stream: objects and gaps in the order asked for. */
const fetchItems: fc.Arbitrary<{
  order: "ascending" | "descending";
  items: (MoqObject | FetchGap)[];
}> = fc
  .record({
    order: fc.constantFrom("ascending" as const, "descending" as const),
    groups: fc.uniqueArray(fc.oneof(fc.integer({ min: 0, max: 50 }), varInt), { minLength: 1, maxLength: 4 }),
    seeds: fc.array(
      fc.record({
        start: varInt,
        steps: fc.array(fc.oneof(fc.constant(0), varInt), { maxLength: 4 }),
        contents: fc.array(content, { minLength: 5, maxLength: 5 }),
        subgroups: fc.array(fc.option(fc.oneof(fc.integer({ min: 0, max: 3 }), varInt), { nil: undefined }), {
          minLength: 5,
          maxLength: 5,
        }),
        priorities: fc.array(fc.constantFrom(0, 128, 255), { minLength: 5, maxLength: 5 }),
        gaps: fc.array(fc.constantFrom(undefined, undefined, "non-existent" as const, "unknown" as const), {
          minLength: 5,
          maxLength: 5,
        }),
      }),
      { minLength: 4, maxLength: 4 },
    ),
  })
  .map(({ order, groups, seeds }) => {
    const sorted = [...groups].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    if (order === "descending") sorted.reverse();
    const items = sorted.flatMap((group, index): (MoqObject | FetchGap)[] => {
      const seed = seeds[index]!;
      return ascending(seed.start, seed.steps).map((object, at): MoqObject | FetchGap => {
        const kind = seed.gaps[at];
        if (kind !== undefined) return { kind, group, object };
        const { payload } = seed.contents[at]!;
        return {
          group,
          object,
          subgroup: seed.subgroups[at],
          priority: seed.priorities[at],
          status: "normal",
          properties: new Uint8Array(0),
          payload,
        };
      });
    });
    return { order, items };
  });

describe(`draft-18 data streams, properties (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  it("decodes subgroups, in any chunking, to the objects that were encoded", () => {
    const contents = fc.array(content, { minLength: 6, maxLength: 6 });
    const steps = fc.array(fc.oneof(fc.constant(0), varInt), { maxLength: 5 });
    const ended = fc.constantFrom(undefined, "end-of-group" as const, "end-of-track" as const);
    fc.assert(
      fc.property(
        subgroupHeader,
        varInt,
        steps,
        contents,
        ended,
        sizes,
        (header, start, deltas, bodies, end, chunks) => {
          const ids = ascending(start, deltas);
          const objects = ids.map((object, index): MoqObject => {
            const { pairs, payload } = bodies[index]!;
            const status = index === ids.length - 1 && end !== undefined ? end : "normal";
            return {
              group: header.group,
              object,
              subgroup: header.subgroup ?? ids[0],
              priority: header.priority,
              status,
              properties:
                header.hasProperties && status === "normal" ? encodeProperties(pairs) : new Uint8Array(0),
              payload: status === "normal" ? payload : new Uint8Array(0),
            };
          });
          const parts: Uint8Array[] = [draft18.encodeSubgroupHeader(header)];
          for (const [index, object] of objects.entries()) {
            parts.push(
              draft18.encodeSubgroupObject(object, header, objects[index - 1]?.object),
              object.payload,
            );
          }
          const events = decodeStream(cut(concat(parts), chunks));
          expect(events[0]).toEqual({ kind: "subgroup", header });
          expect(objectsOf(events)).toEqual(objects);
        },
      ),
      runs,
    );
  });

  it("decodes fetches of both orders, in any chunking, to the objects and gaps that were encoded", () => {
    fc.assert(
      fc.property(varInt, fetchItems, sizes, (requestId, { order, items }, chunks) => {
        const parts: Uint8Array[] = [draft18.encodeFetchHeader(requestId)];
        let previous: MoqObject | FetchGap | undefined;
        for (const item of items) {
          if ("kind" in item) parts.push(draft18.encodeFetchGap(item));
          else parts.push(draft18.encodeFetchObject(item, previous), item.payload);
          previous = item;
        }
        const events = decodeStream(cut(concat(parts), chunks), { order });
        const told = events.flatMap((event): (MoqObject | FetchGap)[] =>
          event.kind === "object" ? [event.object] : event.kind === "gap" ? [event.gap] : [],
        );
        expect(events[0]).toEqual({ kind: "fetch", requestId });
        expect(told).toEqual(items);
      }),
      runs,
    );
  });

  it("decodes datagrams to what was encoded", () => {
    const status = fc.constantFrom("normal" as const, "end-of-group" as const, "end-of-track" as const);
    fc.assert(
      fc.property(
        varInt,
        varInt,
        varInt,
        priority,
        status,
        content,
        fc.boolean(),
        (alias, group, id, urgency, state, body, last) => {
          const normal = state === "normal";
          const object: MoqObject = {
            group,
            object: id,
            subgroup: undefined,
            priority: urgency,
            status: state,
            properties: normal ? encodeProperties(body.pairs) : new Uint8Array(0),
            payload: normal ? body.payload : new Uint8Array(0),
          };
          const endOfGroup = normal && last;
          const decoded = draft18.decodeDatagram(draft18.encodeDatagram(alias, object, endOfGroup));
          expect(decoded).toEqual({ type: "object", trackAlias: alias, endOfGroup, object });
        },
      ),
      runs,
    );
  });
});

/** What a run came to: what was told before it ended, and how it ended. Anything but a CountersignError fails the test. */
function outcome(run: () => void): string {
  try {
    run();
    return "ok";
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    return `${error.code} ${error.protocolCode} ${error.section}`;
  }
}

/** Bytes that get somewhere: pieces of real streams, some of them damaged, with noise between. */
const damaged = fc
  .tuple(
    fc.array(
      fc.oneof(
        subgroupHeader.map((header) => draft18.encodeSubgroupHeader(header)),
        varInt.map((requestId) => draft18.encodeFetchHeader(requestId)),
        fc.constant(new Uint8Array([0x00, 0x01, 0x41])),
        fc.constant(new Uint8Array([0x1c, 0x00, 0x00, 0x00, 0x01, 0x41])),
        fc.constant(new Uint8Array([0x80, 0x8c, 0x05, 0x05])),
        fc.uint8Array({ maxLength: 20 }),
      ),
      { minLength: 1, maxLength: 5 },
    ),
    fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
  )
  .map(([parts, flips]) => {
    const bytes = concat(parts);
    for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });
const anyBytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 60 }));

describe(`draft-18 data streams of any bytes (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  const many = { seed, numRuns: 3000 };

  it("give objects or a CountersignError, the same in any chunking", () => {
    fc.assert(
      fc.property(
        anyBytes,
        fc.constantFrom("ascending" as const, "descending" as const),
        sizes,
        (bytes, order, chunks) => {
          const run = (pieces: readonly Uint8Array[]) => {
            const { sink, events } = collector({ order });
            const end = outcome(() => {
              const decoder = draft18.dataStreamDecoder(sink, 100);
              for (const piece of pieces) decoder.push(piece);
              decoder.finish();
            });
            return { events, end };
          };
          expect(run(cut(bytes, chunks))).toEqual(run([bytes]));
        },
      ),
      many,
    );
  });

  it("give a datagram, a kind of stream, or a CountersignError", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        outcome(() => draft18.decodeDatagram(bytes));
        outcome(() => draft18.peekUniStream(bytes));
      }),
      many,
    );
  });
});
