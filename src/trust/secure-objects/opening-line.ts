/**
 * Opens encrypted objects in order: what goes in in order comes out in order, although every one is opened by itself, at once, and a key may take its time.
 *
 * An object without a key waits, and all behind it with it, until the app has the key or too much waits. An object that cannot be opened is lost, and said to be.
 */
import type { Clock } from "../../clock.ts";
import { CountersignError, toCountersignError } from "../../errors.ts";
import type { MoqObject } from "../../wire/objects.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { Verified } from "../types.ts";

/** Ciphertext that waits for keys, per track: half a minute at 4 Mb/s. Past it the oldest objects are given up, so that what is left is what is live. */
export const MAX_HELD_BYTES: number = 16 * 1024 * 1024;

/** Objects that wait, whatever their size: 40 s in 40 ms objects. Past it as above. */
export const MAX_HELD_OBJECTS = 1000;

export interface OpeningLineOptions {
  readonly open: (object: Verified<MoqObject>) => Promise<Verified<MoqObject>>;
  readonly clock: Clock;
  /** Where a decoder can go on behind an object that was lost: at the next group (video) or at the next object (most audio). */
  readonly resumeAt: "group" | "object";
  readonly onObject: (object: Verified<MoqObject>) => void;
  /** Cannot be opened, or was given up for want of a key; with "group" the rest of its group is left out with it, untold. */
  readonly onLost: (object: Verified<MoqObject>, error: CountersignError) => void;
  /** Why objects do not come out at present; undefined when they do again. */
  readonly onTrouble: (error: CountersignError | undefined) => void;
}

/** Something to do when its turn has come. */
interface Step {
  readonly step: () => void;
}

interface Waiting {
  readonly object: Verified<MoqObject>;
  /** Settles without rejecting. */
  opening: Promise<Verified<MoqObject> | CountersignError>;
  failed: boolean;
}

export class OpeningLine {
  readonly #options: OpeningLineOptions;
  readonly #line: (Step | Waiting)[] = [];
  #heldBytes = 0;
  #heldObjects = 0;
  #moving = false;
  #lostGroup: VarInt | undefined;
  #trouble: CountersignError | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: OpeningLineOptions) {
    this.#options = options;
  }

  push(object: Verified<MoqObject>): void {
    if (this.#closed) return;
    const place: Waiting = { object, opening: Promise.resolve(object), failed: false };
    this.#begin(place);
    this.#line.push(place);
    this.#heldBytes += object.payload.byteLength;
    this.#heldObjects += 1;
    this.#relieve();
    void this.#move();
  }

  /** Runs `step` when everything that was pushed before came out or was lost; at once when nothing waits. */
  after(step: () => void): void {
    if (this.#closed) return;
    this.#line.push({ step });
    void this.#move();
  }

  /** Nothing comes out any more. */
  close(): void {
    this.#closed = true;
    this.#line.length = 0;
    this.#wake?.();
  }

  #begin(place: Waiting): void {
    place.failed = false;
    place.opening = this.#options.open(place.object).catch((thrown: unknown) => {
      place.failed = true;
      return toCountersignError(thrown, "decryption-failed");
    });
  }

  async #move(): Promise<void> {
    if (this.#moving) return;
    this.#moving = true;
    for (let place = this.#line[0]; place; place = this.#line[0]) {
      if ("step" in place) {
        this.#line.shift();
        place.step();
        continue;
      }
      const opened = await place.opening;
      // Given up meanwhile, or closed.
      if (this.#line[0] !== place) continue;
      if (!(opened instanceof Error)) {
        this.#leave(place);
        this.#tell(undefined);
        if (this.#options.resumeAt === "object" || place.object.group !== this.#lostGroup)
          this.#options.onObject(opened);
        continue;
      }
      this.#tell(opened);
      if (opened.code === "key-unavailable" && opened.retryAfterMs !== undefined) {
        await this.#pause(opened.retryAfterMs);
        // What waits behind it waited for the same key: all are tried again, or each would cost a pause of its own.
        for (const waiting of this.#line) if ("object" in waiting && waiting.failed) this.#begin(waiting);
      } else this.#lose(place, opened);
    }
    this.#moving = false;
  }

  #leave(place: Waiting): void {
    this.#line.splice(this.#line.indexOf(place), 1);
    this.#heldBytes -= place.object.payload.byteLength;
    this.#heldObjects -= 1;
  }

  #lose(place: Waiting, error: CountersignError): void {
    const { object } = place;
    this.#leave(place);
    const told = this.#options.resumeAt === "group" && this.#lostGroup === object.group;
    this.#lostGroup = object.group;
    if (!told) this.#options.onLost(object, error);
  }

  #relieve(): void {
    while (this.#heldBytes > MAX_HELD_BYTES || this.#heldObjects > MAX_HELD_OBJECTS) {
      const oldest = this.#line.find((place) => "object" in place);
      if (!oldest) return;
      this.#lose(
        oldest,
        this.#trouble ??
          new CountersignError(
            "key-unavailable",
            "A key was so long in coming that what waited for it was given up.",
          ),
      );
      this.#wake?.();
    }
  }

  #tell(trouble: CountersignError | undefined): void {
    if (trouble === undefined && this.#trouble === undefined) return;
    this.#trouble = trouble;
    this.#options.onTrouble(trouble);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.setTimer(ms, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
  }
}
