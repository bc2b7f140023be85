import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { deliveryAt, objectAt, truthOf } from "./fakes.ts";
import {
  GIVE_UP_AFTER_MS,
  MISSING_AFTER_MS,
  SILENT_AFTER_MS,
  START_GRACE_MS,
  UNSIGNED_AFTER_MS,
} from "./limits.ts";
import type { SequencerOptions } from "./sequencer.ts";
import { TrackSequencer } from "./sequencer.ts";
import type { Hole } from "./types.ts";

const MAX = 0xffff_ffff_ffff_ffffn;

function rangeText(hole: Hole): string {
  const end = hole.lastGroup ?? (hole.objectEnd === undefined ? "end" : hole.objectEnd);
  return `${hole.group}/${hole.objectStart}-${hole.lastGroup === undefined ? "" : "group "}${end}`;
}

function sequencer(options: Partial<SequencerOptions> = {}) {
  const clock = new FakeClock(1_000_000);
  const track = new TrackSequencer({ clock, ...options });
  const log: string[] = [];
  track.on("start", ({ group, object }) => log.push(`start ${group}/${object}`));
  track.on("object", ({ object }) => log.push(`${object.group}/${object.object}`));
  track.on("groupComplete", ({ group, objectCount }) => log.push(`complete ${group} (${objectCount})`));
  track.on("hole", (hole) => log.push(`hole ${rangeText(hole)} ${hole.cause}`));
  track.on("missing", ({ group, objects }) => log.push(`missing ${group}/${objects.join(",")}`));
  const deliver = (group: VarInt, ...objects: VarInt[]) => {
    for (const object of objects) track.deliver(deliveryAt(group, object));
  };
  const truth = (group: VarInt, objects: readonly VarInt[], complete = false) =>
    track.truth(truthOf(group, objects, complete));
  return { clock, track, log, deliver, truth };
}

describe("TrackSequencer", () => {
  it("hands out each object the moment it is its turn", () => {
    const { log, deliver, truth } = sequencer();
    truth(1, [0]);
    deliver(1, 0);
    expect(log).toEqual(["start 1/0", "1/0"]);
    truth(1, [0, 1, 2]);
    deliver(1, 2);
    expect(log).toHaveLength(2);
    deliver(1, 1);
    expect(log.slice(2)).toEqual(["1/1", "1/2"]);
  });

  it("says that a group is whole when the signer closed it and all of it was handed out, in whichever order that came", () => {
    const { log, deliver, truth } = sequencer();
    truth(1, [0, 1], true);
    deliver(1, 0, 1);
    truth(2, [0, 1]);
    deliver(2, 0, 1);
    expect(log.at(-1)).toBe("2/1");
    truth(2, [0, 1], true);
    expect(log.filter((line) => line.startsWith("complete"))).toEqual(["complete 1 (2)", "complete 2 (2)"]);
  });

  it("keeps groups in order however they are delivered", () => {
    const { log, deliver, truth } = sequencer();
    truth(1, [0, 1], true);
    deliver(1, 0);
    truth(2, [0], true);
    deliver(2, 0);
    deliver(1, 1);
    expect(log).toEqual(["start 1/0", "1/0", "1/1", "complete 1 (2)", "2/0", "complete 2 (1)"]);
  });

  it("goes through ids that are not consecutive once the group is closed", () => {
    const { log, deliver, truth } = sequencer();
    truth(1, [0, 5, MAX]);
    deliver(1, 0, 5, MAX);
    expect(log).toEqual(["start 1/0", "1/0"]);
    truth(1, [0, 5, MAX], true);
    expect(log.slice(2)).toEqual(["1/5", `1/${MAX}`, "complete 1 (3)"]);
  });

  it("takes up 64-bit group ids", () => {
    const { log, deliver, truth } = sequencer();
    truth(MAX - 1n, [0], true);
    deliver(MAX - 1n, 0);
    truth(MAX, [0], true);
    deliver(MAX, 0);
    expect(log.slice(1)).toEqual([
      `${MAX - 1n}/0`,
      `complete ${MAX - 1n} (1)`,
      `${MAX}/0`,
      `complete ${MAX} (1)`,
    ]);
  });
});

describe("where it begins", () => {
  it("begins with the first group that has its first object, and reports what it skipped", () => {
    const { log, deliver, truth } = sequencer();
    truth(4, [0, 1, 2, 3]);
    deliver(4, 2, 3);
    expect(log).toEqual([]);
    truth(5, [0]);
    deliver(5, 0);
    expect(log).toEqual(["hole 4/0-end start", "start 5/0", "5/0"]);
  });

  it("names all groups that it skipped", () => {
    const { log, deliver, truth } = sequencer();
    for (const group of [3, 4, 5]) truth(group, [0]);
    truth(7, [0]);
    deliver(7, 0);
    expect(log[0]).toBe("hole 3/0-group 6 start");
  });

  it("asks for the beginning of the newest group only, since a live viewer wants no other", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(3, [0, 1]);
    truth(4, [0, 1, 2]);
    deliver(4, 2);
    clock.advance(MISSING_AFTER_MS);
    expect(log).toEqual(["missing 4/0,1"]);
  });

  it("begins where it was told to, also in the middle of a group, and does not call that group whole", () => {
    const { log, deliver, truth } = sequencer({ start: { group: 4, object: 2 } });
    truth(4, [0, 1, 2, 3], true);
    deliver(4, 0, 2, 3);
    truth(5, [0], true);
    deliver(5, 0);
    expect(log).toEqual(["start 4/2", "4/2", "4/3", "5/0", "complete 5 (1)"]);
  });

  it("waits for the start it was told although later groups are there, then names what is not to be had", () => {
    const { clock, log, deliver, truth } = sequencer({ start: { group: 4, object: 0 } });
    truth(9, [0], true);
    deliver(9, 0);
    clock.advance(START_GRACE_MS - 1);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(["hole 4/0-group 8 start", "start 9/0", "9/0", "complete 9 (1)"]);
  });
});

describe("what does not come", () => {
  it("asks for all that later objects have overtaken, once and in order of need", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1, 2, 3], true);
    truth(2, [0, 1, 2, 3]);
    deliver(1, 0, 2);
    deliver(2, 1);
    clock.advance(MISSING_AFTER_MS - 1);
    expect(log).toEqual(["start 1/0", "1/0"]);
    clock.advance(1);
    expect(log.slice(2)).toEqual(["missing 1/1,3", "missing 2/0"]);
    clock.advance(MISSING_AFTER_MS);
    expect(log).toHaveLength(4);
  });

  it("counts from when each was overtaken, or signed for if that was later", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1, 2]);
    deliver(1, 0);
    clock.advance(200);
    deliver(1, 2);
    clock.advance(200);
    truth(1, [0, 1, 2, 3, 4]);
    deliver(1, 4);
    clock.advance(MISSING_AFTER_MS - 201);
    expect(log).toHaveLength(2);
    clock.advance(1);
    expect(log.at(-1)).toBe("missing 1/1");
    clock.advance(200);
    expect(log.at(-1)).toBe("missing 1/3");
  });

  it("is patient with what nothing has overtaken: it is late rather than lost, and never a hole", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1]);
    deliver(1, 0);
    clock.advance(SILENT_AFTER_MS - 1);
    expect(log).toHaveLength(2);
    clock.advance(1);
    expect(log.at(-1)).toBe("missing 1/1");
    clock.advance(600_000);
    expect(log).toHaveLength(3);
    deliver(1, 1);
    expect(log.at(-1)).toBe("1/1");
  });

  it("allows for publishers that are always behind the signer", () => {
    const { clock, log, deliver, truth } = sequencer();
    const objects: number[] = [];
    for (let object = 0; object < 100; object++) {
      objects.push(object);
      truth(1, objects);
      clock.advance(40);
      // 800 ms later: still within the patience for silence.
      if (object >= 20) deliver(1, object - 20);
    }
    for (let object = 100; object < 200; object++) {
      objects.push(object);
      truth(1, objects);
      clock.advance(40);
      // 1200 ms later: beyond it, had the lead not been learnt.
      if (object >= 110) deliver(1, object - 30);
    }
    expect(log.filter((line) => !/^\d|start/.test(line))).toEqual([]);
  });

  it("asks again, later, when nobody had an object and nothing later is there to go on with", () => {
    const { clock, track, log, deliver, truth } = sequencer();
    truth(1, [0, 1]);
    deliver(1, 0);
    clock.advance(SILENT_AFTER_MS);
    track.giveUp(1, [1], { cause: "withheld" });
    clock.advance(SILENT_AFTER_MS - 1);
    expect(log.slice(2)).toEqual(["missing 1/1"]);
    clock.advance(1);
    expect(log.slice(2)).toEqual(["missing 1/1", "missing 1/1"]);
  });

  it("goes on as if nothing had been when the repair comes in time", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1, 2], true);
    deliver(1, 0, 2);
    clock.advance(MISSING_AFTER_MS + GIVE_UP_AFTER_MS - 1);
    deliver(1, 1);
    expect(log.filter((line) => !line.startsWith("missing"))).toEqual([
      "start 1/0",
      "1/0",
      "1/1",
      "1/2",
      "complete 1 (3)",
    ]);
  });

  it("names a hole after the second deadline and goes on with the next group, where a decoder can begin", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1, 2], true);
    truth(2, [0], true);
    deliver(1, 0, 2);
    deliver(2, 0);
    clock.advance(MISSING_AFTER_MS + GIVE_UP_AFTER_MS);
    expect(log).toEqual([
      "start 1/0",
      "1/0",
      "missing 1/1",
      "hole 1/1-end withheld",
      "2/0",
      "complete 2 (1)",
    ]);
  });

  it("goes on with the next object where each can be decoded by itself", () => {
    const { clock, log, deliver, truth } = sequencer({ resumeAt: "object" });
    truth(1, [0, 1, 2, 3], true);
    truth(2, [0], true);
    deliver(1, 0, 3);
    deliver(2, 0);
    clock.advance(MISSING_AFTER_MS + GIVE_UP_AFTER_MS);
    expect(log).toEqual([
      "start 1/0",
      "1/0",
      "missing 1/1,2",
      "hole 1/1-2 withheld",
      "1/3",
      "2/0",
      "complete 2 (1)",
    ]);
  });

  it("gives up at once what everybody was asked for in vain, with the cause it is told", () => {
    const { log, track, deliver, truth } = sequencer();
    truth(1, [0, 1], true);
    truth(2, [0]);
    deliver(1, 0);
    deliver(2, 0);
    track.giveUp(1, [1], { cause: "rejected" });
    expect(log.slice(2)).toEqual(["hole 1/1-end rejected", "2/0"]);
  });

  it("prefers an object that came after all to the hole, as long as it is not past", () => {
    const { log, track, deliver, truth } = sequencer();
    truth(1, [0, 1, 2, 3], true);
    deliver(1, 0, 3);
    track.giveUp(1, [2], { cause: "withheld" });
    deliver(1, 2);
    deliver(1, 1);
    expect(log.slice(1)).toEqual(["1/0", "1/1", "1/2", "1/3", "complete 1 (4)"]);
  });

  it("drops and counts what comes after it was given up", () => {
    const { log, track, deliver, truth } = sequencer();
    truth(1, [0, 1, 2], true);
    deliver(1, 0, 2);
    track.giveUp(1, [1], { cause: "withheld" });
    deliver(1, 1);
    expect(log.at(-1)).toBe("hole 1/1-end withheld");
    expect(track.late).toBe(1);
  });

  it("waits for an id between two that are signed for, since its manifest may be on the way", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 2]);
    deliver(1, 0, 2);
    expect(log).toEqual(["start 1/0", "1/0"]);
    truth(1, [0, 1, 2]);
    deliver(1, 1);
    expect(log.slice(2)).toEqual(["1/1", "1/2"]);
    truth(1, [0, 1, 2, 4]);
    deliver(1, 4);
    clock.advance(UNSIGNED_AFTER_MS);
    expect(log.at(-1)).toBe("hole 1/3-end unsigned");
  });

  it("does not pass over the rest of a group whose end nobody signed", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0, 1]);
    deliver(1, 0, 1);
    truth(2, [0]);
    deliver(2, 0);
    clock.advance(UNSIGNED_AFTER_MS - 1);
    expect(log).toEqual(["start 1/0", "1/0", "1/1"]);
    clock.advance(1);
    expect(log.slice(3)).toEqual(["hole 1/2-end unsigned", "2/0"]);
  });

  it("names groups that nobody signed when ids count without gaps", () => {
    const { clock, log, deliver, truth } = sequencer();
    truth(1, [0], true);
    deliver(1, 0);
    truth(5, [0], true);
    deliver(5, 0);
    clock.advance(UNSIGNED_AFTER_MS);
    expect(log.slice(3)).toEqual(["hole 2/0-group 4 unsigned", "5/0", "complete 5 (1)"]);
  });

  it("takes a jump of group ids as it is where the publisher numbers them so, after a moment for what may come between", () => {
    const { clock, log, deliver, truth } = sequencer({ groupNumbering: "sparse" });
    truth(1000, [0], true);
    deliver(1000, 0);
    truth(3000, [0], true);
    deliver(3000, 0);
    truth(2000, [0], true);
    deliver(2000, 0);
    clock.advance(MISSING_AFTER_MS);
    expect(log).toEqual([
      "start 1000/0",
      "1000/0",
      "complete 1000 (1)",
      "2000/0",
      "complete 2000 (1)",
      "3000/0",
      "complete 3000 (1)",
    ]);
  });

  it("has no timer left when nothing is awaited", () => {
    const { clock, deliver, truth } = sequencer();
    truth(1, [0], true);
    deliver(1, 0);
    clock.advance(10_000);
    expect(clock.pending).toBe(0);
  });

  it("is silent once closed", () => {
    const { clock, track, log, deliver, truth } = sequencer();
    truth(1, [0, 1]);
    deliver(1, 0);
    track.close();
    clock.advance(60_000);
    deliver(1, 1);
    expect(log).toEqual(["start 1/0", "1/0"]);
    expect(clock.pending).toBe(0);
  });

  it("takes what a listener tells it in the middle of a step", () => {
    const { track, log, deliver, truth } = sequencer();
    track.on("object", ({ object }) => {
      if (object.object === 0) deliver(1, 1);
    });
    truth(1, [0, 1], true);
    deliver(1, 0);
    expect(log).toEqual(["start 1/0", "1/0", "1/1", "complete 1 (2)"]);
  });
});

describe("its memory", () => {
  it("gives up the oldest gap, aloud, when too much is held back", () => {
    const { track, log, deliver, truth } = sequencer({ maxBytes: 100 });
    truth(1, [0, 1, 2], true);
    deliver(1, 0, 2);
    for (let group = 2; group < 10; group++) {
      truth(group, [0], true);
      deliver(group, 0);
    }
    expect(track.buffered.bytes).toBeLessThanOrEqual(100);
    expect(log).toContain("hole 1/1-end unavailable");
    expect(log.at(-1)).toBe("complete 9 (1)");
  });

  it("keeps few groups however many are signed", () => {
    const { track, log, deliver, truth } = sequencer({ maxGroups: 4 });
    truth(1, [0, 1], true);
    deliver(1, 0);
    for (let group = 2; group < 50; group++) truth(group, [0], true);
    expect(track.buffered.groups).toBeLessThanOrEqual(4);
    expect(log.filter((line) => line.startsWith("hole"))[0]).toBe("hole 1/1-end unavailable");
  });

  it("loses nothing that could be handed out when it makes room", () => {
    const { track, log, deliver, truth } = sequencer({ maxGroups: 2, start: { group: 1, object: 0 } });
    for (const group of [5, 6, 7]) {
      truth(group, [0], true);
      deliver(group, 0);
    }
    expect(log).toEqual([
      "hole 1/0-group 4 unavailable",
      "start 5/0",
      "5/0",
      "complete 5 (1)",
      "6/0",
      "complete 6 (1)",
      "7/0",
      "complete 7 (1)",
    ]);
    expect(track.buffered.groups).toBe(0);
  });
});

describe("without manifests", () => {
  const unsigned = (options: Partial<SequencerOptions> = {}) =>
    sequencer({ requireManifest: false, ...options });

  it("takes ids to be consecutive and asks for those between", () => {
    const { clock, log, deliver } = unsigned();
    deliver(1, 0, 3);
    clock.advance(MISSING_AFTER_MS);
    expect(log).toEqual(["start 1/0", "1/0", "missing 1/1,2"]);
    deliver(1, 1, 2);
    expect(log.slice(3)).toEqual(["1/1", "1/2", "1/3"]);
  });

  it("ends a group where a stream says so", () => {
    const { track, log, deliver } = unsigned();
    deliver(1, 0, 1);
    track.endOfGroup(1, 2);
    deliver(2, 0);
    expect(log.slice(1)).toEqual(["1/0", "1/1", "complete 1 (2)", "2/0"]);
  });

  it("ends a group at a status object", () => {
    const { track, log, deliver } = unsigned();
    deliver(1, 0);
    track.deliver({ ...deliveryAt(1, 1), object: { ...objectAt(1, 1), status: "end-of-group" } as never });
    expect(log.at(-1)).toBe("complete 1 (1)");
  });

  it("asks for the tail of a group that a stream ended without", () => {
    const { clock, track, log, deliver } = unsigned();
    deliver(1, 0);
    track.endOfGroup(1, 3);
    clock.advance(MISSING_AFTER_MS);
    expect(log.at(-1)).toBe("missing 1/1,2");
  });

  it("takes a clean end without a word as the group's once a later group begins", () => {
    const { track, log, deliver } = unsigned();
    deliver(1, 0);
    track.endOfGroup(1, undefined);
    expect(log.at(-1)).toBe("1/0");
    deliver(2, 0);
    expect(log.slice(2)).toEqual(["complete 1 (1)", "2/0"]);
  });

  it("names the rest of a group whose end nobody told", () => {
    const { clock, log, deliver } = unsigned();
    deliver(1, 0);
    deliver(2, 0);
    clock.advance(UNSIGNED_AFTER_MS);
    expect(log.slice(2)).toEqual(["hole 1/1-end unavailable", "2/0"]);
  });

  it("does not ask for 2^60 objects because a peer jumps that far", () => {
    const { clock, log, deliver } = unsigned();
    deliver(1, 0, 2n ** 60n);
    clock.advance(MISSING_AFTER_MS);
    expect(log).toEqual(["start 1/0", "1/0", `1/${2n ** 60n}`]);
  });
});
