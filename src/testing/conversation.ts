/** A client and a small relay that use everything a connection can do, for tests of the transport. */

import { accept, connect, type SessionSettings } from "../transport/connect.ts";
import type { Connection, ObjectSink, PublishedTrack, RequestHandlers } from "../transport/connection.ts";
import { type FullTrackName, namespaceKey, namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeClock } from "./fake-clock.ts";
import {
  type Faults,
  type MemoryTransport,
  type MemoryTransportOptions,
  memoryTransport,
} from "./memory-transport.ts";

export const broadcast = namespaceOf("example.com", "live");
export const video = trackOf(broadcast, "video");
export const upload = trackOf(broadcast, "upload");

export function object(group: number, id: number, bytes = 100): MoqObject {
  const payload = new Uint8Array(bytes).fill(group * 16 + id);
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

export interface Pair {
  readonly clock: FakeClock;
  readonly wire: MemoryTransport;
  readonly client: Connection;
  readonly server: Connection;
}

export async function pair(
  handlers: RequestHandlers,
  options: {
    client?: RequestHandlers;
    settings?: SessionSettings;
    wire?: Omit<MemoryTransportOptions, "clock">;
  } = {},
): Promise<Pair> {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock, ...options.wire });
  const [server, client] = await Promise.all([
    accept(wire.server, { clock, ...options.settings }, handlers),
    connect(
      () => Promise.resolve(wire.client),
      { url: "https://relay.test/", clock, ...options.settings },
      options.client,
    ),
  ]);
  return { clock, wire, client, server };
}

/** Sends `groups` groups of `objects` objects and says that the track has ended. */
export async function publishGroups(
  track: PublishedTrack,
  groups: number,
  objects: number,
  bytes?: number,
  until?: Promise<void>,
): Promise<void> {
  for (let group = 0; group < groups; group++) {
    const writer = await track.openSubgroup({
      group,
      subgroup: 0,
      endOfGroup: true,
      firstObject: true,
      hasProperties: false,
    });
    try {
      for (let id = 0; id < objects; id++) await writer.write(object(group, id, bytes));
      await writer.close();
    } catch {
      // A stream that the peer gave up costs its group, not the track.
    }
  }
  await until;
  await track.done(2, "");
}

/** A sink that writes down what it gets, one line each. */
export function recorder(): {
  readonly sink: ObjectSink;
  readonly objects: string[];
  readonly ends: string[];
} {
  const objects: string[] = [];
  const ends: string[] = [];
  const sink: ObjectSink = {
    object: (o) => objects.push(`${o.group}/${o.object}:${o.payload.byteLength}:${o.payload[0] ?? "-"}`),
    streamEnd: (end) => ends.push(`${end.group} ${end.complete ? "complete" : (end.error?.code ?? "cut")}`),
  };
  return { sink, objects, ends };
}

/** What the relay of the scenario holds: largest object 2/2. */
const LARGEST = { group: 2, object: 2 };

export function relayHandlers(
  settled: (promise: Promise<unknown>) => void,
  server: () => Connection,
): RequestHandlers {
  return {
    subscribe: (request) => {
      const track = request.accept({ largest: LARGEST });
      // Goes on until it was updated, so that the update does not race against the end.
      const updated = new Promise<void>((resolve) => {
        track.onUpdate = () => resolve();
      });
      settled(publishGroups(track, 3, 3, 700, Promise.race([updated, track.cancelled])));
    },
    fetch: (request) => {
      settled(request.cancelled);
      settled(
        (async () => {
          const writer = await request.accept({ end: LARGEST, endOfTrack: false });
          for (let group = Number(request.start.group); group <= 2; group++) {
            for (let id = 0; id < 3; id++) await writer.write(object(group, id));
          }
          await writer.close();
        })(),
      );
    },
    trackStatus: () => Promise.resolve({ largest: LARGEST }),
    publishNamespace: (request) => {
      request.accept();
      settled(request.withdrawn);
    },
    subscribeNamespace: (request) => {
      const answer = request.accept();
      answer.add(namespaceOf("live"));
      answer.add(namespaceOf("gone"));
      answer.remove(namespaceOf("gone"));
      settled(request.cancelled);
    },
    subscribeTracks: (request) => {
      request.accept().blocked(namespaceOf("live"), video.name);
      settled(
        server()
          .publish(upload, {})
          .then((track) => publishGroups(track, 1, 2)),
      );
    },
    publish: (request) => settled(request.accept({ object: () => undefined }).ended),
  };
}

/**
 * Does all a client can do, as far as it gets, and writes down what came of it. Every promise the two sides get from the facade is
 * handed to `settled`, so that a test can tell whether any of them is left hanging.
 */
export async function runScenario(
  client: Connection,
  settled: (promise: Promise<unknown>) => void,
): Promise<string[]> {
  const log: string[] = [];
  const step = async (name: string, promise: Promise<unknown>) => {
    settled(promise);
    try {
      log.push(
        `${name}: ${JSON.stringify(await promise, (_, value) => (typeof value === "bigint" ? `${value}n` : value))}`,
      );
    } catch (thrown) {
      log.push(`${name}: ${(thrown as { code?: string }).code ?? String(thrown)}`);
    }
  };
  const watched = recorder();
  const subscribing = client.subscribe({ track: video }, watched.sink);
  await step(
    "subscribe",
    subscribing.then(async (subscription) => {
      settled(subscription.ended);
      const joined = recorder();
      const fetching = client.joiningFetch({ subscription, start: { relative: 1 } }, joined.sink);
      await step("join", fetching);
      await step("update", subscription.update({ subscriberPriority: 3 }));
      const end = await subscription.ended;
      // Streams overtake each other, so only what came is compared, not when.
      return {
        end: end.reason,
        joined: joined.objects,
        watched: watched.objects.sort(),
        ends: watched.ends.sort(),
      };
    }),
  );
  const fetched = recorder();
  const end = { group: 2, object: 2 };
  await step("fetch", client.fetch({ track: video, start: { group: 1, object: 0 }, end }, fetched.sink));
  log.push(fetched.objects.join(" "));
  await step("status", client.trackStatus(video));
  const announcing = client.publishNamespace(broadcast);
  settled(announcing.then((announced) => announced.ended));
  await step(
    "announce",
    announcing.then(() => "ok"),
  );
  const names: string[] = [];
  const listening = client.subscribeNamespace(namespaceOf("example.com"), {
    added: (namespace) => names.push(`+${namespaceKey(namespace)}`),
    removed: (namespace) => names.push(`-${namespaceKey(namespace)}`),
  });
  settled(listening.then((listened) => listened.ended));
  await step(
    "namespaces",
    listening.then(() => "ok"),
  );
  const blocked: FullTrackName[] = [];
  const tracks = client.subscribeTracks(broadcast, { blocked: (track) => blocked.push(track) });
  settled(tracks.then((asked) => asked.ended));
  await step(
    "tracks",
    tracks.then(() => "ok"),
  );
  const publishing = client.publish(upload, { largest: LARGEST });
  await step(
    "publish",
    publishing.then((track) => publishGroups(track, 1, 1)),
  );
  log.push(names.join(" "), `blocked ${blocked.length}`);
  return log;
}

export const CHUNKINGS: readonly (readonly [string, Faults])[] = [
  ["as written", {}],
  ["one byte at a time", { chunking: "one-byte" }],
  ["coalesced", { chunking: "coalesced" }],
  ["cut at random", { chunking: { seed: 1, max: 40 } }],
  ["cut at random, in larger pieces", { chunking: { seed: 2, max: 900 } }],
];
