import { expect, test } from "vitest";
import { UNKNOWN_ALIAS_MAX_AGE_MS } from "../session/limits.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { UnknownAliases } from "./unknown-aliases.ts";

test("a stream waits until its alias is known, or for as long as it may", async () => {
  const clock = new FakeClock();
  const aliases = new UnknownAliases(clock);
  let known = false;
  const first = aliases.wait(10, () => known);
  const second = aliases.wait(20, () => false);
  expect([aliases.streams, aliases.bytes]).toEqual([2, 30]);
  known = true;
  aliases.changed();
  expect(await first).toBe(true);
  await clock.run(UNKNOWN_ALIAS_MAX_AGE_MS);
  expect(await second).toBe(false);
  expect([aliases.streams, aliases.bytes, clock.pending]).toEqual([0, 0, 0]);
});

test("nothing waits once the session is over, nor begins to", async () => {
  const clock = new FakeClock();
  const aliases = new UnknownAliases(clock);
  const before = aliases.wait(10, () => false);
  aliases.clear();
  const after = aliases.wait(10, () => false);
  expect(await Promise.all([before, after])).toEqual([false, false]);
  expect([aliases.streams, aliases.bytes, clock.pending]).toEqual([0, 0, 0]);
});
