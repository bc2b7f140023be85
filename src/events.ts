/** A listener list with types: small enough to use everywhere, and it never lets one listener's failure stop the next. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #onListenerError: (thrown: unknown) => void;

  /** `onListenerError` is told what a listener threw; by default it is rethrown outside the current call. */
  constructor(onListenerError: (thrown: unknown) => void = rethrowLater) {
    this.#onListenerError = onListenerError;
  }

  /** Calls `listener` for each `type` event. Returns the function that removes it. */
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void {
    let set = this.#listeners.get(type);
    if (!set) {
      set = new Set();
      this.#listeners.set(type, set);
    }
    set.add(listener);
    return () => {
      set.delete(listener);
    };
  }

  /** Whether anybody listens: where events come by the thousand, those that nobody wants need not be made. */
  has(type: keyof Events): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(type: K, event: Events[K]): void {
    const set = this.#listeners.get(type);
    if (!set) return;
    // Nearly always there is one. Of more, those are told who listen now, whatever the first ones do to the list.
    if (set.size === 1) this.#call(set.values().next().value as (event: never) => void, event);
    else for (const listener of [...set]) this.#call(listener, event);
  }

  #call<K extends keyof Events>(listener: (event: never) => void, event: Events[K]): void {
    try {
      (listener as (event: Events[K]) => void)(event);
    } catch (thrown) {
      this.#onListenerError(thrown);
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}

function rethrowLater(thrown: unknown): void {
  void Promise.reject(thrown);
}
