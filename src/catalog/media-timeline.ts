/**
 * The objects of a media timeline track: which group and object plays at which media time (draft-ietf-moq-msf "Media Timeline track").
 *
 * A document is a JSON array of records `[media time, [group, object], wall clock]`. The first object of a group of the track has all records so far, each
 * later one those that are new since. Documents compressed by MSF_COMPRESSION are not read: they count as malformed.
 */
import { CountersignError } from "../errors.ts";
import { utf8Decode, utf8Encode } from "../utf8.ts";
import { isArray, isLocation } from "./fields.ts";
import type { JsonValue } from "./types.ts";

/** Most records of one document, and of all that a reader keeps: twice three days of one-second groups. Past it the document is refused. */
export const MAX_TIMELINE_RECORDS = 524_288;

/** Most bytes of one document: three days of one-second groups are 10 MB, and no object is larger than this (MAX_SIGNED_OBJECT_BYTES). */
export const MAX_TIMELINE_BYTES: number = 16 * 1024 * 1024;

export interface TimelineRecord {
  /** Presentation time of the object's first sample, in whole milliseconds. */
  readonly mediaMs: number;
  readonly group: number;
  readonly object: number;
  /** When it was encoded, in ms since 1970; 0: not known. */
  readonly wallclockMs: number;
}

/** The error that a timeline ends in which cannot be used, whether it cannot be read or contradicts itself or the media. */
export function unusableTimeline(what: string, cause?: unknown): CountersignError {
  return new CountersignError("timeline-unusable", `The media timeline is not used: ${what}.`, {
    hint: "Seeking goes by what is learnt from the media. The publisher of this broadcast has to repair its timeline track.",
    section: "draft-ietf-moq-msf Media Timeline track",
    ...(cause !== undefined && { cause }),
  });
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function recordOf(value: JsonValue, index: number): TimelineRecord {
  if (isArray(value) && value.length === 3) {
    const [mediaMs, location, wallclockMs] = value;
    if (isTime(mediaMs) && isLocation(location) && isTime(wallclockMs))
      return { mediaMs, group: location[0], object: location[1], wallclockMs };
  }
  throw unusableTimeline(`record ${index} is not [media time, [group, object], wall clock]`);
}

function isBehind(record: TimelineRecord, before: TimelineRecord): boolean {
  const later =
    record.group > before.group || (record.group === before.group && record.object > before.object);
  return later && record.mediaMs >= before.mediaMs;
}

/** The records of one document, ascending in location and media time. Throws CountersignError `timeline-unusable` for any other bytes. */
export function parseMediaTimeline(bytes: Uint8Array): readonly TimelineRecord[] {
  if (bytes.byteLength > MAX_TIMELINE_BYTES) {
    throw unusableTimeline(
      `a document has ${bytes.byteLength} bytes, over the limit of ${MAX_TIMELINE_BYTES}`,
    );
  }
  const text = utf8Decode(bytes);
  if (text === undefined) throw unusableTimeline("a document is not UTF-8 text");
  let document: JsonValue;
  try {
    document = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw unusableTimeline("a document is not JSON", error);
  }
  if (!isArray(document)) throw unusableTimeline("a document is not a JSON array");
  if (document.length > MAX_TIMELINE_RECORDS) {
    throw unusableTimeline(
      `a document has ${document.length} records, over the limit of ${MAX_TIMELINE_RECORDS}`,
    );
  }
  const records = document.map(recordOf);
  for (let index = 1; index < records.length; index++) {
    if (!isBehind(records[index]!, records[index - 1]!))
      throw unusableTimeline(`record ${index} is not behind the one before it`);
  }
  return records;
}

/** A document with these records, in this order. */
export function encodeMediaTimeline(records: readonly TimelineRecord[]): Uint8Array<ArrayBuffer> {
  return utf8Encode(
    JSON.stringify(
      records.map(({ mediaMs, group, object, wallclockMs }) => [mediaMs, [group, object], wallclockMs]),
    ),
  );
}
