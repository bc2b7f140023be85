/**
 * Following redirects (draft-18 §10.6.1): a peer that refuses a request may say where to ask instead.
 *
 * It says so of its own accord, so how far it is believed is the app's decision: a {@link RedirectPolicy} names the origins that may be gone to and how often. What
 * comes from there is verified like everything else.
 */
import { CountersignError, type RedirectDetail } from "../errors.ts";
import type { FullTrackName } from "../wire/names.ts";
import { webTransportAddress } from "./browser-dial.ts";
import type { Connection, Subscription } from "./connection.ts";
import { handled } from "./stream-errors.ts";

export interface RedirectPolicy {
  /** Origins that may be gone to beside the one that redirects, e.g. `https://relay2.example.com:4443`. Default: none. */
  readonly origins?: readonly string[];
  /** Redirects of one request, one after the other. Default {@link MAX_REDIRECT_HOPS}; 0 follows none. */
  readonly maxHops?: number;
}

/** A directory that sends to a region that sends to a machine takes two; a circle is noticed at the third. Past it: "redirect-refused". */
export const MAX_REDIRECT_HOPS = 3;

/** Sessions that one peer may make us open beside the first. Past it: "redirect-refused". */
export const MAX_REDIRECT_SESSIONS = 4;

/** Where a redirect or GOAWAY from `from` to `to` leads: an https: address. Throws "redirect-refused" when the policy forbids it, "address-invalid" for no address. */
export function redirectTarget(from: string, to: string, { origins = [] }: RedirectPolicy = {}): string {
  const target = webTransportAddress(to);
  const { origin } = new URL(target);
  const allowed = [webTransportAddress(from), ...origins.map(webTransportAddress)];
  if (allowed.some((address) => new URL(address).origin === origin)) return target;
  throw refused(from, `it leads to ${origin}, which is not allowed`);
}

function refused(peer: string, why: string): CountersignError {
  return new CountersignError("redirect-refused", `A redirect was not followed: ${why}.`, {
    peer,
    section: "draft-ietf-moq-transport-18 §10.6.1",
    hint: "Name the address itself as a peer, or allow its origin.",
  });
}

export interface FollowOptions {
  /** Opens a session to an address that the policy allows. */
  readonly connect: (url: string) => Promise<Connection>;
  readonly policy?: RedirectPolicy;
}

/**
 * The same connection, except that requests go where a redirect sends them, and a joining fetch to where its subscription is. Sessions opened for that end
 * with the first one. Announcements and the watching of namespaces follow to another session and not to another namespace, of which nobody here would know:
 * that, a redirect that the policy forbids, and a redirect of PUBLISH reject with "redirect-refused", every other refusal as before.
 */
export function followingRedirects(home: Connection, options: FollowOptions): Connection {
  const follower = new Follower(home, options);
  return {
    url: home.url,
    version: home.version,
    peerImplementation: home.peerImplementation,
    closed: home.closed,
    get onGoaway() {
      return home.onGoaway;
    },
    set onGoaway(listener) {
      home.onGoaway = listener;
    },
    subscribe: (wanted, sink) =>
      follower.follow(wanted.track, async (connection, track) => {
        const subscription = await connection.subscribe({ ...wanted, track }, sink);
        follower.remember(subscription, connection);
        return subscription;
      }),
    fetch: (wanted, sink) =>
      follower.follow(wanted.track, (connection, track) => connection.fetch({ ...wanted, track }, sink)),
    trackStatus: (wanted) => follower.follow(wanted, (connection, track) => connection.trackStatus(track)),
    joiningFetch: (wanted, sink) => follower.homeOf(wanted.subscription).joiningFetch(wanted, sink),
    publishNamespace: (namespace) =>
      follower.followNamespace((connection) => connection.publishNamespace(namespace)),
    subscribeNamespace: (prefix, listener) =>
      follower.followNamespace((connection) => connection.subscribeNamespace(prefix, listener)),
    // What a peer publishes arrives at the handlers of the session, which other sessions do not have.
    subscribeTracks: (prefix, wanted) => follower.stay(home.subscribeTracks(prefix, wanted)),
    publish: (track, wanted) => follower.stay(home.publish(track, wanted)),
    probe: () => follower.probe(),
    goaway: (newUri, timeoutMs) => home.goaway(newUri, timeoutMs),
    close: (code, reason) => home.close(code, reason),
  };
}

class Follower {
  readonly #home: Connection;
  readonly #options: FollowOptions;
  readonly #sessions = new Map<string, Promise<Connection>>();
  readonly #homes = new WeakMap<Subscription, Connection>();
  #over = false;

  constructor(home: Connection, options: FollowOptions) {
    this.#home = home;
    this.#options = options;
    void home.closed.then(() => {
      this.#over = true;
      for (const session of this.#sessions.values())
        handled(session.then((connection) => connection.close()));
    });
  }

  remember(subscription: Subscription, connection: Connection): void {
    this.#homes.set(subscription, connection);
  }

  homeOf(subscription: Subscription): Connection {
    return this.#homes.get(subscription) ?? this.#home;
  }

  async follow<T>(
    track: FullTrackName,
    ask: (connection: Connection, track: FullTrackName) => Promise<T>,
  ): Promise<T> {
    let name = track;
    return this.#follow(
      (connection) => ask(connection, name),
      ({ namespace, name: other }) => {
        // §10.6.1: both empty means the same track.
        if (namespace.length > 0 || other.byteLength > 0) name = { namespace, name: other };
      },
    );
  }

  followNamespace<T>(ask: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#follow(ask, ({ namespace }, from) => {
      if (namespace.length > 0) throw refused(from.url, "it leads to another namespace");
    });
  }

  /** A request that is not followed anywhere: a redirect of it is a refusal. */
  stay<T>(request: Promise<T>): Promise<T> {
    return request.catch((thrown: unknown) => {
      const redirected = thrown instanceof CountersignError && thrown.redirect !== undefined;
      throw redirected ? refused(this.#home.url, "requests of this kind are bound to their session") : thrown;
    });
  }

  probe(): void {
    this.#home.probe?.();
    for (const session of this.#sessions.values()) handled(session.then((other) => other.probe?.()));
  }

  async #follow<T>(
    ask: (connection: Connection) => Promise<T>,
    renamed: (redirect: RedirectDetail, from: Connection) => void,
  ): Promise<T> {
    const { policy = {} } = this.#options;
    const maxHops = policy.maxHops ?? MAX_REDIRECT_HOPS;
    let connection = this.#home;
    for (let hops = 0; ; hops++) {
      try {
        return await ask(connection);
      } catch (thrown) {
        const redirect = thrown instanceof CountersignError ? thrown.redirect : undefined;
        if (!redirect) throw thrown;
        if (hops >= maxHops) throw refused(connection.url, `${hops} have been followed already`);
        renamed(redirect, connection);
        if (redirect.connectUri !== "")
          connection = await this.#session(redirectTarget(connection.url, redirect.connectUri, policy));
      }
    }
  }

  #session(url: string): Promise<Connection> {
    if (url === webTransportAddress(this.#home.url)) return Promise.resolve(this.#home);
    const open = this.#sessions.get(url);
    if (open) return open;
    if (this.#sessions.size >= MAX_REDIRECT_SESSIONS) {
      throw refused(this.#home.url, `${MAX_REDIRECT_SESSIONS} other sessions are open for its sake`);
    }
    const opening = this.#open(url);
    this.#sessions.set(url, opening);
    const forget = () => void this.#sessions.delete(url);
    opening.then((connection) => connection.closed.then(forget), forget);
    return opening;
  }

  async #open(url: string): Promise<Connection> {
    const connection = await this.#options.connect(url);
    // The first session ended meanwhile, and with it the reason for this one.
    if (this.#over) connection.close();
    return connection;
  }
}
