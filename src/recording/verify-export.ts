/** Checks an exported recording: that every byte of it is what the broadcast's signer signed, in its place. */
import { findTrack, initDataOf } from "../catalog/lookup.ts";
import { parseCatalog } from "../catalog/parse.ts";
import { CATALOG_TRACK_NAME } from "../catalog/types.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { verifyStoredGroup } from "../trust/archive.ts";
import { equalBytes } from "../trust/bytes.ts";
import type { KeyRing } from "../trust/key-ring.ts";
import { utf8Decode } from "../utf8.ts";
import { type FullTrackName, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { addVarInt, compareVarInt, subVarInt, type VarInt } from "../wire/varint.ts";
import { fileHeader, renumber, timescaleOf, trackIdOf } from "./mp4-file.ts";
import { decodeSidecar, type Sidecar, type SidecarGroup } from "./sidecar.ts";

export interface ExportVerdict {
  readonly tracks: readonly FullTrackName[];
  readonly streamId: Uint8Array;
  readonly bytes: number;
  readonly objects: number;
  readonly groups: number;
  /** Groups of which the signer named more than is here. */
  readonly incomplete: number;
  /** Groups that lie between those that are here and are not; per track. */
  readonly missing: readonly {
    readonly track: FullTrackName;
    readonly first: VarInt;
    readonly last: VarInt;
  }[];
}

interface FileTrack {
  readonly name: FullTrackName;
  readonly initSegment: Uint8Array;
  readonly timescale: number;
  readonly ownId: number;
  readonly trackId: number;
}

/**
 * Rejects with CountersignError: why the catalog or a manifest does not count, or "object-mismatch" when the file is not what was signed, with the place. Holes and groups that are not whole
 * are told, not refused: an excerpt is what it is.
 */
export async function verifyExport(
  file: Uint8Array,
  sidecarBytes: Uint8Array,
  keyRing: KeyRing,
): Promise<ExportVerdict> {
  const sidecar = decodeSidecar(sidecarBytes);
  const { tracks, streamId } = await readTracks(sidecar, keyRing);
  const header = fileHeader(tracks, sidecar.durationMs);
  if (!equalBytes(file.subarray(0, header.byteLength), header)) throw mismatch(0, "its header");
  let position = header.byteLength;
  let objects = 0;
  let incomplete = 0;
  const newest = new Map<FileTrack, VarInt>();
  const missing: { track: FullTrackName; first: VarInt; last: VarInt }[] = [];
  for (const group of sidecar.groups) {
    const track = tracks[group.track];
    if (track === undefined) throw new CountersignError("manifest-malformed", "A group is of no track.");
    const before = newest.get(track);
    if (before !== undefined) {
      if (compareVarInt(group.group, before) <= 0)
        throw new CountersignError("manifest-broken-chain", `Group ${group.group} is out of order.`);
      const next = addVarInt(before, 1);
      if (next !== group.group)
        missing.push({ track: track.name, first: next, last: subVarInt(group.group, 1) });
    }
    newest.set(track, group.group);
    const length = group.objects.reduce((sum, { size }) => sum + size, 0);
    const bytes = file.slice(position, position + length);
    if (bytes.byteLength !== length) throw mismatch(position, "its end, which is missing");
    const verdict = await verifyStoredGroup(
      {
        group: group.group,
        evidence: group.evidence,
        objects: restored(bytes, group, track, sidecar, position),
      },
      { track: track.name, keyRing, streamId },
    );
    if (verdict.error !== undefined && verdict.error.code !== "store-corrupt") throw verdict.error;
    if (verdict.objects.length !== group.objects.length) {
      const [failed] = verdict.failed;
      const index = Math.max(
        0,
        group.objects.findIndex(({ object }) => object === failed),
      );
      const offset = group.objects.slice(0, index).reduce((sum, { size }) => sum + size, 0);
      throw mismatch(position + offset, `an object of group ${group.group}`);
    }
    if (!verdict.complete) incomplete += 1;
    objects += group.objects.length;
    position += length;
  }
  if (position !== file.byteLength) throw mismatch(position, "what follows, which nobody signed");
  const groups = sidecar.groups.length;
  return {
    tracks: tracks.map(({ name }) => name),
    streamId,
    bytes: file.byteLength,
    objects,
    groups,
    incomplete,
    missing,
  };
}

/** Tracks as the signed catalog describes them. */
async function readTracks(
  { namespace, catalog, tracks }: Sidecar,
  keyRing: KeyRing,
): Promise<{ readonly tracks: readonly FileTrack[]; readonly streamId: Uint8Array }> {
  const object: MoqObject = {
    group: catalog.group,
    object: catalog.object,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload: catalog.payload,
  };
  const verdict = await verifyStoredGroup(
    { group: catalog.group, evidence: catalog.evidence, objects: [object] },
    { track: trackOf(namespace, CATALOG_TRACK_NAME), keyRing },
  );
  if (verdict.objects.length !== 1 || verdict.streamId === undefined) {
    const { error } = verdict;
    // Why a manifest does not count is the better answer; "store-corrupt" is about the bytes.
    if (error !== undefined && error.code !== "store-corrupt") throw error;
    throw new CountersignError("object-mismatch", "The catalog is not what was signed.", {
      ...(error && { cause: error }),
    });
  }
  const parsed = parseCatalog(catalog.payload);
  return {
    streamId: verdict.streamId,
    tracks: tracks.map(({ name: bytes, trackId }) => {
      const text = utf8Decode(bytes);
      const described = text === undefined ? undefined : findTrack(parsed, text);
      const initSegment = described && initDataOf(parsed, described);
      if (text === undefined || initSegment === undefined)
        throw new CountersignError("object-mismatch", `The catalog has no track "${text}" with a header.`);
      const name = trackOf(namespace, text);
      return {
        name,
        initSegment,
        trackId,
        timescale: timescaleOf(initSegment),
        ownId: trackIdOf(initSegment),
      };
    }),
  };
}

/** The objects as they were signed: what the export rewrote is written back. */
function restored(
  bytes: Uint8Array,
  { group, objects }: SidecarGroup,
  track: FileTrack,
  { beginsS }: Sidecar,
  position: number,
): MoqObject[] {
  let at = 0;
  return objects.map(({ object, size, properties }) => {
    const payload = bytes.subarray(at, at + size);
    try {
      renumber(payload, {
        fromTrackId: track.trackId,
        toTrackId: track.ownId,
        addTicks: beginsS * track.timescale,
      });
    } catch (thrown) {
      throw mismatch(position + at, `an object of group ${group}`, toCountersignError(thrown, "media-error"));
    }
    at += size;
    return { group, object, subgroup: 0, priority: undefined, status: "normal", properties, payload };
  });
}

function mismatch(position: number, what: string, cause?: CountersignError): CountersignError {
  return new CountersignError(
    "object-mismatch",
    `The file is not what was signed: the first difference is in ${what}, at byte ${position}.`,
    { ...(cause && { cause }) },
  );
}
