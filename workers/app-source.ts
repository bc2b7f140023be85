/**
 * The app's own source of older media: a module of the app's, loaded into the worker, so that the main thread has no part in it.
 *
 * Whatever it gives is judged like everything else that comes from outside: nothing of it is played that the signer did not sign.
 */
import { CountersignError, toCountersignError } from "../src/errors.ts";
import { normalize } from "../src/replay/group-ranges.ts";
import type { GroupRange, GroupSource, StoredGroup, TrackKey } from "../src/replay/types.ts";
import type { VarInt } from "../src/wire/varint.ts";

/** Loads a module; tests give their own. */
export type ImportModule = (url: string) => Promise<{ readonly groupSource?: unknown }>;

const importModule: ImportModule = (url) => import(/* @vite-ignore */ url);

/** A source that is loaded when it is first asked. Rejects as long as its module cannot be loaded, and tries again with the next question. */
export class AppSource implements GroupSource {
  readonly #url: string;
  readonly #import: ImportModule;
  #loading: Promise<GroupSource> | undefined;

  constructor(url: string, load: ImportModule = importModule) {
    this.#url = url;
    this.#import = load;
  }

  async ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    return normalize(await this.#ask((source) => source.ranges(track, signal), signal));
  }

  async oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    return this.#ask((source) => source.oldest(track, signal), signal);
  }

  async group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    return this.#ask((source) => source.group(track, group, signal), signal);
  }

  async #ask<T>(question: (source: GroupSource) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await question(await this.#load());
    } catch (thrown) {
      signal?.throwIfAborted();
      throw toCountersignError(thrown, "range-unavailable", { hint: `It comes from ${this.#url}.` });
    }
  }

  #load(): Promise<GroupSource> {
    if (this.#loading === undefined) {
      const loading = this.#loadOnce();
      this.#loading = loading;
      loading.catch(() => {
        if (this.#loading === loading) this.#loading = undefined;
      });
    }
    return this.#loading;
  }

  async #loadOnce(): Promise<GroupSource> {
    const { groupSource: exported } = await this.#import(this.#url);
    const made: unknown = typeof exported === "function" ? await (exported as () => unknown)() : exported;
    const source = made as Partial<GroupSource> | null | undefined;
    const sound = [source?.ranges, source?.oldest, source?.group].every(
      (method) => typeof method === "function",
    );
    if (sound) return source as GroupSource;
    throw new CountersignError("invalid-options", "replay.source exports no groupSource.", {
      hint: "Export as groupSource an object with ranges(), oldest() and group(), or a function that makes one.",
    });
  }
}
