/** Which namespaces are published here, and who wants to know (draft-18 §6.1). */
import { CountersignError } from "../../../src/errors.ts";
import { Emitter } from "../../../src/events.ts";
import type { BoardLink } from "../../../src/mesh/namespace-board.ts";
import { covers } from "../../../src/mesh/relay-directory.ts";
import type { ConnectionEnd } from "../../../src/transport/connection.ts";
import { type Namespace, namespaceKey } from "../../../src/wire/names.ts";

interface Watcher {
  readonly prefix: Namespace;
  readonly add: (suffix: Namespace) => void;
  readonly remove: (suffix: Namespace) => void;
}

export class NamespaceListing implements BoardLink {
  readonly closed: Promise<ConnectionEnd>;
  /** With how many publishers each has. */
  readonly #published = new Map<string, { readonly namespace: Namespace; publishers: number }>();
  readonly #watchers = new Set<Watcher>();
  readonly #events = new Emitter<{ changed: undefined }>();
  #close: (end: ConnectionEnd) => void = () => undefined;
  #over = false;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  has(namespace: Namespace): boolean {
    return this.#published.has(namespaceKey(namespace));
  }

  onChange(listener: () => void): () => void {
    return this.#events.on("changed", listener);
  }

  /** One more publisher of this namespace; watchers are told of the first. */
  add(namespace: Namespace): void {
    const key = namespaceKey(namespace);
    const known = this.#published.get(key);
    if (known) {
      known.publishers++;
      return;
    }
    this.#published.set(key, { namespace, publishers: 1 });
    for (const watcher of this.#watchers)
      if (covers(watcher.prefix, namespace)) watcher.add(namespace.slice(watcher.prefix.length));
    this.#events.emit("changed", undefined);
  }

  /** One publisher less; watchers are told of the last. */
  remove(namespace: Namespace): void {
    const key = namespaceKey(namespace);
    const known = this.#published.get(key);
    if (!known || --known.publishers > 0) return;
    this.#published.delete(key);
    for (const watcher of this.#watchers)
      if (covers(watcher.prefix, namespace)) watcher.remove(namespace.slice(watcher.prefix.length));
    this.#events.emit("changed", undefined);
  }

  /** Tells what is published under the prefix, now and from now on. Returns the function that ends it. */
  watch(prefix: Namespace, add: Watcher["add"], remove: Watcher["remove"]): () => void {
    const watcher: Watcher = { prefix, add, remove };
    this.#watchers.add(watcher);
    for (const { namespace } of this.#published.values())
      if (covers(prefix, namespace)) add(namespace.slice(prefix.length));
    return () => this.#watchers.delete(watcher);
  }

  // ---- as a link within the process ----

  async publishNamespace(namespace: Namespace): ReturnType<BoardLink["publishNamespace"]> {
    this.#mustBeOpen();
    this.add(namespace);
    let withdrawn = false;
    return {
      ended: this.closed.then(() => undefined),
      withdraw: () => {
        if (!withdrawn) this.remove(namespace);
        withdrawn = true;
      },
    };
  }

  async subscribeNamespace(
    ...[prefix, listener]: Parameters<BoardLink["subscribeNamespace"]>
  ): ReturnType<BoardLink["subscribeNamespace"]> {
    this.#mustBeOpen();
    const cancel = this.watch(
      prefix,
      (suffix) => listener.added([...prefix, ...suffix]),
      (suffix) => listener.removed([...prefix, ...suffix]),
    );
    return { cancel, ended: this.closed.then(() => undefined) };
  }

  close(): void {
    this.#over = true;
    this.#watchers.clear();
    this.#events.clear();
    this.#close({ error: undefined, byUs: true });
  }

  #mustBeOpen(): void {
    if (this.#over) throw new CountersignError("session-closed", "The relay has stopped.");
  }
}
