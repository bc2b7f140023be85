/**
 * A stretch of a broadcast as one file that any player opens, and beside it what proves every byte of it.
 *
 * Runs on the page, loaded when first needed: the worker reads and verifies, what is done here is to rewrite two numbers per chunk and to collect. What is collected
 * goes into Blobs as it comes, which browsers keep out of memory.
 */
import { CountersignError } from "../errors.ts";
import { addVarInt, type VarInt } from "../wire/varint.ts";
import { decodeTimeOf, fileHeader, renumber, timescaleOf, trackIdOf } from "./mp4-file.ts";
import { encodeSidecar, type Sidecar, type SidecarGroup } from "./sidecar.ts";

/** Collected in pieces of this size before they are handed to the browser. */
const PIECE_BYTES = 8 * 1024 * 1024;

export interface MediaSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** What is to be recorded, as the worker knows it. */
export interface RecordingPlan {
  readonly namespace: readonly Uint8Array[];
  readonly catalog: Sidecar["catalog"];
  readonly tracks: readonly {
    readonly name: string;
    readonly nameBytes: Uint8Array;
    readonly initSegment: Uint8Array;
  }[];
  /** Groups that can be read; ascending. */
  readonly ranges: readonly { readonly first: VarInt; readonly last: VarInt }[];
  /** Of what was asked for, what nobody has. */
  readonly holes: readonly MediaSpan[];
}

/** One group of one track: verified objects, end to end in one buffer that is the reader's own. None of them: it cannot be had after all. */
export interface RecordingPart {
  readonly data: ArrayBuffer;
  readonly objects: readonly {
    readonly object: VarInt;
    readonly size: number;
    readonly properties: Uint8Array;
  }[];
  readonly evidence: readonly Uint8Array[];
  /** When the group plays. */
  readonly span: MediaSpan;
}

export interface AssembleOptions {
  readonly part: (track: string, group: VarInt) => Promise<RecordingPart>;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: { readonly share: number; readonly bytes: number }) => void) | undefined;
}

export interface Recording {
  /** `video/mp4`. */
  readonly file: Blob;
  /** What proves it: to be kept beside it, for `countersign verify`. */
  readonly manifests: Blob;
  readonly range: MediaSpan;
  /** What is missing inside of `range`. */
  readonly holes: readonly MediaSpan[];
}

/** Rejects with `destroyed` when the signal is aborted, `range-unavailable` when there is nothing to record. */
export async function assembleRecording(plan: RecordingPlan, options: AssembleOptions): Promise<Recording> {
  const { part, signal, onProgress } = options;
  const total = plan.ranges.reduce((sum, { first, last }) => sum + Number(last) - Number(first) + 1, 0);
  const tracks = plan.tracks.map((track, index) => ({
    ...track,
    timescale: timescaleOf(track.initSegment),
    ownId: trackIdOf(track.initSegment),
    trackId: index + 1,
  }));
  const pieces: Blob[] = [];
  const collecting: ArrayBuffer[] = [];
  const groups: SidecarGroup[] = [];
  const holes: MediaSpan[] = [...plan.holes];
  let collected = 0;
  let bytes = 0;
  let done = 0;
  let beginsS: number | undefined;
  let range: MediaSpan | undefined;
  for (const { first, last } of plan.ranges) {
    for (let group = first; group <= last; group = addVarInt(group, 1)) {
      if (signal?.aborted) throw new CountersignError("destroyed", "The export was canceled.");
      const parts = await Promise.all(tracks.map(({ name }) => part(name, group)));
      beginsS ??= earliestS(parts, tracks);
      for (const [index, found] of parts.entries()) {
        const track = tracks[index];
        if (!track || beginsS === undefined || found.objects.length === 0) continue;
        let at = 0;
        for (const { size } of found.objects) {
          renumber(new Uint8Array(found.data, at, size), {
            fromTrackId: track.ownId,
            toTrackId: track.trackId,
            addTicks: -beginsS * track.timescale,
          });
          at += size;
        }
        collecting.push(found.data);
        collected += found.data.byteLength;
        bytes += found.data.byteLength;
        groups.push({ track: index, group, objects: found.objects, evidence: found.evidence });
        range = { startMs: range?.startMs ?? found.span.startMs, endMs: found.span.endMs };
      }
      const lacking = parts.find(({ objects }) => objects.length === 0);
      if (lacking) holes.push(lacking.span);
      if (collected >= PIECE_BYTES) {
        pieces.push(new Blob(collecting.splice(0)));
        collected = 0;
      }
      done += 1;
      onProgress?.({ share: done / total, bytes });
    }
  }
  if (beginsS === undefined || range === undefined)
    throw new CountersignError("range-unavailable", "Nothing of this stretch can be had.", {
      hint: "Export a stretch within player.seekable.",
    });
  const durationMs = range.endMs - beginsS * 1000;
  const manifests = encodeSidecar({
    namespace: plan.namespace,
    catalog: plan.catalog,
    beginsS,
    durationMs,
    tracks: tracks.map(({ nameBytes, trackId }) => ({ name: nameBytes, trackId })),
    groups,
  });
  return {
    file: new Blob([fileHeader(tracks, durationMs), ...pieces, ...collecting], { type: "video/mp4" }),
    manifests: new Blob([manifests], { type: "application/cbor" }),
    range,
    holes: holes.sort((a, b) => a.startMs - b.startMs),
  };
}

/** The whole second at or before the first frame of any track: the file's time begins there. */
function earliestS(
  parts: readonly RecordingPart[],
  tracks: readonly { readonly timescale: number }[],
): number | undefined {
  const times = parts.flatMap((found, index) => {
    const size = found.objects[0]?.size;
    const timescale = tracks[index]?.timescale;
    if (size === undefined || timescale === undefined) return [];
    const ticks = decodeTimeOf(new Uint8Array(found.data, 0, size));
    return ticks === undefined ? [] : [ticks / timescale];
  });
  return times.length === 0 ? undefined : Math.floor(Math.min(...times));
}
