import { expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { objectAt } from "./fakes.ts";
import { SUBGROUP_FAILOVER_MS } from "./limits.ts";
import { forwardingMerger } from "./track-merger.ts";
import type { SubgroupEnd } from "./types.ts";

const cut = new CountersignError("stream-reset", "The stream was reset.");

function subgroups(...sources: string[]) {
  const clock = new FakeClock(1_000_000);
  const merger = forwardingMerger({ clock });
  const ends: SubgroupEnd[] = [];
  merger.on("subgroupEnd", (end) => ends.push(end));
  for (const source of sources) merger.addSource(source);
  const open = (source: string, firstObject = true, group = 1) =>
    merger.sink(source, "subscription").streamStart?.({
      trackAlias: 1,
      group,
      subgroup: 0,
      priority: 0,
      hasProperties: false,
      endOfGroup: true,
      firstObject,
    });
  const fin = (source: string, group = 1) =>
    merger.sink(source, "subscription").streamEnd?.({ group, subgroup: 0, complete: true, endOfGroup: true });
  const reset = (source: string, group = 1) =>
    merger
      .sink(source, "subscription")
      .streamEnd?.({ group, subgroup: 0, complete: false, endOfGroup: false, error: cut });
  return { clock, merger, ends, open, fin, reset };
}

it("ends a subgroup cleanly as soon as one source that sent all of it did", () => {
  const { ends, open, fin, reset } = subgroups("a", "b");
  open("a");
  open("b");
  fin("b");
  expect(ends).toEqual([{ group: 1, subgroup: 0, complete: true, endOfGroup: true }]);
  reset("a");
  expect(ends).toHaveLength(1);
});

it("ends it cleanly when one was reset before another ended cleanly", () => {
  const { ends, open, fin, reset } = subgroups("a", "b");
  open("a");
  open("b");
  reset("a");
  expect(ends).toEqual([]);
  fin("b");
  expect(ends.map((end) => end.complete)).toEqual([true]);
});

it("passes a reset on only when all sources were reset", () => {
  const { ends, open, reset } = subgroups("a", "b");
  open("a");
  open("b");
  reset("b");
  expect(ends).toEqual([]);
  reset("a");
  expect(ends).toEqual([{ group: 1, subgroup: 0, complete: false, endOfGroup: false, error: cut }]);
});

it("gives another source of the track time to carry a cut subgroup on, so that it stays one stream", () => {
  const { clock, ends, open, fin, reset } = subgroups("a", "b");
  open("a");
  reset("a");
  clock.advance(SUBGROUP_FAILOVER_MS - 1);
  open("b", false);
  clock.advance(SUBGROUP_FAILOVER_MS * 2);
  expect(ends).toEqual([]);
  fin("b");
  expect(ends.map((end) => end.complete)).toEqual([true]);
});

it("passes the reset on when nobody carries the subgroup on in time", () => {
  const { clock, ends, open, reset } = subgroups("a", "b");
  open("a");
  reset("a");
  clock.advance(SUBGROUP_FAILOVER_MS);
  expect(ends.map((end) => end.complete)).toEqual([false]);
});

it("passes the reset on at once when the last other source leaves", () => {
  const { ends, merger, open, reset } = subgroups("a", "b");
  open("a");
  reset("a");
  merger.removeSource("b");
  expect(ends.map((end) => end.complete)).toEqual([false]);
});

it("waits for the beginning when the clean end came from a stream that joined in the middle", () => {
  const { ends, open, fin, reset } = subgroups("a", "b");
  open("a");
  open("b", false);
  fin("b");
  expect(ends).toEqual([]);
  reset("a");
  expect(ends.map((end) => end.complete)).toEqual([true]);
});

it("does not wait for that for ever", () => {
  const { clock, ends, open, fin } = subgroups("a", "b");
  open("a");
  open("b", false);
  fin("b");
  clock.advance(SUBGROUP_FAILOVER_MS);
  expect(ends.map((end) => end.complete)).toEqual([true]);
});

it("counts the streams of a source that goes away as reset, and disturbs no other subgroup", () => {
  const { ends, merger, open, fin } = subgroups("a", "b");
  open("a", true, 1);
  open("b", true, 1);
  open("b", true, 2);
  merger.offer("a", objectAt(1, 0));
  merger.removeSource("a");
  expect(ends).toEqual([]);
  fin("b", 1);
  fin("b", 2);
  expect(ends.map((end) => [end.group, end.complete])).toEqual([
    [1, true],
    [2, true],
  ]);
});

it("does not take the end of a fetch for the end of a subgroup", () => {
  const { merger, ends } = subgroups("a");
  merger.sink("a", "fetch").streamEnd?.({ group: 1, subgroup: 0, complete: true, endOfGroup: true });
  expect(ends).toEqual([]);
});

it("settles the oldest subgroup as it stands when too many are open", () => {
  const clock = new FakeClock(1_000_000);
  const merger = forwardingMerger({ clock, maxOpenSubgroups: 2 });
  const ends: SubgroupEnd[] = [];
  merger.on("subgroupEnd", (end) => ends.push(end));
  merger.addSource("a");
  for (const group of [1, 2, 3]) {
    merger.sink("a", "subscription").streamStart?.({
      trackAlias: 1,
      group,
      subgroup: 0,
      priority: 0,
      hasProperties: false,
      endOfGroup: true,
      firstObject: true,
    });
  }
  expect(ends).toEqual([{ group: 1, subgroup: 0, complete: false, endOfGroup: false }]);
});
