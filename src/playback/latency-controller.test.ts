import { describe, expect, test } from "vitest";
import { EdgeClock } from "./edge-clock.ts";
import { LatencyController, type PlaybackSample, TICK_MS } from "./latency-controller.ts";

function sample(over: Partial<PlaybackSample>): PlaybackSample {
  return {
    nowMs: 0,
    positionMs: 10_000,
    buffered: [{ startMs: 0, endMs: 10_300 }],
    edgeMs: 10_400,
    requiredMs: 200,
    rate: 1,
    idle: false,
    ...over,
  };
}

/** A player that obeys: position moves with the rate, media arrive in parts of 200 ms as they are made. */
class Simulation {
  readonly controller: LatencyController;
  nowMs = 0;
  positionMs: number;
  rate = 1;
  jumps: number[] = [];

  constructor(targetMs: number, latencyMs: number) {
    this.controller = new LatencyController(targetMs);
    this.positionMs = 100_000 - latencyMs;
  }

  get edgeMs(): number {
    return 100_000 + this.nowMs;
  }

  get latencyMs(): number {
    return this.edgeMs - this.positionMs;
  }

  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      const bufferedToMs = Math.floor(this.edgeMs / 200) * 200;
      const decision = this.controller.tick(
        sample({
          nowMs: this.nowMs,
          positionMs: this.positionMs,
          buffered: [{ startMs: 0, endMs: bufferedToMs }],
          edgeMs: this.edgeMs,
          rate: this.rate,
        }),
      );
      this.rate = decision.rate ?? this.rate;
      if (decision.jumpToMs !== undefined) {
        this.jumps.push(decision.jumpToMs);
        this.positionMs = decision.jumpToMs;
      }
      this.nowMs += TICK_MS;
      this.positionMs = Math.min(this.positionMs + TICK_MS * this.rate, bufferedToMs);
    }
  }
}

describe("at the live edge", () => {
  test("the rate stays 1 inside the dead band", () => {
    const simulation = new Simulation(400, 415);
    simulation.run(5000);
    expect(simulation.rate).toBe(1);
    expect(simulation.latencyMs).toBe(415);
  });

  test.each([900, 600, 250])("a latency of %i ms comes to 400 ms without a jump, and stays", (latencyMs) => {
    const simulation = new Simulation(400, latencyMs);
    simulation.run(20_000);
    expect(Math.abs(simulation.latencyMs - 400)).toBeLessThanOrEqual(20);
    expect(simulation.jumps).toEqual([]);
    simulation.run(5000);
    expect(simulation.rate).toBe(1);
  });

  test("the rate never leaves what ears forgive", () => {
    const controller = new LatencyController(400);
    const rates = [-3000, -100, 100, 900].map(
      (behindMs) => controller.tick(sample({ edgeMs: 10_400 + behindMs })).rate ?? 1,
    );
    for (const rate of rates) {
      expect(rate).toBeGreaterThanOrEqual(0.94);
      expect(rate).toBeLessThanOrEqual(1.1);
    }
    expect(new Set(rates).size).toBe(4);
  });

  test("more than a second behind, it jumps once to the target, because the media are there", () => {
    const simulation = new Simulation(400, 5000);
    simulation.run(3000);
    expect(simulation.jumps).toHaveLength(1);
    expect(simulation.latencyMs).toBeLessThan(450);
  });

  test("it does not jump to where nothing is buffered", () => {
    const controller = new LatencyController(400);
    const decision = controller.tick(sample({ edgeMs: 20_000, buffered: [{ startMs: 0, endMs: 10_300 }] }));
    expect(decision.jumpToMs).toBeUndefined();
    expect(decision.rate).toBeGreaterThan(1);
  });

  test("it does not jump into a hole between what is buffered", () => {
    const controller = new LatencyController(400);
    const buffered = [
      { startMs: 0, endMs: 10_300 },
      { startMs: 18_000, endMs: 20_000 },
    ];
    expect(controller.tick(sample({ edgeMs: 17_000, buffered })).jumpToMs).toBeUndefined();
    expect(controller.tick(sample({ edgeMs: 19_000, buffered })).jumpToMs).toBe(18_600);
  });

  test("it does not play faster into an empty buffer", () => {
    const controller = new LatencyController(400);
    expect(controller.tick(sample({ edgeMs: 11_000, buffered: [{ startMs: 0, endMs: 10_030 }] }))).toEqual(
      {},
    );
  });

  test("it keeps the distance that the arrival of parts requires, when that is more", () => {
    const controller = new LatencyController(150);
    expect(controller.targetFor(46)).toBe(150);
    expect(controller.targetFor(213)).toBeGreaterThan(213);
    expect(controller.tick(sample({ edgeMs: 10_200, requiredMs: 400 })).rate).toBeLessThan(1);
  });

  test("each stall at the edge moves the target back a little, up to a second, and calm brings it home", () => {
    const controller = new LatencyController(400);
    controller.stalled(0);
    expect(controller.targetFor(200)).toBe(500);
    for (let i = 0; i < 50; i++) controller.stalled(i);
    expect(controller.targetFor(200)).toBe(1400);
    const tick = (nowMs: number) => controller.tick(sample({ nowMs }));
    for (let nowMs = 0; nowMs <= 10_000; nowMs += TICK_MS) tick(nowMs);
    expect(controller.targetFor(200)).toBe(1400);
    for (let nowMs = 10_100; nowMs <= 40_000; nowMs += TICK_MS) tick(nowMs);
    expect(controller.targetFor(200)).toBeGreaterThan(1200);
    for (let nowMs = 40_100; nowMs <= 220_000; nowMs += TICK_MS) tick(nowMs);
    expect(controller.targetFor(200)).toBe(400);
  });

  test("a stall of a viewer who is somewhere else says nothing about the edge", () => {
    const controller = new LatencyController(400);
    controller.release();
    controller.stalled(0);
    expect(controller.targetFor(200)).toBe(400);
  });

  test("nothing is decided while paused, seeking or not begun", () => {
    const controller = new LatencyController(400);
    expect(controller.tick(sample({ edgeMs: 30_000, idle: true }))).toEqual({});
  });
});

describe("a viewer who went back", () => {
  test("is left where they are, at the speed they chose", () => {
    const controller = new LatencyController(400);
    controller.release();
    expect(controller.tick(sample({ edgeMs: 40_000, rate: 1.5 }))).toEqual({});
    expect(controller.following).toBe(false);
  });

  test("does not inherit a rate of ours", () => {
    const controller = new LatencyController(400);
    const { rate } = controller.tick(sample({ edgeMs: 10_900 }));
    controller.release();
    expect(controller.tick(sample({ edgeMs: 40_000, rate: rate! }))).toEqual({ rate: 1 });
  });

  test("is followed again when the live edge is asked for", () => {
    const controller = new LatencyController(400);
    controller.release();
    controller.follow();
    expect(
      controller.tick(sample({ edgeMs: 40_000, buffered: [{ startMs: 0, endMs: 40_000 }] })).jumpToMs,
    ).toBe(39_600);
  });
});

describe("a hole", () => {
  const holed = {
    positionMs: 10_290,
    buffered: [
      { startMs: 0, endMs: 10_300 },
      { startMs: 11_000, endMs: 12_000 },
    ],
  };

  test.each([true, false])("is jumped over after a moment of standstill (following: %s)", (following) => {
    const controller = new LatencyController(400);
    if (!following) controller.release();
    expect(controller.tick(sample({ ...holed, nowMs: 0 })).reason).toBeUndefined();
    expect(controller.tick(sample({ ...holed, nowMs: 100 })).reason).toBeUndefined();
    const decision = controller.tick(sample({ ...holed, nowMs: 300 }));
    expect(decision.reason).toBe("hole");
    expect(decision.jumpToMs).toBeGreaterThan(11_000);
    expect(decision.jumpToMs).toBeLessThan(11_010);
  });

  test("is not jumped over while playback still moves towards it", () => {
    const controller = new LatencyController(400);
    for (let i = 0; i < 10; i++) {
      const decision = controller.tick(sample({ ...holed, nowMs: i * 100, positionMs: 10_000 + i * 10 }));
      expect(decision.reason).toBeUndefined();
    }
  });

  test("is no hole when media simply have not come yet", () => {
    const controller = new LatencyController(400);
    for (let i = 0; i < 10; i++) {
      const decision = controller.tick(
        sample({ nowMs: i * 100, positionMs: 10_300, buffered: [{ startMs: 0, endMs: 10_300 }] }),
      );
      expect(decision.jumpToMs).toBeUndefined();
    }
  });
});

describe("the edge clock", () => {
  const EPOCH = 1_700_000_000_000;

  test("moves between steps at the speed of time", () => {
    const clock = new EdgeClock();
    for (let i = 0; i <= 20; i++) clock.update(i * 200, EPOCH + i * 200 + 30);
    expect(clock.edgeMs).toBe(4000);
    expect(clock.edgeAt(EPOCH + 4130)).toBe(4100);
  });

  test("is not held up by one late part", () => {
    const clock = new EdgeClock();
    for (let i = 0; i <= 20; i++) clock.update(i * 200, EPOCH + i * 200 + (i === 20 ? 150 : 0));
    expect(clock.edgeAt(EPOCH + 4150)).toBe(4150);
  });

  test("believes after a while that a route became slower", () => {
    const clock = new EdgeClock();
    for (let i = 0; i <= 20; i++) clock.update(i * 200, EPOCH + i * 200);
    for (let i = 21; i <= 80; i++) clock.update(i * 200, EPOCH + i * 200 + 500);
    expect(clock.edgeAt(EPOCH + 16_500)).toBe(16_000);
  });

  test("stands still when the broadcast does", () => {
    const clock = new EdgeClock();
    for (let i = 0; i <= 20; i++) clock.update(i * 200, EPOCH + i * 200);
    expect(clock.edgeAt(EPOCH + 60_000)).toBe(5000);
  });

  test("requires the duration of a part when parts are punctual, whatever burst came first", () => {
    const clock = new EdgeClock();
    for (let i = 0; i < 5; i++) clock.update(i * 200, EPOCH + 1000 + i);
    for (let i = 5; i <= 40; i++) clock.update(i * 200, EPOCH + i * 200);
    expect(clock.requiredMs).toBe(200);
  });

  test("requires no more when an edge is told in two halves, one track after the other", () => {
    const clock = new EdgeClock();
    for (let i = 0; i <= 40; i++) {
      clock.update(i * 200 - 187, EPOCH + i * 200);
      clock.update(i * 200, EPOCH + i * 200 + 5);
    }
    expect(clock.requiredMs).toBeLessThanOrEqual(215);
  });

  test("requires more when parts come unevenly again and again, and not for one that did", () => {
    const uneven = new EdgeClock();
    const once = new EdgeClock();
    for (let i = 0; i <= 45; i++) {
      uneven.update(i * 200, EPOCH + i * 200 + (i % 4 === 0 ? 120 : 0));
      once.update(i * 200, EPOCH + i * 200 + (i === 30 ? 120 : 0));
    }
    expect(uneven.requiredMs).toBe(320);
    expect(once.requiredMs).toBe(200);
  });

  test("begins anew when the broadcast does", () => {
    const clock = new EdgeClock();
    clock.update(50_000, EPOCH);
    clock.update(0, EPOCH + 1000);
    expect(clock.edgeAt(EPOCH + 1100)).toBe(100);
  });
});
