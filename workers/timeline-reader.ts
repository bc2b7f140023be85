/**
 * The media timeline of a broadcast, from its timeline track (draft-ietf-moq-msf "Media Timeline track").
 *
 * The track is read from the manifest peers and through a merger like any other: nothing of it counts that its own manifests do not prove. That it is signed does not make it right: what
 * cannot be read, goes back, or says of a group that was seen another time than the media themselves, ends its use for good, with one warning, and times are learnt as if there were none.
 */
import { manifestTrackName } from "../src/catalog/build.ts";
import { parseMediaTimeline, type TimelineRecord, unusableTimeline } from "../src/catalog/media-timeline.ts";
import type { Clock } from "../src/clock.ts";
import { type CountersignError, toCountersignError } from "../src/errors.ts";
import { TrackSequencer } from "../src/merge/sequencer.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import { type TrackMerger, verifyingMerger } from "../src/merge/track-merger.ts";
import type { GroupStart, LayeredTimeline } from "../src/replay/listed-timeline.ts";
import type { MediaRange } from "../src/replay/media-range.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { SignedTrackTrust } from "../src/trust/track-trust.ts";
import type { Verified } from "../src/trust/types.ts";
import { type FullTrackName, type Namespace, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import type { VarInt } from "../src/wire/varint.ts";
import { keepTimeline, readTimeline } from "./kept-timeline.ts";
import { ManifestIntake } from "./manifest-intake.ts";

/** Nothing waits for it within milliseconds: media come first. */
const TIMELINE_PRIORITY = 192;

/**
 * How far a listed time may be from the media's own before it is a lie. A list has presentation times, in which a few frames of reordering are more than the decode times that we
 * learn; half a second more is a seek that lands visibly elsewhere.
 */
const MAX_DISAGREEMENT_MS = 500;

/** Groups of the media that a new list is held against: those that were seen last. */
const MAX_SEEN = 64;

export interface TimelineReaderOptions {
  /** Name of the timeline track, in the broadcast's namespace. */
  readonly name: string;
  readonly namespace: Namespace;
  readonly streamId: Uint8Array;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly store: ReplayStore | undefined;
  /** Is filled. */
  readonly timeline: LayeredTimeline;
  /** Told once: it is not used any more. */
  readonly onUnusable: (error: CountersignError) => void;
}

export class TimelineReader {
  /** What an earlier session kept has been read, or cannot be; never rejects. */
  readonly restored: Promise<void>;
  readonly #options: TimelineReaderOptions;
  readonly #track: FullTrackName;
  readonly #trust: SignedTrackTrust;
  readonly #merger: TrackMerger<Verified<MoqObject>>;
  readonly #sequencer: TrackSequencer;
  readonly #seen: { readonly group: VarInt; readonly startMs: number }[] = [];
  #detach: readonly (() => void)[] = [];
  /** Of the group that is being read, from object 0 on; empty before that came. */
  #documents: Uint8Array[] = [];
  #closed = false;

  constructor(options: TimelineReaderOptions) {
    const { name, namespace, streamId, keyRing, clock } = options;
    this.#options = options;
    this.#track = trackOf(namespace, name);
    this.#trust = new SignedTrackTrust({ track: this.#track, keyRing, clock, streamId });
    this.#merger = verifyingMerger(this.#trust, { clock });
    // Its groups are numbered as the publisher likes; what lacks of one is made up for by the next.
    this.#sequencer = new TrackSequencer({ clock, groupNumbering: "sparse" });
    this.#trust.on("truth", (truth) => this.#sequencer.truth(truth));
    this.#merger.on("delivered", (delivery) => this.#sequencer.deliver(delivery));
    this.#sequencer.on("object", ({ object }) => this.#take(object));
    this.#sequencer.on("groupComplete", ({ group }) => this.#keep(group));
    this.#sequencer.on("hole", () => {
      // What follows in the group cannot be joined to what is listed.
      this.#documents = [];
    });
    this.restored = this.#restore();
  }

  /** Begins to read. */
  attach(manifests: SourcePool): void {
    const { name, namespace } = this.#options;
    this.#detach = [
      manifests.addTrack({
        name: trackOf(namespace, manifestTrackName(name)),
        target: new ManifestIntake(this.#trust),
      }),
      manifests.addMergedTrack(this.#track, this.#merger, this.#sequencer, { priority: TIMELINE_PRIORITY }),
    ];
  }

  /** A group of the media was seen whole: what is listed has to agree with it. */
  seen(group: VarInt, { startMs }: MediaRange): void {
    if (this.#closed) return;
    this.#seen.push({ group, startMs });
    if (this.#seen.length > MAX_SEEN) this.#seen.shift();
    this.#orRefuse(() => this.#compare(group, startMs));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const detach of this.#detach) detach();
    this.#sequencer.close();
    this.#merger.close();
    this.#trust.close();
  }

  #take({ group, object, payload }: MoqObject): void {
    if (object !== 0 && this.#documents.length !== Number(object)) return;
    this.#orRefuse(() => {
      this.#list(payload, object === 0);
      this.#documents = object === 0 ? [payload] : [...this.#documents, payload];
      if (object === 0) this.#keep(group);
    });
  }

  #list(document: Uint8Array, independent: boolean): void {
    const { listed } = this.#options.timeline;
    const starts = groupStarts(parseMediaTimeline(document));
    if (independent) listed.replace(starts);
    else if (!listed.append(starts)) throw unusableTimeline("an update does not lie behind what it updates");
    for (const { group, startMs } of this.#seen) this.#compare(group, startMs);
  }

  #compare(group: VarInt, startMs: number): void {
    const listedMs = this.#options.timeline.listed.startOf(group);
    if (listedMs === undefined || Math.abs(listedMs - startMs) <= MAX_DISAGREEMENT_MS) return;
    throw unusableTimeline(
      `it has group ${group} begin at ${Math.round(listedMs)} ms, the media themselves at ${Math.round(startMs)} ms`,
    );
  }

  #keep(group: VarInt): void {
    const { store } = this.#options;
    if (!store || this.#closed || this.#documents.length === 0) return;
    const evidence = this.#trust.evidence(group, false);
    keepTimeline(store, this.#identity(), { group, documents: this.#documents, evidence });
  }

  async #restore(): Promise<void> {
    const { store } = this.#options;
    if (!store) return;
    // The store tells of its own troubles; without what it kept, times come from the network or are learnt.
    const kept = (await readTimeline(store, this.#identity()).catch(() => undefined)) ?? [];
    if (this.#closed || this.#documents.length > 0) return;
    this.#orRefuse(() => {
      for (const [index, document] of kept.entries()) this.#list(document, index === 0);
    });
  }

  #identity() {
    const { streamId, keyRing } = this.#options;
    return { track: this.#track, streamId, keyRing };
  }

  #orRefuse(step: () => void): void {
    if (this.#closed) return;
    try {
      step();
    } catch (thrown) {
      const error = toCountersignError(thrown, "internal");
      this.#options.timeline.listed.replace([]);
      this.close();
      this.#options.onUnusable(error);
    }
  }
}

/** Records of objects within a group say nothing about where groups begin; two that begin at one time cannot be told apart by it. */
function groupStarts(records: readonly TimelineRecord[]): readonly GroupStart[] {
  const starts: GroupStart[] = [];
  for (const { group, object, mediaMs } of records) {
    if (object !== 0) continue;
    if (starts.at(-1)?.startMs === mediaMs)
      throw unusableTimeline(`group ${group} begins when the one before it does`);
    starts.push({ group, startMs: mediaMs });
  }
  return starts;
}
