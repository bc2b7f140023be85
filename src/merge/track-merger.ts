/**
 * One track out of many sources.
 *
 * Every source offers every object it receives, in whatever order and as often as it likes. The merger lets the first good copy of each {group, object}
 * through and nothing else. "Good" is the signer's word: an object must be named by a verified manifest and match it in size and digest. Only a copy that
 * was found good takes the object's place in the ledger, so junk that comes first shadows nobody ("verify before claim"): the next copy waits
 * beside it and is judged when the first has failed. The embedded relay uses the same merger without trust: there the first copy is the good one.
 */
import type { Clock } from "../clock.ts";
import { Emitter } from "../events.ts";
import type { ObjectSink } from "../transport/connection.ts";
import type { Lookup, SignedEntry, TrackTrust, Verified } from "../trust/types.ts";
import type { Location } from "../wire/names.ts";
import type { MoqObject, ObjectStart } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { LedgerOptions, LedgerStatus } from "./delivery-ledger.ts";
import { DeliveryLedger } from "./delivery-ledger.ts";
import { PENDING_COPIES_PER_SOURCE } from "./limits.ts";
import { OversizedPlaces } from "./oversized.ts";
import type { Candidate, PendingLimits, Place } from "./pending-objects.ts";
import { PendingObjects } from "./pending-objects.ts";
import { SourceGates } from "./source-gates.ts";
import type { ScoreCounters } from "./source-scores.ts";
import { SourceScores } from "./source-scores.ts";
import type { SubgroupLimits } from "./subgroup-ends.ts";
import { SubgroupEnds } from "./subgroup-ends.ts";
import type { MergerEvents, RejectReason, SourceId, SourceScore, SubgroupEnd } from "./types.ts";

/** What the merger asks of trust; TrackTrust is one. */
export interface Judge<T> {
  lookup(group: VarInt, object: VarInt): Lookup;
  verify(object: MoqObject, entry: SignedEntry): Promise<T | undefined>;
  /** Tries the proof that an object brings along; when it holds, lookup() knows the object and `truth` is told. Undefined: nothing to try. */
  include?(object: MoqObject): Promise<boolean> | undefined;
  on(type: "truth", listener: (truth: { readonly group: VarInt }) => void): () => void;
}

export interface MergerOptions extends PendingLimits, SubgroupLimits {
  readonly clock: Clock;
  readonly ledger?: LedgerOptions;
}

type Admission<T> =
  | { readonly kind: "judged"; readonly judge: Judge<T> }
  | { readonly kind: "forwarded"; readonly admit: (object: MoqObject) => T };

/** The player's merger: nothing passes that `trust` has not verified. */
export function verifyingMerger(trust: TrackTrust, options: MergerOptions): TrackMerger<Verified<MoqObject>> {
  return new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge: trust }, options);
}

/** The relay's merger, and that of a player told not to require manifests: the first copy passes. */
export function forwardingMerger(options: MergerOptions): TrackMerger<MoqObject> {
  return new TrackMerger<MoqObject>({ kind: "forwarded", admit: (object) => object }, options);
}

export class TrackMerger<T extends MoqObject> {
  readonly #admission: Admission<T>;
  readonly #clock: Clock;
  readonly #events = new Emitter<MergerEvents<T>>();
  readonly #ledger: DeliveryLedger;
  /** What was handed out for repair: a store needs each object once, too. */
  readonly #repaired: DeliveryLedger;
  readonly #scores = new SourceScores();
  readonly #pending: PendingObjects;
  readonly #subgroups: SubgroupEnds;
  readonly #oversized = new OversizedPlaces();
  readonly #gates: SourceGates;
  readonly #stopListening: () => void;
  #duplicates = 0;
  #closed = false;

  constructor(admission: Admission<T>, options: MergerOptions) {
    this.#admission = admission;
    this.#clock = options.clock;
    this.#ledger = new DeliveryLedger(options.ledger);
    this.#repaired = new DeliveryLedger(options.ledger);
    this.#gates = new SourceGates(options.clock);
    this.#pending = new PendingObjects(options.clock, options, {
      evicted: (candidate, reason) =>
        this.#reject(candidate.from, candidate.object.group, candidate.object.object, reason),
      left: (from) => this.#gates.check(from),
    });
    this.#subgroups = new SubgroupEnds(options.clock, options, (end) =>
      this.#events.emit("subgroupEnd", end),
    );
    this.#stopListening =
      admission.kind === "judged"
        ? admission.judge.on("truth", ({ group }) => {
            for (const place of this.#pending.placesOf(group)) this.#judge(place);
            this.#judgeOversized(admission.judge, group);
          })
        : () => undefined;
  }

  on<K extends keyof MergerEvents<T>>(type: K, listener: (event: MergerEvents<T>[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** What has been delivered; to be read, not claimed from. */
  get ledger(): Pick<DeliveryLedger, "status" | "newestGroup" | "oldestGroup"> {
    return this.#ledger;
  }

  /** Groups with copies that wait to be judged, in no order. */
  get waitingGroups(): readonly VarInt[] {
    return this.#pending.waitingGroups;
  }

  /** Copies of what was delivered, of all sources. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** True while a copy of this object is being hashed. */
  isJudging(group: VarInt, object: VarInt): boolean {
    return this.#pending.find(group, object)?.inFlight !== undefined;
  }

  score(source: SourceId): SourceScore {
    return this.#scores.snapshot(source);
  }

  /** Running mean of how far this source's copies come behind the first ones, in ms. */
  lagMs(source: SourceId): number {
    return this.#scores.of(source).lagMs;
  }

  /** The furthest object of worth that this source's subscription brought: a copy of something signed, the first or not. */
  furthest(source: SourceId): Location | undefined {
    return this.#scores.of(source).furthest;
  }

  /** Counts objects that this source should have sent and did not. Whoever compares its stream with the manifest knows; the merger cannot. */
  withheld(source: SourceId, count: number): void {
    this.#scores.of(source).withheld += count;
  }

  /** A source begins to feed this track: subgroups whose streams were reset wait a moment for it to carry on. */
  addSource(source: SourceId): void {
    this.#scores.of(source);
    this.#subgroups.addSource(source);
  }

  /** A source is gone or banned: its open subgroups count as reset. What it sent before is judged like anything else: bytes do not turn bad with their bearer. */
  removeSource(source: SourceId): void {
    this.#subgroups.removeSource(source);
  }

  /** The sink to give to a subscription, or to a fetch (whose stream is no subgroup). */
  sink(source: SourceId, request: "subscription" | "fetch"): ObjectSink {
    const live = request === "subscription";
    const objects = {
      accept: (start: ObjectStart) => this.accept(source, start, live),
      object: (object: MoqObject) => this.offer(source, object, live),
      ...(this.#admission.kind === "judged" && { ready: () => this.#gates.ready(this.#scores.of(source)) }),
    };
    if (request === "fetch") return { ...objects, streamEnd: (end) => this.#noteOversize(source, end) };
    return {
      ...objects,
      streamStart: (header) => {
        if (header.subgroup !== undefined)
          this.#subgroups.open(source, header.group, header.subgroup, header.firstObject);
      },
      streamEnd: (end) => {
        this.#noteOversize(source, end);
        this.#subgroups.end(source, end);
      },
    };
  }

  /** The decoder gave a stream up over an object larger than anything that can be signed: as much a lie as one of the wrong size. */
  #noteOversize(source: SourceId, { group, error }: Pick<SubgroupEnd, "group" | "error">): void {
    if (this.#closed || this.#admission.kind === "forwarded") return;
    if (error?.code !== "limit-exceeded" || error.protocolCode !== undefined) return;
    this.#reject(this.#scores.of(source), group, 0, "too-large");
  }

  /** Asked before a payload is read: false when the object can only be thrown away. What is refused here is scored here. `live`: it comes by a subscription. */
  accept(source: SourceId, start: ObjectStart, live = true): boolean {
    if (this.#closed) return false;
    const { group, object, payloadLength } = start;
    const from = this.#scores.of(source);
    // An object that only carries a status has no payload; offer() tells it apart.
    if (this.#screen(from, group, object, payloadLength, live, true) !== "refused") return true;
    from.bytes += payloadLength;
    return false;
  }

  /** Takes an object. Returns at once; the outcome comes as an event. */
  offer(source: SourceId, object: MoqObject, live = true): void {
    if (this.#closed) return;
    const from = this.#scores.of(source);
    const payloadLength = object.payload.byteLength;
    from.bytes += payloadLength;
    const admission = this.#admission;
    if (admission.kind === "forwarded") {
      this.#deliver({ from, object, receivedAtMs: this.#clock.now(), live }, admission.admit(object));
      return;
    }
    // A status says that something is not there. The signer says that, too, and is believed; a relay is not (§11.4.2 has no digest).
    if (object.status !== "normal") return;
    const verdict = this.#screen(from, object.group, object.object, payloadLength, live, false);
    if (verdict === "refused") return;

    const place = this.#pending.place(object.group, object.object);
    const candidate = { from, object, receivedAtMs: this.#clock.now(), live, place };
    if (verdict !== "wait" && place.inFlight === undefined && place.queue.length === 0)
      this.#verify(candidate, verdict);
    else {
      this.#pending.push(candidate);
      if (verdict !== "wait") this.#judge(place);
      else this.#tryProof(place);
    }
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#pending.clear();
    this.#oversized.clear();
    this.#subgroups.close();
    this.#gates.release();
    this.#events.clear();
  }

  /** What the location and length alone say. Refusals are scored here; nothing is hashed. */
  #screen(
    from: ScoreCounters,
    group: VarInt,
    object: VarInt,
    payloadLength: number,
    live: boolean,
    mayBeStatus: boolean,
  ): SignedEntry | "wait" | "refused" {
    const status = this.#ledger.status(group, object);
    if (
      status === "delivered" ||
      (status === "below-window" && this.#repaired.status(group, object) !== "new")
    ) {
      return this.#duplicate(from, group, object, this.#clock.now(), live);
    }
    if (this.#admission.kind === "forwarded" || (mayBeStatus && payloadLength === 0)) return "wait";
    const known = this.#admission.judge.lookup(group, object);
    if (known.state === "unsigned") return this.#reject(from, group, object, "unsigned");
    if (known.state === "waiting") {
      if (status === "below-window") return this.#reject(from, group, object, "below-window");
      if (!this.#pending.fits(payloadLength)) {
        this.#oversized.add({ from, group, object, payloadLength });
        return this.#reject(from, group, object, "pending-overflow");
      }
    } else if (known.entry.size !== payloadLength) {
      return this.#reject(from, group, object, wrongSize(known.entry, payloadLength));
    }
    const place = this.#pending.find(group, object);
    if (place !== undefined && copiesFrom(place, from) >= PENDING_COPIES_PER_SOURCE) {
      return this.#duplicate(from, group, object, this.#clock.now(), live);
    }
    return known.state === "signed" ? known.entry : "wait";
  }

  /** Moves a place on as far as what is known allows: rejects, or sends the next copy to be hashed. */
  #judge(place: Place): void {
    const { judge } = this.#admission as Extract<Admission<T>, { kind: "judged" }>;
    while (place.inFlight === undefined && place.queue.length > 0) {
      const known = judge.lookup(place.group, place.object);
      if (known.state === "waiting") {
        this.#tryProof(place);
        return;
      }
      const candidate = this.#pending.shift(place)!;
      if (known.state === "unsigned") {
        this.#reject(candidate.from, place.group, place.object, "unsigned");
      } else if (known.entry.size !== candidate.object.payload.byteLength) {
        this.#reject(
          candidate.from,
          place.group,
          place.object,
          wrongSize(known.entry, candidate.object.payload.byteLength),
        );
      } else {
        this.#verify(candidate, known.entry);
      }
    }
    this.#pending.release(place);
  }

  /** An object that waits may bring its own proof. One that does not hold leaves it waiting: it shows nothing, neither for nor against it. */
  #tryProof(place: Place): void {
    const { judge } = this.#admission as Extract<Admission<T>, { kind: "judged" }>;
    for (const candidate of place.queue) {
      // No proof, nothing to do: the common case costs a look at the length.
      if (candidate.proofTried || candidate.object.properties.byteLength === 0) continue;
      const tried = judge.include?.(candidate.object);
      if (tried === undefined) continue;
      candidate.proofTried = true;
      tried.catch(() => undefined);
    }
  }

  #judgeOversized(judge: Judge<T>, group: VarInt): void {
    const judged = this.#oversized.takeJudged(
      group,
      (object) => judge.lookup(group, object).state !== "waiting",
    );
    for (const { from, object, payloadLength } of judged) {
      const known = judge.lookup(group, object);
      if (known.state === "unsigned") this.#reject(from, group, object, "unsigned");
      else if (known.state === "signed" && known.entry.size !== payloadLength)
        this.#reject(from, group, object, wrongSize(known.entry, payloadLength));
    }
  }

  #verify(candidate: Candidate, entry: SignedEntry): void {
    const { judge } = this.#admission as Extract<Admission<T>, { kind: "judged" }>;
    candidate.place.inFlight = candidate;
    const { from } = candidate;
    from.judgingObjects++;
    from.judgingBytes += candidate.object.payload.byteLength;
    judge.verify(candidate.object, entry).then(
      (verified) => this.#judged(candidate, verified),
      // The judge itself failed: that says nothing about the copy, so it is no lie.
      () => this.#unjudged(candidate),
    );
  }

  #judged(candidate: Candidate, verified: T | undefined): void {
    if (this.#closed) return;
    const { place } = candidate;
    this.#settled(candidate);
    if (verified === undefined) {
      this.#reject(candidate.from, place.group, place.object, "mismatch");
      this.#judge(place);
      return;
    }
    const spares = this.#pending.drain(place);
    this.#pending.release(place);
    this.#deliver(candidate, verified);
    for (const spare of spares)
      this.#duplicate(spare.from, place.group, place.object, spare.receivedAtMs, spare.live);
  }

  /** It is not being hashed any more. */
  #settled({ from, object, place }: Candidate): void {
    place.inFlight = undefined;
    from.judgingObjects--;
    from.judgingBytes -= object.payload.byteLength;
    this.#gates.check(from);
  }

  #unjudged(candidate: Candidate): void {
    if (this.#closed) return;
    this.#settled(candidate);
    this.#reject(candidate.from, candidate.place.group, candidate.place.object, "malformed");
    this.#judge(candidate.place);
  }

  /** The one place where an object is claimed. */
  #deliver(copy: Pick<Candidate, "from" | "object" | "receivedAtMs" | "live">, object: T): void {
    const { from, receivedAtMs, live } = copy;
    const claimed: LedgerStatus = this.#ledger.claim(object.group, object.object);
    if (claimed === "new") {
      this.#scores.first(from, object.group, object.object, receivedAtMs, live);
      this.#events.emit("delivered", { object, source: from.source, receivedAtMs });
    } else if (claimed === "below-window" && this.#repaired.claim(object.group, object.object) === "new") {
      from.good++;
      this.#events.emit("repair", { object, source: from.source, receivedAtMs });
    } else {
      this.#duplicate(from, object.group, object.object, receivedAtMs, live);
    }
  }

  #duplicate(
    from: ScoreCounters,
    group: VarInt,
    object: VarInt,
    receivedAtMs: number,
    live: boolean,
  ): "refused" {
    this.#scores.again(from, group, object, receivedAtMs, live);
    this.#duplicates++;
    if (this.#events.has("duplicate")) this.#events.emit("duplicate", { source: from.source, group, object });
    return "refused";
  }

  #reject(from: ScoreCounters, group: VarInt, object: VarInt, reason: RejectReason): "refused" {
    if (reason === "mismatch" || reason === "too-large") from.junk++;
    else if (reason === "unsigned") from.unsigned++;
    this.#events.emit("rejected", { source: from.source, group, object, reason });
    return "refused";
  }
}

function wrongSize(entry: SignedEntry, payloadLength: number): RejectReason {
  return payloadLength > entry.size ? "too-large" : "mismatch";
}

function copiesFrom(place: Place, from: ScoreCounters): number {
  let copies = place.inFlight?.from === from ? 1 : 0;
  for (const candidate of place.queue) if (candidate.from === from) copies++;
  return copies;
}
