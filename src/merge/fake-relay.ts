/** A relay for the merge's own tests: a cache, subscriptions and fetches without a wire between, and the ways a relay can fail its subscribers. */
import { CountersignError } from "../errors.ts";
import type {
  Connection,
  ConnectionEnd,
  FetchResult,
  ObjectSink,
  Subscription,
  SubscriptionEnd,
} from "../transport/connection.ts";
import type { Location } from "../wire/names.ts";
import { compareLocations } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { subVarInt } from "../wire/varint.ts";
import type { ConnectionListener, ConnectionProvider } from "./connection-provider.ts";
import type { SourceId } from "./types.ts";

interface Subscriber {
  readonly sink: ObjectSink;
  readonly largest: Location | undefined;
  forward: boolean;
  readonly end: (end: SubscriptionEnd) => void;
}

export class FakeRelay {
  readonly name: SourceId;
  /** What it does to an object before it sends it: another object, or none. */
  send: (object: MoqObject, by: "subscription" | "fetch") => MoqObject | undefined = (object) => object;
  /** Nobody publishes the track here. */
  hasTrack = true;
  /** False: FORWARD 0 is refused as NOT_SUPPORTED, as moq-relay 0.17 does. */
  knowsStandby = true;
  /** False: an update ends the subscription, refused as NOT_SUPPORTED, as moq-relay-ietf 0.8 does. */
  knowsUpdates = true;
  /** Requests get no answer. */
  mute = false;
  up = true;
  /** What it calls itself. */
  implementation: string | undefined;
  readonly fetches: string[] = [];
  subscribes = 0;
  sentObjects = 0;
  readonly #cache: MoqObject[] = [];
  readonly #subscribers = new Set<Subscriber>();
  readonly #connections = new Map<Connection, (end: ConnectionEnd) => void>();
  /** With the connection each has, when it has one. */
  readonly #listeners = new Map<ConnectionListener, Connection | undefined>();

  constructor(name: SourceId) {
    this.name = name;
  }

  get connections(): number {
    return this.#connections.size;
  }

  publish(object: MoqObject): void {
    if (!this.up) return;
    this.#cache.push(object);
    for (const subscriber of [...this.#subscribers])
      if (subscriber.forward) this.#give(subscriber.sink, object, "subscription");
  }

  /** Keeps an object without sending it to subscribers. */
  store(object: MoqObject): void {
    this.#cache.push(object);
  }

  listen(listener: ConnectionListener): () => void {
    this.#listeners.set(listener, undefined);
    void Promise.resolve().then(() => {
      if (!this.#listeners.has(listener)) return;
      if (this.up) this.#open(listener);
      else listener.lost(this.#unreachable());
    });
    return () => {
      const connection = this.#listeners.get(listener);
      this.#listeners.delete(listener);
      connection?.close();
    };
  }

  #open(listener: ConnectionListener): void {
    const connection = this.#connect();
    this.#listeners.set(listener, connection);
    listener.open(connection);
  }

  /** The process dies: sessions end without a word. */
  kill(): void {
    this.up = false;
    this.#endAll(this.#unreachable());
    for (const listener of [...this.#listeners.keys()]) listener.lost(this.#unreachable());
  }

  restart(keepCache = true): void {
    this.up = true;
    if (!keepCache) this.#cache.length = 0;
    for (const listener of [...this.#listeners.keys()]) this.#open(listener);
  }

  /** Ends all subscriptions as a relay does whose publisher left. */
  endTrack(): void {
    for (const subscriber of [...this.#subscribers]) subscriber.end({ reason: "track-ended" });
  }

  #endAll(error: CountersignError | undefined): void {
    for (const subscriber of [...this.#subscribers])
      subscriber.end({ reason: "error", ...(error && { error }) });
    for (const [connection, end] of [...this.#connections]) {
      this.#connections.delete(connection);
      end({ error, byUs: false });
    }
  }

  #unreachable(): CountersignError {
    return new CountersignError("connect-failed", `${this.name} is down.`, { peer: this.name });
  }

  #demandForward(forward: boolean | undefined): void {
    if (forward !== false || this.knowsStandby) return;
    throw new CountersignError("request-rejected", "FORWARD=0 not supported.", { protocolCode: 0x3 });
  }

  #give(sink: ObjectSink, object: MoqObject, by: "subscription" | "fetch"): void {
    const sent = this.send(object, by);
    if (sent === undefined) return;
    this.sentObjects++;
    const start = { group: sent.group, object: sent.object, payloadLength: sent.payload.byteLength };
    if (sink.accept?.(start) ?? true) sink.object(sent);
  }

  get #largest(): Location | undefined {
    return this.#cache.reduce<Location | undefined>(
      (largest, object) =>
        largest === undefined || compareLocations(object, largest) > 0 ? object : largest,
      undefined,
    );
  }

  #connect(): Connection {
    let end: (end: ConnectionEnd) => void = () => undefined;
    const closed = new Promise<ConnectionEnd>((resolve) => {
      end = resolve;
    });
    const never = <T>() => new Promise<T>(() => undefined);
    const subscribers = new Set<Subscriber>();
    const bySubscription = new Map<Subscription, Subscriber>();
    const fetchRange = async (first: Location, last: Location, sink: ObjectSink): Promise<FetchResult> => {
      await Promise.resolve();
      const largest = this.#largest;
      if (largest === undefined || compareLocations(first, largest) > 0) {
        throw new CountersignError("request-rejected", "Invalid range.", { protocolCode: 0x11 });
      }
      const cached = [...this.#cache].sort(compareLocations);
      for (const object of cached) {
        if (compareLocations(object, first) >= 0 && compareLocations(object, last) <= 0)
          this.#give(sink, object, "fetch");
      }
      return { end: compareLocations(last, largest) < 0 ? last : largest, endOfTrack: false };
    };
    const connection = {
      url: this.name,
      version: "moqt-18",
      peerImplementation: this.implementation,
      closed,
      onGoaway: undefined,
      subscribe: async (options, sink) => {
        this.subscribes++;
        await Promise.resolve();
        if (this.mute) return never();
        if (!this.#connections.has(connection)) throw new CountersignError("session-closed", "gone");
        if (!this.hasTrack)
          throw new CountersignError("request-rejected", "No such track.", { protocolCode: 0x10 });
        this.#demandForward(options.forward);
        let ended: (end: SubscriptionEnd) => void = () => undefined;
        const subscriber: Subscriber = {
          sink,
          largest: this.#largest,
          forward: options.forward ?? true,
          end: (how) => {
            this.#subscribers.delete(subscriber);
            subscribers.delete(subscriber);
            ended(how);
          },
        };
        this.#subscribers.add(subscriber);
        subscribers.add(subscriber);
        const subscription: Subscription = {
          track: options.track,
          trackAlias: 1,
          requestId: 0,
          largest: subscriber.largest,
          trackProperties: [],
          ended: new Promise((resolve) => {
            ended = resolve;
          }),
          update: async (parameters) => {
            await Promise.resolve();
            this.#demandForward(parameters.forward);
            if (!this.knowsUpdates) {
              subscriber.end({ reason: "update-failed" });
              throw new CountersignError("request-rejected", "Update failed.", { protocolCode: 0x3 });
            }
            subscriber.forward = parameters.forward ?? subscriber.forward;
          },
          cancel: () => subscriber.end({ reason: "cancelled" }),
        };
        bySubscription.set(subscription, subscriber);
        return subscription;
      },
      fetch: async (options, sink) => {
        const last = options.end.object ?? "";
        this.fetches.push(`${options.start.group}/${options.start.object}-${options.end.group}/${last}`);
        if (this.mute) return never();
        return fetchRange(
          options.start,
          { group: options.end.group, object: options.end.object ?? 0xffff_ffff_ffff_ffffn },
          sink,
        );
      },
      joiningFetch: async (options, sink) => {
        if (this.mute) return never();
        const subscriber = bySubscription.get(options.subscription);
        const largest = this.#largest;
        if (subscriber === undefined || largest === undefined)
          throw new CountersignError("request-rejected", "Invalid range.");
        const group: VarInt =
          "absolute" in options.start
            ? options.start.absolute
            : subVarInt(largest.group, options.start.relative);
        this.fetches.push(`join ${group}`);
        return fetchRange({ group, object: 0 }, largest, sink);
      },
      close: () => {
        for (const subscriber of [...subscribers]) subscriber.end({ reason: "cancelled" });
        this.#connections.delete(connection);
        end({ error: undefined, byUs: true });
      },
    } satisfies Partial<Connection> as unknown as Connection;
    this.#connections.set(connection, end);
    return connection;
  }
}

/** Reaches fake relays by their names. */
export function relayProvider(
  relays: readonly FakeRelay[],
): ConnectionProvider & { readonly kept: readonly SourceId[] } {
  const kept: SourceId[] = [];
  return {
    kept,
    keep(source, listener) {
      kept.push(source);
      const relay = relays.find(({ name }) => name === source);
      const stop = relay?.listen(listener);
      return {
        close: () => {
          kept.splice(kept.indexOf(source), 1);
          stop?.();
        },
      };
    },
  };
}
