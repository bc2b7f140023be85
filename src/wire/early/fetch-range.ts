/** The range of a FETCH (draft-16 §9.16, draft-14 §9.16). */
import type { Cursor } from "../cursor.ts";
import type { FetchRange } from "../messages.ts";
import { readQuicVarint, writeQuicVarint } from "../quic-varint.ts";
import type { Writer } from "../writer.ts";
import { violation } from "./faults.ts";
import { readLocation, readTrack, writeLocation, writeTrack } from "./fields.ts";

const FETCH_TYPES = { standalone: 1, "relative-joining": 2, "absolute-joining": 3 } as const;

export function readFetchRange(cursor: Cursor): FetchRange {
  const type = readQuicVarint(cursor, "the fetch type");
  if (type === FETCH_TYPES.standalone) {
    const track = readTrack(cursor);
    const start = readLocation(cursor, "the start location");
    return { kind: "standalone", track, start, end: readLocation(cursor, "the end location") };
  }
  if (type !== FETCH_TYPES["relative-joining"] && type !== FETCH_TYPES["absolute-joining"]) {
    throw violation(cursor, `The peer sent a FETCH of unknown type ${type}.`);
  }
  const kind = type === FETCH_TYPES["relative-joining"] ? "relative-joining" : "absolute-joining";
  const joiningRequestId = readQuicVarint(cursor, "the joining request id");
  return { kind, joiningRequestId, joiningStart: readQuicVarint(cursor, "the joining start") };
}

export function writeFetchRange(writer: Writer, range: FetchRange): void {
  writeQuicVarint(writer, FETCH_TYPES[range.kind]);
  if (range.kind === "standalone") {
    writeTrack(writer, range.track);
    writeLocation(writer, range.start);
    writeLocation(writer, range.end);
  } else {
    writeQuicVarint(writer, range.joiningRequestId);
    writeQuicVarint(writer, range.joiningStart);
  }
}
