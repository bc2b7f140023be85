/** Relays, publishers and viewers in one process: whole MOQT sessions over the in-memory transport, on a clock that the test moves. */
import { GroupCache } from "../../../src/publish/group-cache.ts";
import { TrackServer } from "../../../src/publish/track-server.ts";
import { type FakeClock, settle } from "../../../src/testing/fake-clock.ts";
import { type MemoryTransport, memoryDial } from "../../../src/testing/memory-transport.ts";
import { accept, connect } from "../../../src/transport/connect.ts";
import type {
  Connection,
  ObjectSink,
  RequestHandlers,
  Subscription,
} from "../../../src/transport/connection.ts";
import type { FullTrackName } from "../../../src/wire/names.ts";
import { namespaceOf, trackKey, trackOf } from "../../../src/wire/names.ts";
import type { MoqObject } from "../../../src/wire/objects.ts";
import { Relay, type RelayOptions } from "./relay.ts";

export const LIVE = namespaceOf("example.com", "live");
export const VIDEO: FullTrackName = trackOf(LIVE, "video");

/** Objects of one group, unless a test says otherwise. */
export const OBJECTS = 4;

export function objectAt(group: number, object: number, bytes = 20): MoqObject {
  return {
    group,
    object,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload: new Uint8Array(bytes).fill(group * 16 + object),
  };
}

/** As many as the longest way needs, from a publisher through two relays to a viewer, with some to spare. */
const TURNS = 10;

/** A session passes through several streams and promises: some turns of the event loop. */
export async function quiet(clock: FakeClock): Promise<void> {
  await clock.run(0);
  for (let turn = 0; turn < TURNS; turn++) await settle();
}

export class TestRelay {
  readonly relay: Relay;
  readonly clock: FakeClock;
  readonly #url: string;
  /** Sessions that were opened to it and not cut. */
  readonly #transports = new Set<MemoryTransport>();
  #dead = false;

  constructor(clock: FakeClock, options: Partial<RelayOptions> = {}, url = "https://relay.example/") {
    this.clock = clock;
    this.#url = url;
    this.relay = new Relay({ clock, cacheGroups: 10, ...options });
  }

  async dial(
    handlers: RequestHandlers = {},
  ): Promise<{ readonly connection: Connection; readonly wire: MemoryTransport }> {
    if (this.#dead) throw new Error(`${this.#url} is down`);
    let wire: MemoryTransport | undefined;
    const dial = memoryDial(
      (server, transport) => {
        wire = transport;
        this.#transports.add(transport);
        this.relay.serve((served) => accept(server, { clock: this.clock }, served)).catch(() => undefined);
      },
      { windowBytes: 64 * 1024 },
    );
    const connection = await connect(dial, { url: this.#url, clock: this.clock }, handlers);
    return { connection, wire: wire! };
  }

  /** The process dies: its sessions end without a word, and nobody is let in. */
  kill(): void {
    this.#dead = true;
    for (const transport of this.#transports) transport.lose();
  }
}

/** An original publisher of one track: the same server that ours have, and a diary of what it was asked. */
export class TestPublisher {
  readonly server: TrackServer;
  readonly asked: string[] = [];
  /** Fetches are answered after this. */
  fetchGate: Promise<void> = Promise.resolve();
  /** Requests are refused. */
  refusing = false;
  /** Requests are not answered. */
  mute = false;
  readonly #track: FullTrackName;
  #wire: MemoryTransport | undefined;
  #connection: Connection | undefined;
  #withdraw: () => void = () => undefined;

  constructor(track: FullTrackName = VIDEO, cacheGroups = 100) {
    this.#track = track;
    this.server = new TrackServer({ track, cache: new GroupCache(cacheGroups) });
  }

  get connection(): Connection {
    return this.#connection!;
  }

  async join(relay: TestRelay, announce = true): Promise<void> {
    const { connection, wire } = await relay.dial({
      subscribe: (request) => {
        this.asked.push("subscribe");
        if (this.mute) return;
        if (this.refusing || trackKey(request.track) !== trackKey(this.#track))
          request.reject({ errorCode: 0x10, reason: "" });
        else this.server.subscribe(request);
      },
      fetch: (request) => {
        this.asked.push(`fetch ${request.start.group}-${request.end.group}`);
        void this.fetchGate.then(() => this.server.fetch(request));
      },
    });
    this.#connection = connection;
    this.#wire = wire;
    if (announce) {
      const announced = await connection.publishNamespace(this.#track.namespace);
      this.#withdraw = () => announced.withdraw();
    }
  }

  withdraw(): void {
    this.#withdraw();
  }

  /** Cut off from its relay, as by a crash or a network. */
  lose(): void {
    this.#wire?.lose();
  }

  put(group: number, object: number, bytes?: number): void {
    this.server.publish(objectAt(group, object, bytes), {
      endOfGroup: true,
      firstObject: object === 0,
      priority: undefined,
    });
    if (object === OBJECTS - 1) this.server.endSubgroup(group, 0, { clean: true, endOfGroup: true });
  }
}

/** Objects `from` to `to` of a running count, OBJECTS to a group, published by all at once. */
export async function air(
  clock: FakeClock,
  publishers: readonly TestPublisher[],
  from: number,
  to: number,
): Promise<void> {
  for (let at = from; at < to; at++) {
    for (const publisher of publishers) publisher.put(Math.floor(at / OBJECTS), at % OBJECTS);
    await quiet(clock);
  }
}

export const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `${Math.floor((from + i) / OBJECTS)}/${(from + i) % OBJECTS}`);

/** A viewer that writes down what it gets. */
export class TestViewer {
  readonly live: string[] = [];
  readonly fetched: string[] = [];
  readonly ends: string[] = [];
  connection!: Connection;
  wire!: MemoryTransport;
  subscription: Subscription | undefined;

  async join(relay: TestRelay): Promise<this> {
    ({ connection: this.connection, wire: this.wire } = await relay.dial());
    return this;
  }

  async subscribe(track = VIDEO, forward = true): Promise<void> {
    const sink: ObjectSink = {
      object: ({ group, object }) => this.live.push(`${group}/${object}`),
      streamEnd: ({ group, complete }) => this.ends.push(`${group} ${complete ? "fin" : "reset"}`),
    };
    this.subscription = await this.connection.subscribe(
      { track, filter: { type: "largest-object" }, forward },
      sink,
    );
  }

  /** Subscribes, and fetches the groups before: together what a player does. */
  async watch(groupsBefore = 0, track = VIDEO): Promise<void> {
    await this.subscribe(track);
    if (this.subscription?.largest === undefined) return;
    await this.connection.joiningFetch(
      { subscription: this.subscription, start: { relative: groupsBefore } },
      this.#fetchSink(),
    );
  }

  async fetch(first: number, last: number): Promise<void> {
    await this.connection.fetch(
      { track: VIDEO, start: { group: first, object: 0 }, end: { group: last } },
      this.#fetchSink(),
    );
  }

  /** All it has, in the order in which a player would play it. */
  get seen(): readonly string[] {
    return [...this.fetched, ...this.live];
  }

  /** The same by groups: streams of different groups may overtake each other, objects of one group may not. */
  get seenByGroup(): readonly string[] {
    return [...this.seen].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  }

  #fetchSink(): ObjectSink {
    return { object: ({ group, object }) => this.fetched.push(`${group}/${object}`) };
  }
}

/** Lets time pass for as long as the promise needs, up to 20 s of the test's clock. */
export async function within<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const settled = promise.finally(() => {
    done = true;
  });
  settled.catch(() => undefined);
  for (let waited = 0; !done && waited < 20_000; waited += 50) {
    await quiet(clock);
    if (!done) await clock.run(50);
  }
  if (!done) throw new Error("nothing came of it within 20 s");
  return settled;
}
