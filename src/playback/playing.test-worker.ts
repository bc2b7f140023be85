/**
 * A worker without peers: the real presentation, fed by the test that made it. What sessions, trust and store do in the product is left out, so that
 * a browser test of playback fails for reasons of playback. Its name is that of the BroadcastChannel it is fed through.
 */
import { CountersignError, type ErrorData } from "../errors.ts";
import { exposeWorker } from "../rpc/expose.ts";
import type { OpenOptions, SeekAnswer, TrackDescription, WorkerApi, WorkerEvent } from "../rpc/protocol.ts";
import type { Verified } from "../trust/types.ts";
import type { MoqObject } from "../wire/objects.ts";
import { measureGroup } from "./measure-group.ts";
import { Presentation } from "./presentation.ts";
import { TrackWindow } from "./track-window.ts";
import type { PlayableTrack } from "./types.ts";

export interface FedObject {
  readonly track: string;
  readonly group: number;
  readonly object: number;
  readonly payload: Uint8Array;
  readonly last: boolean;
}

/** From the test. `setup` comes in answer to `opened`, then objects in order. */
export type Feed =
  | {
      readonly type: "setup";
      readonly tracks: readonly PlayableTrack[];
      readonly epochMs: number;
      readonly stored: readonly FedObject[];
      readonly live: boolean;
    }
  | { readonly type: "object"; readonly object: FedObject }
  | { readonly type: "lost"; readonly track: string; readonly group: number }
  | { readonly type: "refuse"; readonly error: ErrorData }
  | { readonly type: "crash" }
  | { readonly type: "end" };

const channel = new BroadcastChannel(self.name);

function verified({ group, object, payload }: FedObject): Verified<MoqObject> {
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

class FedWorker implements WorkerApi {
  readonly #windows = new Map<string, TrackWindow>();
  #presentation: Presentation | undefined;
  #tell: (event: WorkerEvent) => void = () => undefined;
  #edgeTicks = 0;

  open(options: OpenOptions, events: MessagePort): Promise<void> {
    this.#tell = (event) => events.postMessage(event);
    return new Promise((resolve, reject) => {
      channel.onmessage = (message: MessageEvent<Feed>): void => {
        const feed = message.data;
        if (feed.type === "refuse") reject(CountersignError.fromData(feed.error));
        else if (feed.type === "crash") throw new Error("crashed as asked");
        else if (feed.type === "setup") {
          this.#setUp(feed, options);
          resolve();
        } else this.#take(feed);
      };
      channel.postMessage({ type: "opened" });
    });
  }

  #setUp(setup: Extract<Feed, { type: "setup" }>, options: OpenOptions): void {
    const { tracks, epochMs, stored, live } = setup;
    for (const track of tracks) {
      const ofTrack = stored.filter((object) => object.track === track.name);
      const ids = [...new Set(ofTrack.map(({ group }) => group))];
      const window = new TrackWindow(track);
      window.prepend(
        ids.map(
          (id) =>
            measureGroup(
              track,
              id,
              ofTrack.filter(({ group }) => group === id),
            )!,
        ),
      );
      if (!live) window.end();
      this.#windows.set(track.name, window);
    }
    this.#presentation = new Presentation({
      epochMs,
      startWithMs: options.targetLatencyMs,
      windows: [...this.#windows.values()],
      loadStored: async (track, group) =>
        stored.filter((object) => object.track === track && object.group === group).map(verified),
    });
    const descriptions = tracks.map(
      ({ name, role, codec, mimeType }): TrackDescription => ({ name, role, codec, mimeType }),
    );
    this.#tell({ type: "ready", tracks: descriptions, epochMs, startMs: 0, live });
    this.#tell({ type: "state", state: live ? "live" : "offline" });
  }

  #take(feed: Extract<Feed, { type: "object" | "lost" | "end" }>): void {
    if (feed.type === "end") {
      for (const window of this.#windows.values()) window.end();
      this.#tell({ type: "state", state: "ended" });
    } else if (feed.type === "lost") {
      this.#windows.get(feed.track)!.hole({ group: feed.group, objectEnd: undefined });
    } else {
      const window = this.#windows.get(feed.object.track)!;
      window.append(verified(feed.object));
      if (feed.object.last) window.complete(feed.object.group);
      const edgeTicks = Math.min(...[...this.#windows.values()].map(({ endTicks }) => endTicks ?? 0));
      if (edgeTicks > this.#edgeTicks) {
        this.#edgeTicks = edgeTicks;
        this.#tell({ type: "edge", edgeMs: edgeTicks / 48, atMs: Date.now() });
      }
    }
  }

  resource(request: Parameters<WorkerApi["resource"]>[0]): ReturnType<WorkerApi["resource"]> {
    if (!this.#presentation) return Promise.reject(new CountersignError("internal", "Not open."));
    return this.#presentation.resource(request);
  }

  cancel(id: number): void {
    this.#presentation?.cancel(id);
  }

  playhead(): void {
    // Nobody here decides by it.
  }

  evidence(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  seek(): Promise<SeekAnswer> {
    return Promise.resolve({ kind: "live" });
  }

  leaveExcerpt(): void {
    // There is none.
  }

  recordingPlan(): Promise<never> {
    return Promise.reject(new CountersignError("internal", "This worker records nothing."));
  }

  recordingPart(): Promise<never> {
    return this.recordingPlan();
  }

  keep(): Promise<never> {
    return this.recordingPlan();
  }

  stats(): Promise<never> {
    return Promise.reject(new CountersignError("internal", "This worker keeps no statistics."));
  }

  async close(): Promise<void> {
    this.#presentation?.close();
    channel.close();
  }
}

exposeWorker(new FedWorker());
