/**
 * A worker that plays the bundled clip without peers: the real presentation, fed in real time by the real cutter. What sessions, trust and store do in the
 * product is left out, so that a browser test of playback fails for reasons of playback.
 *
 * Its behaviour is chosen by its name, written like the query of an address; see {@link Settings}.
 */
import { BufferSource, EncodedPacketSink, Input, MP4 } from "mediabunny";
import { systemClock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { scheduleBroadcast } from "../publish/broadcast-schedule.ts";
import { type Clip, type ClipSample, createClip } from "../publish/clip.ts";
import { GroupCutter } from "../publish/group-cutter.ts";
import { exposeWorker } from "../rpc/expose.ts";
import type {
  OpenOptions,
  PlayheadReport,
  TrackDescription,
  WorkerApi,
  WorkerEvent,
} from "../rpc/protocol.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { Presentation } from "./presentation.ts";
import { measureGroup, TrackWindow } from "./track-window.ts";
import type { PlayableTrack } from "./types.ts";

interface Settings {
  /** Address of the clip. */
  readonly clip: string;
  readonly objectMs: number;
  /** Objects are held up by this much, alternately nothing and all of it. */
  readonly jitterMs: number;
  /** `track:group offset:first object`: from there on the group is lost; several with commas. Offset from the first group played. */
  readonly lose: readonly string[];
  /** Stored groups in front of the live ones. */
  readonly stored: number;
  /** Nothing is live: the stored groups are all there is. */
  readonly offline: boolean;
  /** The broadcast ends this long after the start. */
  readonly stopAfterMs: number | undefined;
  readonly startGroup: number | undefined;
}

function settings(): Settings {
  const query = new URLSearchParams(self.name);
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    return text === null ? undefined : Number(text);
  };
  return {
    clip: query.get("clip") ?? "",
    objectMs: number("objectMs") ?? 200,
    jitterMs: number("jitterMs") ?? 0,
    lose: (query.get("lose") ?? "").split(",").filter((item) => item !== ""),
    stored: number("stored") ?? 0,
    offline: query.has("offline"),
    stopAfterMs: number("stopAfterMs"),
    startGroup: number("startGroup"),
  };
}

async function readClip(address: string): Promise<Clip> {
  const bytes = await (await fetch(address)).arrayBuffer();
  const input = new Input({ formats: [MP4], source: new BufferSource(bytes) });
  const video = await input.getPrimaryVideoTrack();
  const audio = await input.getPrimaryAudioTrack();
  if (!video || !audio) throw new CountersignError("internal", "The bundled clip lacks a track.");
  const samples = async (
    track: typeof video | typeof audio,
    durationTicks: number,
    lengthTicks: number,
  ): Promise<ClipSample[]> => {
    const out: ClipSample[] = [];
    for await (const packet of new EncodedPacketSink(track).packets()) {
      const keyframe = packet.type === "key";
      out.push({ data: packet.data, durationTicks, keyframe, compositionOffsetTicks: 0 });
    }
    return out.slice(0, lengthTicks / durationTicks);
  };
  const codecOf = async (track: typeof video | typeof audio) => {
    const config = await track.getDecoderConfig();
    const description = config?.description as ArrayBuffer | Uint8Array | undefined;
    if (!config || !description) throw new CountersignError("internal", "The bundled clip names no codec.");
    return { codec: config.codec, decoderConfig: new Uint8Array(description as ArrayBuffer) };
  };
  const lengthTicks = 16 * 48_000;
  return createClip([
    {
      kind: "video",
      name: "video",
      ...(await codecOf(video)),
      width: 640,
      height: 360,
      samples: await samples(video, 1920, lengthTicks),
    },
    {
      kind: "audio",
      name: "audio",
      ...(await codecOf(audio)),
      sampleRate: 48_000,
      channels: 2,
      samples: await samples(audio, 1024, lengthTicks),
    },
  ]);
}

function objectOf(group: number, object: number, payload: Uint8Array): Verified<MoqObject> {
  const plain: MoqObject = {
    group,
    object,
    subgroup: 0,
    priority: 0,
    status: "normal",
    properties: new Uint8Array(),
    payload,
  };
  // The one thing that is pretended here: in the product only trust/ makes these.
  return plain as Verified<MoqObject>;
}

class ClipWorker implements WorkerApi {
  #presentation: Presentation | undefined;
  #windows = new Map<string, TrackWindow>();
  #stop = new AbortController();
  #reports: PlayheadReport[] = [];

  async open(options: OpenOptions, events: MessagePort): Promise<void> {
    const set = settings();
    const tell = (event: WorkerEvent): void => events.postMessage(event);
    if (set.clip === "")
      throw new CountersignError("broadcast-unknown", "No clip was named.", { hint: "Name one." });
    const cutter = new GroupCutter(await readClip(set.clip), { objectMs: set.objectMs });
    // Days after its epoch, so that timestamps are as large as they get, unless a test wants to see the very first group.
    const now = Date.now();
    const epochMs =
      now - (set.startGroup ?? 500_000) * 1000 - (set.startGroup === undefined ? now % 1000 : 0);
    const firstLive = cutter.groupAt(now - epochMs);
    const tracks = cutter.tracks.map(({ clipTrack, initSegment }): PlayableTrack => {
      const video = clipTrack.kind === "video";
      return {
        name: clipTrack.name,
        role: clipTrack.kind,
        codec: clipTrack.codec,
        mimeType: `${clipTrack.kind}/mp4`,
        initSegment,
        timescale: 48_000,
        bitrate: video ? 500_000 : 96_000,
        width: video ? 640 : undefined,
        height: video ? 360 : undefined,
        framerate: video ? 25 : undefined,
        lang: undefined,
      };
    });
    const storedFrom = firstLive - set.stored;
    for (const track of tracks) {
      const window = new TrackWindow(track, { maxSegments: Math.max(30, set.stored + 30) });
      this.#windows.set(track.name, window);
      const groups = Array.from({ length: set.stored }, (_, i) => storedFrom + i);
      window.prepend(groups.map((group) => measureGroup(track, group, cutter.group(track.name, group))!));
      if (set.offline) window.end();
    }
    this.#presentation = new Presentation({
      epochMs,
      startWithMs: options.targetLatencyMs,
      windows: [...this.#windows.values()],
      loadStored: async (track, group) => {
        const id = Number(group);
        if (id < storedFrom || id >= firstLive) return undefined;
        return cutter.group(track, id).map((object) => objectOf(id, object.objectId, object.payload));
      },
    });
    tell({ type: "state", state: "connecting" });
    tell({
      type: "ready",
      tracks: tracks.map(
        ({ name, role, codec, mimeType }): TrackDescription => ({ name, role, codec, mimeType }),
      ),
      epochMs,
      startMs: storedFrom * 1000,
      live: !set.offline,
    });
    tell({ type: "state", state: set.offline ? "offline" : "live" });
    if (!set.offline) void this.#broadcast(cutter, set, epochMs, firstLive, tell);
  }

  async #broadcast(
    cutter: GroupCutter,
    set: Settings,
    epochMs: number,
    firstLive: number,
    tell: (event: WorkerEvent) => void,
  ): Promise<void> {
    const lost = (trackName: string, group: number, object: number): boolean =>
      set.lose.some((item) => {
        const [track, offset, first] = item.split(":");
        return track === trackName && Number(offset) === group - firstLive && object >= Number(first);
      });
    let edgeTicks = 0;
    let count = 0;
    const schedule = scheduleBroadcast(cutter, {
      epochMs,
      clock: systemClock,
      signal: this.#stop.signal,
      ...(set.stopAfterMs !== undefined && { stopAfterMs: set.stopAfterMs }),
    });
    for await (const { trackName, group, objectId, payload, last } of schedule) {
      count += 1;
      if (set.jitterMs > 0 && count % 8 === 0) {
        await new Promise((resolve) => setTimeout(resolve, set.jitterMs));
      }
      const window = this.#windows.get(trackName)!;
      if (!lost(trackName, group, objectId)) {
        window.append(objectOf(group, objectId, payload));
        if (last) window.complete(group);
      } else {
        window.hole({ group, objectEnd: undefined });
      }
      const ends = [...this.#windows.values()].map((one) => one.endTicks ?? 0);
      const nextEdge = Math.min(...ends);
      if (nextEdge > edgeTicks) {
        edgeTicks = nextEdge;
        tell({ type: "edge", edgeMs: edgeTicks / 48, atMs: Date.now() });
      }
    }
    if (this.#stop.signal.aborted) return;
    for (const window of this.#windows.values()) window.end();
    tell({ type: "state", state: "ended" });
  }

  resource(request: Parameters<WorkerApi["resource"]>[0]): ReturnType<WorkerApi["resource"]> {
    if (request.path === "crash")
      setTimeout(() => {
        throw new Error("crashed on request");
      });
    if (!this.#presentation) return Promise.reject(new CountersignError("internal", "Not open."));
    return this.#presentation.resource(request);
  }

  cancel(id: number): void {
    this.#presentation?.cancel(id);
  }

  playhead(report: PlayheadReport): void {
    this.#reports.push(report);
  }

  stats(): Promise<never> {
    return Promise.reject(new CountersignError("internal", "This worker keeps no statistics."));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#presentation?.close();
  }
}

exposeWorker(new ClipWorker());
