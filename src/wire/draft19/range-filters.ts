/**
 * Range filters (draft-19 §5.1.3): which objects, or tracks, a subscriber wants by ranges of a number that they carry.
 *
 * A filter that says something impossible refuses its request (INVALID_FILTER) and harms nothing else, so it is read as a value that says what is wrong with it.
 * Bytes that cannot be read at all end the session like any others.
 */
import { type Cursor, cursorOver, readSizedBytes, readU8, readVi64, remaining } from "../cursor.ts";
import type { ParameterRule } from "../draft18/parameters.ts";
import type { ControlMessage, RangeFilter, RangeFilterKind, ValueRange } from "../messages.ts";
import { addVarInt, MAX_VARINT, subVarInt, type VarInt } from "../varint.ts";
import { finish, newWriter, unencodable, writeSizedBytes, writeU8, writeVi64 } from "../writer.ts";

const SECTION = "draft-ietf-moq-transport-19 §5.1.3";

/** §5.1.3: what is said of objects may stand wherever a subscription or fetch is asked for or changed. */
const OF_OBJECTS: readonly ControlMessage["type"][] = [
  "subscribe",
  "fetch",
  "subscribe-tracks",
  "request-ok",
  "request-update",
];
const OF_TRACKS: readonly ControlMessage["type"][] = ["subscribe-tracks", "request-update"];

export const rangeFilterRules: readonly ParameterRule[] = [
  rule("subgroup", 0x25, "§10.2.10", OF_OBJECTS),
  rule("object", 0x26, "§10.2.11", OF_OBJECTS),
  rule("priority", 0x27, "§10.2.12", OF_OBJECTS),
  rule("object-property", 0x28, "§10.2.13", OF_OBJECTS),
  rule("track-property", 0x29, "§10.2.14", OF_TRACKS),
];

function rule(
  kind: RangeFilterKind,
  type: number,
  section: string,
  messages: readonly ControlMessage["type"][],
): ParameterRule {
  return {
    name: "rangeFilters",
    type,
    section,
    messages,
    repeats: true,
    read: (cursor, into) => {
      into.rangeFilters ??= [];
      into.rangeFilters.push(decodeRangeFilter(kind, readSizedBytes(cursor, "a range filter")));
    },
    write: (writer, from, writeType) => {
      for (const filter of from.rangeFilters ?? []) {
        if (filter.kind !== kind) continue;
        writeType(writer);
        writeSizedBytes(writer, encodeRangeFilter(filter));
      }
    },
  };
}

function isOfProperty(kind: RangeFilterKind): boolean {
  return kind === "object-property" || kind === "track-property";
}

function decodeRangeFilter(kind: RangeFilterKind, bytes: Uint8Array): RangeFilter {
  if (bytes.length === 0) return { kind, removed: true };
  const cursor = cursorOver(bytes, SECTION);
  const setId = readU8(cursor, "a range filter");
  const propertyType = isOfProperty(kind) ? readVi64(cursor, "a range filter") : undefined;
  const ranges = readRanges(cursor);
  if (ranges === undefined) return { kind, invalid: "A range lies above 2^64 - 1." };
  if (ranges.length === 0) return { kind, invalid: "It has no range." };
  if (kind === "priority" && ranges.some(({ first, last }) => (last ?? first) > 255)) {
    return { kind, invalid: "A priority is at most 255." };
  }
  if (propertyType !== undefined && BigInt(propertyType) % 2n === 1n) {
    return { kind, invalid: "Only properties of even type are numbers." };
  }
  return { kind, setId, ...(propertyType !== undefined && { propertyType }), ranges };
}

/** Undefined when a sum passes 2^64 - 1. */
function readRanges(cursor: Cursor): ValueRange[] | undefined {
  const ranges: ValueRange[] = [];
  let at: VarInt = 0;
  while (remaining(cursor) > 0) {
    const first = addVarInt(at, readVi64(cursor, "a range filter"));
    if (first > MAX_VARINT) return undefined;
    if (remaining(cursor) === 0) {
      ranges.push({ first });
      break;
    }
    at = addVarInt(first, readVi64(cursor, "a range filter"));
    if (at > MAX_VARINT) return undefined;
    ranges.push({ first, last: at });
  }
  return ranges;
}

function encodeRangeFilter(filter: RangeFilter): Uint8Array {
  const writer = newWriter();
  if ("removed" in filter) return finish(writer);
  if ("invalid" in filter) throw unencodable(`An invalid range filter: ${filter.invalid}`, SECTION);
  writeU8(writer, filter.setId);
  if (isOfProperty(filter.kind) !== (filter.propertyType !== undefined)) {
    throw unencodable("Filters of properties, and only they, name a property.", SECTION);
  }
  if (filter.propertyType !== undefined) writeVi64(writer, filter.propertyType);
  let at: VarInt = 0;
  filter.ranges.forEach(({ first, last }, index) => {
    const isLast = index === filter.ranges.length - 1;
    if (first < at || (last === undefined ? !isLast : last < first)) {
      throw unencodable("Ranges ascend, and only the last one may be open.", SECTION);
    }
    writeVi64(writer, subVarInt(first, at));
    if (last === undefined) return;
    writeVi64(writer, subVarInt(last, first));
    at = last;
  });
  return finish(writer);
}
