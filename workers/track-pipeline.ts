/**
 * One media track from relays to the window: merger, sequencer and store joined. Wiring only; what each part does is told in its own room.
 *
 *   relays ─► pool ─► merger ─► sequencer ─► (decryption) ─► window          manifest peers ─► intake ─► trust
 *                        └────► store                                                                  └─► merger, sequencer
 */

import { manifestTrackName } from "../src/catalog/build.ts";
import type { Clock } from "../src/clock.ts";
import { type CountersignError, toCountersignError } from "../src/errors.ts";
import { Gate } from "../src/merge/gate.ts";
import { isProvenLie } from "../src/merge/lie-record.ts";
import { HOLD_ABOVE_GROUPS, HOLD_MAX_MS } from "../src/merge/limits.ts";
import { TrackSequencer } from "../src/merge/sequencer.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import { type TrackMerger, verifyingMerger } from "../src/merge/track-merger.ts";
import type { Hole, RejectReason, SourceId } from "../src/merge/types.ts";
import { TrackWindow } from "../src/playback/track-window.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { storedTrackKey } from "../src/replay/track-key.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { OpeningLine } from "../src/trust/secure-objects/opening-line.ts";
import type { TrackOpener } from "../src/trust/secure-objects/track-opener.ts";
import { SignedTrackTrust } from "../src/trust/track-trust.ts";
import type { TrustState, Verified } from "../src/trust/types.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";
import type { VarInt } from "../src/wire/varint.ts";
import { ManifestIntake } from "./manifest-intake.ts";

/** Subscriber priorities (draft-18 §7): a picture may be late, sound that breaks off is noticed at once. */
const AUDIO_PRIORITY = 64;
const VIDEO_PRIORITY = 128;

export interface TrackPipelineOptions {
  readonly playable: PlayableTrack;
  readonly namespace: Namespace;
  readonly streamId: Uint8Array;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly store: ReplayStore | undefined;
  readonly listener: TrackListener;
  /** Undefined: the track is not encrypted. */
  readonly opener?: TrackOpener | undefined;
}

export interface TrackListener {
  /** A verified object reached the window: its media can be asked for. */
  appended(pipeline: TrackPipeline): void;
  /** Something was delivered, in whatever order. */
  delivered(): void;
  rejected(
    pipeline: TrackPipeline,
    source: SourceId,
    group: VarInt,
    object: VarInt,
    reason: RejectReason,
  ): void;
  hole(pipeline: TrackPipeline, hole: Hole): void;
  trust(pipeline: TrackPipeline, state: TrustState): void;
  /** Why media of a track, or what is stored of it, cannot be decrypted at present; undefined when they can again. */
  locked(what: string, error: CountersignError | undefined): void;
  /** Verified bytes that are not media: the signer signed nonsense. */
  problem(error: CountersignError): void;
}

export class TrackPipeline {
  readonly playable: PlayableTrack;
  readonly window: TrackWindow;
  readonly trust: SignedTrackTrust;
  readonly merger: TrackMerger<Verified<MoqObject>>;
  readonly intake: ManifestIntake;
  readonly counts = { delivered: 0, deliveredBytes: 0, rejected: 0, holes: 0 };
  readonly #options: TrackPipelineOptions;
  readonly #sequencer: TrackSequencer;
  /** Manifests that run far ahead of their objects would push each other out of trust and sequencer. */
  readonly #manifestGate: Gate;
  readonly #line: OpeningLine | undefined;
  readonly #storeKey: string;
  readonly #detach: (() => void)[] = [];
  #lastTruthMs: number | undefined;

  constructor(options: TrackPipelineOptions) {
    const { playable, namespace, streamId, keyRing, clock } = options;
    const track = trackOf(namespace, playable.name);
    this.#options = options;
    this.playable = playable;
    this.window = new TrackWindow(playable);
    this.trust = new SignedTrackTrust({ track, keyRing, clock, streamId });
    this.merger = verifyingMerger(this.trust, { clock });
    const resumeAt = playable.role === "audio" ? "object" : "group";
    this.#sequencer = new TrackSequencer({ clock, resumeAt });
    const { opener, listener } = options;
    this.#line =
      opener &&
      new OpeningLine({
        clock,
        resumeAt,
        open: (object) => opener.open(object),
        onObject: (object) => this.#append(object),
        onLost: (object, error) =>
          this.#lost(object, resumeAt === "object" ? object.object : undefined, error),
        onTrouble: (error) => listener.locked(playable.name, error),
      });
    this.#manifestGate = new Gate({
      clock,
      isFull: () => this.#sequencer.openGroups > HOLD_ABOVE_GROUPS,
      hasRoom: () => this.#sequencer.openGroups <= HOLD_ABOVE_GROUPS / 2,
      maxHoldMs: HOLD_MAX_MS,
    });
    this.intake = new ManifestIntake(this.trust, this.#manifestGate);
    this.#storeKey = storedTrackKey(streamId, track);
    this.#join();
  }

  /** When the signer last named an object or closed a group; undefined before the first. */
  get lastTruthMs(): number | undefined {
    return this.#lastTruthMs;
  }

  /** Begins to read from manifest peers and relays. */
  attach(manifests: SourcePool, objects: SourcePool): void {
    const { playable, namespace } = this.#options;
    const name = trackOf(namespace, playable.name);
    this.#detach.push(
      manifests.addTrack({
        name: trackOf(namespace, manifestTrackName(playable.name)),
        target: this.intake,
        // A manifest peer that comes back is asked for all that it, or its absence, withheld.
        needed: () =>
          this.trust.latestGroup === undefined ? undefined : { group: this.trust.latestGroup, object: 0 },
      }),
      objects.addMergedTrack(name, this.merger, this.#sequencer, {
        priority: playable.role === "audio" ? AUDIO_PRIORITY : VIDEO_PRIORITY,
      }),
    );
  }

  close(): void {
    for (const detach of this.#detach) detach();
    this.#manifestGate.release();
    this.#sequencer.close();
    this.#line?.close();
    this.merger.close();
    this.trust.close();
    this.window.end();
  }

  #join(): void {
    const { listener, store, clock } = this.#options;
    this.trust.on("truth", (truth) => {
      this.#lastTruthMs = clock.now();
      this.#sequencer.truth(truth);
    });
    this.trust.on("state", ({ state }) => listener.trust(this, state));

    this.merger.on("delivered", (delivery) => {
      this.counts.delivered += 1;
      this.counts.deliveredBytes += delivery.object.payload.byteLength;
      this.#sequencer.deliver(delivery);
      this.#store(store, delivery.object);
      listener.delivered();
    });
    this.merger.on("repair", ({ object }) => this.#store(store, object));
    this.merger.on("rejected", ({ source, group, object, reason }) => {
      // What merely waited too long for its manifest proves nothing against its sender.
      if (!isProvenLie(reason) && reason !== "unsigned") return;
      this.counts.rejected += 1;
      listener.rejected(this, source, group, object, reason);
    });

    this.#sequencer.on("object", ({ object }) => {
      if (this.#line) this.#line.push(object);
      else this.#append(object);
    });
    this.#sequencer.on("groupComplete", ({ group }) => {
      this.#inOrder(() => this.window.complete(group));
      this.#manifestGate.check();
      store?.seal(this.#storeKey, group, this.trust.evidence(group), true);
    });
    this.#sequencer.on("hole", (hole) => {
      this.#inOrder(() => this.window.hole(hole));
      this.#manifestGate.check();
      // What was skipped before the start is not missing: the viewer came later.
      if (hole.cause === "start") return;
      store?.seal(this.#storeKey, hole.group, this.trust.evidence(hole.group, false), false);
      this.counts.holes += 1;
      listener.hole(this, hole);
    });
  }

  #append(object: Verified<MoqObject>): void {
    const { listener } = this.#options;
    try {
      this.window.append(object);
    } catch (thrown) {
      listener.problem(toCountersignError(thrown, "media-error"));
      return;
    }
    listener.appended(this);
  }

  /** What is said of the window is said when all before it has been decrypted. */
  #inOrder(step: () => void): void {
    if (this.#line) this.#line.after(step);
    else step();
  }

  #lost({ group, object }: MoqObject, objectEnd: VarInt | undefined, error: CountersignError): void {
    const hole: Hole = { group, objectStart: object, objectEnd, cause: "undecipherable", error };
    this.window.hole(hole);
    this.counts.holes += 1;
    this.#options.listener.hole(this, hole);
  }

  #store(store: ReplayStore | undefined, object: Verified<MoqObject>): void {
    const known = this.trust.lookup(object.group, object.object);
    if (known.state === "signed") store?.put(this.#storeKey, object, known.entry.leaf);
  }
}
