import type { CountersignError } from "../errors.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { Delivery, Hole } from "./types.ts";

/** Why the sequencer stopped waiting for an object. */
export interface Surrender {
  readonly cause: Hole["cause"];
  readonly error?: CountersignError;
}

/** An object that must come. */
export interface Expected {
  readonly object: VarInt;
  /** When it became known that it must. */
  readonly knownAtMs: number;
  /** When something later came while this had not; undefined: nothing later is there, so it is perhaps only not yet there. */
  overtakenAtMs: number | undefined;
  /** When it was reported missing. */
  askedAtMs: number | undefined;
  /** When everybody had been asked in vain, so that it is asked for again later. */
  retriedAtMs: number | undefined;
  surrender: Surrender | undefined;
}

/** One group on its way through the sequencer: what must come, and what came but is not yet its turn. */
export class GroupBuffer<T extends MoqObject> {
  readonly group: VarInt;
  readonly firstKnownAtMs: number;
  /** Ascending by id. */
  readonly expected: Expected[] = [];
  /** Index into `expected` of the next object to hand out. */
  next = 0;
  /** Nothing will be added to `expected` any more. */
  closed = false;
  /** A stream of the group ended cleanly without saying that it was the group's last: so it was if a later group begins. */
  endedCleanly = false;
  readonly #held = new Map<VarInt, Delivery<T>>();
  #heldBytes = 0;

  constructor(group: VarInt, firstKnownAtMs: number) {
    this.group = group;
    this.firstKnownAtMs = firstKnownAtMs;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get heldObjects(): number {
    return this.#held.size;
  }

  /** The highest id known of. */
  get lastExpected(): VarInt | undefined {
    return this.expected.at(-1)?.object;
  }

  holds(object: VarInt): boolean {
    return this.#held.has(object);
  }

  hold(delivery: Delivery<T>): void {
    if (this.#held.has(delivery.object.object)) return;
    this.#held.set(delivery.object.object, delivery);
    this.#heldBytes += delivery.object.payload.byteLength;
  }

  take(object: VarInt): Delivery<T> | undefined {
    const delivery = this.#held.get(object);
    if (delivery === undefined) return undefined;
    this.#held.delete(object);
    this.#heldBytes -= delivery.object.payload.byteLength;
    return delivery;
  }

  /** Adds an id unless it is known. True when it was new. */
  expect(object: VarInt, nowMs: number, overtaken: boolean): boolean {
    const { expected } = this;
    let at = expected.length;
    while (at > 0 && expected[at - 1]!.object > object) at--;
    if (at > 0 && expected[at - 1]!.object === object) return false;
    const overtakenAtMs = overtaken ? nowMs : undefined;
    const entry: Expected = {
      object,
      knownAtMs: nowMs,
      overtakenAtMs,
      askedAtMs: undefined,
      retriedAtMs: undefined,
      surrender: undefined,
    };
    if (at === expected.length) expected.push(entry);
    else expected.splice(at, 0, entry);
    return true;
  }

  find(object: VarInt): Expected | undefined {
    return this.expected.find((entry) => entry.object === object);
  }

  /** Something at or after `end` came (undefined: in a later group): what lies before it and is not here was overtaken. True when there is any. */
  overtake(end: VarInt | undefined, nowMs: number): boolean {
    let any = false;
    for (let i = this.next; i < this.expected.length; i++) {
      const entry = this.expected[i]!;
      if (end !== undefined && entry.object >= end) break;
      if (entry.overtakenAtMs !== undefined || this.#held.has(entry.object)) continue;
      entry.overtakenAtMs = nowMs;
      any = true;
    }
    return any;
  }

  /** Passes over ids below `object`, which the viewer does not want. */
  skipTo(object: VarInt): void {
    while (this.next < this.expected.length && this.expected[this.next]!.object < object) {
      this.take(this.expected[this.next]!.object);
      this.next++;
    }
  }
}
