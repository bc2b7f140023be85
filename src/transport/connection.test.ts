import { expect, test } from "vitest";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { memoryTransport } from "../testing/memory-transport.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { accept, connect } from "./connect.ts";
import type { RequestHandlers } from "./connection.ts";

const broadcast = namespaceOf("example.com", "live");
const video = trackOf(broadcast, "video");

function object(group: number, id: number, payload: Uint8Array): MoqObject {
  return {
    group,
    object: id,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload,
  };
}

async function pair(handlers: RequestHandlers, clientHandlers: RequestHandlers = {}) {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock });
  const [server, client] = await Promise.all([
    accept(wire.server, { clock }, handlers),
    connect(() => Promise.resolve(wire.client), { url: "https://relay.test", clock }, clientHandlers),
  ]);
  return { wire, clock, server, client };
}

test("a subscription delivers the objects of a subgroup in order and ends with the publisher's reason", async () => {
  const { client } = await pair({
    subscribe(request) {
      const track = request.accept({ largest: { group: 4, object: 2 } });
      void (async () => {
        const writer = await track.openSubgroup({
          group: 5,
          subgroup: 0,
          endOfGroup: true,
          firstObject: true,
          hasProperties: false,
        });
        for (let id = 0; id < 3; id++)
          await writer.write(object(5, id, new Uint8Array(10_000 * id).fill(id)));
        await writer.close();
        await track.done(2, "over");
      })();
    },
  });
  const got: string[] = [];
  const subscription = await client.subscribe(
    { track: video, filter: { type: "next-group-start" } },
    {
      object: (o) => got.push(`${o.group}/${o.object} ${o.payload.byteLength}`),
      streamEnd: (end) => got.push(`end ${end.group} ${end.complete} ${end.endOfGroup}`),
    },
  );
  expect(subscription.largest).toEqual({ group: 4, object: 2 });
  expect((await subscription.ended).reason).toBe("track-ended");
  expect(got).toEqual(["5/0 0", "5/1 10000", "5/2 20000", "end 5 true true"]);
});

test("fetch", async () => {
  const { client } = await pair({
    fetch(request) {
      expect(request.end).toEqual({ group: 2, object: 1 });
      void (async () => {
        const w = await request.accept({ end: request.end, endOfTrack: false });
        await w.write(object(1, 0, new Uint8Array(5)));
        await w.write(object(2, 0, new Uint8Array(5)));
        await w.write(object(2, 1, new Uint8Array(5)));
        await w.close();
      })();
    },
  });
  const got: string[] = [];
  const result = await client.fetch(
    { track: video, start: { group: 1, object: 0 }, end: { group: 2, object: 1 } },
    { object: (o) => got.push(`${o.group}/${o.object}`) },
  );
  expect(result).toEqual({ end: { group: 2, object: 1 }, endOfTrack: false });
  expect(got).toEqual(["1/0", "2/0", "2/1"]);
});

test("namespaces", async () => {
  const { client, server, clock } = await pair(
    {
      publishNamespace: (request) => request.accept(),
      subscribeNamespace(request) {
        const told = request.accept();
        told.add(namespaceOf("live"));
        told.remove(namespaceOf("live"));
      },
    },
    {},
  );
  const announced = await client.publishNamespace(broadcast);
  const seen: string[] = [];
  const names = await client.subscribeNamespace(namespaceOf("example.com"), {
    added: (n) => seen.push(`+${n.length}`),
    removed: (n) => seen.push(`-${n.length}`),
  });
  await settle();
  expect(seen).toEqual(["+2", "-2"]);
  announced.withdraw();
  names.cancel();
  await announced.ended;
  client.close();
  expect(await client.closed).toEqual({ error: undefined, byUs: true });
  expect((await server.closed).byUs).toBe(false);
  await settle();
  expect(clock.pending).toBe(0);
});
