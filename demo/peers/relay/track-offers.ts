/**
 * Peers that asked to be offered tracks as publishers push them (SUBSCRIBE_TRACKS, draft-18 §6.2): each PUBLISH that comes in goes out to all whose prefix matches
 * (§9.6), those pushed before included.
 */
import { covers } from "../../../src/mesh/relay-directory.ts";
import type { Connection, IncomingPrefix } from "../../../src/transport/connection.ts";
import { ignore } from "../../../src/transport/stream-errors.ts";
import type { Namespace } from "../../../src/wire/names.ts";
import type { RelayTrack } from "./relay-track.ts";

interface Asker {
  readonly source: string;
  readonly connection: Connection;
  readonly prefix: Namespace;
}

export class TrackOffers {
  readonly #askers = new Set<Asker>();

  /** A peer asks for the tracks under a prefix; `pushed` are those that there are already. */
  ask(source: string, connection: Connection, request: IncomingPrefix, pushed: readonly RelayTrack[]): void {
    request.accept();
    const asker: Asker = { source, connection, prefix: request.prefix };
    this.#askers.add(asker);
    void request.cancelled.then(() => this.#askers.delete(asker));
    for (const track of pushed) offer(track, asker);
  }

  /** A publisher began to push this track. */
  pushed(publisher: string, track: RelayTrack): void {
    // Nobody is offered what they publish themselves.
    for (const asker of this.#askers) if (asker.source !== publisher) offer(track, asker);
  }
}

function offer(track: RelayTrack, { connection, prefix }: Asker): void {
  if (!covers(prefix, track.name.namespace)) return;
  // Declined, or subscribed to already: the peer's choice either way.
  track.offerTo(connection).catch(ignore);
}
