/** Valid data streams, datagrams and properties by chance. */
import type { MoqtCodec } from "../../wire/codec.ts";
import type { FetchGap, MoqObject, ObjectStatus, SubgroupHeader } from "../../wire/objects.ts";
import { encodeProperties, propertyTypes } from "../../wire/properties.ts";
import { MAX_QUIC_VARINT } from "../../wire/quic-varint.ts";
import { addVarInt, canonical, MAX_VARINT, type VarInt } from "../../wire/varint.ts";
import type { Chance } from "./chance.ts";
import { judge } from "./judge.ts";

const NOTHING = new Uint8Array(0);

/** A list as objects carry it: unknown types, immutable ones with others inside, gaps. */
export function objectProperties(chance: Chance, depth = 0): Uint8Array<ArrayBuffer> {
  const types = new Set<number>(chance.list(3, () => 0x80 + chance.below(300)));
  if (chance.maybe(0.3)) types.add(propertyTypes.priorObjectIdGap);
  if (chance.maybe(0.2)) types.add(propertyTypes.priorGroupIdGap);
  if (depth === 0 && chance.maybe(0.4)) types.add(propertyTypes.immutableProperties);
  const pairs = [...types]
    .sort((a, b) => a - b)
    .map((type) => {
      if (type === propertyTypes.immutableProperties) return { type, value: objectProperties(chance, 1) };
      return { type, value: type % 2 === 1 ? chance.bytes(40) : chance.below(3) };
    });
  return encodeProperties(pairs);
}

function payload(chance: Chance): Uint8Array {
  return chance.maybe(0.1) ? new Uint8Array(chance.below(3_000)).fill(chance.below(256)) : chance.bytes(60);
}

function next(chance: Chance, id: VarInt): VarInt | undefined {
  const step = chance.maybe(0.8) ? 1 : chance.varInt();
  const sum = addVarInt(id, step);
  const max = chance.integerBits === 62 ? MAX_QUIC_VARINT : MAX_VARINT;
  return sum <= max && sum > id ? sum : undefined;
}

/** A subgroup or fetch stream in the pieces it is written in, its header first. */
export function dataStreamBytes(
  chance: Chance,
  codec: MoqtCodec,
  order: "ascending" | "descending",
): Uint8Array[] {
  if (chance.maybe(0.05)) return [padding(chance)];
  return chance.maybe() ? subgroupBytes(chance, codec) : fetchBytes(chance, codec, order);
}

/** PADDING (draft-18 §11.5.1): its type, 0x132b3e28, and anything. Other drafts refuse it, which is as good an input. */
function padding(chance: Chance): Uint8Array {
  return new Uint8Array([0xf0, 0x13, 0x2b, 0x3e, 0x28, ...chance.bytes(200)]);
}

export function subgroupBytes(chance: Chance, codec: MoqtCodec, alias?: VarInt): Uint8Array[] {
  chance.integerBits = codec.shared ? 62 : 64;
  const trackAlias = alias ?? chance.varInt();
  const header: SubgroupHeader = {
    trackAlias,
    group: chance.varInt(),
    subgroup: chance.pick([undefined, 0, chance.varInt()]),
    priority: chance.maybe() ? chance.below(256) : undefined,
    hasProperties: chance.maybe(0.4),
    endOfGroup: chance.maybe(),
    firstObject: chance.maybe(),
  };
  const parts: Uint8Array[] = [codec.encodeSubgroupHeader(header)];
  let previous: VarInt | undefined;
  let id: VarInt | undefined = chance.maybe() ? 0 : chance.varInt();
  for (let left = chance.below(6); left > 0 && id !== undefined; left--) {
    const status: ObjectStatus =
      left === 1 && chance.maybe(0.3) ? chance.pick(["end-of-group", "end-of-track"]) : "normal";
    const normal = status === "normal";
    const object: MoqObject = {
      group: header.group,
      object: id,
      subgroup: header.subgroup,
      priority: header.priority,
      status,
      properties: normal && header.hasProperties ? objectProperties(chance) : NOTHING,
      payload: normal ? payload(chance) : NOTHING,
    };
    parts.push(codec.encodeSubgroupObject(object, header, previous), object.payload);
    previous = id;
    id = next(chance, id);
  }
  return parts;
}

export function fetchBytes(
  chance: Chance,
  codec: MoqtCodec,
  order: "ascending" | "descending",
  id?: VarInt,
): Uint8Array[] {
  chance.integerBits = codec.shared ? 62 : 64;
  const requestId = id ?? chance.varInt();
  const parts: Uint8Array[] = [codec.encodeFetchHeader(requestId)];
  let previous: MoqObject | FetchGap | undefined;
  const groups = new Set(chance.list(3, () => chance.varInt()));
  const sorted = [...groups].sort((a, b) => (a < b ? -1 : 1));
  if (order === "descending") sorted.reverse();
  for (const group of sorted) {
    let object: VarInt | undefined = chance.maybe() ? 0 : chance.varInt();
    for (let left = chance.below(4); left > 0 && object !== undefined; left--) {
      if (chance.maybe(0.15)) {
        const gap: FetchGap = { kind: chance.pick(["non-existent", "unknown"]), group, object };
        // Not every draft can say that objects are unknown.
        const { value } = judge(() => codec.encodeFetchGap(gap), ["invalid-options"]);
        if (!value) continue;
        parts.push(value);
        previous = gap;
      } else {
        const item: MoqObject = {
          group,
          object,
          subgroup: chance.pick([undefined, 0, 1, canonical(2n ** 40n)]),
          priority: chance.pick([0, 128, 255]),
          status: "normal",
          properties: chance.maybe(0.3) ? objectProperties(chance) : NOTHING,
          payload: payload(chance),
        };
        parts.push(codec.encodeFetchObject(item, previous), item.payload);
        previous = item;
      }
      object = next(chance, object);
    }
  }
  return parts;
}

export function datagramBytes(chance: Chance, codec: MoqtCodec, alias?: VarInt): Uint8Array {
  chance.integerBits = codec.shared ? 62 : 64;
  const trackAlias = alias ?? chance.varInt();
  const status: ObjectStatus = chance.maybe(0.8) ? "normal" : chance.pick(["end-of-group", "end-of-track"]);
  const normal = status === "normal";
  const object: MoqObject = {
    group: chance.varInt(),
    object: chance.varInt(),
    subgroup: undefined,
    priority: chance.maybe() ? chance.below(256) : undefined,
    status,
    properties: normal && chance.maybe(0.3) ? objectProperties(chance) : NOTHING,
    payload: normal ? payload(chance) : NOTHING,
  };
  return codec.encodeDatagram(trackAlias, object, normal && chance.maybe());
}
