/**
 * The past of a broadcast: seeks behind the live window become excerpts, and requests of an excerpt's list and media are answered by it.
 *
 * One excerpt at a time is followed; the one before it is kept until the page reads from the new one, and then closed.
 */
import { CountersignError } from "../src/errors.ts";
import type { ResourceRequest, ResourceResponse, SeekAnswer } from "../src/rpc/protocol.ts";
import { Excerpt, type ExcerptOptions, type ExcerptStart } from "./excerpt.ts";

/** The folder of an excerpt's resources: `at-3/main.m3u8`. No track's folder can be called so: it would have no file of that name. */
const EXCERPT_PATH = /^at-(\d{1,9})\/(.*)$/;

interface Numbered {
  readonly number: number;
  readonly excerpt: Excerpt;
}

export class Rewind {
  #current: Numbered | undefined;
  #count = 0;
  #latestSeek = 0;
  #closed = false;

  /** Whether this path is an excerpt's. */
  owns(path: string): boolean {
    return EXCERPT_PATH.test(path);
  }

  /** Where an excerpt is being played, what it lists. */
  get range(): { readonly startMs: number; readonly endMs: number } | undefined {
    return this.#current?.excerpt.range;
  }

  /** An excerpt from the target on. Undefined: there is nothing. Rejects with `destroyed` when a later seek came meanwhile. */
  async seek(options: ExcerptOptions, start: ExcerptStart): Promise<SeekAnswer | undefined> {
    this.#latestSeek += 1;
    const seek = this.#latestSeek;
    const excerpt = await Excerpt.open(options, start);
    if (this.#closed || seek !== this.#latestSeek) {
      excerpt?.close();
      throw new CountersignError("destroyed", "Another seek came before this one was answered.");
    }
    if (!excerpt) return undefined;
    this.#current?.excerpt.close();
    this.#count += 1;
    this.#current = { number: this.#count, excerpt };
    return {
      kind: "excerpt",
      path: `at-${this.#count}/main.m3u8`,
      startMs: excerpt.startMs,
      listStartMs: excerpt.range.startMs,
    };
  }

  resource({ id, path }: ResourceRequest): Promise<ResourceResponse> {
    const [, number, inside] = EXCERPT_PATH.exec(path) ?? [];
    if (this.#current === undefined || inside === undefined || Number(number) !== this.#current.number) {
      return Promise.reject(new CountersignError("range-unavailable", "That excerpt is no longer played."));
    }
    return this.#current.excerpt.presentation.resource({ id, path: inside });
  }

  cancel(id: number): void {
    this.#current?.excerpt.presentation.cancel(id);
  }

  playhead(positionMs: number | undefined): void {
    if (positionMs !== undefined) this.#current?.excerpt.playhead(positionMs);
  }

  /** Live is played again: nothing more is read. */
  leave(): void {
    this.#current?.excerpt.close();
    this.#current = undefined;
  }

  close(): void {
    this.#closed = true;
    this.leave();
  }
}
