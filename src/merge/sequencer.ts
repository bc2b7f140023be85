/**
 * From "verified, in any order" to "in order, and every gap accounted for".
 *
 * The signer says which objects a group has; the sequencer hands them out in that order. What is late is reported as missing, so that somebody fetches
 * it from another relay. What does not come even then becomes a hole, with its range and cause, and the track goes on at the next place from
 * which a decoder can go on. Nothing is ever left out without a word. Without manifests the ids themselves are the list: they are then taken to
 * be consecutive, and a group ends where a stream says so.
 */
import type { Clock } from "../clock.ts";
import { Emitter } from "../events.ts";
import type { GroupTruth, Verified } from "../trust/types.ts";
import type { Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { subVarInt } from "../wire/varint.ts";
import { type DeadlineLimits, Deadlines } from "./deadlines.ts";
import type { GroupBuffer, Surrender } from "./group-buffer.ts";
import { nextId } from "./interval-set.ts";
import { SEQUENCER_MAX_BYTES, SEQUENCER_MAX_GROUPS } from "./limits.ts";
import { OpenGroups } from "./open-groups.ts";
import type { Delivery, Hole, SequencerEvents } from "./types.ts";

export interface SequencerOptions extends DeadlineLimits {
  readonly clock: Clock;
  /** Where to begin. Absent: at the first group whose first object is there. */
  readonly start?: Location;
  /** False: there are no manifests; ids are taken to be consecutive and streams say where groups end. Default true. */
  readonly requireManifest?: boolean;
  /** Where a decoder can go on after a hole: at the next group (video) or at the next object (most audio). Default "group". */
  readonly resumeAt?: "group" | "object";
  /** Whether group ids count without gaps. Where they do, a jump is a hole; where they do not, it is the publisher's way. Default "consecutive". */
  readonly groupNumbering?: "consecutive" | "sparse";
  readonly maxGroups?: number;
  readonly maxBytes?: number;
}

export class TrackSequencer<T extends MoqObject = Verified<MoqObject>> {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #signed: boolean;
  readonly #resumeAt: "group" | "object";
  readonly #consecutive: boolean;
  readonly #maxGroups: number;
  readonly #maxBytes: number;
  #explain: (group: VarInt, object: VarInt) => Surrender;
  readonly #events = new Emitter<SequencerEvents<T>>();
  readonly #groups: OpenGroups<T>;

  /** The next object to hand out; undefined until the track has begun. Between groups: object 0 of the id after the last group. */
  #cursor: Location | undefined;
  /** Nothing was handed out yet. */
  #atStart = true;
  /** Objects handed out of the cursor's group, and whether that is all of it so far. */
  #emitted = 0;
  #unbroken = true;
  #advancing = false;
  #advanceAgain = false;
  #late = 0;
  #closed = false;

  constructor(options: SequencerOptions) {
    this.#clock = options.clock;
    this.#signed = options.requireManifest ?? true;
    this.#resumeAt = options.resumeAt ?? "group";
    this.#consecutive = (options.groupNumbering ?? "consecutive") === "consecutive";
    this.#deadlines = new Deadlines(options.clock, options, () => this.#onDeadline());
    this.#groups = new OpenGroups(options.clock, this.#deadlines);
    this.#maxGroups = options.maxGroups ?? SEQUENCER_MAX_GROUPS;
    this.#maxBytes = options.maxBytes ?? SEQUENCER_MAX_BYTES;
    const cause = this.#signed ? "withheld" : "unavailable";
    this.#explain = () => ({ cause });
    if (options.start !== undefined) this.#begin(options.start);
  }

  on<K extends keyof SequencerEvents<T>>(
    type: K,
    listener: (event: SequencerEvents<T>[K]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  /** The next object that the viewer lacks; undefined while it is open where the track begins. Between groups the group may turn out to be a later one. */
  get needed(): Location | undefined {
    return this.#cursor;
  }

  /** The furthest object that the signer spoke of; undefined before the first, and always without manifests. */
  get signedUpTo(): Location | undefined {
    return this.#groups.signedUpTo;
  }

  /** How much later than its signature an object of this broadcast usually comes, generously. */
  get allowanceMs(): number {
    return this.#deadlines.allowanceMs;
  }

  /** Groups known of and not yet handed out. */
  get openGroups(): number {
    return this.#groups.size;
  }

  /** Objects that came after they had been given up. */
  get late(): number {
    return this.#late;
  }

  get buffered(): { readonly groups: number; readonly objects: number; readonly bytes: number } {
    let objects = 0;
    for (const buffer of this.#groups.values()) objects += buffer.heldObjects;
    return { groups: this.#groups.size, objects, bytes: this.#groups.bytes };
  }

  /** Who knows why an object does not come is asked when its deadline passes. Until then: "withheld" with manifests, "unavailable" without. */
  explainWith(explain: (group: VarInt, object: VarInt) => Surrender): void {
    this.#explain = explain;
  }

  /** What the merger delivered. Each location at most once. */
  deliver(delivery: Delivery<T>): void {
    if (this.#closed) return;
    const { group, object, status } = delivery.object;
    if (status !== "normal") {
      // Both say: nothing at or above this id (§11.2.1.1).
      if (!this.#signed) this.endOfGroup(group, object);
      return;
    }
    if (this.#isPast(group, object)) {
      this.#late++;
      return;
    }
    const buffer = this.#groups.of(group);
    const nowMs = this.#clock.now();
    if (this.#signed) this.#groups.expectSigned(buffer, object, nowMs);
    else this.#groups.expectUpTo(buffer, object, this.#floorOf(group), nowMs);
    buffer.hold(delivery);
    this.#groups.moveFrontier(delivery.object, buffer, nowMs);
    this.#advance();
  }

  /** What the signer has said of a group so far. */
  truth(truth: GroupTruth): void {
    this.#groups.noteSigned(truth);
    if (this.#closed || this.#isPastGroup(truth.group)) return;
    const buffer = this.#groups.of(truth.group);
    const nowMs = this.#clock.now();
    const floor = this.#floorOf(truth.group);
    // Newest entries are last: nearly always this loop ends after the one that is new.
    for (let i = truth.entries.length - 1; i >= 0; i--) {
      const { object } = truth.entries[i]!;
      if (object < floor) break;
      if (!this.#groups.expectSigned(buffer, object, nowMs) && buffer.expected.length >= truth.entries.length)
        break;
    }
    if (truth.completion !== undefined && truth.entries.length >= truth.completion.objectCount)
      buffer.closed = true;
    this.#advance();
  }

  /**
   * Without manifests: the group ends. `objectCount`: no object has this id or a higher one. Undefined: a stream of the group ended cleanly and did not say
   * whether the group does; it is taken to when a later group begins.
   */
  endOfGroup(group: VarInt, objectCount: VarInt | undefined): void {
    if (this.#closed || this.#signed || this.#isPastGroup(group)) return;
    const buffer = this.#groups.of(group);
    if (objectCount === undefined) buffer.endedCleanly = true;
    else {
      if (objectCount > 0)
        this.#groups.expectUpTo(buffer, subVarInt(objectCount, 1), this.#floorOf(group), this.#clock.now());
      buffer.closed = true;
    }
    this.#advance();
  }

  /**
   * Objects that nobody can give: the wait for them is over at once, if anything later is there to go on with; if not, they are asked for again later.
   * Those that come nevertheless before their turn are taken.
   */
  giveUp(group: VarInt, objects: readonly VarInt[], surrender: Surrender): void {
    const buffer = this.#groups.get(group);
    if (this.#closed || buffer === undefined) return;
    for (const object of objects) {
      const entry = buffer.find(object);
      if (entry === undefined) continue;
      if (entry.overtakenAtMs !== undefined) entry.surrender ??= surrender;
      else if (entry.askedAtMs !== undefined) {
        entry.askedAtMs = undefined;
        entry.retriedAtMs = this.#clock.now();
        this.#deadlines.arm(this.#deadlines.askAtMs(entry));
      }
    }
    this.#advance();
  }

  close(): void {
    this.#closed = true;
    this.#deadlines.cancel();
    this.#groups.clear();
    this.#events.clear();
  }

  // ---- what is known ----

  #isPast(group: VarInt, object: VarInt): boolean {
    const cursor = this.#cursor;
    if (cursor === undefined) return false;
    return group === cursor.group ? object < cursor.object : group < cursor.group;
  }

  /** The lowest id of a group that is still wanted. */
  #floorOf(group: VarInt): VarInt {
    return this.#cursor?.group === group ? this.#cursor.object : 0;
  }

  #isPastGroup(group: VarInt): boolean {
    return this.#cursor !== undefined && group < this.#cursor.group;
  }

  // ---- going on ----

  #advance(): void {
    // A listener may call back in; its news is taken up when the current step is done.
    this.#advanceAgain = true;
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#advanceAgain && !this.#closed) {
        this.#advanceAgain = false;
        while (!this.#closed && this.#step());
        this.#relieve();
      }
    } finally {
      this.#advancing = false;
    }
  }

  /** One step of the cursor; false when it has to wait. */
  #step(): boolean {
    if (this.#cursor === undefined) return this.#tryToBegin();
    const { group, object } = this.#cursor;
    const buffer = this.#groups.get(group);
    if (buffer === undefined) return this.#tryToJump(group);

    const entry = buffer.expected[buffer.next];
    if (entry === undefined) return this.#tryToLeave(buffer);
    const delivery = buffer.take(entry.object);
    if (entry.object !== object && this.#signed && !buffer.closed) {
      // Ids between may be signed for in a manifest that is still on its way.
      if (delivery !== undefined) buffer.hold(delivery);
      if (!this.#deadlines.isDue(entry.knownAtMs + this.#deadlines.unsignedAfterMs)) return false;
      return this.#hole(buffer, {
        objectStart: object,
        objectEnd: subVarInt(entry.object, 1),
        cause: "unsigned",
      });
    }
    if (delivery !== undefined) {
      buffer.next++;
      this.#cursor = { group, object: nextId(entry.object) };
      this.#emitted++;
      if (this.#atStart) {
        this.#atStart = false;
        this.#events.emit("start", { group, object: entry.object });
      }
      this.#events.emit("object", delivery);
      return true;
    }
    if (entry.surrender === undefined) return false;
    return this.#surrender(buffer, entry.surrender);
  }

  /** Live start: the first group that has its first object. What is known of earlier groups is reported as skipped. */
  #tryToBegin(): boolean {
    const groups = [...this.#groups.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
    const first = groups.find((buffer) => {
      const entry = buffer.expected[0];
      return (
        entry !== undefined &&
        (entry.object === 0 || (this.#signed && buffer.closed)) &&
        buffer.holds(entry.object)
      );
    });
    if (first === undefined) return false;
    this.#begin({ group: first.group, object: 0 });
    const lowest = groups[0]!;
    if (lowest === first) return true;
    for (const buffer of groups) if (buffer.group < first.group) this.#groups.delete(buffer.group);
    const lastGroup = subVarInt(first.group, 1);
    this.#report({
      group: lowest.group,
      objectStart: 0,
      objectEnd: undefined,
      cause: "start",
      ...(lastGroup !== lowest.group && { lastGroup }),
    });
    return true;
  }

  #begin(start: Location): void {
    this.#cursor = start;
    this.#emitted = 0;
    this.#unbroken = start.object === 0;
    this.#groups.get(start.group)?.skipTo(start.object);
  }

  /** Nothing is known of the group the cursor points at. If a later one is, this one was lost, or ids jump. */
  #tryToJump(group: VarInt): boolean {
    const next = this.#groups.after(group);
    if (next === undefined) return false;
    const graceMs = this.#atStart
      ? this.#deadlines.startGraceMs
      : this.#consecutive
        ? this.#deadlines.unsignedAfterMs
        : this.#deadlines.missingAfterMs;
    if (!this.#deadlines.isDue(next.firstKnownAtMs + graceMs)) return false;
    if (this.#consecutive || this.#atStart) {
      const cause = this.#atStart ? "start" : this.#signed ? "unsigned" : "unavailable";
      const lastGroup = subVarInt(next.group, 1);
      const objectStart = this.#cursor?.object ?? 0;
      this.#report({
        group,
        objectStart,
        objectEnd: undefined,
        cause,
        ...(lastGroup !== group && { lastGroup }),
      });
    }
    this.#begin({ group: next.group, object: 0 });
    return true;
  }

  /** All that is known of the group was handed out. */
  #tryToLeave(buffer: GroupBuffer<T>): boolean {
    if (!buffer.closed) {
      const next = this.#groups.after(buffer.group);
      if (next === undefined) return false;
      if (!buffer.endedCleanly) {
        if (!this.#deadlines.isDue(next.firstKnownAtMs + this.#deadlines.unsignedAfterMs)) return false;
        const cause = this.#signed ? "unsigned" : "unavailable";
        return this.#hole(buffer, { objectStart: this.#cursor!.object, objectEnd: undefined, cause });
      }
    }
    if (this.#unbroken)
      this.#events.emit("groupComplete", { group: buffer.group, objectCount: this.#emitted });
    this.#leave(buffer);
    return true;
  }

  #leave(buffer: GroupBuffer<T>): void {
    this.#groups.delete(buffer.group);
    this.#begin({ group: nextId(buffer.group), object: 0 });
  }

  /** The next object will not come: as much as cannot be used without it becomes a hole. */
  #surrender(buffer: GroupBuffer<T>, surrender: Surrender): boolean {
    const objectStart = this.#cursor!.object;
    let end = buffer.next;
    while (
      end + 1 < buffer.expected.length &&
      buffer.expected[end + 1]!.surrender !== undefined &&
      !buffer.holds(buffer.expected[end + 1]!.object)
    ) {
      end++;
    }
    return this.#hole(buffer, { objectStart, objectEnd: buffer.expected[end]!.object, ...surrender });
  }

  #hole(buffer: GroupBuffer<T>, hole: Omit<Hole, "group">): boolean {
    const { group } = buffer;
    if (this.#resumeAt === "group" || hole.objectEnd === undefined) {
      this.#leave(buffer);
      this.#report({ group, ...hole, objectEnd: undefined });
    } else {
      this.#cursor = { group, object: nextId(hole.objectEnd) };
      buffer.skipTo(this.#cursor.object);
      this.#unbroken = false;
      this.#report({ group, ...hole });
    }
    return true;
  }

  #report(hole: Hole): void {
    this.#events.emit("hole", hole);
  }

  /** Past the caps the oldest stretch is given up: what was delivered later cannot be asked for a second time. */
  #relieve(): void {
    while (!this.#closed && (this.#groups.size > this.#maxGroups || this.#groups.bytes > this.#maxBytes)) {
      const lowest = this.#groups.after(-1);
      if (lowest === undefined) return;
      if (this.#cursor === undefined) {
        this.#groups.delete(lowest.group);
        continue;
      }
      const { group, object } = this.#cursor;
      // A cursor between groups first jumps to what is there; only a group with a gap is left.
      if (group === lowest.group) this.#leave(lowest);
      else this.#begin({ group: lowest.group, object: 0 });
      const lastGroup = group === lowest.group ? group : subVarInt(lowest.group, 1);
      this.#report({
        group,
        objectStart: object,
        objectEnd: undefined,
        cause: "unavailable",
        ...(lastGroup !== group && { lastGroup }),
      });
      while (!this.#closed && this.#step());
    }
  }

  #onDeadline(): void {
    const groups = [...this.#groups.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
    // Before the start only the newest group is worth a repair: that is where a live viewer wants to begin.
    const wanted = this.#cursor === undefined ? groups.slice(-1) : groups;
    const missing = this.#deadlines.sweep(wanted, this.#explain);
    for (const each of missing) this.#events.emit("missing", each);
    this.#advance();
  }
}
