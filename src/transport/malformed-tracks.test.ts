/** A malformed track costs its own requests, never the session (draft-18 §2.4.2). */
import { expect, test } from "vitest";
import { object, pair, recorder, video } from "../testing/conversation.ts";
import { settle } from "../testing/fake-clock.ts";
import { encodeProperties } from "../wire/properties.ts";
import type { PublishedTrack } from "./connection.ts";

/** An object with a Mandatory Track Property, which no object may carry (§2.5.1). */
const malformed = {
  ...object(0, 1),
  properties: encodeProperties([{ type: 0x4001, value: new Uint8Array(1) }]),
};

test("§2.4.2: a subscription to it is cancelled with MALFORMED_TRACK and tells the application", async () => {
  let track: PublishedTrack | undefined;
  const { client } = await pair({
    subscribe: (request) => {
      track = request.accept({});
    },
    trackStatus: () => Promise.resolve({}),
  });
  const { sink, objects } = recorder();
  const subscription = await client.subscribe({ track: video }, sink);
  const writer = await track!.openSubgroup({
    group: 0,
    subgroup: 0,
    endOfGroup: false,
    firstObject: true,
    hasProperties: true,
  });
  await writer.write(object(0, 0));
  await writer.write(malformed);
  expect(await subscription.ended).toMatchObject({ reason: "error", error: { code: "malformed-track" } });
  await track!.cancelled;
  expect(objects).toEqual(["0/0:100:0"]);
  await expect(writer.write(object(0, 2))).rejects.toMatchObject({ code: "stream-reset" });
  expect(await client.trackStatus(video)).toEqual({ largest: undefined });
});

test("§2.4.2: a fetch of it is cancelled with the same error", async () => {
  const cancelled: string[] = [];
  const { client } = await pair({
    fetch: (request) => {
      void request.cancelled.then(() => cancelled.push("cancelled"));
      void request.accept({ end: { group: 0 }, endOfTrack: false }).then(async (writer) => {
        await writer.write(object(0, 0));
        await writer.write(malformed);
      });
    },
    trackStatus: () => Promise.resolve({}),
  });
  const { sink, objects } = recorder();
  const fetching = client.fetch({ track: video, start: { group: 0, object: 0 }, end: { group: 0 } }, sink);
  await expect(fetching).rejects.toMatchObject({ code: "malformed-track" });
  await settle();
  expect(objects).toEqual(["0/0:100:0"]);
  expect(cancelled).toEqual(["cancelled"]);
  expect(await client.trackStatus(video)).toEqual({ largest: undefined });
});
