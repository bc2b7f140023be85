import { expect, test } from "vitest";
import { object, pair, recorder, video } from "../testing/conversation.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { publishDoneCodes, streamResets } from "../wire/codes.ts";
import type { KeyValue, Parameters } from "../wire/messages.ts";
import { propertyTypes } from "../wire/properties.ts";
import type { PublishedTrack } from "./connection.ts";
import { DeliveryWatch, deliveryTimeouts } from "./delivery-timeouts.ts";
import { MAX_QUEUED_DATAGRAMS } from "./limits.ts";

const subgroup = { group: 0, subgroup: 0, endOfGroup: true, firstObject: true, hasProperties: false };

/** A subscription over a wire that takes 300 bytes before writes wait. */
async function subscribed(parameters: Parameters, trackProperties: readonly KeyValue[] = []) {
  let track: PublishedTrack | undefined;
  const ends = await pair(
    {
      subscribe: (request) => {
        track = request.accept({ trackProperties });
      },
    },
    { wire: { windowBytes: 300 } },
  );
  const { sink, objects } = recorder();
  const codes: (number | undefined)[] = [];
  const subscription = await ends.client.subscribe(
    { track: video, parameters },
    { ...sink, streamEnd: (end) => codes.push(end.error?.protocolCode) },
  );
  return { ...ends, track: track!, objects, codes, subscription };
}

test("§8: the smaller of both sides' timeouts holds, and 0 is none", () => {
  const properties = [
    { type: propertyTypes.objectDeliveryTimeout, value: 300 },
    { type: propertyTypes.subgroupDeliveryTimeout, value: 0 },
  ];
  expect(deliveryTimeouts({ objectDeliveryTimeoutMs: 200 }, properties)).toEqual({
    objectMs: 200,
    subgroupMs: undefined,
  });
  expect(
    deliveryTimeouts({ objectDeliveryTimeoutMs: 400, subgroupDeliveryTimeoutMs: 50 }, properties),
  ).toEqual({
    objectMs: 300,
    subgroupMs: 50,
  });
  expect(deliveryTimeouts({ objectDeliveryTimeoutMs: 0 }, [])).toEqual({
    objectMs: undefined,
    subgroupMs: undefined,
  });
});

test("§8: the time of an object is its own, not that of the one before it", async () => {
  const clock = new FakeClock();
  let expired = 0;
  const watch = new DeliveryWatch(
    clock,
    () => ({ objectMs: 100, subgroupMs: undefined }),
    () => expired++,
  );
  let taken = (): void => undefined;
  watch.object(new Promise((resolve) => (taken = resolve)));
  await clock.run(80);
  watch.object(new Promise(() => undefined));
  taken();
  await clock.run(99);
  expect(expired).toBe(0);
  await clock.run(1);
  expect(expired).toBe(1);
});

test("§8: an object that the transport does not take in time resets its stream with DELIVERY_TIMEOUT", async () => {
  const { clock, wire, track, codes } = await subscribed({ objectDeliveryTimeoutMs: 500 });
  const writer = await track.openSubgroup(subgroup);
  await writer.write(object(0, 0));
  await settle();
  wire.stall();
  const failed = expect(writer.write(object(0, 1, 5_000))).rejects.toMatchObject({ code: "stream-reset" });
  await clock.run(499);
  expect(codes).toEqual([]);
  await clock.run(1);
  await failed;
  await settle();
  expect(codes).toEqual([streamResets["delivery-timeout"]]);
  await expect(writer.write(object(0, 2))).rejects.toMatchObject({
    protocolCode: streamResets["delivery-timeout"],
  });
  expect(clock.pending).toBe(0);
});

test("§8: objects that are taken in time are not touched, however long their stream lives", async () => {
  const { clock, track, objects, codes } = await subscribed({ objectDeliveryTimeoutMs: 500 });
  const writer = await track.openSubgroup(subgroup);
  for (let id = 0; id < 5; id++) {
    await writer.write(object(0, id));
    await clock.run(400);
  }
  await writer.close();
  await clock.run(1_000);
  expect(objects).toHaveLength(5);
  expect(codes).toEqual([undefined]);
  expect(clock.pending).toBe(0);
});

test("§8: a subgroup that ended and is not delivered in time is reset, by the publisher's own timeout too", async () => {
  const properties = [{ type: propertyTypes.subgroupDeliveryTimeout, value: 300 }];
  const { clock, wire, track, codes } = await subscribed({}, properties);
  const writer = await track.openSubgroup(subgroup);
  await writer.write(object(0, 0));
  await settle();
  wire.stall();
  void writer.write(object(0, 1, 5_000)).catch(() => undefined);
  await clock.run(5_000);
  expect(codes).toEqual([]);
  const closed = expect(writer.close()).rejects.toMatchObject({ code: "stream-reset" });
  await clock.run(300);
  await closed;
  await settle();
  expect(codes).toEqual([streamResets["delivery-timeout"]]);
});

test("§8: an update changes the timeout of what waits already", async () => {
  const { clock, wire, track, codes, subscription } = await subscribed({});
  const writer = await track.openSubgroup(subgroup);
  const written = writer.write(object(0, 0, 400));
  await subscription.update({ objectDeliveryTimeoutMs: 100 });
  wire.stall();
  void writer.write(object(0, 1, 400)).catch(() => undefined);
  void writer.write(object(0, 2, 5_000)).catch(() => undefined);
  await clock.run(100);
  await settle();
  await written;
  expect(codes).toEqual([streamResets["delivery-timeout"]]);
});

test("§8: datagrams that wait too long are dropped, and of those that wait only so many are kept", async () => {
  const { clock, wire, track } = await subscribed({ objectDeliveryTimeoutMs: 100 });
  const sent: number[] = [];
  const releases: (() => void)[] = [];
  const writable = new WritableStream<Uint8Array>(
    {
      write: (bytes) => {
        sent.push(bytes[bytes.byteLength - 1]!);
        return new Promise((resolve) => releases.push(resolve));
      },
    },
    { highWaterMark: 1 },
  );
  Object.assign(wire.server.datagrams, { writable });
  const datagram = (id: number) => track.sendDatagram({ ...object(0, id, 1), subgroup: undefined }, false);
  datagram(0);
  datagram(1);
  await clock.run(101);
  for (let id = 2; id < 2 + MAX_QUEUED_DATAGRAMS + 5; id++) datagram(id);
  for (let turn = 0; turn < 100; turn++) {
    releases.shift()?.();
    await settle();
  }
  // 0 was with the transport, 1 too old, and the next ones made room for the newest.
  expect(sent).toHaveLength(1 + MAX_QUEUED_DATAGRAMS);
  expect(sent.slice(0, 2)).toEqual([0, 7]);
});

test("§10.2.10: a subscription that expires ends with PUBLISH_DONE EXPIRED", async () => {
  const { client, clock } = await pair({
    subscribe: (request) => void request.accept({ parameters: { expiresMs: 1_000 } }),
  });
  const subscription = await client.subscribe({ track: video }, recorder().sink);
  let reason: string | undefined;
  void subscription.ended.then((end) => {
    reason = end.reason;
  });
  await clock.run(999);
  expect(reason).toBeUndefined();
  await clock.run(1);
  await settle();
  expect(reason).toBe("expired");
  expect(publishDoneCodes.expired).toBe(6);
});

test("§10.2.10: it lives on when an update is granted an extension, and no longer when it is not", async () => {
  const grants = [1_000, undefined];
  const { client, clock } = await pair({
    subscribe: (request) =>
      void request.accept({ parameters: { expiresMs: 1_000 }, extend: () => grants.shift() }),
  });
  const subscription = await client.subscribe({ track: video }, recorder().sink);
  const ends: string[] = [];
  void subscription.ended.then((end) => ends.push(end.reason));
  await clock.run(900);
  await subscription.update({});
  await clock.run(900);
  expect(ends).toEqual([]);
  await subscription.update({});
  await clock.run(100);
  await settle();
  expect(ends).toEqual(["expired"]);
  expect(clock.pending).toBe(0);
});
