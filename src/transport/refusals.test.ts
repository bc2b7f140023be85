/** What a peer says when it refuses or moves a single request reaches whoever asked. */
import { expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { broadcast, pair, recorder, upload, video } from "../testing/conversation.ts";
import { settle } from "../testing/fake-clock.ts";
import { requestErrors } from "../wire/codes.ts";
import { encodeProperties, propertyTypes } from "../wire/properties.ts";
import type { Goaway, PublishedTrack } from "./connection.ts";

const elsewhere = { connectUri: "https://other.test/moq", namespace: broadcast, name: video.name };

test("§10.6: a refusal tells after how long to ask again, 0 included, or that it is of no use", async () => {
  const answers = [0, 250, undefined];
  const { client } = await pair({
    subscribe: (request) => {
      const retryAfterMs = answers.shift();
      const rejection = { errorCode: requestErrors["excessive-load"], reason: "busy" };
      request.reject(retryAfterMs === undefined ? rejection : { ...rejection, retryAfterMs });
    },
  });
  const told: (number | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    await client
      .subscribe({ track: video }, recorder().sink)
      .catch((error: CountersignError) => told.push(error.retryAfterMs));
  }
  expect(told).toEqual([0, 250, undefined]);
});

test("§10.6.1: a redirect reaches the caller, and survives the way to the page", async () => {
  const { client } = await pair({
    subscribe: (request) =>
      request.reject({ errorCode: requestErrors.redirect, reason: "", redirect: elsewhere }),
  });
  const error = await client
    .subscribe({ track: video }, recorder().sink)
    .catch((thrown: CountersignError) => thrown);
  expect(error).toMatchObject({ code: "request-rejected", redirect: elsewhere });
  expect(CountersignError.fromData(structuredClone((error as CountersignError).toData())).redirect).toEqual(
    elsewhere,
  );
});

test("§10.4: GOAWAY on a subscription reaches its subscriber, also one that listens late", async () => {
  const tracks: PublishedTrack[] = [];
  const { client } = await pair({ subscribe: (request) => void tracks.push(request.accept({})) });
  const subscription = await client.subscribe({ track: video }, recorder().sink);
  const told: Goaway[] = [];
  subscription.onGoaway = (goaway) => told.push(goaway);
  tracks[0]!.goaway?.("https://other.test/", 700);
  await settle();
  expect(told).toEqual([{ newUri: "https://other.test/", timeoutMs: 700 }]);
  subscription.cancel();
  await subscription.ended;

  const late = await client.subscribe({ track: video }, recorder().sink);
  tracks[1]!.goaway?.("", 0);
  await settle();
  late.onGoaway = (goaway) => told.push(goaway);
  expect(told.at(-1)).toEqual({ newUri: "", timeoutMs: 0 });
});

test("§10.4: a subscription whose subscriber does not move is reset with GOING_AWAY after the timeout", async () => {
  const tracks: PublishedTrack[] = [];
  const { client, clock } = await pair({ subscribe: (request) => void tracks.push(request.accept({})) });
  const subscription = await client.subscribe({ track: video }, recorder().sink);
  tracks[0]!.goaway?.("", 700);
  await clock.run(700);
  expect(await subscription.ended).toMatchObject({ reason: "error" });
  await tracks[0]!.cancelled;
});

test("§10.2.13: a new group is not asked for by an update of a track that does not have DYNAMIC_GROUPS", async () => {
  const asked: unknown[] = [];
  const dynamic = [{ type: propertyTypes.dynamicGroups, value: 1 }];
  const offers = [
    [],
    dynamic,
    [{ type: propertyTypes.immutableProperties, value: encodeProperties(dynamic) }],
  ];
  const { client } = await pair({
    subscribe: (request) => {
      const track = request.accept({ trackProperties: offers.shift() ?? [] });
      track.onUpdate = ({ newGroupRequest }) => asked.push(newGroupRequest);
    },
  });
  const ask = async (value: number) => {
    const subscription = await client.subscribe({ track: video }, recorder().sink);
    const updating = subscription.update({ newGroupRequest: value });
    await updating.finally(() => subscription.cancel());
  };
  await expect(ask(1)).rejects.toMatchObject({ code: "invalid-options" });
  await ask(2);
  await ask(3);
  expect(asked).toEqual([2, 3]);
});

test("§10.2.13: nor by PUBLISH_OK, which can be said without it then", async () => {
  const dynamic = [{ type: propertyTypes.dynamicGroups, value: 1 }];
  const refused: unknown[] = [];
  const { client } = await pair({
    publish: (request) => {
      try {
        request.accept(recorder().sink, { newGroupRequest: 0 });
      } catch (thrown) {
        refused.push(thrown);
        request.accept(recorder().sink);
      }
    },
  });
  await client.publish(video, {});
  expect(refused).toMatchObject([{ code: "invalid-options" }]);
  await client.publish(upload, { trackProperties: dynamic });
  expect(refused).toHaveLength(1);
});
