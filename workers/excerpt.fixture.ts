/** An archive in memory for tests of excerpts: which groups there are, and which are damaged, is all that a test decides. */
import { CountersignError } from "../src/errors.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { GroupCutter } from "../src/publish/group-cutter.ts";
import { syntheticClip } from "../src/publish/synthetic-clip.ts";
import { contains } from "../src/replay/group-ranges.ts";
import { fixedTimeline } from "../src/replay/media-range.ts";
import type { GroupRange } from "../src/replay/types.ts";
import type { WorkerEvent } from "../src/rpc/protocol.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import type { Verified } from "../src/trust/types.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import type { VarInt } from "../src/wire/varint.ts";
import type { ExcerptOptions } from "./excerpt.ts";
import type { ReadableTrack } from "./readable-tracks.ts";

const cutter = new GroupCutter(syntheticClip({ seconds: 16, framesPerSecond: 25 }), { objectMs: 200 });

type Hole = Extract<WorkerEvent, { type: "hole" }>;

export class Archive {
  stored: GroupRange[] = [];
  fetchable: GroupRange[] = [];
  readonly damaged = new Set<number>();
  readonly read: number[] = [];
  newest: VarInt | undefined;
  readonly holes: Hole[] = [];
  readonly problems: CountersignError[] = [];
  readonly clock = new FakeClock();
  asked = 0;

  readonly options: ExcerptOptions = {
    tracks: cutter.tracks.map((track) => this.#track(track)),
    timeline: fixedTimeline(1000),
    epochMs: 0,
    clock: this.clock,
    newest: () => this.newest,
    emit: (event) => {
      if (event.type === "hole") this.holes.push(event);
    },
    onProblem: (error) => this.problems.push(error),
  };

  #track({ clipTrack, initSegment }: (typeof cutter.tracks)[number]): ReadableTrack {
    const { name, kind, codec } = clipTrack;
    const playable: PlayableTrack = {
      name,
      role: kind,
      codec,
      mimeType: `${kind}/mp4`,
      initSegment,
      timescale: 48_000,
      bitrate: undefined,
      width: undefined,
      height: undefined,
      framerate: undefined,
      lang: undefined,
    };
    return {
      playable,
      stored: async () => this.stored,
      ranges: async () => {
        this.asked += 1;
        return { stored: this.stored, fetchable: this.fetchable };
      },
      group: async (group) => {
        if (kind === "video") this.read.push(Number(group));
        if (this.damaged.has(Number(group)))
          throw new CountersignError("store-corrupt", "Not what was signed.");
        if (!contains(this.stored, group) && !contains(this.fetchable, group)) return undefined;
        const objects = cutter.group(name, Number(group)).map(({ objectId, payload }) => ({
          group,
          object: objectId,
          subgroup: 0,
          priority: undefined,
          status: "normal",
          properties: new Uint8Array(0),
          payload,
        }));
        // What trust/ would have made of them.
        return { complete: true, objects: objects as unknown as readonly Verified<MoqObject>[] };
      },
    };
  }
}
