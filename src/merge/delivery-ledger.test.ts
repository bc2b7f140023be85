import { describe, expect, it } from "vitest";
import { DeliveryLedger } from "./delivery-ledger.ts";

const MAX = 0xffff_ffff_ffff_ffffn;

describe("DeliveryLedger", () => {
  it("lets each location be claimed once", () => {
    const ledger = new DeliveryLedger();
    expect(ledger.status(7, 0)).toBe("new");
    expect(ledger.claim(7, 0)).toBe("new");
    expect(ledger.claim(7, 0)).toBe("delivered");
    expect(ledger.status(7, 0)).toBe("delivered");
    expect(ledger.status(7, 1)).toBe("new");
    expect(ledger.status(8, 0)).toBe("new");
  });

  it("keeps a group for as long as it is one of the most recent 32 that were delivered from", () => {
    const ledger = new DeliveryLedger();
    for (let group = 0; group < 32; group++) ledger.claim(group, 0);
    expect(ledger.status(0, 1)).toBe("new");
    ledger.claim(32, 0);
    expect(ledger.status(0, 1)).toBe("below-window");
    expect(ledger.status(1, 1)).toBe("new");
    expect(ledger.size.groups).toBe(32);
  });

  it("counts groups that were delivered from, not ids: they may jump", () => {
    const ledger = new DeliveryLedger();
    for (let i = 0; i < 31; i++) ledger.claim(i * 1000, 0);
    ledger.claim(MAX, 0);
    expect(ledger.status(0, 1)).toBe("new");
    expect(ledger.claim(500, 0)).toBe("new");
    expect(ledger.status(0, 1)).toBe("below-window");
    expect(ledger.status(500, 1)).toBe("new");
  });

  it("refuses a group older than a full window, and remembers no more of it for having been asked", () => {
    const ledger = new DeliveryLedger();
    for (let group = 100; group < 132; group++) ledger.claim(group, 0);
    expect(ledger.claim(99, 0)).toBe("below-window");
    expect(ledger.claim(99, 0)).toBe("below-window");
    expect(ledger.oldestGroup).toBe(100);
    expect(ledger.size).toEqual({ groups: 32, runs: 0 });
  });

  it("still tells what was delivered of a group that left the window, object by object", () => {
    const ledger = new DeliveryLedger();
    for (const object of [0, 1, 3]) ledger.claim(5, object);
    for (let group = 6; group < 6 + 32; group++) ledger.claim(group, 0);
    expect([0, 1, 2, 3, 4].map((object) => ledger.claim(5, object))).toEqual([
      "delivered",
      "delivered",
      "below-window",
      "delivered",
      "below-window",
    ]);
  });

  it("keeps hours of even groups in one run", () => {
    const ledger = new DeliveryLedger();
    for (let group = 0; group < 20_000; group++)
      for (let object = 0; object < 5; object++) ledger.claim(group, object);
    expect(ledger.size).toEqual({ groups: 32, runs: 1 });
    expect(ledger.status(0, 4)).toBe("delivered");
    expect(ledger.status(0, 5)).toBe("below-window");
    expect(ledger.status(19_000, 4)).toBe("delivered");
  });

  it("forgets the oldest runs first, and what is forgotten is below the window rather than new", () => {
    const ledger = new DeliveryLedger({ windowGroups: 2, summaryRuns: 3 });
    for (let group = 0; group < 10; group++)
      for (let object = 0; object <= group; object++) ledger.claim(group, object);
    expect(ledger.size).toEqual({ groups: 2, runs: 3 });
    expect(ledger.status(4, 0)).toBe("below-window");
    expect(ledger.status(5, 0)).toBe("delivered");
  });

  it("forgets the lowest ids of a group with too many gaps, and never lets one be claimed again", () => {
    const ledger = new DeliveryLedger({ groupIntervals: 4 });
    for (let object = 0; object < 20; object += 2) expect(ledger.claim(1, object)).toBe("new");
    expect(ledger.claim(1, 0)).toBe("below-window");
    expect(ledger.claim(1, 1)).toBe("below-window");
    expect(ledger.claim(1, 18)).toBe("delivered");
    expect(ledger.claim(1, 17)).toBe("new");
  });

  it("tells 64-bit ids apart that are one and the same as a double", () => {
    const ledger = new DeliveryLedger();
    const group = 2n ** 63n;
    expect(ledger.claim(group, MAX)).toBe("new");
    expect(ledger.claim(group, MAX - 1n)).toBe("new");
    expect(ledger.claim(group + 1n, MAX)).toBe("new");
    expect(ledger.claim(group, MAX)).toBe("delivered");
    expect(ledger.status(group, MAX - 2n)).toBe("new");
  });

  it("crosses from numbers to bigints without a seam", () => {
    const ledger = new DeliveryLedger({ windowGroups: 2 });
    const ids = [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 53n + 1n];
    for (const group of ids) for (const object of ids) expect(ledger.claim(group, object)).toBe("new");
    for (const group of ids) for (const object of ids) expect(ledger.claim(group, object)).toBe("delivered");
    expect(ledger.size).toEqual({ groups: 2, runs: 1 });
  });
});
