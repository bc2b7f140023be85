/** All tracks of one broadcast, each as deep as it goes: who can be asked for what, put together once. */
import { manifestTrackName } from "../src/catalog/build.ts";
import type { Clock } from "../src/clock.ts";
import type { CountersignError } from "../src/errors.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import { FetchSource, type FetchTrack } from "../src/replay/fetch-source.ts";
import type { GroupSource, ReplayStore, TrackKey } from "../src/replay/types.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import type { VarInt } from "../src/wire/varint.ts";
import { DeepTrack } from "./deep-source.ts";

export interface DeepBroadcastOptions {
  readonly namespace: Namespace;
  readonly streamId: Uint8Array;
  /** Names of its media tracks. */
  readonly tracks: readonly string[];
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly store: ReplayStore | undefined;
  readonly app: GroupSource | undefined;
  /** The peers, connected or not. */
  readonly pools: { readonly manifests: SourcePool; readonly objects: SourcePool } | undefined;
  /** The newest group of a track that its signer spoke of; undefined before any. */
  readonly newest: (track: string) => VarInt | undefined;
  /** See DeepTrackOptions. */
  readonly playedAtMs: (group: VarInt) => number | undefined;
  readonly onCorrupt: (error: CountersignError) => void;
}

export class DeepBroadcast {
  /** What relays still have; undefined without peers. */
  readonly fetch: FetchSource | undefined;
  readonly #tracks = new Map<string, DeepTrack>();

  constructor(options: DeepBroadcastOptions) {
    const { namespace, streamId, keyRing, clock, pools, newest } = options;
    const names = new Map<TrackKey, FetchTrack & { readonly name: string }>();
    this.fetch =
      pools &&
      new FetchSource({
        clock,
        keyRing,
        track: (key) => names.get(key),
        relays: () => pools.objects.connected(),
        manifestPeers: () => pools.manifests.connected(),
        newest: (key) => {
          const name = names.get(key)?.name;
          return name === undefined ? undefined : newest(name);
        },
        onLie: (source) => pools.objects.reportLie(source),
      });
    for (const name of options.tracks) {
      const media = trackOf(namespace, name);
      const { store, app, playedAtMs, onCorrupt } = options;
      const track = new DeepTrack({
        track: media,
        streamId,
        keyRing,
        store,
        app,
        fetch: this.fetch,
        playedAtMs,
        onCorrupt,
      });
      this.#tracks.set(name, track);
      names.set(track.key, {
        name,
        media,
        manifests: trackOf(namespace, manifestTrackName(name)),
        streamId,
      });
    }
  }

  track(name: string): DeepTrack | undefined {
    return this.#tracks.get(name);
  }

  get tracks(): readonly DeepTrack[] {
    return [...this.#tracks.values()];
  }
}
