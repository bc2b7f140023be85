/** The page of the latency benchmark: a `<video>` with our player or with a stock hls.js, and a watch on every frame that it shows. */
import { createPlayer, type Player, type PlayerOptions } from "../../src/index.ts";
import type { Slice, Watched, WatchOptions } from "./messages.ts";

/** What of a stock hls.js is used; the harness loads its own build as a script, as a page without a bundler would. */
interface StockHls {
  readonly playingDate: Date | null;
  loadSource(url: string): void;
  attachMedia(video: HTMLVideoElement): void;
  destroy(): void;
}

interface Playing {
  /** Media time on the wall clock, in ms since 1970, of element time 0; undefined until it is known. */
  zeroMs(): number | undefined;
  destroy(): void | Promise<void>;
}

const SLOW_START_MS = 4000;

let playing: Playing | undefined;

function newVideo(): HTMLVideoElement {
  document.body.replaceChildren();
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  video.playsInline = true;
  document.body.append(video);
  return video;
}

function video(): HTMLVideoElement {
  const found = document.querySelector("video");
  if (!found) throw new Error("nothing plays");
  return found;
}

/** Resolves with the time from `startMs` to the first frame on the screen. */
function firstFrame(of: HTMLVideoElement, startMs: number): Promise<number> {
  return new Promise((resolve) => of.requestVideoFrameCallback((nowMs) => resolve(nowMs - startMs)));
}

/** Whole milliseconds of Date against the finer clock: the largest difference of some is the true one. */
function wallOffsetMs(): number {
  let offsetMs = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < 200; i++) offsetMs = Math.max(offsetMs, Date.now() - performance.now());
  return offsetMs;
}

function watchLongTasks(): { readonly count: number; readonly longestMs: number } {
  const seen = { count: 0, longestMs: 0 };
  if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) return seen;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      seen.count++;
      seen.longestMs = Math.max(seen.longestMs, duration);
    }
  }).observe({ type: "longtask" });
  return seen;
}

const bench = {
  /** Resolves with ms from createPlayer to the first frame on the screen. */
  async play(options: PlayerOptions): Promise<number> {
    const element = newVideo();
    const startMs = performance.now();
    const player: Player = createPlayer(element, { ...options, autoplay: true });
    const told: string[] = [];
    const tell = (text: string): void =>
      void told.push(`${Math.round(performance.now() - startMs)} ms ${text}`);
    player.on("warning", (error) => tell(`warning: ${error.code} ${error.message}`));
    player.on("state", ({ state, error }) => tell(`${state} ${error?.code ?? ""}`));
    player.on("ready", () => tell("ready"));
    player.on("source", ({ kind, state, reason }) =>
      tell(`a source of ${kind}: ${state} ${reason?.code ?? ""}`),
    );
    playing = {
      zeroMs: () => {
        const { epochMs, positionMs } = player;
        return epochMs === undefined || positionMs === undefined
          ? undefined
          : epochMs + positionMs - element.currentTime * 1000;
      },
      destroy: () => player.destroy(),
    };
    const afterMs = await firstFrame(element, startMs);
    // A start that nobody would wait for: the figure alone would not say why.
    if (afterMs > SLOW_START_MS) console.error(`a slow start: ${told.join("; ")}`);
    return afterMs;
  },

  /** The same for hls.js over HTTP, told to aim at the same distance and otherwise left as it is. */
  async playStock(url: string, targetLatencyMs: number): Promise<number> {
    const element = newVideo();
    const startMs = performance.now();
    const { Hls } = globalThis as unknown as {
      readonly Hls: new (config: { liveSyncDuration: number }) => StockHls;
    };
    const hls = new Hls({ liveSyncDuration: targetLatencyMs / 1000 });
    hls.attachMedia(element);
    hls.loadSource(url);
    void element.play();
    playing = {
      zeroMs: () =>
        hls.playingDate === null ? undefined : hls.playingDate.getTime() - element.currentTime * 1000,
      destroy: () => hls.destroy(),
    };
    return firstFrame(element, startMs);
  },

  /** Watches what is shown, for as long as the slices last together. */
  watch({ slices, sliceMs, objectMs, groupMs }: WatchOptions): Promise<Watched> {
    const element = video();
    const clockMs = wallOffsetMs();
    const collected = Array.from({ length: slices }, () => ({
      ages: [] as number[],
      sinceCut: [] as number[],
    })) satisfies Slice[];
    const longTasks = watchLongTasks();
    let stalls = 0;
    element.addEventListener("waiting", () => stalls++);
    const droppedBefore = element.getVideoPlaybackQuality().droppedVideoFrames;
    const beginMs = performance.now();
    return new Promise((resolve) => {
      const onFrame = (nowMs: number, frame: VideoFrameCallbackMetadata): void => {
        const slice = collected[Math.floor((nowMs - beginMs) / sliceMs)];
        if (slice === undefined) {
          const droppedFrames = element.getVideoPlaybackQuality().droppedVideoFrames - droppedBefore;
          resolve({
            slices: collected,
            stalls,
            droppedFrames,
            longTasks: longTasks.count,
            longestTaskMs: longTasks.longestMs,
          });
          return;
        }
        const zeroMs = playing?.zeroMs();
        if (zeroMs !== undefined) {
          const capturedMs = zeroMs + frame.mediaTime * 1000;
          const ageMs = frame.expectedDisplayTime + clockMs - capturedMs;
          slice.ages.push(ageMs);
          // The epoch is a whole second, and so is a group: the place within it is that within the second.
          const inObjectMs = (Math.round(capturedMs) % groupMs) % objectMs;
          if (inObjectMs <= 1 || inObjectMs >= objectMs - 1) slice.sinceCut.push(ageMs - objectMs);
        }
        element.requestVideoFrameCallback(onFrame);
      };
      element.requestVideoFrameCallback(onFrame);
    });
  },

  async stop(): Promise<void> {
    await playing?.destroy();
    playing = undefined;
  },
};

export type LatencyPage = typeof bench;

Object.assign(globalThis, { bench });
