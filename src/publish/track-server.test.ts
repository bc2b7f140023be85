import { expect, it } from "vitest";
import type { IncomingSubscribe, OutgoingSubgroup, PublishedTrack } from "../transport/connection.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { TrackServer } from "./track-server.ts";

function objectAt(group: number, object: number): MoqObject {
  const payload = new Uint8Array([group, object]);
  return {
    group,
    object,
    subgroup: 0,
    priority: 0,
    status: "normal",
    properties: new Uint8Array(0),
    payload,
  };
}

/** As a relay has them: what the stream said that all objects of the subgroup came by. */
const FLAGS = { endOfGroup: true, firstObject: true, priority: undefined };

/** A subscriber that writes down the streams it is sent: "group: objects" and how each ended. */
class TestSubscriber {
  readonly streams: { readonly header: OutgoingSubgroup; readonly objects: string[]; end: string }[] = [];

  request(server: TrackServer): IncomingSubscribe {
    const published: PublishedTrack = {
      forward: true,
      filter: { type: "largest-object" },
      onUpdate: undefined,
      cancelled: new Promise(() => undefined),
      wants: () => true,
      openSubgroup: async (header) => {
        const stream = { header, objects: [] as string[], end: "open" };
        this.streams.push(stream);
        return {
          write: async ({ group, object }) => void stream.objects.push(`${group}/${object}`),
          close: async () => {
            stream.end = "fin";
          },
          reset: () => {
            stream.end = "reset";
          },
        };
      },
      sendDatagram: () => undefined,
      done: async () => undefined,
    };
    return {
      track: server.track,
      requestId: 0,
      parameters: {},
      accept: () => published,
      reject: () => undefined,
    };
  }
}

function world() {
  const server = new TrackServer({ track: trackOf(namespaceOf("live"), "video") });
  const publish = async (group: number, ...objects: number[]): Promise<void> => {
    for (const object of objects) server.publish(objectAt(group, object), FLAGS);
    await new Promise((resolve) => setTimeout(resolve));
  };
  const end = async (group: number, clean: boolean): Promise<void> => {
    server.endSubgroup(group, 0, { clean, endOfGroup: clean });
    await new Promise((resolve) => setTimeout(resolve));
  };
  const subscriber = (): TestSubscriber => {
    const subscribed = new TestSubscriber();
    server.subscribe(subscribed.request(server));
    return subscribed;
  };
  return { server, publish, end, subscriber };
}

it("says that a stream begins with the subgroup's first object only where it does (draft-18 §11.4.3)", async () => {
  const { publish, subscriber } = world();
  const early = subscriber();
  await publish(1, 0, 1);
  const late = subscriber();
  await publish(1, 2);
  await publish(2, 0);
  expect(early.streams.map(({ header }) => header.firstObject)).toEqual([true, true]);
  expect(late.streams.map(({ header, objects }) => [objects, header.firstObject])).toEqual([
    [["1/2"], false],
    [["2/0"], true],
  ]);
});

it("writes ids that only rise, and each once: what comes too late for its stream is left to FETCH", async () => {
  const { server, publish, end, subscriber } = world();
  const subscribed = subscriber();
  await publish(1, 0, 2, 1, 2, 3);
  await end(1, true);
  await publish(1, 4);
  expect(subscribed.streams.map(({ objects, end: how }) => [objects, how])).toEqual([
    [["1/0", "1/2", "1/3"], "fin"],
  ]);
  expect(server.cache.get(1)?.objects.map(({ object }) => object)).toEqual([0, 1, 2, 3, 4]);
});

it("opens no second stream for a subgroup that was ended, as long as its group is one of the newest 32; what is older is not live any more", async () => {
  const { server, publish, end, subscriber } = world();
  const subscribed = subscriber();
  await publish(1000, 0);
  await end(1000, false);
  // Groups are counted, whatever their ids are.
  for (let group = 2000; group < 33_000; group += 1000) await publish(group, 0);
  await publish(1000, 1);
  await publish(33_000, 0);
  await publish(1000, 2);
  expect(
    subscribed.streams.filter(({ header }) => header.group === 1000).map(({ objects }) => objects),
  ).toEqual([["1000/0"]]);
  expect(subscribed.streams.length).toBe(33);
  expect(server.cache.get(1000)?.objects.length).toBe(3);
});
