import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

test("timers run in order of time, each at its own moment, those set meanwhile included", () => {
  const clock = new FakeClock(1000);
  const log: string[] = [];
  clock.setTimer(20, () => log.push(`b ${clock.now()}`));
  clock.setTimer(10, () => {
    log.push(`a ${clock.now()}`);
    clock.setTimer(5, () => log.push(`c ${clock.now()}`));
  });
  clock.setTimer(40, () => log.push("too late"));
  clock.advance(30);
  expect(log).toEqual(["a 1010", "c 1015", "b 1020"]);
  expect(clock.now()).toBe(1030);
  expect(clock.nextInMs).toBe(10);
});

test("a cancelled timer does not run, and is not counted", () => {
  const clock = new FakeClock();
  let ran = false;
  const cancel = clock.setTimer(1, () => {
    ran = true;
  });
  cancel();
  cancel();
  expect(clock.pending).toBe(0);
  clock.advance(5);
  expect(ran).toBe(false);
});
