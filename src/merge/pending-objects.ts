import type { Clock } from "../clock.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { PENDING_MAX_AGE_MS, PENDING_MAX_BYTES, PENDING_MAX_OBJECTS } from "./limits.ts";
import type { ScoreCounters } from "./source-scores.ts";
import type { RejectReason } from "./types.ts";

/** A copy of an object that has not been judged. */
export interface Candidate {
  readonly from: ScoreCounters;
  readonly object: MoqObject;
  readonly receivedAtMs: number;
  /** It came by a subscription, not by a fetch. */
  readonly live: boolean;
  readonly place: Place;
  /** The proof that it brings along was, or is being, looked at. */
  proofTried?: boolean;
}

/** All unjudged copies of one location. */
export interface Place {
  readonly group: VarInt;
  readonly object: VarInt;
  /** Being hashed. */
  inFlight: Candidate | undefined;
  /** Waiting for a manifest, or for the copy in flight to turn out junk. In order of arrival. */
  readonly queue: Candidate[];
}

export interface PendingLimits {
  readonly pendingMaxBytes?: number;
  readonly pendingMaxObjects?: number;
  readonly pendingMaxAgeMs?: number;
}

export interface PendingListener {
  /** A cap or its age made a copy go. */
  evicted(candidate: Candidate, reason: RejectReason): void;
  /** A source has one copy less waiting. */
  left(from: ScoreCounters): void;
}

/**
 * The waiting room. Each source has its own: a source that floods pushes out its own oldest objects, never another's. An object being hashed is not
 * counted: it matched a signed size, there is at most one per signed location, and it leaves by itself.
 */
export class PendingObjects {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #maxObjects: number;
  readonly #maxAgeMs: number;
  readonly #listener: PendingListener;
  readonly #places = new Map<VarInt, Map<VarInt, Place>>();
  /** Per source, in order of arrival. */
  readonly #queues = new Map<ScoreCounters, Set<Candidate>>();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, limits: PendingLimits, listener: PendingListener) {
    this.#clock = clock;
    this.#maxBytes = limits.pendingMaxBytes ?? PENDING_MAX_BYTES;
    this.#maxObjects = limits.pendingMaxObjects ?? PENDING_MAX_OBJECTS;
    this.#maxAgeMs = limits.pendingMaxAgeMs ?? PENDING_MAX_AGE_MS;
    this.#listener = listener;
  }

  /** Whether an object of unknown worth may wait at all. A larger one may when its size is signed for. */
  fits(payloadBytes: number): boolean {
    return payloadBytes <= this.#maxBytes;
  }

  find(group: VarInt, object: VarInt): Place | undefined {
    return this.#places.get(group)?.get(object);
  }

  place(group: VarInt, object: VarInt): Place {
    let places = this.#places.get(group);
    if (places === undefined) {
      places = new Map();
      this.#places.set(group, places);
    }
    let place = places.get(object);
    if (place === undefined) {
      place = { group, object, inFlight: undefined, queue: [] };
      places.set(object, place);
    }
    return place;
  }

  /** The places of a group, as they are now: safe to judge while iterating. */
  placesOf(group: VarInt): readonly Place[] {
    const places = this.#places.get(group);
    return places === undefined ? [] : [...places.values()];
  }

  /** Groups of which something waits, in no order. */
  get waitingGroups(): readonly VarInt[] {
    const groups = new Set<VarInt>();
    for (const queue of this.#queues.values()) for (const { place } of queue) groups.add(place.group);
    return [...groups];
  }

  /** Puts a copy in line. What exceeds its source's caps is evicted, oldest first. A single copy may exceed them alone: see fits(). */
  push(candidate: Candidate): void {
    candidate.place.queue.push(candidate);
    let queue = this.#queues.get(candidate.from);
    if (queue === undefined) {
      queue = new Set();
      this.#queues.set(candidate.from, queue);
    }
    queue.add(candidate);
    candidate.from.pendingObjects++;
    candidate.from.pendingBytes += bytesOf(candidate);
    while (
      queue.size > 1 &&
      (candidate.from.pendingBytes > this.#maxBytes || queue.size > this.#maxObjects)
    ) {
      this.#evict(queue.values().next().value!, "pending-overflow");
    }
    this.#cancelTimer ??= this.#clock.setTimer(this.#maxAgeMs, this.#expire);
  }

  /** Takes the first copy in line, if any. */
  shift(place: Place): Candidate | undefined {
    const candidate = place.queue.shift();
    if (candidate !== undefined) this.#forget(candidate);
    return candidate;
  }

  /** Takes all copies in line. */
  drain(place: Place): readonly Candidate[] {
    const candidates = place.queue.splice(0);
    for (const candidate of candidates) this.#forget(candidate);
    return candidates;
  }

  /** Forgets a place without copies. */
  release(place: Place): void {
    if (place.inFlight !== undefined || place.queue.length > 0) return;
    const places = this.#places.get(place.group);
    if (places?.get(place.object) !== place) return;
    places.delete(place.object);
    if (places.size === 0) this.#places.delete(place.group);
  }

  clear(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const queue of this.#queues.values()) for (const candidate of [...queue]) this.#remove(candidate);
    this.#queues.clear();
    this.#places.clear();
  }

  readonly #expire = (): void => {
    this.#cancelTimer = undefined;
    const bornBeforeMs = this.#clock.now() - this.#maxAgeMs;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const queue of [...this.#queues.values()]) {
      for (const candidate of queue) {
        if (candidate.receivedAtMs > bornBeforeMs) {
          oldestMs = Math.min(oldestMs, candidate.receivedAtMs);
          break;
        }
        this.#evict(candidate, "pending-expired");
      }
    }
    if (oldestMs !== Number.POSITIVE_INFINITY) {
      this.#cancelTimer ??= this.#clock.setTimer(oldestMs - bornBeforeMs, this.#expire);
    }
  };

  #evict(candidate: Candidate, reason: RejectReason): void {
    this.#remove(candidate);
    this.#listener.evicted(candidate, reason);
  }

  #remove(candidate: Candidate): void {
    const { queue } = candidate.place;
    queue.splice(queue.indexOf(candidate), 1);
    this.#forget(candidate);
    this.release(candidate.place);
  }

  #forget(candidate: Candidate): void {
    this.#queues.get(candidate.from)?.delete(candidate);
    candidate.from.pendingObjects--;
    candidate.from.pendingBytes -= bytesOf(candidate);
    this.#listener.left(candidate.from);
  }
}

/** What a waiting object holds in memory that a peer chose the size of. */
function bytesOf(candidate: Candidate): number {
  return candidate.object.payload.byteLength + candidate.object.properties.byteLength;
}
