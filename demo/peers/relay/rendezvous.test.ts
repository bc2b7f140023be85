/** SUBSCRIBE with RENDEZVOUS_TIMEOUT (draft-18 §10.2.6): it waits at the relay for a publisher. */
import { expect, it } from "vitest";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import type { Subscription } from "../../../src/transport/connection.ts";
import { requestErrors } from "../../../src/wire/codes.ts";
import { air, quiet, TestPublisher, TestRelay, VIDEO, within } from "./relay.fixture.ts";
import { LINGER_MS, MAX_RENDEZVOUS_MS } from "./relay-track.ts";

async function waiting(rendezvousTimeoutMs: number) {
  const clock = new FakeClock(1_000_000);
  const relay = new TestRelay(clock);
  const offered: unknown[] = [];
  const { connection } = await within(
    clock,
    relay.dial({
      publish: (request) => {
        offered.push(request.track);
        request.reject({ errorCode: requestErrors.uninterested, reason: "" });
      },
    }),
  );
  const got: string[] = [];
  const sink = {
    object: ({ group, object }: { group: unknown; object: unknown }) => got.push(`${group}/${object}`),
  };
  let outcome: Subscription | { readonly protocolCode?: number } | undefined;
  void connection
    .subscribe({ track: VIDEO, parameters: { rendezvousTimeoutMs } }, sink)
    .catch((error: { readonly protocolCode?: number }) => error)
    .then((settled) => {
      outcome = settled;
    });
  await quiet(clock);
  return { clock, relay, got, offered, connection, outcome: () => outcome };
}

it("is accepted when a publisher comes in time, announced or pushing", async () => {
  for (const announce of [true, false]) {
    const { clock, relay, got, outcome } = await waiting(5_000);
    await clock.run(4_000);
    await quiet(clock);
    expect(outcome()).toBeUndefined();
    const origin = new TestPublisher();
    await within(clock, origin.join(relay, announce));
    if (!announce) origin.server.attach(await within(clock, origin.connection.publish(VIDEO, {})));
    await quiet(clock);
    expect(outcome()).toHaveProperty("trackAlias");
    await air(clock, [origin], 0, 2);
    expect(got).toEqual(["0/0", "0/1"]);
  }
});

it("is refused with TIMEOUT when none comes, and the track is forgotten after the linger", async () => {
  const { clock, relay, outcome } = await waiting(5_000);
  await clock.run(4_990);
  await quiet(clock);
  expect(outcome()).toBeUndefined();
  await clock.run(20);
  await quiet(clock);
  expect(outcome()).toMatchObject({ protocolCode: requestErrors.timeout });
  await clock.run(LINGER_MS);
  await quiet(clock);
  expect(relay.relay.stats().tracks).toBe(0);
});

it("waits no longer than the relay likes, and not at all with 0", async () => {
  const long = await waiting(10 * MAX_RENDEZVOUS_MS);
  await long.clock.run(MAX_RENDEZVOUS_MS + 10);
  await quiet(long.clock);
  expect(long.outcome()).toMatchObject({ protocolCode: requestErrors.timeout });
  await long.clock.run(LINGER_MS);
  await quiet(long.clock);
  expect(long.relay.relay.stats().tracks).toBe(0);
  const none = await waiting(0);
  expect(none.outcome()).toMatchObject({ protocolCode: requestErrors["does-not-exist"] });
});

it("is not offered the track with PUBLISH as well, when it asked for tracks too (§9.5)", async () => {
  const { clock, relay, connection, offered, outcome } = await waiting(5_000);
  await within(clock, connection.subscribeTracks(VIDEO.namespace));
  const origin = new TestPublisher();
  await within(clock, origin.join(relay, false));
  await within(clock, origin.connection.publish(VIDEO, {}));
  await quiet(clock);
  expect(outcome()).toHaveProperty("trackAlias");
  expect(offered).toEqual([]);
});
