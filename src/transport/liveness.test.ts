import { expect, test } from "vitest";
import type { CountersignError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Connection, ConnectionEnd } from "./connection.ts";
import { LIVENESS_IDLE_MS, LIVENESS_TIMEOUT_MS, watchLiveness } from "./liveness.ts";

function watched(answers: boolean) {
  const clock = new FakeClock();
  const seen = { asked: 0, receivedAtMs: clock.now(), dead: [] as CountersignError[] };
  let end: (end: ConnectionEnd) => void = () => undefined;
  const connection = {
    url: "https://relay.example/",
    closed: new Promise<ConnectionEnd>((resolve) => {
      end = resolve;
    }),
    trackStatus: async () => {
      seen.asked += 1;
      if (answers) seen.receivedAtMs = clock.now();
      throw new Error("refused");
    },
  } as unknown as Connection;
  const probe = watchLiveness(
    connection,
    clock,
    () => seen.receivedAtMs,
    (error) => seen.dead.push(error),
  );
  return { clock, seen, end, probe };
}

test("a peer that goes on sending is not asked", () => {
  const { clock, seen } = watched(false);
  for (let i = 0; i < 20; i++) {
    clock.advance(LIVENESS_IDLE_MS / 2);
    seen.receivedAtMs = clock.now();
  }
  expect(seen.asked).toBe(0);
  expect(seen.dead).toEqual([]);
});

test("a silent peer that answers is asked again and again, and kept", () => {
  const { clock, seen } = watched(true);
  clock.advance(10 * (LIVENESS_IDLE_MS + LIVENESS_TIMEOUT_MS));
  expect(seen.asked).toBeGreaterThan(3);
  expect(seen.dead).toEqual([]);
});

test("a silent peer that does not answer is declared dead, once, within idle and timeout", () => {
  const { clock, seen } = watched(false);
  clock.advance(LIVENESS_IDLE_MS + LIVENESS_TIMEOUT_MS - 1);
  expect(seen.dead).toEqual([]);
  clock.advance(1);
  expect(seen.dead.map((error) => error.code)).toEqual(["session-closed"]);
  clock.advance(60_000);
  expect(seen.dead).toHaveLength(1);
});

test("a probe asks at once, however lately the peer was heard of, and a dead one is found within the timeout", () => {
  const { clock, seen, probe } = watched(false);
  clock.advance(LIVENESS_IDLE_MS / 2);
  seen.receivedAtMs = clock.now();
  clock.advance(1);
  probe();
  probe();
  expect(seen.asked).toBe(1);
  clock.advance(LIVENESS_TIMEOUT_MS);
  expect(seen.dead.map((error) => error.code)).toEqual(["session-closed"]);
});

test("a peer that answers a probe is watched on as before", () => {
  const { clock, seen, probe } = watched(true);
  probe();
  clock.advance(LIVENESS_TIMEOUT_MS + LIVENESS_IDLE_MS);
  expect(seen.asked).toBeGreaterThan(1);
  expect(seen.dead).toEqual([]);
});

test("nothing is asked of a connection that ended", async () => {
  const { clock, seen, end, probe } = watched(false);
  end({ error: undefined, byUs: true });
  await Promise.resolve();
  probe();
  clock.advance(60_000);
  expect(seen.asked).toBe(0);
  expect(seen.dead).toEqual([]);
});
