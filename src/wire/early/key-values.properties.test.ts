import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeProperties, propertyTypes } from "../properties.ts";
import { type PairTypes, propertiesFromWire, propertiesToWire } from "./key-values.ts";

const pair = fc.oneof(
  fc.record({ type: fc.nat({ max: 900 }).map((n) => 0x80 + 2 * n), value: fc.maxSafeNat() }),
  fc.record({ type: fc.nat({ max: 900 }).map((n) => 0x81 + 2 * n), value: fc.uint8Array({ maxLength: 80 }) }),
);
const list = fc.array(pair, { maxLength: 6 }).map((pairs) => pairs.sort((a, b) => a.type - b.type));

/** Lists as objects carry them, some with immutable ones in front. */
const properties = fc
  .tuple(list, fc.option(list, { nil: undefined }))
  .map(([mutable, immutable]) =>
    encodeProperties([
      ...(immutable ? [{ type: propertyTypes.immutableProperties, value: encodeProperties(immutable) }] : []),
      ...mutable,
    ]),
  );

describe.each(["delta", "absolute"] as readonly PairTypes[])("properties with %s types", (types) => {
  it("pass an old draft byte for byte, the immutable ones, which are signed, included", () => {
    fc.assert(
      fc.property(properties, (bytes) => {
        const wire = propertiesToWire(bytes, types);
        expect(propertiesFromWire(wire, types, { group: 5, object: 5 }, "")).toEqual(bytes);
      }),
    );
  });
});
