/** A directory within one process: for tests, and for relays that share a process. */
import type { Clock } from "../clock.ts";
import { Emitter } from "../events.ts";
import type { FullTrackName, Namespace } from "../wire/names.ts";
import { namespaceKey } from "../wire/names.ts";
import { byId } from "./membership.ts";
import { RelayPull } from "./pull.ts";
import {
  covers,
  type Pull,
  type PullListener,
  type PullOptions,
  type RelayDirectory,
  type RelayRecord,
} from "./relay-directory.ts";

interface Served {
  readonly namespace: Namespace;
  readonly record: RelayRecord;
}

/** What the directories of several nodes share. */
export class DirectoryTable {
  readonly #served = new Map<string, Served>();
  readonly #events = new Emitter<{ changed: undefined }>();

  /** The directory of one node; without `self` of one that only looks. */
  directory(clock: Clock, self?: Omit<RelayRecord, "tier">): RelayDirectory {
    return new MemoryRelayDirectory(this, clock, self);
  }

  get served(): Iterable<Served> {
    return this.#served.values();
  }

  on(listener: () => void): () => void {
    return this.#events.on("changed", listener);
  }

  put(namespace: Namespace, record: RelayRecord): void {
    this.#served.set(keyOf(namespace, record.id), { namespace, record });
    this.#events.emit("changed", undefined);
  }

  remove(namespace: Namespace, id: string): void {
    if (this.#served.delete(keyOf(namespace, id))) this.#events.emit("changed", undefined);
  }
}

class MemoryRelayDirectory implements RelayDirectory {
  readonly settled = true;
  readonly #table: DirectoryTable;
  readonly #clock: Clock;
  readonly #self: Omit<RelayRecord, "tier"> | undefined;
  readonly #announced = new Map<string, Namespace>();
  readonly #stops = new Set<() => void>();

  constructor(table: DirectoryTable, clock: Clock, self: Omit<RelayRecord, "tier"> | undefined) {
    this.#table = table;
    this.#clock = clock;
    this.#self = self;
  }

  locate(namespace: Namespace, tier?: RelayRecord["tier"]): readonly RelayRecord[] {
    const found = new Map<string, RelayRecord>();
    for (const { namespace: served, record } of this.#others(tier))
      if (covers(served, namespace)) found.set(record.id, record);
    return [...found.values()].sort(byId);
  }

  namespaces(tier?: RelayRecord["tier"]): readonly Namespace[] {
    return [
      ...new Map(this.#others(tier).map(({ namespace }) => [namespaceKey(namespace), namespace])).values(),
    ];
  }

  pull(track: FullTrackName, listener: PullListener, options: PullOptions = {}): Pull {
    return new RelayPull(this, this.#clock, track, listener, options);
  }

  announce(namespace: Namespace, tier: RelayRecord["tier"]): void {
    if (this.#self === undefined) return;
    this.#announced.set(namespaceKey(namespace), namespace);
    this.#table.put(namespace, { ...this.#self, tier });
  }

  withdraw(namespace: Namespace): void {
    if (this.#self === undefined || !this.#announced.delete(namespaceKey(namespace))) return;
    this.#table.remove(namespace, this.#self.id);
  }

  on(_type: "changed", listener: () => void): () => void {
    const stop = this.#table.on(listener);
    this.#stops.add(stop);
    return stop;
  }

  close(): void {
    for (const namespace of [...this.#announced.values()]) this.withdraw(namespace);
    for (const stop of this.#stops) stop();
  }

  #others(tier: RelayRecord["tier"] | undefined): Served[] {
    return [...this.#table.served].filter(
      ({ record }) => record.id !== this.#self?.id && (tier === undefined || record.tier === tier),
    );
  }
}

function keyOf(namespace: Namespace, id: string): string {
  return `${namespaceKey(namespace)} ${id}`;
}
