/** A relay as a board sees it, without sessions: namespaces announced on one link are listed on all. */
import { CountersignError } from "../errors.ts";
import type { ConnectionEnd } from "../transport/connection.ts";
import type { Namespace } from "../wire/names.ts";
import { namespaceKey } from "../wire/names.ts";
import type { BoardLink } from "./namespace-board.ts";
import { covers } from "./relay-directory.ts";

interface Watcher {
  readonly prefix: Namespace;
  readonly listener: { added(namespace: Namespace): void; removed(namespace: Namespace): void };
}

export interface HubLink extends BoardLink {
  /** The session ends: its announcements go, its watches end. */
  lose(): void;
}

export class BoardHub {
  /** Requests are refused while true. */
  refusing = false;
  requests = 0;
  readonly #announced = new Map<object, Namespace>();
  readonly #watchers = new Set<Watcher>();

  /** Names that are announced now, with repetitions. */
  get announced(): readonly string[] {
    return [...this.#announced.values()].map(namespaceKey);
  }

  link(): HubLink {
    let over = false;
    let close: (end: ConnectionEnd) => void = () => undefined;
    const closed = new Promise<ConnectionEnd>((resolve) => {
      close = resolve;
    });
    const ends = new Set<() => void>();
    const admit = (): void => {
      this.requests++;
      if (over) throw new CountersignError("session-closed", "The link is over.");
      if (this.refusing) throw new CountersignError("request-rejected", "Not now.", { protocolCode: 0x9 });
    };
    return {
      closed,
      lose: () => {
        over = true;
        for (const end of [...ends]) end();
        close({ error: undefined, byUs: false });
      },
      publishNamespace: async (namespace) => {
        admit();
        await Promise.resolve();
        const token = {};
        this.#announced.set(token, namespace);
        this.#tell(namespace, "added");
        let finish: () => void = () => undefined;
        const ended = new Promise<void>((resolve) => {
          finish = resolve;
        });
        const end = (): void => {
          if (!this.#announced.delete(token)) return;
          if (!this.announced.includes(namespaceKey(namespace))) this.#tell(namespace, "removed");
          ends.delete(end);
          finish();
        };
        ends.add(end);
        return { ended, withdraw: end };
      },
      subscribeNamespace: async (prefix, listener) => {
        admit();
        await Promise.resolve();
        const watcher: Watcher = { prefix, listener };
        this.#watchers.add(watcher);
        for (const namespace of new Map(
          [...this.#announced.values()].map((name) => [namespaceKey(name), name]),
        ).values()) {
          if (covers(prefix, namespace)) listener.added(namespace);
        }
        let finish: () => void = () => undefined;
        const ended = new Promise<void>((resolve) => {
          finish = resolve;
        });
        const end = (): void => {
          this.#watchers.delete(watcher);
          ends.delete(end);
          finish();
        };
        ends.add(end);
        return { ended, cancel: end };
      },
    };
  }

  #tell(namespace: Namespace, what: "added" | "removed"): void {
    for (const { prefix, listener } of [...this.#watchers])
      if (covers(prefix, namespace)) listener[what](namespace);
  }
}
