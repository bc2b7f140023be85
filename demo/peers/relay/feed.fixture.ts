/** A track that is read at one relay and offered to another, as a relay does that is told to feed a second one. */
import { GroupCache } from "../../../src/publish/group-cache.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import type { Connection, RequestHandlers } from "../../../src/transport/connection.ts";
import { VIDEO } from "./relay.fixture.ts";

const CACHE_GROUPS = 100;

/** `join` opens the session to the second relay. Resolves with it once the track is announced there. */
export async function feed(
  from: Connection,
  join: (handlers: RequestHandlers) => Promise<Connection>,
): Promise<Connection> {
  const server = new TrackServer({ track: VIDEO, cache: new GroupCache(CACHE_GROUPS) });
  await from.subscribe(
    { track: VIDEO, filter: { type: "largest-object" } },
    {
      object: (object) =>
        void server.publish(object, {
          endOfGroup: true,
          firstObject: object.object === 0,
          priority: undefined,
        }),
      streamEnd: ({ group, subgroup, complete, endOfGroup }) =>
        server.endSubgroup(group, subgroup ?? 0, { clean: complete, endOfGroup }),
    },
  );
  const to = await join({
    subscribe: (request) => server.subscribe(request),
    fetch: (request) => void server.fetch(request),
  });
  await to.publishNamespace(VIDEO.namespace);
  return to;
}
