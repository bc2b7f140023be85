/**
 * Everything that hls.js can ask for, by path: the worker's end of playback.
 *
 * The page has no address of its own for media; its loaders hand over relative paths, and this class answers them from the windows of the tracks or,
 * for groups that left them, from the store.
 *
 * | path | answer |
 * |---|---|
 * | `main.m3u8` | multivariant playlist, once there is something to play |
 * | `<track>/live.m3u8?_HLS_msn=..&_HLS_part=..` | media playlist, held until it has that part |
 * | `<track>/init.mp4` | initialization segment |
 * | `<track>/<group>.m4s`, `<track>/<group>-<first object>.m4s` | a segment |
 * | `<track>/<group>.<object>.m4s` | a part |
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import type { ResourceRequest, ResourceResponse } from "../rpc/protocol.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { canonical, type VarInt } from "../wire/varint.ts";
import { type BlockingReload, MediaPlaylist } from "./media-playlist.ts";
import { trackFolder, writeMultivariantPlaylist } from "./multivariant-playlist.ts";
import type { TrackWindow } from "./track-window.ts";

/**
 * Whole segments that one track must have received before another one that has nothing at all is left out of the presentation. A missing audio track would
 * otherwise hold the picture back for ever.
 */
export const SEGMENTS_BEFORE_LEAVING_OUT = 4;

/**
 * How far behind a gap a reader must begin. hls.js (seen in 1.7.3) that meets a gap in the sound where it starts gives up what it loads and never loads sound again: no picture, no error. Tracks begin
 * and end a little apart, and it looks a little to both sides: an audio frame is 21 ms, its tolerance 10 ms.
 */
const GAP_MARGIN_MS = 50;

export interface PresentationOptions {
  /** Wall clock of media time 0, in ms since 1970. */
  readonly epochMs: number;
  readonly windows: readonly TrackWindow[];
  /** Media that every track must have before playback begins, in ms: the target latency, so that it does not begin with a stall. Default 0. */
  readonly startWithMs?: number;
  /** Where playback begins, in ms behind the beginning of the list. Default: where the reader likes, for a live list near its end. */
  readonly startOffsetMs?: number;
  /** List parts, and hold requests until they are there. Default true; false for a list that follows the viewer far from the edge. */
  readonly lowLatency?: boolean;
  /**
   * Reads a group that is no longer in the window, verified, its objects in order; undefined: certainly not stored. May reject: then
   * the answer is that error. Without it such groups are `range-unavailable`.
   */
  readonly loadStored?: (
    track: string,
    group: VarInt,
    signal: AbortSignal,
  ) => Promise<readonly Verified<MoqObject>[] | undefined>;
}

interface TrackResources {
  readonly window: TrackWindow;
  readonly playlist: MediaPlaylist;
}

const MEDIA_NAME = /^(\d{1,20})(?:([-.])(\d{1,20}))?\.m4s$/;

export class Presentation {
  readonly #options: PresentationOptions;
  readonly #tracks: ReadonlyMap<string, TrackResources>;
  readonly #pending = new Map<number, AbortController>();
  readonly #waitingForMedia = new Set<() => void>();
  readonly #unsubscribe: (() => void)[] = [];
  #closed = false;

  constructor(options: PresentationOptions) {
    this.#options = options;
    const tracks = new Map<string, TrackResources>();
    for (const window of options.windows) {
      tracks.set(trackFolder(window.track.name), { window, playlist: new MediaPlaylist(window, options) });
      this.#unsubscribe.push(
        window.onChange(() => {
          for (const check of [...this.#waitingForMedia]) check();
        }),
      );
    }
    this.#tracks = tracks;
  }

  /**
   * Answers one request; see the table above. Media come in a buffer of their own, ready to be transferred.
   *
   * Rejects with `range-unavailable` (the media are gone, or never were), `track-unknown`, `destroyed` (canceled or closed), or whatever the store reader
   * failed with.
   */
  async resource(request: ResourceRequest): Promise<ResourceResponse> {
    if (this.#closed) throw destroyed();
    const abort = new AbortController();
    this.#pending.set(request.id, abort);
    try {
      return await this.#answer(request.path, abort.signal);
    } catch (thrown) {
      throw toCountersignError(thrown, "internal");
    } finally {
      this.#pending.delete(request.id);
    }
  }

  /** Ends a request early; it rejects with `destroyed`. Harmless for requests that are answered. */
  cancel(id: number): void {
    this.#pending.get(id)?.abort(destroyed());
  }

  /** Every pending and later request rejects with `destroyed`. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#unsubscribe) stop();
    for (const abort of [...this.#pending.values()]) abort.abort(destroyed());
    for (const { playlist } of this.#tracks.values()) playlist.close();
  }

  async #answer(path: string, signal: AbortSignal): Promise<ResourceResponse> {
    const query = path.indexOf("?");
    const [folder = "", file, ...rest] = (query === -1 ? path : path.slice(0, query)).split("/");
    if (folder === "main.m3u8" && file === undefined)
      return { kind: "playlist", text: await this.#main(signal) };
    const track = this.#tracks.get(folder);
    if (track === undefined || file === undefined || rest.length > 0) {
      throw new CountersignError("track-unknown", `The presentation has no resource "${path}".`);
    }
    if (file === "live.m3u8") {
      const reload = query === -1 ? undefined : blockingReload(new URLSearchParams(path.slice(query + 1)));
      return { kind: "playlist", text: await track.playlist.request(reload, signal) };
    }
    if (file === "init.mp4") return { kind: "media", data: copyOf([track.window.track.initSegment]) };
    const name = MEDIA_NAME.exec(file);
    if (name === null)
      throw new CountersignError("track-unknown", `The presentation has no resource "${path}".`);
    const group = canonical(BigInt(name[1]!));
    const object = name[3] === undefined ? undefined : canonical(BigInt(name[3]));
    return { kind: "media", data: await this.#media(track.window, group, object, name[2] === ".", signal) };
  }

  /** `onlyPart`: this object alone; else from it (or the first) on to the segment's end. */
  async #media(
    window: TrackWindow,
    group: VarInt,
    object: VarInt | undefined,
    onlyPart: boolean,
    signal: AbortSignal,
  ): Promise<ArrayBuffer> {
    const segment = window.find(group, object ?? 0);
    if (segment && segment.parts.length > 0) {
      const parts = onlyPart ? segment.parts.filter((part) => part.object === object) : segment.parts;
      if (parts.length > 0) return copyOf(parts.map((part) => part.payload));
    }
    const stored = await this.#options.loadStored?.(window.track.name, group, signal);
    if (signal.aborted) throw destroyed();
    const wanted = (stored ?? []).filter((candidate) =>
      onlyPart ? candidate.object === object : candidate.object >= (object ?? 0),
    );
    if (wanted.length === 0) {
      throw new CountersignError(
        "range-unavailable",
        `Group ${group} of track "${window.track.name}" is neither in memory nor stored.`,
      );
    }
    return copyOf(wanted.map((candidate) => candidate.payload));
  }

  async #main(signal: AbortSignal): Promise<string> {
    await this.#untilPlayable(signal);
    // A reader that starts over may see stored groups that were put in front since.
    for (const { playlist } of this.#tracks.values()) playlist.restart();
    const windows = [...this.#tracks.values()].map(({ window }) => window);
    const playable = windows.filter((window) => window.segments.length > 0);
    return writeMultivariantPlaylist(
      playable.map((window) => window.track),
      this.#options.startOffsetMs,
    );
  }

  #isPlayable(): boolean {
    const windows = [...this.#tracks.values()].map(({ window }) => window);
    if (windows.length > 0 && this.#canBegin(windows)) return true;
    const begun = windows.filter((window) => window.segments.length > 0);
    return begun.some(
      (window) => window.closedCount >= SEGMENTS_BEFORE_LEAVING_OUT && this.#canBegin([window]),
    );
  }

  /**
   * These tracks have enough for a reader to begin. One that begins near the end of a live list must find all of them there, so only what they have in common counts; an excerpt is read from its
   * beginning.
   */
  #canBegin(windows: readonly TrackWindow[]): boolean {
    const { startWithMs = 0, startOffsetMs } = this.#options;
    const going = windows.filter(({ ended }) => !ended);
    if (startOffsetMs !== undefined) return going.every((window) => spanMs(window) >= startWithMs);
    const stretches = going.map(lastStretchMs);
    const known = stretches.filter((stretch) => stretch !== undefined);
    if (known.length < stretches.length) return false;
    const startMs = Math.max(...known.map((stretch) => stretch.startMs));
    return known.every(({ endMs }) => endMs - startMs >= startWithMs);
  }

  #untilPlayable(signal: AbortSignal): Promise<void> {
    if (this.#isPlayable()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waitingForMedia.delete(check);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(destroyed());
      };
      const check = (): void => {
        if (!this.#isPlayable()) return;
        settle();
        resolve();
      };
      this.#waitingForMedia.add(check);
      signal.addEventListener("abort", onAbort);
    });
  }
}

/** rfc8216bis §6.2.5.2; what cannot be read is taken as not said, and answered at once. */
function blockingReload(query: URLSearchParams): BlockingReload | undefined {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  const sequence = number("_HLS_msn");
  return sequence === undefined ? undefined : { sequence, part: number("_HLS_part") };
}

/** One copy into one buffer of exactly the right size: payloads are views of larger buffers that others still read. */
function copyOf(payloads: readonly Uint8Array[]): ArrayBuffer {
  let size = 0;
  for (const payload of payloads) size += payload.byteLength;
  const out = new Uint8Array(size);
  let at = 0;
  for (const payload of payloads) {
    out.set(payload, at);
    at += payload.byteLength;
  }
  return out.buffer;
}

function destroyed(): CountersignError {
  return new CountersignError("destroyed", "The request was canceled.");
}

/** From the oldest media to the newest. */
function spanMs({ startTicks, endTicks, track }: TrackWindow): number {
  if (startTicks === undefined || endTicks === undefined) return Number.NEGATIVE_INFINITY;
  return ((endTicks - startTicks) * 1000) / track.timescale;
}

/** Where a reader may begin, and where the media end, as media time. */
function lastStretchMs({
  lastStretch,
  track,
}: TrackWindow): { readonly startMs: number; readonly endMs: number } | undefined {
  if (lastStretch === undefined) return undefined;
  const ms = (ticks: number): number => (ticks * 1000) / track.timescale;
  const { startTicks, endTicks, behindGap } = lastStretch;
  return { startMs: ms(startTicks) + (behindGap ? GAP_MARGIN_MS : 0), endMs: ms(endTicks) };
}
