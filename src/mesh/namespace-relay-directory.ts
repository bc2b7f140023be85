/**
 * A directory kept in MoQ namespaces, so that relays need nothing besides each other.
 *
 * A relay that serves a broadcast keeps `countersign-mesh relays <broadcast> <record>` announced on every relay it is linked to, itself included. Relays read that
 * prefix. What a relay knows it tells to viewers under another one, `countersign-mesh found`, which relays never read: were the same names passed from
 * relay to relay, two that read each other would keep a dead one alive for ever.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { utf8Decode, utf8Encode } from "../utf8.ts";
import type { FullTrackName, Namespace } from "../wire/names.ts";
import { namespaceKey, namespaceOf, parseNamespaceKey } from "../wire/names.ts";
import { byId } from "./membership.ts";
import { type BoardLink, NamespaceBoard } from "./namespace-board.ts";
import { RelayPull } from "./pull.ts";
import {
  covers,
  type Pull,
  type PullListener,
  type PullOptions,
  type RelayDirectory,
  type RelayRecord,
} from "./relay-directory.ts";

/** What relays say to relays. */
export const RELAYS_PREFIX: Namespace = namespaceOf("countersign-mesh", "relays");

/** What relays say to viewers; the broadcast follows, in its printable form. */
export const FOUND_PREFIX: Namespace = namespaceOf("countersign-mesh", "found");

/** A broadcast's printable name in an announcement. With the record it stays below the 4,096 bytes that a name may have (draft-18 §2.4.1). */
const MAX_BROADCAST_BYTES = 2048;
const MAX_RECORD_BYTES = 1536;

export interface NamespaceDirectoryOptions {
  readonly clock: Clock;
  /** Ourselves as others reach us; absent: we only look. */
  readonly self?: Omit<RelayRecord, "tier">;
  /** For a viewer: the one broadcast it looks for. Absent: we are a relay and read what relays say to each other. */
  readonly broadcast?: Namespace;
  readonly graceMs?: number;
  readonly settleMs?: number;
}

interface Served {
  readonly namespace: Namespace;
  readonly record: RelayRecord;
}

export class NamespaceRelayDirectory implements RelayDirectory {
  readonly #options: NamespaceDirectoryOptions;
  readonly #board: NamespaceBoard;
  readonly #announced = new Map<string, Namespace>();
  readonly #events = new Emitter<{ changed: undefined }>();
  #served: readonly Served[] = [];

  constructor(options: NamespaceDirectoryOptions) {
    const { clock, broadcast, graceMs, settleMs } = options;
    this.#options = options;
    this.#board = new NamespaceBoard({
      clock,
      prefix: broadcast === undefined ? RELAYS_PREFIX : foundPrefix(broadcast),
      ...(graceMs !== undefined && { graceMs }),
      ...(settleMs !== undefined && { settleMs }),
    });
    this.#board.on("changed", () => {
      this.#read();
      this.#events.emit("changed", undefined);
    });
  }

  get settled(): boolean {
    return this.#board.settled;
  }

  /** Reads from and announces to this relay until the connection closes. */
  attach(link: BoardLink): () => void {
    return this.#board.attach(link);
  }

  locate(namespace: Namespace, tier?: RelayRecord["tier"]): readonly RelayRecord[] {
    const found = new Map<string, RelayRecord>();
    for (const { namespace: served, record } of this.#of(tier))
      if (covers(served, namespace)) found.set(record.id, record);
    return [...found.values()].sort(byId);
  }

  namespaces(tier?: RelayRecord["tier"]): readonly Namespace[] {
    return [...new Map(this.#of(tier).map(({ namespace }) => [namespaceKey(namespace), namespace])).values()];
  }

  pull(track: FullTrackName, listener: PullListener, options: PullOptions = {}): Pull {
    return new RelayPull(this, this.#options.clock, track, listener, options);
  }

  announce(namespace: Namespace, tier: RelayRecord["tier"]): void {
    const { self, broadcast } = this.#options;
    if (self === undefined || broadcast !== undefined) return;
    const notice = noticeOf(namespace, { ...self, tier });
    const key = namespaceKey(namespace);
    const before = this.#announced.get(key);
    if (before !== undefined && namespaceKey(before) !== namespaceKey(notice)) this.#board.remove(before);
    this.#announced.set(key, notice);
    this.#board.post(notice);
  }

  withdraw(namespace: Namespace): void {
    const key = namespaceKey(namespace);
    const notice = this.#announced.get(key);
    this.#announced.delete(key);
    if (notice !== undefined) this.#board.remove(notice);
  }

  on(_type: "changed", listener: () => void): () => void {
    return this.#events.on("changed", listener);
  }

  close(): void {
    this.#board.close();
    this.#events.clear();
  }

  #of(tier: RelayRecord["tier"] | undefined): readonly Served[] {
    return tier === undefined ? this.#served : this.#served.filter(({ record }) => record.tier === tier);
  }

  #read(): void {
    const { self, broadcast } = this.#options;
    const served: Served[] = [];
    for (const notice of this.#board.notices()) {
      const read = broadcast === undefined ? parseNotice(notice) : parseFound(broadcast, notice);
      if (read !== undefined && read.record.id !== self?.id) served.push(read);
    }
    this.#served = served;
  }
}

/** The prefix under which a viewer looks for a broadcast. Throws "limit-exceeded" when the name is too long for it. */
export function foundPrefix(broadcast: Namespace): Namespace {
  return [...FOUND_PREFIX, broadcastField(broadcast)];
}

/** What follows {@link foundPrefix} for one relay. */
export function foundSuffix(record: RelayRecord): Namespace {
  return [recordField(record)];
}

/** The broadcast that a prefix of a viewer's asks about; undefined when it asks for something else. */
export function broadcastOfPrefix(prefix: Namespace): Namespace | undefined {
  if (prefix.length !== FOUND_PREFIX.length + 1 || !covers(FOUND_PREFIX, prefix)) return undefined;
  return parseBroadcast(prefix[FOUND_PREFIX.length]!);
}

function noticeOf(namespace: Namespace, record: RelayRecord): Namespace {
  return [broadcastField(namespace), recordField(record)];
}

function broadcastField(namespace: Namespace): Uint8Array {
  return limited(utf8Encode(namespaceKey(namespace)), MAX_BROADCAST_BYTES, "The broadcast's name");
}

function recordField({ id, tier, weight, certificateHash }: RelayRecord): Uint8Array {
  const json = JSON.stringify({
    url: id,
    tier,
    ...(weight !== undefined && { weight }),
    ...(certificateHash !== undefined && { sha256: certificateHash }),
  });
  return limited(utf8Encode(json), MAX_RECORD_BYTES, "The relay's address");
}

function limited(bytes: Uint8Array, maxBytes: number, what: string): Uint8Array {
  if (bytes.byteLength <= maxBytes) return bytes;
  throw new CountersignError(
    "limit-exceeded",
    `${what} takes ${bytes.byteLength} bytes; ${maxBytes} can be announced.`,
    {
      hint: "Choose a shorter name.",
      section: "draft-ietf-moq-transport-18 §2.4.1",
    },
  );
}

function parseNotice(notice: Namespace): Served | undefined {
  const [broadcast, field] = notice;
  if (notice.length !== 2 || broadcast === undefined || field === undefined) return undefined;
  const namespace = parseBroadcast(broadcast);
  const record = parseRecord(field);
  return namespace && record && { namespace, record };
}

function parseFound(namespace: Namespace, suffix: Namespace): Served | undefined {
  const record = suffix.length === 1 ? parseRecord(suffix[0]!) : undefined;
  return record && { namespace, record };
}

function parseBroadcast(field: Uint8Array): Namespace | undefined {
  const text = utf8Decode(field);
  if (text === undefined || text === "") return undefined;
  try {
    return parseNamespaceKey(text);
  } catch {
    return undefined;
  }
}

/** Undefined for anything that is not a record in full: anybody may announce anything. */
function parseRecord(field: Uint8Array): RelayRecord | undefined {
  if (field.byteLength > MAX_RECORD_BYTES) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(utf8Decode(field) ?? "");
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { url, tier, weight, sha256 } = json as Record<string, unknown>;
  if (typeof url !== "string" || !/^https:\/\/[^/#?]+/.test(url) || url.includes("#")) return undefined;
  if (!URL.canParse(url)) return undefined;
  if (tier !== "origin" && tier !== "edge") return undefined;
  if (weight !== undefined && !(typeof weight === "number" && weight >= 0 && weight <= 1e6)) return undefined;
  if (sha256 !== undefined && !(typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)))
    return undefined;
  return {
    id: url,
    tier,
    ...(weight !== undefined && { weight }),
    ...(sha256 !== undefined && { certificateHash: sha256 }),
  };
}
