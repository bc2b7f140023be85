import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../errors.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import type { MoqObject } from "../../wire/objects.ts";
import type { Verified } from "../types.ts";
import { asObject } from "./fixtures.ts";
import { MAX_HELD_BYTES, MAX_HELD_OBJECTS, OpeningLine } from "./opening-line.ts";

const object = (group: number, id: number, bytes = 1) =>
  asObject({ group, object: id }, new Uint8Array(bytes));
const noKey = (retryAfterMs?: number) =>
  new CountersignError("key-unavailable", "no key", { ...(retryAfterMs !== undefined && { retryAfterMs }) });
const wrongKey = () => new CountersignError("decryption-failed", "wrong key");

function bench(
  open: (object: Verified<MoqObject>) => Promise<Verified<MoqObject>>,
  resumeAt: "group" | "object" = "object",
) {
  const clock = new FakeClock();
  const seen: string[] = [];
  const troubles: (string | undefined)[] = [];
  const line = new OpeningLine({
    clock,
    resumeAt,
    open,
    onObject: ({ group, object }) => seen.push(`${group}.${object}`),
    onLost: ({ group, object }, { code }) => seen.push(`lost ${group}.${object} ${code}`),
    onTrouble: (error) => troubles.push(error?.code),
  });
  return { clock, line, seen, troubles };
}

/** Enough turns of the event loop for every promise that can settle. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("objects being decrypted", () => {
  it("come out in order, with what was to happen between them, however long each takes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ turns: fc.nat(4), closes: fc.boolean() }), { maxLength: 20 }),
        async (plan) => {
          const { line, seen } = bench(async (each) => {
            for (let i = plan[Number(each.object)]!.turns; i > 0; i--)
              await new Promise((resolve) => setImmediate(resolve));
            return each;
          });
          const expected: string[] = [];
          plan.forEach(({ closes }, id) => {
            line.push(object(1, id));
            expected.push(`1.${id}`);
            if (!closes) return;
            line.after(() => seen.push(`after ${id}`));
            expected.push(`after ${id}`);
          });
          for (let i = 0; i < 10 && seen.length < expected.length; i++) await settle();
          expect(seen).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("are opened at once, not one after the other", async () => {
    let under = 0;
    const { line } = bench(() => {
      under += 1;
      return new Promise(() => undefined);
    });
    for (let id = 0; id < 5; id++) line.push(object(1, id));
    expect(under).toBe(5);
  });

  it("run at once what comes after nothing", () => {
    const { line, seen } = bench(async (each) => each);
    line.after(() => seen.push("now"));
    expect(seen).toEqual(["now"]);
  });

  it("wait for a key that is late, and say so meanwhile", async () => {
    let there = false;
    const { clock, line, seen, troubles } = bench(async (each) => {
      if (there || each.group === 1) return each;
      throw noKey(500);
    });
    line.push(object(1, 0));
    line.push(object(2, 0));
    line.after(() => seen.push("closed"));
    line.push(object(2, 1));
    await settle();
    expect(seen).toEqual(["1.0"]);
    expect(troubles).toEqual(["key-unavailable"]);
    clock.advance(500);
    await settle();
    expect(seen).toEqual(["1.0"]);
    there = true;
    clock.advance(500);
    await settle();
    expect(seen).toEqual(["1.0", "2.0", "closed", "2.1"]);
    expect(troubles.at(-1)).toBeUndefined();
  });

  it("are lost one by one where sound can go on behind each", async () => {
    const { line, seen } = bench(async (each) => {
      if (each.object === 1) throw wrongKey();
      return each;
    });
    for (let id = 0; id < 3; id++) line.push(object(1, id));
    await settle();
    expect(seen).toEqual(["1.0", "lost 1.1 decryption-failed", "1.2"]);
  });

  it("are left out up to the next group where only that can be decoded, told once", async () => {
    const { line, seen } = bench(async (each) => {
      if (each.group === 1 && (each.object === 1 || each.object === 2)) throw wrongKey();
      return each;
    }, "group");
    for (let id = 0; id < 4; id++) line.push(object(1, id));
    line.push(object(2, 0));
    await settle();
    expect(seen).toEqual(["1.0", "lost 1.1 decryption-failed", "2.0"]);
  });

  it("are lost at once when no key will ever come", async () => {
    const { clock, line, seen } = bench(async () => {
      throw noKey();
    });
    line.push(object(1, 0));
    await settle();
    expect(seen).toEqual(["lost 1.0 key-unavailable"]);
    expect(clock.pending).toBe(0);
  });

  it("give up the oldest when too many, or too large ones, wait for a key", async () => {
    for (const [count, bytes] of [
      [MAX_HELD_OBJECTS + 2, 1],
      [18, MAX_HELD_BYTES / 16],
    ] as const) {
      let there = false;
      const { clock, line, seen } = bench(async (each) => {
        if (there) return each;
        throw noKey(500);
      });
      for (let id = 0; id < count; id++) line.push(object(1, id, bytes));
      await settle();
      expect(seen).toEqual(["lost 1.0 key-unavailable", "lost 1.1 key-unavailable"]);
      there = true;
      clock.advance(500);
      await settle();
      expect(seen.slice(2)).toEqual(Array.from({ length: count - 2 }, (_, i) => `1.${i + 2}`));
    }
  });

  it("do not come out any more after close, and leave no timer", async () => {
    const { clock, line, seen } = bench(async () => {
      throw noKey(500);
    });
    line.push(object(1, 0));
    await settle();
    line.close();
    line.push(object(1, 1));
    line.after(() => seen.push("after"));
    clock.advance(5000);
    await settle();
    expect(seen).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
