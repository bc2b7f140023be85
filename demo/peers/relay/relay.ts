/**
 * The embedded relay: for development, tests and the demo.
 *
 * Publishers announce namespaces or push tracks; subscribers ask for tracks; the relay pulls each track once from every publisher that has it, merges,
 * caches recent groups and serves them. It judges nothing: that is what manifests are for.
 */
import type { Clock } from "../../../src/clock.ts";
import type {
  Connection,
  IncomingFetch,
  IncomingNamespace,
  IncomingPublish,
  IncomingSubscribe,
  IncomingSubscribeNamespace,
  RequestHandlers,
} from "../../../src/transport/connection.ts";
import { type FullTrackName, type Namespace, namespaceKey, trackKey } from "../../../src/wire/names.ts";
import type { RelayStats } from "../cluster/messages.ts";
import { RelayTrack } from "./relay-track.ts";

/** Tracks one relay keeps at a time. Past it new ones are refused: names are free to invent, memory is not. */
const MAX_TRACKS = 1000;

const REQUEST_EXCESSIVE_LOAD = 0x9;

export interface RelayOptions {
  readonly clock: Clock;
  /** Groups kept for FETCH per track. */
  readonly cacheGroups: number;
}

/** Wraps a peer's request before the relay sees it; the demo's faults come in here. */
export interface RequestFilter {
  subscribe(request: IncomingSubscribe): IncomingSubscribe;
  fetch(request: IncomingFetch): IncomingFetch;
}

interface Announcement {
  readonly source: string;
  readonly connection: Connection;
  readonly namespace: Namespace;
}

interface Watcher {
  readonly prefix: Namespace;
  readonly listing: { add(suffix: Namespace): void; remove(suffix: Namespace): void };
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #tracks = new Map<string, RelayTrack>();
  readonly #announcements = new Set<Announcement>();
  readonly #watchers = new Set<Watcher>();
  readonly #connections = new Set<Connection>();
  #nextSource = 1;
  #objectsIn = 0;
  #objectsOut = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /**
   * Serves one session: `establish` is given the handlers and makes the connection with them.
   * Resolves when the session is over; rejects when it never began.
   */
  async serve(
    establish: (handlers: RequestHandlers) => Promise<Connection>,
    filter?: RequestFilter,
  ): Promise<void> {
    const source = `session-${this.#nextSource++}`;
    // Requests may be handled before the promise of the connection resolves.
    let opened: (connection: Connection) => void = () => undefined;
    const open = new Promise<Connection>((resolve) => {
      opened = resolve;
    });
    const connection = await establish({
      subscribe: (request) => void this.#subscribe(filter?.subscribe(request) ?? request),
      fetch: (request) => void this.#fetch(filter?.fetch(request) ?? request),
      trackStatus: async (track) => {
        const { largest } = this.#tracks.get(trackKey(track)) ?? {};
        return largest ? { largest } : { errorCode: 0x10, reason: "nobody watches this track here" };
      },
      publishNamespace: (request) =>
        void open.then((connection) => this.#announce(source, connection, request)),
      subscribeNamespace: (request) => this.#watch(request),
      publish: (request) => this.#publish(source, request),
    });
    this.#connections.add(connection);
    opened(connection);
    await connection.closed;
    this.#connections.delete(connection);
    for (const announcement of [...this.#announcements])
      if (announcement.source === source) this.#withdraw(announcement);
  }

  stats(): Omit<RelayStats, "endless"> {
    let subscribers = 0;
    for (const track of this.#tracks.values()) subscribers += track.subscribers;
    return {
      sessions: this.#connections.size,
      tracks: this.#tracks.size,
      subscribers,
      objectsIn: this.#objectsIn,
      objectsOut: this.#objectsOut,
    };
  }

  /** Asks every peer to go elsewhere, and closes after `timeoutMs`. */
  goaway(timeoutMs: number): void {
    for (const connection of this.#connections) {
      connection.goaway("", timeoutMs);
      this.#options.clock.setTimer(timeoutMs, () => connection.close(0, "going away"));
    }
  }

  close(): void {
    for (const connection of this.#connections) connection.close(0, "relay stops");
    for (const track of this.#tracks.values()) track.close();
  }

  async #subscribe(request: IncomingSubscribe): Promise<void> {
    const track = this.#track(request.track);
    if (track) await track.subscribe(request);
    else request.reject({ errorCode: REQUEST_EXCESSIVE_LOAD, reason: "too many tracks", retryAfterMs: 5000 });
  }

  async #fetch(request: IncomingFetch): Promise<void> {
    const track = this.#track(request.track);
    if (track) await track.fetch(request);
    else request.reject({ errorCode: REQUEST_EXCESSIVE_LOAD, reason: "too many tracks", retryAfterMs: 5000 });
  }

  #publish(source: string, request: IncomingPublish): void {
    const track = this.#track(request.track);
    if (track) track.acceptPublish(source, request);
    else request.reject({ errorCode: REQUEST_EXCESSIVE_LOAD, reason: "too many tracks" });
  }

  #announce(source: string, connection: Connection, request: IncomingNamespace): void {
    const announcement: Announcement = { source, connection, namespace: request.namespace };
    const fresh = !this.#announced(request.namespace);
    this.#announcements.add(announcement);
    request.accept();
    for (const [key, track] of this.#tracks)
      if (covers(namespaceKey(request.namespace), key)) track.addUpstream(source, connection);
    if (fresh)
      for (const watcher of this.#watchers)
        whenUnder(watcher.prefix, request.namespace, (suffix) => watcher.listing.add(suffix));
    void request.withdrawn.then(() => this.#withdraw(announcement));
  }

  #withdraw(announcement: Announcement): void {
    if (!this.#announcements.delete(announcement)) return;
    for (const [key, track] of this.#tracks)
      if (covers(namespaceKey(announcement.namespace), key)) track.removeUpstream(announcement.source);
    if (this.#announced(announcement.namespace)) return;
    for (const watcher of this.#watchers)
      whenUnder(watcher.prefix, announcement.namespace, (suffix) => watcher.listing.remove(suffix));
  }

  #watch(request: IncomingSubscribeNamespace): void {
    const watcher: Watcher = { prefix: request.prefix, listing: request.accept() };
    this.#watchers.add(watcher);
    const seen = new Set<string>();
    for (const { namespace } of this.#announcements) {
      const key = namespaceKey(namespace);
      if (!seen.has(key)) whenUnder(request.prefix, namespace, (suffix) => watcher.listing.add(suffix));
      seen.add(key);
    }
    void request.cancelled.then(() => this.#watchers.delete(watcher));
  }

  #announced(namespace: Namespace): boolean {
    const key = namespaceKey(namespace);
    return [...this.#announcements].some((announcement) => namespaceKey(announcement.namespace) === key);
  }

  #track(name: FullTrackName): RelayTrack | undefined {
    const key = trackKey(name);
    const known = this.#tracks.get(key);
    if (known) return known;
    if (this.#tracks.size >= MAX_TRACKS) return undefined;
    const track = new RelayTrack({
      track: name,
      clock: this.#options.clock,
      cacheGroups: this.#options.cacheGroups,
      onObject: () => {
        this.#objectsIn++;
        this.#objectsOut += track.subscribers;
      },
      onIdle: () => {
        track.close();
        this.#tracks.delete(key);
      },
    });
    this.#tracks.set(key, track);
    for (const { source, connection, namespace } of this.#announcements)
      if (covers(namespaceKey(namespace), key)) track.addUpstream(source, connection);
    return track;
  }
}

/** Whether a published namespace (as a key) is the namespace of the track, or a prefix of it field by field. */
function covers(namespace: string, track: string): boolean {
  return track.startsWith(`${namespace}--`) || track.startsWith(`${namespace}-`);
}

function whenUnder(prefix: Namespace, namespace: Namespace, action: (suffix: Namespace) => void): void {
  const prefixKey = namespaceKey(prefix);
  const key = namespaceKey(namespace);
  if (prefix.length === 0 || key === prefixKey || key.startsWith(`${prefixKey}-`))
    action(namespace.slice(prefix.length));
}
