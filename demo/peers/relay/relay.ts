/**
 * The embedded relay: for development, tests and the demo.
 *
 * Publishers announce namespaces or push tracks; subscribers ask for tracks; the relay reads each track once from every publisher that has it, merges,
 * caches recent groups and serves them. With a directory it tells other relays what it serves; as an edge it reads from them what nobody publishes
 * here. It judges nothing: that is what manifests are for.
 */
import type { Clock } from "../../../src/clock.ts";
import type { BoardLink } from "../../../src/mesh/namespace-board.ts";
import {
  broadcastOfPrefix,
  foundSuffix,
  RELAYS_PREFIX,
} from "../../../src/mesh/namespace-relay-directory.ts";
import type { RelayDirectory, RelayRecord } from "../../../src/mesh/relay-directory.ts";
import { covers } from "../../../src/mesh/relay-directory.ts";
import type {
  Connection,
  IncomingFetch,
  IncomingNamespace,
  IncomingPublish,
  IncomingSubscribe,
  IncomingSubscribeNamespace,
  RequestHandlers,
} from "../../../src/transport/connection.ts";
import { requestErrors } from "../../../src/wire/codes.ts";
import {
  type FullTrackName,
  type Namespace,
  namespaceKey,
  parseTrackKey,
  trackKey,
} from "../../../src/wire/names.ts";
import type { RelayStats } from "../cluster/messages.ts";
import { Edge, type RelayDial } from "./edge.ts";
import type { FileGroups } from "./files/file-groups.ts";
import { NamespaceListing } from "./namespace-listing.ts";
import { RelayTrack } from "./relay-track.ts";
import { TrackOffers } from "./track-offers.ts";

/** Tracks one relay keeps at a time. Past it new ones are refused: names are free to invent, memory is not. */
const MAX_TRACKS = 1000;

const TOO_MANY_TRACKS = {
  errorCode: requestErrors["excessive-load"],
  reason: "too many tracks",
  retryAfterMs: 5000,
};

export interface RelayOptions {
  readonly clock: Clock;
  /** Groups kept for FETCH per track. */
  readonly cacheGroups: number;
  /** How long a track nobody watches stays subscribed upstream. */
  readonly lingerMs?: number;
  /** Where this relay tells what it serves, and finds who else does. */
  readonly directory?: RelayDirectory;
  /** This relay as viewers reach it, named to those who ask it who serves a broadcast. */
  readonly self?: Omit<RelayRecord, "tier">;
  /** Groups are kept here beyond the cache, and served after a restart. */
  readonly files?: FileGroups;
  readonly onFilesFailed?: (thrown: unknown) => void;
  /** Makes this relay an edge: it reads from origins what nobody publishes here. Needs a directory. */
  readonly dialRelay?: RelayDial;
}

/** Wraps a peer's request before the relay sees it; the demo's faults come in here. */
export interface RequestFilter {
  /** Undefined: the filter has answered it. */
  subscribe(request: IncomingSubscribe): IncomingSubscribe | undefined;
  fetch(request: IncomingFetch): IncomingFetch | undefined;
}

interface Announcement {
  readonly source: string;
  readonly connection: Connection;
  readonly namespace: Namespace;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #tracks = new Map<string, RelayTrack>();
  readonly #announcements = new Set<Announcement>();
  readonly #listing = new NamespaceListing();
  readonly #offers = new TrackOffers();
  readonly #connections = new Set<Connection>();
  readonly #edge: Edge | undefined;
  #nextSource = 1;
  #objectsIn = 0;
  /** By tracks that are not kept any more. */
  #objectsOutBefore = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { directory, dialRelay, clock } = options;
    if (directory && dialRelay) {
      this.#edge = new Edge({
        directory,
        dial: dialRelay,
        clock,
        isOrigin: (namespace) => this.#publishes(namespace),
      });
    }
  }

  /** This relay as a link for the board of a directory in the same process: it announces and watches here like a session, without one. */
  get link(): BoardLink {
    return this.#listing;
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
      subscribe: (request) => {
        const passed = filter ? filter.subscribe(request) : request;
        if (passed) void this.#subscribe(passed);
      },
      fetch: (request) => {
        const passed = filter ? filter.fetch(request) : request;
        if (passed) void this.#fetch(passed);
      },
      trackStatus: async (track) => {
        const { largest, properties: trackProperties = [] } = this.#tracks.get(trackKey(track)) ?? {};
        return largest
          ? { largest, trackProperties }
          : { errorCode: requestErrors["does-not-exist"], reason: "nobody watches this track here" };
      },
      publishNamespace: (request) =>
        void open.then((connection) => this.#announce(source, connection, request)),
      subscribeNamespace: (request) => this.#watch(request),
      subscribeTracks: (request) =>
        void open.then((connection) =>
          this.#offers.ask(
            source,
            connection,
            request,
            [...this.#tracks.values()].filter(({ isPushed }) => isPushed),
          ),
        ),
      publish: (request) => this.#publish(source, request),
    });
    this.#connections.add(connection);
    opened(connection);
    await connection.closed;
    this.#connections.delete(connection);
    for (const announcement of [...this.#announcements])
      if (announcement.source === source) this.#withdraw(announcement, true);
  }

  stats(): Omit<RelayStats, "endless"> {
    let subscribers = 0;
    let objectsOut = this.#objectsOutBefore;
    for (const track of this.#tracks.values()) {
      subscribers += track.subscribers;
      objectsOut += track.objectsSent;
    }
    return {
      sessions: this.#connections.size,
      tracks: this.#tracks.size,
      subscribers,
      objectsIn: this.#objectsIn,
      objectsOut,
    };
  }

  /** Asks every peer to go to `newUri` ("": to come again), and closes after `timeoutMs`. */
  goaway(timeoutMs: number, newUri = ""): void {
    for (const connection of this.#connections) {
      connection.goaway(newUri, timeoutMs);
      this.#options.clock.setTimer(timeoutMs, () => connection.close(0, "going away"));
    }
  }

  /** Ends everything at once. Resolves when what is to be kept has been written. */
  async close(): Promise<void> {
    this.#listing.close();
    for (const connection of this.#connections) connection.close(0, "relay stops");
    const closing = [...this.#tracks.values()].map((track) => track.close());
    this.#edge?.close();
    await Promise.all(closing);
  }

  async #subscribe(request: IncomingSubscribe): Promise<void> {
    const track = this.#track(request.track);
    if (track) await track.subscribe(request);
    else request.reject(TOO_MANY_TRACKS);
  }

  async #fetch(request: IncomingFetch): Promise<void> {
    const track = this.#track(request.track);
    if (track) await track.fetch(request);
    else request.reject(TOO_MANY_TRACKS);
  }

  #publish(source: string, request: IncomingPublish): void {
    const track = this.#track(request.track);
    // A session may push a track and announce its namespace: two sources, which end apart.
    if (!track) {
      request.reject(TOO_MANY_TRACKS);
      return;
    }
    track.acceptPublish(`${source}/publish`, request);
    this.#offers.pushed(source, track);
  }

  #announce(source: string, connection: Connection, request: IncomingNamespace): void {
    const { namespace } = request;
    const announcement: Announcement = { source, connection, namespace };
    this.#announcements.add(announcement);
    request.accept();
    for (const [key, track] of this.#tracks)
      if (coversTrack(namespace, key)) track.addPublisher(source, connection);
    void this.#recordAgain(announcement);
    this.#listing.add(namespace);
    if (!isOfMesh(namespace)) this.#options.directory?.announce(namespace, "origin");
    void request.withdrawn.then(() => this.#withdraw(announcement, false));
  }

  /** What there are files of goes on being recorded as soon as somebody publishes it, after a restart too. */
  async #recordAgain(announcement: Announcement): Promise<void> {
    const { files, onFilesFailed = () => undefined } = this.#options;
    try {
      for (const key of (await files?.tracks()) ?? []) {
        if (!this.#announcements.has(announcement)) return;
        if (coversTrack(announcement.namespace, key)) this.#track(parseTrackKey(key))?.record();
      }
    } catch (thrown) {
      onFilesFailed(thrown);
    }
  }

  #withdraw(announcement: Announcement, gone: boolean): void {
    if (!this.#announcements.delete(announcement)) return;
    const { namespace, source } = announcement;
    for (const [key, track] of this.#tracks) {
      const others = [...this.#announcements].some(
        (other) => other.source === source && coversTrack(other.namespace, key),
      );
      if (coversTrack(namespace, key) && !others) track.removePublisher(source, gone);
    }
    this.#listing.remove(namespace);
    if (this.#listing.has(namespace) || isOfMesh(namespace)) return;
    this.#options.directory?.withdraw(namespace);
    this.#edge?.mirror();
  }

  #watch(request: IncomingSubscribeNamespace): void {
    const broadcast = broadcastOfPrefix(request.prefix);
    const { directory } = this.#options;
    if (broadcast === undefined || directory === undefined) {
      const listing = request.accept();
      const stop = this.#listing.watch(request.prefix, listing.add, listing.remove);
      void request.cancelled.then(stop);
    } else this.#watchServing(request, broadcast, directory);
  }

  /** A viewer asks who serves a broadcast: told now, and whenever it changes. */
  #watchServing(request: IncomingSubscribeNamespace, broadcast: Namespace, directory: RelayDirectory): void {
    const listing = request.accept();
    let told = new Map<string, Namespace>();
    const tell = (): void => {
      const now = new Map(
        this.#serving(broadcast, directory)
          .map(foundSuffix)
          .map((suffix) => [namespaceKey(suffix), suffix]),
      );
      for (const [key, suffix] of now) if (!told.has(key)) listing.add(suffix);
      for (const [key, suffix] of told) if (!now.has(key)) listing.remove(suffix);
      told = now;
    };
    const stops = [directory.on("changed", tell), this.#listing.onChange(tell)];
    void request.cancelled.then(() => {
      for (const stop of stops) stop();
    });
    tell();
  }

  #serving(broadcast: Namespace, directory: RelayDirectory): RelayRecord[] {
    const { self } = this.#options;
    const others = directory.locate(broadcast);
    if (self === undefined) return [...others];
    if (this.#publishes(broadcast)) return [...others, { ...self, tier: "origin" }];
    const isEdge = this.#edge !== undefined && others.some(({ tier }) => tier === "origin");
    return isEdge ? [...others, { ...self, tier: "edge" }] : [...others];
  }

  #publishes(namespace: Namespace): boolean {
    return [...this.#announcements].some((announcement) => covers(announcement.namespace, namespace));
  }

  #track(name: FullTrackName): RelayTrack | undefined {
    const key = trackKey(name);
    const known = this.#tracks.get(key);
    if (known) return known;
    if (this.#tracks.size >= MAX_TRACKS) return undefined;
    const { clock, cacheGroups, lingerMs, files, onFilesFailed } = this.#options;
    const edge = this.#edge;
    const track: RelayTrack = new RelayTrack({
      track: name,
      clock,
      cacheGroups,
      ...(lingerMs !== undefined && { lingerMs }),
      ...(files !== undefined && { files }),
      ...(onFilesFailed !== undefined && { onFilesFailed }),
      ...(edge !== undefined && { lookUp: (wanted, target) => edge.lookUp(wanted, target) }),
      onObject: () => {
        this.#objectsIn++;
      },
      onIdle: () => {
        this.#objectsOutBefore += track.objectsSent;
        void track.close();
        this.#tracks.delete(key);
      },
    });
    this.#tracks.set(key, track);
    for (const { source, connection, namespace } of this.#announcements)
      if (coversTrack(namespace, key)) track.addPublisher(source, connection);
    return track;
  }
}

/** Whether a published namespace is that of the track (given by its key), or a prefix of it field by field. */
function coversTrack(namespace: Namespace, track: string): boolean {
  const key = namespaceKey(namespace);
  return track.startsWith(`${key}--`) || track.startsWith(`${key}-`);
}

/** What relays say to each other is no broadcast. */
function isOfMesh(namespace: Namespace): boolean {
  return covers(RELAYS_PREFIX.slice(0, 1), namespace);
}
