import { describe, expect, test } from "vitest";
import { CountersignError } from "../src/errors.ts";
import type { TimeRange, WorkerEvent } from "../src/rpc/protocol.ts";
import { lacking, ReconnectNews } from "./reconnect-news.ts";

const RELAY = "https://a.test/";

function news(edgeMs: number | undefined, verified: readonly TimeRange[]) {
  const told: WorkerEvent[] = [];
  const state = { edgeMs, verified };
  const reports = new ReconnectNews({
    emit: (event) => told.push(event),
    edgeMs: () => state.edgeMs,
    verified: () => state.verified,
  });
  return { told, state, reports };
}

const back = { cause: "lost", awayMs: 3_000, attempts: 2 } as const;

test("a loss is told once with its reason, and the return with what nobody brought meanwhile", () => {
  const { told, state, reports } = news(10_000, [{ startMs: 0, endMs: 10_000 }]);
  const error = new CountersignError("session-closed", "Gone.");
  reports.lost("objects", RELAY, error);
  reports.lost("objects", RELAY, undefined);
  state.edgeMs = 11_000;
  state.verified = [{ startMs: 0, endMs: 11_000 }];
  reports.resumed("objects", RELAY, back);
  expect(told).toEqual([
    { type: "reconnecting", kind: "objects", url: RELAY, reason: error.toData() },
    { type: "resumed", kind: "objects", url: RELAY, ...back, missed: [{ startMs: 11_000, endMs: 13_000 }] },
  ]);
});

test("nothing was missed where another peer brought it, where nothing played yet, and where the peer only moved us", () => {
  const covered = news(10_000, [{ startMs: 0, endMs: 13_000 }]);
  covered.reports.lost("objects", RELAY, undefined);
  covered.reports.resumed("objects", RELAY, back);
  const early = news(undefined, []);
  early.reports.lost("manifests", RELAY, undefined);
  early.reports.resumed("manifests", RELAY, back);
  const moved = news(10_000, []);
  moved.reports.resumed("objects", RELAY, { cause: "moved", awayMs: 0, attempts: 1 });
  for (const { told } of [covered, early, moved])
    expect(told.at(-1)).toMatchObject({ type: "resumed", missed: [] });
});

test("the newest second of media is on its way rather than missed", () => {
  for (const [coveredMs, missed] of [
    [12_500, []],
    [11_500, [{ startMs: 11_500, endMs: 13_000 }]],
  ] as const) {
    const { told, state, reports } = news(10_000, []);
    reports.lost("objects", RELAY, undefined);
    state.verified = [{ startMs: 0, endMs: coveredMs }];
    reports.resumed("objects", RELAY, back);
    expect(told.at(-1)).toMatchObject({ missed });
  }
});

test("one address may be a relay and a manifest peer: they are lost apart", () => {
  const { told, reports } = news(0, []);
  reports.lost("objects", RELAY, undefined);
  reports.lost("manifests", RELAY, undefined);
  expect(told).toHaveLength(2);
});

describe("what is lacking of a range", () => {
  const range = { startMs: 10, endMs: 20 };
  test.each<[string, TimeRange[], TimeRange[]]>([
    ["all of it when there is nothing", [], [range]],
    ["nothing when it is covered", [{ startMs: 0, endMs: 30 }], []],
    [
      "both ends around what is there",
      [{ startMs: 12, endMs: 15 }],
      [
        { startMs: 10, endMs: 12 },
        { startMs: 15, endMs: 20 },
      ],
    ],
    [
      "what lies between two stretches",
      [
        { startMs: 0, endMs: 13 },
        { startMs: 16, endMs: 40 },
      ],
      [{ startMs: 13, endMs: 16 }],
    ],
    [
      "all of it when what is there is elsewhere",
      [
        { startMs: 0, endMs: 10 },
        { startMs: 20, endMs: 30 },
      ],
      [range],
    ],
  ])("%s", (_, have, lacks) => {
    expect(lacking(range, have)).toEqual(lacks);
  });

  test("is nothing of no time at all", () => {
    expect(lacking({ startMs: 10, endMs: 10 }, [])).toEqual([]);
  });
});
