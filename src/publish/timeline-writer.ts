/**
 * Writes a media timeline track (draft-ietf-moq-msf "Media Timeline track updating"): the objects to publish, and to sign, as groups of the media begin.
 *
 * The first object of each of its groups has all records, those after it one each. Whoever joins reads the current group from its beginning, so a new one begins before
 * there are many updates to read; and not before there are enough that writing everything again costs little beside them.
 */
import { encodeMediaTimeline, type TimelineRecord } from "../catalog/media-timeline.ts";
import type { Clock } from "../clock.ts";

/** Records kept: three days of one-second groups. The oldest go. */
export const TIMELINE_RECORDS = 259_200;

/** A new group begins after a sixteenth as many updates as there are records, within these bounds. */
const UPDATES_PER_GROUP = 1 / 16;
const LEAST_UPDATES = 15;
const MOST_UPDATES = 600;

/** An object of the timeline track. */
export interface TimelineObject {
  readonly group: number;
  readonly object: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export class TimelineWriter {
  readonly #clock: Clock;
  readonly #maxRecords: number;
  #records: TimelineRecord[] = [];
  #group = -1;
  #objects = 0;

  constructor(clock: Clock, maxRecords = TIMELINE_RECORDS) {
    this.#clock = clock;
    this.#maxRecords = maxRecords;
  }

  /** A group of the media begins, behind all those before it. What is returned belongs on the track next. */
  add(record: TimelineRecord): TimelineObject {
    this.#records.push(record);
    if (this.#records.length > this.#maxRecords) this.#records.shift();
    const updates = Math.min(MOST_UPDATES, Math.max(LEAST_UPDATES, this.#records.length * UPDATES_PER_GROUP));
    if (this.#group >= 0 && this.#objects <= updates) {
      return { group: this.#group, object: this.#objects++, payload: encodeMediaTimeline([record]) };
    }
    // By the clock, so that a publisher that was restarted is ahead of what relays still have of it; in tenths of a second, because a history is written at once.
    this.#group = Math.max(this.#group + 1, Math.floor(this.#clock.now() / 100));
    this.#objects = 1;
    return { group: this.#group, object: 0, payload: encodeMediaTimeline(this.#records) };
  }
}
