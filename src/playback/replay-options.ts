/** What an app says about keeping and fetching what was live, and its check. */
import { CountersignError } from "../errors.ts";
import type { OpenOptions } from "../rpc/protocol.ts";

export interface ReplayOptions {
  /** Keep at most this much, in ms. Default 72 h. */
  readonly maxAgeMs?: number;
  /** Keep at most this many bytes. Default: a share of what the browser allows. */
  readonly maxBytes?: number;
  /**
   * Fill the store from relays in the background, newest first, this far back: "24h", "90m", or milliseconds. Live playback comes first; progress is in `stats.backfill`.
   * Default: nothing is fetched before the viewer goes there.
   */
  readonly backfill?: string | number;
  /**
   * Where media are kept: "indexeddb" (default), or "opfs": files of the origin's private file system with their index in IndexedDB, for archives of many gigabytes. Either
   * falls back to what the browser grants.
   */
  readonly store?: "indexeddb" | "opfs";
  /**
   * Address of a module of yours that gives older media from somewhere else, an object store say: it exports `groupSource`, a GroupSource or a function that makes one. It is loaded into the
   * worker. What it gives is verified like everything else.
   */
  readonly source?: string | URL;
}

export const DEFAULT_REPLAY_AGE_MS: number = 72 * 60 * 60 * 1000;

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The app's options as the worker wants them. Throws CountersignError `invalid-options` with a hint. */
export function parseReplay(replay: boolean | ReplayOptions): OpenOptions["replay"] {
  if (typeof replay === "boolean")
    return { enabled: replay, maxAgeMs: DEFAULT_REPLAY_AGE_MS, maxBytes: undefined };
  const { maxAgeMs = DEFAULT_REPLAY_AGE_MS, maxBytes, backfill, store, source } = replay;
  if (!(maxAgeMs > 0) || (maxBytes !== undefined && !(maxBytes > 0))) {
    throw new CountersignError("invalid-options", "replay has a limit that is not above 0.", {
      hint: "Pass replay: false to keep nothing.",
    });
  }
  if (store !== undefined && store !== "indexeddb" && store !== "opfs") {
    throw new CountersignError("invalid-options", `replay.store is "${String(store)}".`, {
      hint: 'Choose "indexeddb" or "opfs", or leave it out.',
    });
  }
  const backfillMs = backfill === undefined ? undefined : parseDuration(backfill);
  return {
    enabled: true,
    maxAgeMs,
    maxBytes,
    ...(backfillMs !== undefined && { backfillMs: Math.min(backfillMs, maxAgeMs) }),
    ...(store !== undefined && { store }),
    ...(source !== undefined && { sourceUrl: parseSource(source) }),
  };
}

function parseDuration(backfill: string | number): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(String(backfill)) ?? [];
  const ms = typeof backfill === "number" ? backfill : Number(count) * (UNITS[unit ?? ""] ?? Number.NaN);
  if (ms > 0 && Number.isFinite(ms)) return ms;
  throw new CountersignError("invalid-options", `replay.backfill is "${String(backfill)}".`, {
    hint: 'Pass how far back: "24h", "90m", or milliseconds.',
  });
}

function parseSource(source: string | URL): string {
  try {
    // A worker's own address is not the page's.
    const base = (globalThis as { document?: { baseURI?: string } }).document?.baseURI;
    return new URL(source, base).href;
  } catch {
    throw new CountersignError("invalid-options", `replay.source is "${String(source)}", no address.`, {
      hint: 'Pass the address of a module: new URL("./my-source.js", import.meta.url).',
    });
  }
}
