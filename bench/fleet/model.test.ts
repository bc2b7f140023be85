import { expect, it } from "vitest";
import { seededRandom } from "../../src/testing/random.ts";
import { death, egressBps, ownersByLane, reconnectStorm, relays, spread } from "./model.ts";

const fleet = { viewers: 20_000, members: relays(20, false), lanes: 1_000, partition: 7 };

it("gives every lane an owner, and spreads viewers better over more lanes", () => {
  const few = { ...fleet, lanes: 20 };
  const random = seededRandom(1);
  const owners = ownersByLane(fleet);
  expect(owners.every((owner) => owner >= 0)).toBe(true);
  const wide = spread(fleet, owners, random);
  expect(wide.used).toBe(20);
  expect(wide.busiest).toBeLessThan(spread(few, ownersByLane(few), random).busiest);
});

it("moves exactly the lanes of the relay that died, to many others", () => {
  const result = death(fleet, ownersByLane(fleet), 3);
  expect(result.owned).toBeGreaterThan(0);
  expect(result).toMatchObject({ moved: result.owned, needlessly: 0 });
  expect(result.heirs).toBeGreaterThan(5);
});

it("brings everybody back after a storm, sooner with jitter, and never lets in more than fit", () => {
  const options = { viewers: 1_000, capacityPer10Ms: 5, baseMs: 500, maxMs: 8_000, random: seededRandom(2) };
  const jittered = reconnectStorm({ ...options, jitter: "full" });
  const marching = reconnectStorm({ ...options, jitter: "none" });
  expect(marching.peakPer10Ms).toBe(1_000);
  expect(jittered.peakPer10Ms).toBeLessThan(100);
  expect(jittered.lastMs).toBeLessThan(marching.lastMs);
  expect(jittered.lastMs).toBeGreaterThanOrEqual((1_000 / 5) * 10 - 10);
});

it("counts media once per active source and nothing but a session per standby", () => {
  const bytes = { mediaBps: 1_000, manifestBps: 10, idleSessionBps: 1 };
  expect(egressBps(2, bytes, 1, 0)).toBe(2 * 1_011);
  expect(egressBps(2, bytes, 2, 0)).toBe(2 * 2_011);
  expect(egressBps(2, bytes, 1, 1)).toBe(2 * 1_012);
});
