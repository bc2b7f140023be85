/** How hls.js is set up for playing close to the live edge out of a worker. Each value is here because a default is wrong for that. */
import type { HlsConfig } from "hls.js";
import { createLoaders, type ResourceClient } from "./hls-loaders.ts";

/** Longest wait for media that the store has to deliver, before hls.js asks again. */
const STORED_MEDIA_TIMEOUT_MS = 10_000;

export interface HlsConfigOptions {
  readonly targetLatencyMs: number;
}

/**
 * The options to create an `Hls` with, or to lay over those of one that the app created. An app may put its own on top, except the loaders and what
 * concerns latency.
 */
export function hlsConfig(client: ResourceClient, options: HlsConfigOptions): Partial<HlsConfig> {
  return {
    ...createLoaders(client),
    lowLatencyMode: true,
    // Where playback starts. Kept there by latency-controller.ts: hls.js's own rate control acts only above 1 s of buffer.
    liveSyncDuration: options.targetLatencyMs / 1000,
    liveSyncOnStallIncrease: 0,
    maxLiveSyncPlaybackRate: 1,
    // A live stream lasts for ever: no `ended` when the buffer runs dry, and a seekable range that follows the edge.
    liveDurationInfinity: true,
    // Looking for the next segment, hls.js takes one that ends this close to the buffer's end for already played.
    maxFragLookUpTolerance: 0.01,
    maxBufferLength: 10,
    backBufferLength: 20,
    // Fragmented MP4 goes to the browser as it is; a second worker would only add a hop. (MPEG-TS will want one.)
    enableWorker: false,
    startFragPrefetch: true,
    // Advertisements by date ranges: not in our lists, and their scheduler works on every update.
    enableInterstitialPlayback: false,
    fragLoadPolicy: {
      default: {
        maxTimeToFirstByteMs: STORED_MEDIA_TIMEOUT_MS,
        maxLoadTimeMs: STORED_MEDIA_TIMEOUT_MS,
        timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
        // A part that left the window is not coming back; the next reload lists what is there.
        errorRetry: { maxNumRetry: 1, retryDelayMs: 100, maxRetryDelayMs: 1000 },
      },
    },
  };
}
