/** A short run of every target in each test run; `npm run fuzz` has the time to look further. */
import { describe, expect, test } from "vitest";
import { documentTargets } from "./document-targets.ts";
import { fuzz } from "./engine.ts";
import { demandSame, judge } from "./judge.ts";
import { keptTargets } from "./kept-targets.ts";
import { sessionTarget } from "./session-target.ts";
import { transportTargets } from "./transport-targets.ts";
import { wireTargets } from "./wire-targets.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
/** Nothing is measured, so there is no reason to hurry on a loaded machine. */
const TIMEOUT_MS = 120_000;
const host = { now: () => 0, cpuMs: () => 0 };

describe(`nothing is found in a short run (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  test.each(
    [...wireTargets, ...documentTargets, ...keptTargets, sessionTarget, ...transportTargets].map(
      (target) => [target.name, target] as const,
    ),
  )("%s", async (_, target) => {
    const executionsEach = target.weight === undefined ? 300 : 15;
    const { findings, executions } = await fuzz({ targets: [target], seed, host, executionsEach });
    expect(findings).toEqual([]);
    expect(executions).toBe(executionsEach);
  });
});

test("a judge lets no error pass but a typed one of the codes that are allowed", () => {
  expect(() => judge(() => new Uint8Array(-1))).toThrow(RangeError);
  expect(() =>
    demandSame({ a: 1n, b: new Uint8Array([1]) }, { b: new Uint8Array([2]), a: 1n }, "it"),
  ).toThrow("it: ");
  demandSame({ a: 1n, b: undefined }, { a: 1n }, "it");
  expect(() => demandSame(1, 1n, "it")).toThrow();
});
