import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { utf8Encode } from "../utf8.ts";
import { contractObject } from "./group-source.contract.ts";
import type { Lost } from "./types.ts";
import type { WriteBatch } from "./write-queue.ts";
import { FLUSH_BYTES, FLUSH_INTERVAL_MS, WriteQueue } from "./write-queue.ts";

const digest = new Uint8Array(32);

/** A queue before a disk that writes when told. */
function slowDisk(maxQueuedBytes?: number) {
  const clock = new FakeClock();
  const batches: { batch: WriteBatch; done(): void; fail(thrown: unknown): void }[] = [];
  const lost: Lost[] = [];
  const failed: unknown[] = [];
  const queue = new WriteQueue({
    clock,
    write: (batch) => new Promise((resolve, reject) => batches.push({ batch, done: resolve, fail: reject })),
    lossOf: (thrown) => ({ cause: "storage-failed", error: thrown as CountersignError }),
    onLost: (event) => lost.push(event),
    onFailed: (thrown) => failed.push(thrown),
    ...(maxQueuedBytes !== undefined && { maxQueuedBytes }),
  });
  const put = (group: number, object: number, size = 100): void =>
    queue.put("video", contractObject(group, object, size), digest);
  const written = (): string[] =>
    batches.map(({ batch }) =>
      batch.groups.map(({ group, objects }) => `${group}:${objects.length}`).join(" "),
    );
  return { clock, batches, lost, failed, queue, put, written };
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe("WriteQueue", () => {
  it("writes what came within a quarter of a second as one batch", () => {
    const { clock, put, written } = slowDisk();
    for (let object = 0; object < 5; object++) put(1, object);
    put(2, 0);
    clock.advance(FLUSH_INTERVAL_MS - 1);
    expect(written()).toEqual([]);
    clock.advance(1);
    expect(written()).toEqual(["1:1 2:1"]);
  });

  it("does not wait when much has come", () => {
    const { put, written } = slowDisk();
    for (let group = 0; group < 5; group++) put(group, 0, FLUSH_BYTES / 4);
    expect(written()).toHaveLength(1);
  });

  it("has one batch under way at a time, and goes on with what came meanwhile", async () => {
    const { clock, batches, put, written } = slowDisk();
    put(1, 0);
    clock.advance(FLUSH_INTERVAL_MS);
    put(1, 1);
    clock.advance(10 * FLUSH_INTERVAL_MS);
    expect(written()).toHaveLength(1);
    batches[0]?.done();
    await settle();
    clock.advance(FLUSH_INTERVAL_MS);
    expect(written()).toHaveLength(2);
  });

  it("drops the oldest unwritten group when the disk is slower than the net, says so, and stays bounded", async () => {
    const { clock, batches, lost, queue, put, written } = slowDisk(50_000);
    put(0, 0, 1_000);
    clock.advance(FLUSH_INTERVAL_MS);
    for (let group = 1; group <= 8; group++) {
      put(group, 0, 10_000);
      expect(queue.queuedBytes).toBeLessThanOrEqual(50_000);
    }
    expect(lost.map(({ group, cause }) => `${group} ${cause}`)).toEqual(
      ["1", "2", "3", "4"].map((id) => `${id} queue-full`),
    );
    batches[0]?.done();
    await settle();
    clock.advance(FLUSH_INTERVAL_MS);
    expect(written()[1]).toBe("5:1 6:1 7:1 8:1");
  });

  it("tells with a seal which objects the group was given, dropped ones too", async () => {
    const { clock, batches, queue, put } = slowDisk(20_000);
    put(1, 0, 15_000);
    put(1, 1, 15_000);
    put(1, 2, 1_000);
    queue.seal("video", 1, [utf8Encode("x")], true);
    clock.advance(FLUSH_INTERVAL_MS);
    const group = batches[0]?.batch.groups[0];
    expect(group?.sealed).toBe(true);
    expect(group?.expected).toEqual([{ first: 0, last: 2 }]);
    expect(group?.objects).toEqual([{ first: 2, last: 2 }]);
  });

  it("flush resolves when all that was put before is written, not when later puts are", async () => {
    const { batches, queue, put } = slowDisk();
    put(1, 0);
    queue.putMeta("catalog", utf8Encode("c"));
    let flushed = 0;
    void queue.flush().then(() => flushed++);
    put(2, 0);
    void queue.flush().then(() => flushed++);
    await settle();
    expect(flushed).toBe(0);
    batches[0]?.done();
    await settle();
    expect(flushed).toBe(1);
    batches[1]?.done();
    await settle();
    expect(flushed).toBe(2);
    await queue.flush();
  });

  it("reports a batch that could not be written, object by object, and goes on", async () => {
    const { batches, lost, failed, queue, put } = slowDisk();
    put(1, 0);
    put(1, 1);
    const flushed = queue.flush();
    const error = new CountersignError("storage-failed", "the disk is gone");
    batches[0]?.fail(error);
    await flushed;
    expect(lost).toEqual([
      { track: "video", group: 1, objects: [{ first: 0, last: 1 }], cause: "storage-failed", error },
    ]);
    expect(failed).toEqual([error]);
    put(2, 0);
    void queue.flush();
    expect(batches).toHaveLength(2);
  });

  it("loses everything at once, and resolves who waits, when it is abandoned", async () => {
    const { lost, queue, put } = slowDisk();
    put(1, 0);
    put(2, 0);
    queue.abandon({ cause: "storage-failed" });
    await queue.flush();
    expect(lost.map(({ group }) => group)).toEqual([1, 2]);
    expect(queue.queuedBytes).toBe(0);
  });
});
