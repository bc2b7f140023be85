/** Track Properties at the relay (draft-18 §9.6): whatever it knows of them or not, they go on to everybody who asks. */
import { expect, it } from "vitest";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import type { IncomingFetch, RequestHandlers } from "../../../src/transport/connection.ts";
import type { KeyValue } from "../../../src/wire/messages.ts";
import { encodeProperties, propertyTypes } from "../../../src/wire/properties.ts";
import { air, quiet, TestPublisher, TestRelay, VIDEO, within } from "./relay.fixture.ts";

/** One that the relay knows, one for applications, one that nobody knows, and immutable ones. */
const PROPERTIES: readonly KeyValue[] = [
  { type: propertyTypes.immutableProperties, value: encodeProperties([{ type: 0x40, value: 3 }]) },
  { type: propertyTypes.dynamicGroups, value: 1 },
  { type: 0x2b1, value: new Uint8Array([1, 2, 3]) },
  { type: 0x38a2, value: 77 },
];

async function published(announce: boolean) {
  const clock = new FakeClock(1_000_000);
  const relay = new TestRelay(clock);
  const origin = new TestPublisher();
  origin.server.properties = PROPERTIES;
  await within(clock, origin.join(relay, announce));
  if (!announce) {
    const pushed = origin.connection.publish(VIDEO, { trackProperties: PROPERTIES });
    origin.server.attach(await within(clock, pushed));
  }
  return { clock, relay, origin };
}

const inOrder = (properties: readonly KeyValue[]) =>
  [...properties].sort((a, b) => Number(a.type) - Number(b.type));

it.each([true, false])("in SUBSCRIBE_OK, also to who comes later (announced: %s)", async (announce) => {
  const { clock, relay, origin } = await published(announce);
  for (let viewer = 0; viewer < 2; viewer++) {
    const { connection } = await within(clock, relay.dial());
    const subscription = await within(
      clock,
      connection.subscribe({ track: VIDEO }, { object: () => undefined }),
    );
    expect(inOrder(subscription.trackProperties)).toEqual(inOrder(PROPERTIES));
    await air(clock, [origin], viewer, viewer + 1);
  }
});

it("in the PUBLISH with which a pushed track is offered on", async () => {
  const { clock, relay } = await published(false);
  const offered: (readonly KeyValue[])[] = [];
  const { connection } = await within(
    clock,
    relay.dial({
      publish: (request) => {
        offered.push(request.trackProperties);
        request.accept({ object: () => undefined });
      },
    }),
  );
  await within(clock, connection.subscribeTracks(VIDEO.namespace));
  await quiet(clock);
  expect(offered.map(inOrder)).toEqual([inOrder(PROPERTIES)]);
});

it("in the answers to FETCH and TRACK_STATUS", async () => {
  const { clock, relay, origin } = await published(true);
  const { connection } = await within(clock, relay.dial());
  await within(clock, connection.subscribe({ track: VIDEO }, { object: () => undefined }));
  await air(clock, [origin], 0, 1);
  let handlers: RequestHandlers = {};
  void relay.relay.serve(async (served) => {
    handlers = served;
    return connection;
  });
  const answers: unknown[] = [];
  const fetch: Partial<IncomingFetch> = {
    track: VIDEO,
    start: { group: 0, object: 0 },
    end: { group: 0 },
    parameters: {},
    accept: (answer) => {
      answers.push(answer.trackProperties);
      return Promise.reject(new Error("this test reads no further"));
    },
    reject: () => undefined,
  };
  handlers.fetch?.(fetch as IncomingFetch);
  answers.push(await handlers.trackStatus?.(VIDEO));
  await quiet(clock);
  expect(answers).toHaveLength(2);
  expect(answers).toContainEqual({ largest: { group: 0, object: 0 }, trackProperties: inOrder(PROPERTIES) });
  expect(answers).toContainEqual(inOrder(PROPERTIES));
});
