import { describe, expect, test } from "vitest";
import { StreamErrorReason } from "../transport/stream-errors.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { type Faults, memoryTransport } from "./memory-transport.ts";

async function readAll(stream: ReadableStream<Uint8Array>): Promise<{ chunks: number[][]; error?: unknown }> {
  const chunks: number[][] = [];
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { chunks };
      chunks.push([...value]);
    }
  } catch (error) {
    return { chunks, error };
  }
}

/** Writes [1, 2, 3] and [4, 5] and FIN over a wire with these faults; gives what the other side read. */
async function send(faults: Faults) {
  const wire = memoryTransport({ faults });
  const writer = (await wire.client.createUnidirectionalStream()).getWriter();
  const written = Promise.all([
    writer.write(new Uint8Array([1, 2, 3])),
    writer.write(new Uint8Array([4, 5])),
    writer.close(),
  ]).then(
    () => "written",
    () => "failed",
  );
  const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
  await settle();
  return { ...(await readAll(value!)), written };
}

describe("chunking", () => {
  test.each([
    [
      "as-written",
      [
        [1, 2, 3],
        [4, 5],
      ],
    ],
    ["one-byte", [[1], [2], [3], [4], [5]]],
    ["coalesced", [[1, 2, 3, 4, 5]]],
  ] as const)("%s", async (chunking, expected) => {
    expect((await send({ chunking })).chunks).toEqual(expected);
  });

  test("at random it repeats by its seed and keeps every byte", async () => {
    const cuts = async (seed: number) => (await send({ chunking: { seed, max: 3 } })).chunks;
    expect((await cuts(5)).flat()).toEqual([1, 2, 3, 4, 5]);
    expect(await cuts(5)).toEqual(await cuts(5));
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map(async (seed) => JSON.stringify(await cuts(seed))));
    expect(new Set(all).size).toBeGreaterThan(1);
  });
});

describe("faults at byte N", () => {
  test("reset: both ends see the code, and no byte beyond N comes", async () => {
    const { chunks, error, written } = await send({ stream: () => ({ at: 2, action: "reset", code: 9 }) });
    expect(chunks.flat()).toEqual([1, 2]);
    expect(error).toMatchObject({ streamErrorCode: 9, source: "stream" });
    expect(["written", "failed"]).toContain(await written);
  });

  test("fin: the reader sees a clean end, the writer notices nothing", async () => {
    const { chunks, error } = await send({ stream: () => ({ at: 4, action: "fin" }) });
    expect(chunks.flat()).toEqual([1, 2, 3, 4]);
    expect(error).toBeUndefined();
  });

  test("corrupt: the byte at N is another one, and only that", async () => {
    const { chunks } = await send({ stream: () => ({ at: 3, action: "corrupt", code: 0x10 }) });
    expect(chunks.flat()).toEqual([1, 2, 3, 0x14, 5]);
  });

  test("lose: the session is gone for both", async () => {
    const { error } = await send({ stream: () => ({ at: 1, action: "lose" }) });
    expect(error).toMatchObject({ source: "session" });
  });

  test("stall: nothing more until it is released", async () => {
    const wire = memoryTransport({ faults: { stream: () => ({ at: 1, action: "stall" }) } });
    const writer = (await wire.client.createUnidirectionalStream()).getWriter();
    void writer.write(new Uint8Array([1, 2]));
    void writer.close();
    const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
    const read: number[] = [];
    const reading = (async () => {
      for (const reader = value!.getReader(); ; ) {
        const { done, value: chunk } = await reader.read();
        if (done) return;
        read.push(...chunk);
      }
    })();
    await settle();
    expect(read).toEqual([1]);
    wire.release();
    await reading;
    expect(read).toEqual([1, 2]);
  });
});

test("bytes are copied at the border", async () => {
  const wire = memoryTransport();
  const writer = (await wire.client.createUnidirectionalStream()).getWriter();
  const bytes = new Uint8Array([1, 2, 3]);
  await writer.write(bytes);
  bytes.fill(9);
  void writer.close();
  const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
  expect((await readAll(value!)).chunks).toEqual([[1, 2, 3]]);
});

test("writes wait while the window is full", async () => {
  const wire = memoryTransport({ windowBytes: 10 });
  const writer = (await wire.client.createUnidirectionalStream()).getWriter();
  let taken = 0;
  for (let i = 0; i < 3; i++) void writer.write(new Uint8Array(8)).then(() => taken++);
  await settle();
  expect(taken).toBe(1);
  const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
  const reader = value!.getReader();
  await reader.read();
  await reader.read();
  await settle();
  expect(taken).toBe(3);
});

test("a reset carries its code to the reader, a stop to the writer", async () => {
  const wire = memoryTransport();
  const one = await wire.client.createUnidirectionalStream();
  const two = await wire.client.createUnidirectionalStream();
  const incoming = wire.server.incomingUnidirectionalStreams.getReader();
  const first = (await incoming.read()).value!;
  const second = (await incoming.read()).value!;
  const writer = two.getWriter();
  const stopped = writer.closed.catch((error: unknown) => error);
  void one.abort(new StreamErrorReason(4));
  void second.cancel(new StreamErrorReason(5));
  expect((await readAll(first)).error).toMatchObject({ streamErrorCode: 4 });
  expect(await stopped).toMatchObject({ streamErrorCode: 5 });
});

test("a reset does not wait for a write that waits for room", async () => {
  const wire = memoryTransport({ windowBytes: 2 });
  const writer = (await wire.client.createUnidirectionalStream()).getWriter();
  const written = writer.write(new Uint8Array(5));
  const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
  wire.stall();
  void writer.abort(new StreamErrorReason(7)).catch(() => undefined);
  await expect(written).rejects.toMatchObject({ streamErrorCode: 7 });
  await expect(value!.getReader().read()).rejects.toMatchObject({ streamErrorCode: 7 });
});

test("with a delay, bytes come when the clock says so", async () => {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock, faults: { delayMs: 30 } });
  const writer = (await wire.client.createUnidirectionalStream()).getWriter();
  void writer.write(new Uint8Array([1]));
  const { value } = await wire.server.incomingUnidirectionalStreams.getReader().read();
  let got = false;
  void value!
    .getReader()
    .read()
    .then(() => {
      got = true;
    });
  await clock.run(29);
  expect(got).toBe(false);
  await clock.run(1);
  await settle();
  expect(got).toBe(true);
});

test("close tells both ends its code, loss rejects for both", async () => {
  const closed = memoryTransport();
  closed.client.close({ closeCode: 3, reason: "x" });
  expect(await closed.server.closed).toEqual({ closeCode: 3, reason: "x" });
  const lost = memoryTransport();
  lost.lose();
  await expect(lost.client.closed).rejects.toMatchObject({ source: "session" });
  await expect(lost.server.createUnidirectionalStream()).rejects.toMatchObject({ source: "session" });
});

test("datagrams arrive unless they are too large or chosen to be lost", async () => {
  const wire = memoryTransport({ faults: { loseDatagram: 2 } });
  const writer = wire.client.datagrams.writable!.getWriter();
  for (const size of [1, 2, 5000, 3]) void writer.write(new Uint8Array(size));
  const reader = wire.server.datagrams.readable.getReader();
  expect((await reader.read()).value?.byteLength).toBe(1);
  expect((await reader.read()).value?.byteLength).toBe(3);
});
