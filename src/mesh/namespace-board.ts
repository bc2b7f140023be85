/**
 * Notices that relays carry for us: every notice is a namespace announced under one prefix (PUBLISH_NAMESPACE, draft-18 §10.15), and whoever watches the prefix
 * (SUBSCRIBE_NAMESPACE) sees them come and go. A notice lasts as long as the session that posted it, so whoever crashes takes its notices along: the
 * session's own liveness is the heartbeat. A board reads any number of links and posts to all of them; it counts a notice once.
 */
import type { Clock } from "../clock.ts";
import { Emitter } from "../events.ts";
import type { AnnouncedNamespace, Connection } from "../transport/connection.ts";
import { type Namespace, namespaceKey } from "../wire/names.ts";

/** What a board needs of a connection; a relay gives one to itself without a wire. */
export type BoardLink = Pick<Connection, "publishNamespace" | "subscribeNamespace" | "closed">;

/** How long notices outlive the link that told of them: a reconnect normally finds them again, and nobody should move because of it. */
export const LOST_LINK_GRACE_MS = 10_000;

/** How long after the first link accepted the watch its notices are taken to be complete: they follow the acceptance on the same stream. */
export const SETTLE_MS = 250;

/** Pause before a watch or a posting that was refused, or ended by the relay, is tried again. */
export const BOARD_RETRY_MS = 1_000;

/** Notices kept: ten broadcasts on each of 1,000 relays. Past it new ones are not seen; a hostile relay can invent any number. */
export const MAX_NOTICES = 10_000;

export interface NamespaceBoardOptions {
  readonly clock: Clock;
  readonly prefix: Namespace;
  readonly graceMs?: number;
  readonly settleMs?: number;
}

interface Notice {
  readonly suffix: Namespace;
  readonly links: Set<Link>;
  cancelExpiry: (() => void) | undefined;
}

interface Link {
  readonly port: BoardLink;
  readonly posted: Map<string, Posting>;
  readonly cancels: Set<() => void>;
  stopWatching: (() => void) | undefined;
  over: boolean;
}

interface Posting {
  announced: AnnouncedNamespace | undefined;
  withdrawn: boolean;
}

export class NamespaceBoard {
  readonly #options: NamespaceBoardOptions;
  readonly #events = new Emitter<{ changed: undefined }>();
  readonly #notices = new Map<string, Notice>();
  readonly #own = new Map<string, Namespace>();
  readonly #links = new Set<Link>();
  #settled = false;
  #cancelSettling: (() => void) | undefined;
  #closed = false;

  constructor(options: NamespaceBoardOptions) {
    this.#options = options;
  }

  /** Notices came or went, or the board became {@link settled}. */
  on(type: "changed", listener: () => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Some link has told all it knows: from now on, what is not here does not exist as far as anybody knows. */
  get settled(): boolean {
    return this.#settled;
  }

  /** What follows the prefix in each notice, in no particular order; ours included when a link echoes them (draft-18 §6.1). */
  notices(): readonly Namespace[] {
    return [...this.#notices.values()].map(({ suffix }) => suffix);
  }

  /** Reads from and posts to this link until it closes. Returns the function that ends that earlier; the connection itself is not closed. */
  attach(port: BoardLink): () => void {
    const link: Link = {
      port,
      posted: new Map(),
      cancels: new Set(),
      stopWatching: undefined,
      over: this.#closed,
    };
    if (link.over) return () => undefined;
    this.#links.add(link);
    void this.#watch(link);
    for (const [key, suffix] of this.#own) void this.#post(link, key, suffix);
    void port.closed.then(() => this.#detach(link));
    return () => this.#detach(link);
  }

  /** Posts on every link, also on those attached later, until remove(). */
  post(suffix: Namespace): void {
    const key = namespaceKey(suffix);
    if (this.#closed || this.#own.has(key)) return;
    this.#own.set(key, suffix);
    for (const link of this.#links) void this.#post(link, key, suffix);
  }

  remove(suffix: Namespace): void {
    const key = namespaceKey(suffix);
    this.#own.delete(key);
    for (const link of this.#links) withdraw(link, key);
  }

  close(): void {
    if (this.#closed) return;
    for (const key of [...this.#own.keys()]) for (const link of this.#links) withdraw(link, key);
    this.#closed = true;
    this.#own.clear();
    for (const link of [...this.#links]) this.#detach(link);
    for (const notice of this.#notices.values()) notice.cancelExpiry?.();
    this.#notices.clear();
    this.#cancelSettling?.();
    this.#events.clear();
  }

  async #watch(link: Link): Promise<void> {
    try {
      const watch = await link.port.subscribeNamespace(this.#options.prefix, {
        added: (namespace) => this.#added(link, this.#suffixOf(namespace)),
        removed: (namespace) => this.#removed(link, this.#suffixOf(namespace)),
      });
      if (link.over) {
        watch.cancel();
        return;
      }
      link.stopWatching = () => watch.cancel();
      this.#settleSoon();
      await watch.ended;
    } catch {
      // Refused: by a relay that does not do this, or that is overloaded. Asked again below.
    }
    link.stopWatching = undefined;
    if (link.over) return;
    for (const key of [...this.#notices.keys()]) this.#unseen(link, key, true);
    this.#later(link, () => void this.#watch(link));
  }

  async #post(link: Link, key: string, suffix: Namespace): Promise<void> {
    const posting: Posting = { announced: undefined, withdrawn: false };
    link.posted.set(key, posting);
    try {
      const announced = await link.port.publishNamespace([...this.#options.prefix, ...suffix]);
      if (posting.withdrawn || link.over) {
        announced.withdraw();
        return;
      }
      posting.announced = announced;
      await announced.ended;
    } catch {
      // Refused; tried again below.
    }
    if (posting.withdrawn || link.over) return;
    this.#later(link, () => {
      if (!posting.withdrawn) void this.#post(link, key, suffix);
    });
  }

  #later(link: Link, action: () => void): void {
    const cancel = this.#options.clock.setTimer(BOARD_RETRY_MS, () => {
      link.cancels.delete(cancel);
      if (!link.over) action();
    });
    link.cancels.add(cancel);
  }

  #suffixOf(namespace: Namespace): Namespace {
    return namespace.slice(this.#options.prefix.length);
  }

  #added(link: Link, suffix: Namespace): void {
    if (link.over) return;
    const key = namespaceKey(suffix);
    let notice = this.#notices.get(key);
    const fresh = notice === undefined;
    if (notice === undefined) {
      if (this.#notices.size >= MAX_NOTICES) return;
      notice = { suffix, links: new Set(), cancelExpiry: undefined };
      this.#notices.set(key, notice);
    }
    notice.links.add(link);
    notice.cancelExpiry?.();
    notice.cancelExpiry = undefined;
    if (fresh) this.#events.emit("changed", undefined);
  }

  #removed(link: Link, suffix: Namespace): void {
    this.#unseen(link, namespaceKey(suffix), false);
  }

  /** A link does not tell of this notice any more: because it is gone, or (`lost`) because the link is. */
  #unseen(link: Link, key: string, lost: boolean): void {
    const notice = this.#notices.get(key);
    if (notice === undefined || !notice.links.delete(link) || notice.links.size > 0) return;
    if (lost) {
      notice.cancelExpiry = this.#options.clock.setTimer(this.#options.graceMs ?? LOST_LINK_GRACE_MS, () =>
        this.#forget(key),
      );
    } else this.#forget(key);
  }

  #forget(key: string): void {
    if (this.#notices.delete(key)) this.#events.emit("changed", undefined);
  }

  #settleSoon(): void {
    if (this.#settled || this.#cancelSettling !== undefined) return;
    this.#cancelSettling = this.#options.clock.setTimer(this.#options.settleMs ?? SETTLE_MS, () => {
      this.#settled = true;
      this.#events.emit("changed", undefined);
    });
  }

  #detach(link: Link): void {
    if (link.over) return;
    for (const key of [...link.posted.keys()]) withdraw(link, key);
    link.over = true;
    this.#links.delete(link);
    for (const cancel of link.cancels) cancel();
    link.stopWatching?.();
    if (!this.#closed) for (const key of [...this.#notices.keys()]) this.#unseen(link, key, true);
  }
}

function withdraw(link: Link, key: string): void {
  const posting = link.posted.get(key);
  if (posting === undefined) return;
  link.posted.delete(key);
  posting.withdrawn = true;
  posting.announced?.withdraw();
}
