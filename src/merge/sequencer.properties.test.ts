import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import type { VarInt } from "../wire/varint.ts";
import { deliveryAt, truthOf } from "./fakes.ts";
import { TrackSequencer } from "./sequencer.ts";
import type { Hole } from "./types.ts";

const GROUPS = 6;
const OBJECTS = 4;

/** Each object of the track: when it is signed for and when it comes, if at all, in ms. */
const fate = fc.record({
  signedAtMs: fc.option(fc.nat(3000), { freq: 8, nil: undefined }),
  comesAtMs: fc.option(fc.nat(6000), { freq: 5, nil: undefined }),
});

function covers(hole: Hole, group: VarInt, object: VarInt): boolean {
  if (group < hole.group) return false;
  if (group === hole.group) {
    if (object < hole.objectStart) return false;
    if (hole.lastGroup === undefined && hole.objectEnd !== undefined) return object <= hole.objectEnd;
    return true;
  }
  return hole.lastGroup !== undefined && group <= hole.lastGroup;
}

it("accounts for every object before the last one handed out: in order, or in a hole, never both, never neither", () => {
  fc.assert(
    fc.property(
      fc.array(fate, { minLength: GROUPS * OBJECTS, maxLength: GROUPS * OBJECTS }),
      fc.array(fc.option(fc.nat(4000), { freq: 6, nil: undefined }), {
        minLength: GROUPS,
        maxLength: GROUPS,
      }),
      fc.constantFrom("group" as const, "object" as const),
      fc.boolean(),
      fc.option(fc.record({ group: fc.nat(GROUPS - 1), object: fc.nat(OBJECTS - 1) }), { nil: undefined }),
      fc.integer({ min: 1, max: GROUPS }),
      (fates, closings, resumeAt, requireManifest, start, maxGroups) => {
        const clock = new FakeClock();
        const track = new TrackSequencer({
          clock,
          resumeAt,
          requireManifest,
          maxGroups,
          ...(start && { start }),
        });
        const out: { group: VarInt; object: VarInt }[] = [];
        const holes: Hole[] = [];
        const events: string[] = [];
        let begun: { group: VarInt; object: VarInt } | undefined;
        track.on("start", (location) => {
          begun = location;
        });
        track.on("object", ({ object: { group, object } }) => {
          out.push({ group, object });
          events.push(`${group}/${object}`);
        });
        track.on("hole", (hole) => holes.push(hole));
        track.on("groupComplete", ({ group }) => events.push(`complete ${group}`));

        for (let at = 0; at < fates.length; at++) {
          const { signedAtMs, comesAtMs } = fates[at]!;
          const group = Math.floor(at / OBJECTS);
          const object = at % OBJECTS;
          if (signedAtMs !== undefined && requireManifest) {
            clock.setTimer(signedAtMs, () => {
              const nowMs = clock.now();
              const signed = [0, 1, 2, 3].filter(
                (id) => (fates[group * OBJECTS + id]!.signedAtMs ?? Number.POSITIVE_INFINITY) <= nowMs,
              );
              track.truth(truthOf(group, signed, false));
            });
          }
          // Trust lets nothing pass before it is signed for.
          const dueMs =
            requireManifest && comesAtMs !== undefined
              ? Math.max(comesAtMs, signedAtMs ?? Number.NaN)
              : comesAtMs;
          if (dueMs !== undefined && !Number.isNaN(dueMs))
            clock.setTimer(dueMs, () => track.deliver(deliveryAt(group, object)));
        }
        closings.forEach((atMs, group) => {
          if (atMs === undefined) return;
          clock.setTimer(requireManifest ? 3000 + atMs : atMs, () => {
            const whole = fates
              .slice(group * OBJECTS, (group + 1) * OBJECTS)
              .every(({ signedAtMs }) => signedAtMs !== undefined);
            if (!requireManifest) track.endOfGroup(group, OBJECTS);
            else if (whole) track.truth(truthOf(group, [0, 1, 2, 3], true));
          });
        });
        clock.advance(60_000);

        for (let i = 1; i < out.length; i++) {
          const [a, b] = [out[i - 1]!, out[i]!];
          expect(a.group < b.group || (a.group === b.group && a.object < b.object)).toBe(true);
        }
        expect(out[0]).toEqual(begun && out[0]);
        if (out.length > 0) expect(begun).toEqual(out[0]);
        const first = start ?? (out[0] === undefined ? undefined : { group: out[0].group, object: 0 });
        const last = out.at(-1);
        for (let at = 0; at < fates.length && first !== undefined && last !== undefined; at++) {
          const place = { group: Math.floor(at / OBJECTS), object: at % OBJECTS };
          const isBeforeStart =
            place.group < first.group || (place.group === first.group && place.object < first.object);
          const isAfterEnd =
            place.group > last.group || (place.group === last.group && place.object > last.object);
          const handedOut = out.filter(
            ({ group, object }) => group === place.group && object === place.object,
          ).length;
          const missed = holes.filter((hole) => covers(hole, place.group, place.object)).length;
          if (isBeforeStart) expect(handedOut).toBe(0);
          else if (!isAfterEnd)
            expect(`${place.group}/${place.object}: ${handedOut + missed}`).toBe(
              `${place.group}/${place.object}: 1`,
            );
        }
        for (const event of events) {
          if (!event.startsWith("complete ")) continue;
          const group = Number(event.slice(9));
          expect(out.filter((each) => each.group === group)).toHaveLength(OBJECTS);
        }
        expect(track.buffered.groups).toBeLessThanOrEqual(maxGroups);
        track.close();
        expect(clock.pending).toBeLessThanOrEqual(0);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);
