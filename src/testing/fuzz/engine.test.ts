import { expect, test } from "vitest";
import type { Chance } from "./chance.ts";
import { type FuzzHost, type FuzzTarget, fuzz, MAX_EXECUTION_CPU_MS, TooSlow } from "./engine.ts";

/** Time that only passes when a target says so. */
function host(): FuzzHost & { spend(ms: number): void } {
  let nowMs = 0;
  return {
    now: () => nowMs,
    cpuMs: () => nowMs,
    spend: (ms) => {
      nowMs += ms;
    },
  };
}

function target(name: string, run: (chance: Chance) => void | Promise<void>): FuzzTarget {
  return { name, run };
}

test("the same seed gives each target the same inputs, whatever other targets run beside it", async () => {
  const inputs = async (beside: readonly FuzzTarget[]) => {
    const seen: number[] = [];
    const remember = target("remember", (chance) => void seen.push(chance.below(1e9)));
    await fuzz({ targets: [...beside, remember], seed: 7, host: host(), executionsEach: 5 });
    return seen;
  };
  const alone = await inputs([]);
  expect(new Set(alone).size).toBe(5);
  expect(await inputs([target("other", (chance) => void chance.below(3))])).toEqual(alone);
});

test("a finding names its execution, which found alone again is the same", async () => {
  const flawed = target("flawed", (chance) => {
    const value = chance.below(20);
    if (value === 13) throw new Error(`met ${value} ${chance.below(1e9)}`);
  });
  const options = { targets: [flawed], seed: 3, host: host() };
  const { findings } = await fuzz({ ...options, executionsEach: 1_000 });
  expect(findings).toHaveLength(1);
  const again = await fuzz({ ...options, only: findings[0]!.execution });
  expect(again.executions).toBe(1);
  expect(again.findings[0]?.error).toEqual(findings[0]?.error);
});

test("a target that failed is not tried further, the others are", async () => {
  const bad = target("bad", () => Promise.reject(new Error("always")));
  const good = target("good", () => undefined);
  const { perTarget, findings } = await fuzz({
    targets: [bad, good],
    seed: 1,
    host: host(),
    executionsEach: 10,
  });
  expect([...perTarget]).toEqual([
    ["bad", 1],
    ["good", 10],
  ]);
  expect(findings.map((finding) => finding.target)).toEqual(["bad"]);
});

test("an execution that costs too much twice is a finding, once is not", async () => {
  const time = host();
  const slow = target("slow", () => time.spend(MAX_EXECUTION_CPU_MS + 1));
  const { findings } = await fuzz({ targets: [slow], seed: 1, host: time, executionsEach: 1 });
  expect(findings[0]?.error).toBeInstanceOf(TooSlow);

  let first = true;
  const once = target("once", () => {
    if (first) time.spend(MAX_EXECUTION_CPU_MS + 1);
    first = false;
  });
  expect((await fuzz({ targets: [once], seed: 1, host: time, executionsEach: 3 })).findings).toEqual([]);
});

test("what fails outside of the call, a rejection nobody handled, belongs to the execution under way", async () => {
  const time = host();
  const stray = [new Error("nobody caught this")];
  const { findings } = await fuzz({
    targets: [target("quiet", () => undefined)],
    seed: 1,
    host: { ...time, strayFailure: () => stray.pop() },
    executionsEach: 2,
  });
  expect(findings).toMatchObject([{ execution: 0, error: { message: "nobody caught this" } }]);
});

test("it ends when the time is over", async () => {
  const time = host();
  const { executions } = await fuzz({
    targets: [target("tick", () => time.spend(10))],
    seed: 1,
    host: time,
    forMs: 200,
  });
  expect(executions).toBe(20);
});
