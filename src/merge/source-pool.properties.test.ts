import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Verified } from "../trust/types.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeRelay, relayProvider } from "./fake-relay.ts";
import { FakeJudge, junkAt, objectAt } from "./fakes.ts";
import { TrackSequencer } from "./sequencer.ts";
import { SourcePool } from "./source-pool.ts";
import { TrackMerger } from "./track-merger.ts";

const OBJECTS = 5;
const AIRED = 40;

/** Moves time on in steps, letting promises settle in between: nothing here waits for anything but the clock and other promises. */
async function run(clock: FakeClock, ms: number): Promise<void> {
  const untilMs = clock.now() + ms;
  for (;;) {
    for (let i = 0; i < 30; i++) await Promise.resolve();
    const nextInMs = clock.nextInMs;
    if (nextInMs === undefined || clock.now() + nextInMs > untilMs) break;
    clock.advance(nextInMs);
  }
  clock.advance(untilMs - clock.now());
}

/** What may befall a relay that is not the honest one. */
const mischief = fc.record({
  relay: fc.integer({ min: 0, max: 1 }),
  atObject: fc.nat(AIRED),
  what: fc.constantFrom(
    "kill",
    "restart",
    "restart empty",
    "junk",
    "withhold some",
    "withhold all",
    "behave",
    "end track",
    "no track",
    "mute",
    "extra",
  ),
});

const faults: Record<string, (relay: FakeRelay) => void> = {
  kill: (relay) => relay.up && relay.kill(),
  restart: (relay) => !relay.up && relay.restart(),
  "restart empty": (relay) => !relay.up && relay.restart(false),
  junk: (relay) => {
    relay.send = (object) => junkAt(object.group, object.object);
  },
  "withhold some": (relay) => {
    relay.send = (object) => ((Number(object.group) + Number(object.object)) % 3 === 0 ? undefined : object);
  },
  "withhold all": (relay) => {
    relay.send = () => undefined;
  },
  extra: (relay) => relay.publish(objectAt(1, 77)),
  "end track": (relay) => relay.endTrack(),
  "no track": (relay) => {
    relay.hasTrack = false;
  },
  mute: (relay) => {
    relay.mute = true;
  },
  behave: (relay) => {
    relay.send = (object) => object;
    relay.hasTrack = true;
    relay.mute = false;
  },
};

it("plays everything once, in order and without a hole as long as one honest relay is up", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(mischief, { maxLength: 12 }),
      fc.constantFrom<readonly string[]>(["bad0", "bad1", "honest"], ["honest", "bad0", "bad1"]),
      fc.constantFrom(1, 2, 3),
      fc.nat(400),
      async (schedule, sources, redundancy, delayMs) => {
        const clock = new FakeClock(1_000_000);
        const judge = new FakeJudge();
        const bad = [new FakeRelay("bad0"), new FakeRelay("bad1")] as const;
        const honest = new FakeRelay("honest");
        const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
        const sequencer = new TrackSequencer({ clock });
        merger.on("delivered", (delivery) => sequencer.deliver(delivery));
        judge.on("truth", (truth) => sequencer.truth(truth));
        const played: string[] = [];
        const holes: string[] = [];
        sequencer.on("object", ({ object }) => played.push(`${object.group}/${object.object}`));
        sequencer.on("hole", (hole) => holes.push(`${hole.group}/${hole.objectStart} ${hole.cause}`));
        const pool = new SourcePool({
          clock,
          provider: relayProvider([...bad, honest]),
          sources,
          redundancy,
          random: () => 0.5,
        });
        const stop = pool.addMergedTrack(trackOf(namespaceOf("live"), "video"), merger, sequencer);
        await run(clock, 10);

        const signed: number[] = [];
        for (let at = 0; at < AIRED; at++) {
          for (const { relay, what } of schedule.filter(({ atObject }) => atObject === at))
            faults[what]!(bad[relay]!);
          const group = Math.floor(at / OBJECTS);
          const object = at % OBJECTS;
          if (object === 0) signed.length = 0;
          signed.push(object);
          judge.sign(group, [...signed], object === OBJECTS - 1);
          // Uncoordinated publishers: each at a pace of its own.
          for (const [i, relay] of [...bad, honest].entries())
            clock.setTimer((i * delayMs) / 2, () => relay.publish(objectAt(group, object)));
          await run(clock, 200);
        }
        await run(clock, 15_000);
        // Where nobody sent at first, the viewer begins where somebody did, with a whole group; from there on nothing is missing.
        const mayBeginLater = schedule.some(({ atObject }) => atObject < 2 * OBJECTS);
        const begun = mayBeginLater ? Number.parseInt(played[0] ?? "", 10) : 0;
        expect(begun).toBeLessThanOrEqual(2);
        expect(holes.map((hole) => hole.split(" ")[1])).toEqual(begun === 0 ? [] : ["start"]);
        expect(played).toEqual(
          Array.from({ length: AIRED }, (_, at) => `${Math.floor(at / OBJECTS)}/${at % OBJECTS}`).slice(
            begun * OBJECTS,
          ),
        );
        expect(merger.score("honest")).toMatchObject({ junk: 0, unsigned: 0 });
        expect(pool.sources().find(({ source }) => source === "honest")?.state).not.toBe("banned");

        stop();
        pool.close();
        merger.close();
        sequencer.close();
        for (const relay of [...bad, honest]) expect(relay.connections).toBe(0);
      },
    ),
    {
      numRuns: 50,
      examples: [
        [
          [
            { relay: 0, atObject: 0, what: "withhold all" },
            { relay: 1, atObject: 0, what: "withhold all" },
          ],
          ["bad0", "bad1", "honest"],
          1,
          0,
        ],
      ],
    },
  );
}, 60_000);
