/**
 * Delivery timeouts (draft-18 §8): what is too old to be of use is given up rather than sent late.
 *
 * OBJECT_DELIVERY_TIMEOUT runs for each object from the moment the application hands it over until the transport takes it;
 * SUBGROUP_DELIVERY_TIMEOUT from the end of a subgroup until all of it is delivered. Both ends may ask for each; the smaller one holds.
 */
import type { Clock } from "../clock.ts";
import type { KeyValue, Parameters } from "../wire/messages.ts";
import { propertyTypes } from "../wire/properties.ts";
import type { VarInt } from "../wire/varint.ts";

/** In milliseconds; undefined: none. */
export interface DeliveryTimeouts {
  readonly objectMs: number | undefined;
  readonly subgroupMs: number | undefined;
}

/** What the publisher says in its Track Properties and the subscriber in its parameters, as one: the smaller of those that are not 0. */
export function deliveryTimeouts(
  subscriber: Pick<Parameters, "objectDeliveryTimeoutMs" | "subgroupDeliveryTimeoutMs">,
  trackProperties: readonly KeyValue[],
): DeliveryTimeouts {
  const property = (type: number): VarInt => {
    const value = trackProperties.find((pair) => pair.type === type)?.value;
    return typeof value === "number" || typeof value === "bigint" ? value : 0;
  };
  return {
    objectMs: smaller(subscriber.objectDeliveryTimeoutMs, property(propertyTypes.objectDeliveryTimeout)),
    subgroupMs: smaller(
      subscriber.subgroupDeliveryTimeoutMs,
      property(propertyTypes.subgroupDeliveryTimeout),
    ),
  };
}

function smaller(a: VarInt = 0, b: VarInt = 0): number | undefined {
  if (a === 0 && b === 0) return undefined;
  if (a === 0 || b === 0) return Number(a === 0 ? b : a);
  return Number(a < b ? a : b);
}

/** Watches the writes of one stream, which complete in their order, with one timer. */
export class DeliveryWatch {
  readonly #clock: Clock;
  readonly #timeouts: () => DeliveryTimeouts;
  readonly #expired: () => void;
  /** When the objects were handed over that the transport has not taken yet, oldest first. */
  readonly #waitingSinceMs: number[] = [];
  #closingSinceMs: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #over = false;

  /** `expired` is called at most once: the stream is to be reset with DELIVERY_TIMEOUT. */
  constructor(clock: Clock, timeouts: () => DeliveryTimeouts, expired: () => void) {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#expired = expired;
  }

  /** An object was handed over just now; `written` settles when the transport has it. */
  object(written: Promise<void>): void {
    if (this.#over || this.#timeouts().objectMs === undefined) return;
    this.#waitingSinceMs.push(this.#clock.now());
    const taken = () => {
      this.#waitingSinceMs.shift();
    };
    written.then(taken, taken);
    this.#arm();
  }

  /** The subgroup ended just now; `delivered` settles when all of it is. */
  closing(delivered: Promise<void>): void {
    this.#closingSinceMs = this.#clock.now();
    const done = () => this.stop();
    delivered.then(done, done);
    this.#arm();
  }

  /** The timeouts have changed. */
  changed(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#arm();
  }

  /** The stream is over. */
  stop(): void {
    this.#over = true;
    this.#cancelTimer?.();
  }

  /** When the next thing is too old, by the clock; undefined when nothing waits. */
  #dueAtMs(): number | undefined {
    const { objectMs, subgroupMs } = this.#timeouts();
    const object = this.#waitingSinceMs[0];
    const objectDue = object !== undefined && objectMs !== undefined ? object + objectMs : undefined;
    const closing = this.#closingSinceMs;
    const closingDue = closing !== undefined && subgroupMs !== undefined ? closing + subgroupMs : undefined;
    if (objectDue === undefined || closingDue === undefined) return objectDue ?? closingDue;
    return Math.min(objectDue, closingDue);
  }

  /** A timer that runs already is left: what it was set for is older. It looks again when it fires. */
  #arm(): void {
    if (this.#over) return;
    const dueAtMs = this.#dueAtMs();
    if (dueAtMs === undefined) return;
    if (this.#cancelTimer && this.#closingSinceMs === undefined) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.setTimer(dueAtMs - this.#clock.now(), () => {
      this.#cancelTimer = undefined;
      const due = this.#dueAtMs();
      if (this.#over || due === undefined) return;
      if (due > this.#clock.now()) {
        this.#arm();
        return;
      }
      this.stop();
      this.#expired();
    });
  }
}
