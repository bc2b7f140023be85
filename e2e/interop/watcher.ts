/** What one subscriber or fetch got, and waiting for it without looking at a clock. */
import type { ObjectSink } from "../../src/transport/connection.ts";
import type { Location } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";
import { payloadOf } from "./test-publisher.ts";

/** Longer than any relay takes on a busy machine; a scenario that waits this long has failed. */
const GIVE_UP_MS = 10_000;

export class Watcher implements ObjectSink {
  readonly objects: MoqObject[] = [];
  readonly ends: { readonly group: MoqObject["group"]; readonly complete: boolean }[] = [];
  readonly #waiting = new Set<() => void>();

  object(object: MoqObject): void {
    // Some drafts and relays send objects that only say where a group ends.
    if (object.status === "normal") this.objects.push({ ...object, payload: object.payload.slice() });
    this.#look();
  }

  streamEnd(end: { readonly group: MoqObject["group"]; readonly complete: boolean }): void {
    this.ends.push({ group: end.group, complete: end.complete });
    this.#look();
  }

  /** Places in order of arrival, "group/object". */
  get places(): string[] {
    return this.objects.map(({ group, object }) => `${group}/${object}`);
  }

  has(...places: readonly string[]): boolean {
    const there = new Set(this.places);
    return places.every((place) => there.has(place));
  }

  /** Resolves when all of these came; rejects with what did instead. */
  async until(...places: readonly string[]): Promise<void> {
    await this.when(() => this.has(...places), `objects ${places.join(" ")}`);
  }

  async when(holds: () => boolean, what: string): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`Waited in vain for ${what}; there came ${this.places.join(" ") || "no objects"}.`));
      }, GIVE_UP_MS);
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  /** Every object has the bytes that were published in its place, and none came twice. Throws Error otherwise. */
  check(trackName: string): void {
    const seen = new Set<string>();
    for (const object of this.objects) {
      const place = `${object.group}/${object.object}`;
      if (seen.has(place)) throw new Error(`Object ${place} came twice.`);
      seen.add(place);
      const expected = payloadOf(trackName, { group: object.group, object: object.object });
      if (!Buffer.from(object.payload).equals(expected))
        throw new Error(
          `Object ${place} has other bytes than were published (${object.payload.byteLength} of them).`,
        );
    }
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

export function places(from: Location, objects: number): string[] {
  return Array.from({ length: objects }, (_, i) => `${from.group}/${Number(from.object) + i}`);
}
