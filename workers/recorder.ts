/** What a recording is made of, read and verified: which groups of a stretch there are, and each of them with what proves it. */
import { CountersignError } from "../src/errors.ts";
import type { RecordingPart, RecordingPlan } from "../src/recording/assemble.ts";
import { countIds, intersect, normalize, subtract, union } from "../src/replay/group-ranges.ts";
import type { TimeRange } from "../src/rpc/protocol.ts";
import type { VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import { utf8Encode } from "../src/utf8.ts";
import type { Namespace } from "../src/wire/names.ts";
import type { VarInt } from "../src/wire/varint.ts";
import type { Playing } from "./playing.ts";
import { readableRanges } from "./readable-tracks.ts";

/** Groups in one file: a day of one-second groups, some 15 GB at 1.4 Mb/s. A page that asks for more has made a mistake. */
const MAX_GROUPS = 86_400;

/** The catalog that is played, and what proves it. */
export type CatalogProof = RecordingPlan["catalog"];

export async function recordingPlan(
  playing: Playing,
  namespace: Namespace,
  catalog: CatalogProof,
  range: TimeRange,
): Promise<RecordingPlan> {
  const { timeline } = playing;
  if (playing.isEncrypted) {
    throw new CountersignError("media-unsupported", "An encrypted broadcast is not exported.", {
      hint: "Its file would play nowhere as it was signed, and be proven by nothing once it is decrypted.",
    });
  }
  const { stored, fetchable } = await readableRanges(playing.readables);
  const wanted = normalize(timeline.groupsIn(range));
  const newest = playing.newestWhole;
  const whole = newest === undefined ? wanted : intersect(wanted, [{ first: 0, last: newest }]);
  const ranges = intersect(whole, union(stored, fetchable));
  if (ranges.length === 0) {
    throw new CountersignError("range-unavailable", "Nothing of this stretch can be had.", {
      hint: "Export a stretch within player.seekable.",
    });
  }
  if (countIds(ranges) > MAX_GROUPS) {
    throw new CountersignError("invalid-options", "That stretch is too long for one file.", {
      hint: `Export at most ${MAX_GROUPS} groups at once.`,
    });
  }
  return {
    namespace,
    catalog,
    ranges,
    holes: timeline.timesOf(subtract(whole, ranges)),
    tracks: playing.readables.map(({ playable: { name, initSegment } }) => ({
      name,
      nameBytes: utf8Encode(name),
      initSegment: initSegment.slice(),
    })),
  };
}

/** Rejects when it cannot be told whether anybody has it. */
export async function recordingPart(playing: Playing, track: string, group: VarInt): Promise<RecordingPart> {
  const span = playing.timeline.timeOf(group);
  if (!span) throw new CountersignError("range-unavailable", `Nobody knows when group ${group} plays.`);
  const found = await playing.deep.track(track)?.group(group);
  const objects = found?.objects ?? [];
  const data = new Uint8Array(objects.reduce((sum, { payload }) => sum + payload.byteLength, 0));
  let at = 0;
  for (const { payload } of objects) {
    data.set(payload, at);
    at += payload.byteLength;
  }
  return {
    data: data.buffer,
    // Copies: these are views of buffers that hold much more, all of which would be sent along.
    objects: objects.map(({ object, payload, properties }) => ({
      object,
      size: payload.byteLength,
      properties: properties.slice(),
    })),
    evidence: (found?.evidence ?? []).map((envelope) => envelope.slice()),
    span,
  };
}

export function proofOf({ object, evidence }: VerifiedCatalog): CatalogProof {
  return { group: object.group, object: object.object, payload: object.payload, evidence };
}
