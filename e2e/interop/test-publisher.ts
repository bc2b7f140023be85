/** A publisher whose every object can be computed from its place, so that a subscriber can tell whether it got the right bytes. */
import { TrackServer } from "../../src/publish/track-server.ts";
import type { RequestHandlers } from "../../src/transport/connection.ts";
import {
  type FullTrackName,
  type Location,
  type Namespace,
  trackKey,
  trackOf,
} from "../../src/wire/names.ts";

/** Objects per group, and bytes per object: several packets, so that a relay has to put them together again. */
export const GROUP_OBJECTS = 3;
const OBJECT_BYTES = 3000;
const DOES_NOT_EXIST = 0x10;

export function payloadOf(trackName: string, { group, object }: Location): Buffer {
  return Buffer.alloc(OBJECT_BYTES, `${trackName} ${group}/${object};`);
}

/** Tracks of one namespace, published by hand, object by object. */
export class TestPublisher {
  readonly namespace: Namespace;
  readonly #servers = new Map<string, TrackServer>();

  constructor(namespace: Namespace) {
    this.namespace = namespace;
  }

  track(name: string): FullTrackName {
    const track = trackOf(this.namespace, name);
    if (!this.#servers.has(trackKey(track))) this.#servers.set(trackKey(track), new TrackServer({ track }));
    return track;
  }

  readonly handlers: RequestHandlers = {
    subscribe: (request) => {
      const server = this.#servers.get(trackKey(request.track));
      if (server) server.subscribe(request);
      else request.reject({ errorCode: DOES_NOT_EXIST, reason: "no such track here" });
    },
    fetch: (request) => {
      const server = this.#servers.get(trackKey(request.track));
      if (server) void server.fetch(request);
      else request.reject({ errorCode: DOES_NOT_EXIST, reason: "no such track here" });
    },
  };

  put(trackName: string, group: number, object: number): void {
    const server = this.#servers.get(trackKey(this.track(trackName)));
    server?.publish(
      {
        ...{ group, object, subgroup: 0, priority: undefined, status: "normal" },
        properties: new Uint8Array(0),
        payload: new Uint8Array(payloadOf(trackName, { group, object })),
      },
      { endOfGroup: true, firstObject: true, priority: undefined },
    );
    if (object === GROUP_OBJECTS - 1) server?.endSubgroup(group, 0, { clean: true, endOfGroup: true });
  }

  putGroup(trackName: string, group: number): void {
    for (let object = 0; object < GROUP_OBJECTS; object++) this.put(trackName, group, object);
  }
}

/** Names of a whole group's places, as a Watcher has them. */
export function groupPlaces(...groups: readonly number[]): string[] {
  return groups.flatMap((group) =>
    Array.from({ length: GROUP_OBJECTS }, (_, object) => `${group}/${object}`),
  );
}
