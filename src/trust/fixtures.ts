/** For tests of this room: a clock that stands still, and a signer that says whatever it is told, true or not. */
import type { Clock } from "../clock.ts";
import { type FullTrackName, namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { addVarInt, type VarInt } from "../wire/varint.ts";
import { fromHex } from "./bytes.ts";
import type { CborValue } from "./cbor.ts";
import { encodeSign1 } from "./cose.ts";
import { KEY_STATEMENT, MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import { importSeed, type SigningKey } from "./keys.ts";
import { objectLeaf } from "./leaf.ts";
import { encodeManifest } from "./manifest.ts";
import { merkleRoot } from "./merkle.ts";
import type { Manifest, SignedEntry } from "./types.ts";

export const START_MS = 1_800_000_000_000;
export const VIDEO = trackOf(namespaceOf("example.com", "live"), "video");
export const STREAM_ID = fromHex("000102030405060708090a0b0c0d0e0f");

/** RFC 8032 §7.1: secret keys of TEST 1, TEST 2 and TEST 3. */
export const SEEDS = {
  root: fromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
  signer: fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
  stranger: fromHex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
} as const;

export const keys: Readonly<Record<keyof typeof SEEDS, SigningKey>> = {
  root: await importSeed(SEEDS.root),
  signer: await importSeed(SEEDS.signer),
  stranger: await importSeed(SEEDS.stranger),
};

export class ManualClock implements Clock {
  #nowMs = START_MS;
  readonly #timers = new Set<{ readonly atMs: number; readonly fn: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Runs what falls due on the way, in order of time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fn();
    }
    this.#nowMs = endMs;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }
}

export function mediaObject(group: VarInt, object: VarInt, payload: Uint8Array | string): MoqObject {
  return {
    group,
    object,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
  };
}

/** The object that the tests publish at a location: its payload says where it belongs. */
export function objectAt(group: VarInt, object: VarInt): MoqObject {
  return mediaObject(group, object, `payload of ${group}.${object}`);
}

export async function entryFor(object: MoqObject): Promise<SignedEntry> {
  return { object: object.object, size: object.payload.byteLength, leaf: await objectLeaf(object) };
}

/** Signs manifests one after the other, each field as told. */
export class FreeSigner {
  key: SigningKey;
  readonly clock: Clock;
  sequence: VarInt = 0;
  previous: Uint8Array | undefined;
  track: FullTrackName = VIDEO;
  streamId: Uint8Array = STREAM_ID;
  delegations: readonly Uint8Array[] = [];
  revocations: readonly Uint8Array[] = [];
  successions: readonly Uint8Array[] = [];

  constructor(clock: Clock, key: SigningKey = keys.root) {
    this.clock = clock;
    this.key = key;
  }

  /** A manifest with these fields, and the rest as an honest signer would have it. Does not move the chain on. */
  async say(fields: Partial<Manifest>): Promise<Uint8Array<ArrayBuffer>> {
    const payload = encodeManifest({
      version: 1,
      streamId: this.streamId,
      track: this.track,
      sequence: this.sequence,
      previous: this.sequence === 0 ? undefined : (this.previous ?? new Uint8Array(32)),
      group: 0,
      entries: [],
      completion: undefined,
      issuedAtMs: this.clock.now(),
      freshForMs: 5_000,
      catalogDigest: undefined,
      ...fields,
    });
    const unprotected = new Map<number, CborValue>();
    // Not by sealEnvelope, which stops at what readers look at.
    for (const [kind, envelopes] of [
      ["succession", this.successions],
      ["delegation", this.delegations],
      ["revocation", this.revocations],
    ] as const) {
      if (envelopes.length > 0) unprotected.set(KEY_STATEMENT[kind].label, envelopes);
    }
    return encodeSign1({ key: this.key, externalAad: MANIFEST_AAD, payload, unprotected });
  }

  /** Says it and moves the chain on. */
  async publish(fields: Partial<Manifest>): Promise<Uint8Array<ArrayBuffer>> {
    const envelope = await this.say(fields);
    this.sequence = addVarInt(fields.sequence ?? this.sequence, 1);
    this.previous = openEnvelope(envelope, MANIFEST_AAD).statement;
    return envelope;
  }

  /** One manifest per object of a group, the last one closing it. */
  async publishGroup(group: VarInt, count: number): Promise<Uint8Array<ArrayBuffer>[]> {
    const entries = await Promise.all(
      Array.from({ length: count }, (_, object) => entryFor(objectAt(group, object))),
    );
    const root = merkleRoot(entries.map((entry) => entry.leaf));
    const envelopes: Uint8Array<ArrayBuffer>[] = [];
    for (const [i, entry] of entries.entries()) {
      const completion = i === count - 1 ? { objectCount: count, root } : undefined;
      envelopes.push(await this.publish({ group, entries: [entry], completion }));
    }
    return envelopes;
  }
}
