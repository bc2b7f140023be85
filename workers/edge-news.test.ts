import { expect, test } from "vitest";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { EdgeNews, type EdgeStep } from "./edge-news.ts";

function news() {
  const clock = new FakeClock(1_000);
  const told: EdgeStep[] = [];
  return { clock, told, edge: new EdgeNews(clock, (step) => told.push(step)) };
}

test("each step of a live broadcast is told at once, with the time at which it happened", () => {
  const { clock, told, edge } = news();
  for (let edgeMs = 0; edgeMs < 200; edgeMs += 40) {
    edge.move(() => edgeMs);
    expect(told.at(-1)).toEqual({ edgeMs, atMs: clock.now() });
    clock.advance(40);
  }
  expect(told).toHaveLength(5);
});

test("whoever catches up sends no message for each object, and the last step is always told", () => {
  const { clock, told, edge } = news();
  for (let edgeMs = 1; edgeMs <= 1_000; edgeMs++) {
    edge.move(() => edgeMs);
    if (edgeMs % 10 === 0) clock.advance(1);
  }
  expect(told.length).toBeLessThanOrEqual(6);
  expect(edge.step?.edgeMs).toBe(1_000);
  clock.advance(20);
  expect(told.at(-1)?.edgeMs).toBe(1_000);
});

test("an edge that stands still says nothing, and one that is closed neither", () => {
  const { clock, told, edge } = news();
  edge.move(() => undefined);
  edge.move(() => 7);
  edge.move(() => 7);
  clock.advance(100);
  expect(told).toHaveLength(1);
  edge.move(() => 8);
  edge.move(() => 9);
  edge.close();
  clock.advance(100);
  expect(told).toHaveLength(2);
  expect(clock.pending).toBe(0);
});
