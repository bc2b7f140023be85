import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../errors.ts";
import { concat, cut, decodeMessage } from "../draft18/fixtures.ts";
import { requestStreamMessage, varInt } from "../draft18/messages.fixture.ts";
import type { ControlMessage, RangeFilter, RangeFilterKind, ValueRange } from "../messages.ts";
import { compareVarInt, type VarInt } from "../varint.ts";
import { draft19 } from "./index.ts";

/** One seed for all of a run, printed so that a failure can be run again: SEED=... */
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const TIMEOUT_MS = 120_000;
const runs = { seed, numRuns: 500 };
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 });

const KINDS: readonly RangeFilterKind[] = ["subgroup", "object", "priority", "object-property"];

function ranges(number: fc.Arbitrary<VarInt>): fc.Arbitrary<ValueRange[]> {
  return fc.tuple(fc.array(number, { minLength: 2, maxLength: 8 }), fc.boolean()).map(([numbers, open]) => {
    const sorted = [...numbers].sort(compareVarInt);
    const pairs: ValueRange[] = [];
    for (let i = 0; i + 1 < sorted.length; i += 2) pairs.push({ first: sorted[i]!, last: sorted[i + 1]! });
    const end = pairs.at(-1)!;
    return open ? [...pairs.slice(0, -1), { first: end.first }] : pairs;
  });
}

const filterOf = (kind: RangeFilterKind): fc.Arbitrary<RangeFilter> => {
  const number = kind === "priority" ? fc.integer({ min: 0, max: 255 }) : varInt;
  const property = kind === "object-property" ? varInt.filter((type) => BigInt(type) % 2n === 0n) : undefined;
  return fc.oneof(
    fc.record({
      kind: fc.constant(kind),
      setId: fc.integer({ min: 0, max: 255 }),
      ...(property && { propertyType: property }),
      ranges: ranges(number),
    }),
    fc.constant({ kind, removed: true as const }),
  );
};

/** In the order of their types, as they come from the wire. */
const rangeFilters = fc
  .tuple(...KINDS.map((kind) => fc.array(filterOf(kind), { maxLength: 2 })))
  .map((lists) => lists.flat());

/** Messages as draft-19 has them: without GROUP_ORDER in REQUEST_OK, with filters where they may stand. */
const message: fc.Arbitrary<ControlMessage> = fc
  .tuple(requestStreamMessage, rangeFilters)
  .map(([from, filters]) => {
    if (!("parameters" in from)) return from;
    const { groupOrder, ...others } = from.parameters;
    const parameters = from.type === "request-ok" ? others : from.parameters;
    const takesFilters = ["subscribe", "fetch", "subscribe-tracks", "request-ok", "request-update"];
    const filtered = takesFilters.includes(from.type) && filters.length > 0 ? { rangeFilters: filters } : {};
    return { ...from, parameters: { ...parameters, ...filtered } } as ControlMessage;
  });

describe(`draft-19 messages, properties (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  it("decodes every request stream message to what was encoded", () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeMessage(draft19.encodeMessage(sent), "request", draft19)).toEqual(sent);
      }),
      runs,
    );
  });

  it("any bytes, in any chunking, give the same messages or the same CountersignError", () => {
    const bytes = fc
      .tuple(
        fc.array(
          fc.oneof(
            message.map((sent) => draft19.encodeMessage(sent)),
            fc.uint8Array({ maxLength: 20 }),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      )
      .map(([parts, flips]) => {
        const all = concat(parts);
        for (const [at, value] of flips) if (at < all.length) all[at] = value;
        return all;
      });
    const run = (pieces: readonly Uint8Array[]) => {
      const decoder = draft19.controlDecoder("request");
      const seen: unknown[] = [];
      try {
        for (const piece of pieces) {
          decoder.push(piece);
          for (let next = decoder.next(); next; next = decoder.next()) seen.push(next);
        }
        return { seen, end: "ok" };
      } catch (error) {
        if (!(error instanceof CountersignError)) throw error;
        return { seen, end: `${error.code} ${error.protocolCode} ${error.section}` };
      }
    };
    fc.assert(
      fc.property(bytes, sizes, (all, chunks) => {
        expect(run(cut(all, chunks))).toEqual(run([all]));
      }),
      { seed, numRuns: 2000 },
    );
  });
});
