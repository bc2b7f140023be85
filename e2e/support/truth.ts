/** What the signer cut and signed, cut once more here: the standard that everything a page shows, stores and hands on is held to. */
import { createHash } from "node:crypto";
import { loadClip } from "../../demo/peers/input/load-clip.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";

export interface Place {
  readonly track: string;
  readonly group: number;
  readonly object: number;
}

export function placeName({ track, group, object }: Place): string {
  return `${track} ${group}/${object}`;
}

/** As the pages under test name a chunk: SHA-256, lower-case hex. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export class Truth {
  readonly #cutter: GroupCutter;
  readonly #epochMs: number;
  readonly #digests = new Map<string, Place>();
  readonly #cut = new Map<string, string[]>();
  readonly #initDigests: ReadonlySet<string>;
  #cutUpTo = 0;

  private constructor(cutter: GroupCutter, epochMs: number) {
    this.#cutter = cutter;
    this.#epochMs = epochMs;
    this.#initDigests = new Set(cutter.tracks.map(({ initSegment }) => digestOf(initSegment)));
  }

  static async of(epochMs: number, objectMs = 200): Promise<Truth> {
    const { clip } = await loadClip();
    return new Truth(new GroupCutter(clip, { objectMs }), epochMs);
  }

  get tracks(): readonly string[] {
    return this.#cutter.tracks.map(({ clipTrack }) => clipTrack.name);
  }

  /** Digests of a group's objects, in order. */
  group(track: string, group: number): readonly string[] {
    const key = `${track} ${group}`;
    const known = this.#cut.get(key);
    if (known) return known;
    const digests = this.#cutter.group(track, group).map(({ payload }) => digestOf(payload));
    this.#cut.set(key, digests);
    return digests;
  }

  /** Where these bytes belong; undefined: nobody signed them (or not yet). */
  placeOf(digest: string): Place | undefined {
    const newest = this.#cutter.groupAt(Date.now() - this.#epochMs) + 1;
    for (; this.#cutUpTo <= newest; this.#cutUpTo++) {
      for (const track of this.tracks) {
        this.group(track, this.#cutUpTo).forEach((known, object) => {
          this.#digests.set(known, { track, group: this.#cutUpTo, object });
        });
      }
    }
    return this.#digests.get(digest);
  }

  isInitSegment(digest: string): boolean {
    return this.#initDigests.has(digest);
  }

  /** The places between two of one track that are not in `there`. */
  missingBetween(track: string, first: Place, last: Place, there: ReadonlySet<string>): string[] {
    const missing: string[] = [];
    for (let group = first.group; group <= last.group; group++) {
      this.group(track, group).forEach((_, object) => {
        if (group === first.group && object < first.object) return;
        if (group === last.group && object > last.object) return;
        const name = placeName({ track, group, object });
        if (!there.has(name)) missing.push(name);
      });
    }
    return missing;
  }
}
