/**
 * The signer: says of one track, object by object, what was published.
 *
 * It is given objects as they are cut and hands out manifests (COSE_Sign1 envelopes, see docs/manifest-format.md), which a publisher sends as the objects of the
 * manifest track: the manifest track's group id is the media group's, its object ids count from 0. The last manifest of a group closes it: it carries
 * the number of objects and the Merkle root over all of them. Apart from the time of issue the output depends on the input alone.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { type KeyStatements, MANIFEST_AAD, openEnvelope, sealEnvelope } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import { leafOf, payloadDigest } from "../trust/leaf.ts";
import { MAX_ENTRIES_PER_MANIFEST } from "../trust/limits.ts";
import { encodeManifest, STREAM_ID_BYTES } from "../trust/manifest.ts";
import { merkleRoot } from "../trust/merkle.ts";
import type { GroupCompletion, SignedEntry } from "../trust/types.ts";
import type { FullTrackName } from "../wire/names.ts";
import { addVarInt, type VarInt } from "../wire/varint.ts";

/**
 * Silence of a signer that is normal: 25 objects of 200 ms, or five groups of a second. Long enough for a manifest peer's reconnect (about 2 s), short enough
 * that a viewer whose peers withhold everything is told within seconds.
 */
export const DEFAULT_FRESH_FOR_MS = 5_000;

/** The longest time an entry may wait for others to share a signature: one 40 ms object, so that batching never costs more than a part. */
export const MAX_BATCH_MS = 40;

/** Where a signer stands; to go on with a stream after a restart, keep the last one and pass it as `resume`. */
export interface ChainState {
  readonly nextSequence: VarInt;
  readonly previous: Uint8Array | undefined;
  readonly issuedAtMs: number;
}

export interface TrackSignerOptions {
  readonly key: SigningKey;
  readonly track: FullTrackName;
  /** 16 random bytes of the broadcast; see {@link generateStreamId}. */
  readonly streamId: Uint8Array;
  readonly clock: Clock;
  /** Receives every manifest, in order. */
  readonly publish: (manifest: SignedManifest) => void;
  /** What leads from the roots to `key`, and what roots have ended; see {@link TrackSigner.setKey}. */
  readonly keyStatements?: Partial<KeyStatements>;
  /** Default DEFAULT_FRESH_FOR_MS. */
  readonly freshForMs?: number;
  /** Entries may wait this long to share a manifest; default 0: a manifest per object. At most MAX_BATCH_MS. */
  readonly batchMs?: number;
  /** SHA-256 of the catalog object in force; change it with {@link TrackSigner.setCatalogDigest}. */
  readonly catalogDigest?: Uint8Array;
  readonly resume?: ChainState;
}

/** One object of the manifest track. */
export interface SignedManifest {
  /** That of the media group. */
  readonly group: VarInt;
  /** Counts the manifests of the group from 0. */
  readonly object: number;
  readonly envelope: Uint8Array<ArrayBuffer>;
}

/** An object of the media track, as cut. */
export interface ObjectToSign {
  readonly group: VarInt;
  readonly object: VarInt;
  readonly payload: Uint8Array;
  /** The value of its Immutable Properties; none by default. */
  readonly immutableProperties?: Uint8Array;
  /** The group's last: its manifest closes the group. */
  readonly last?: boolean;
}

const NO_PROPERTIES = new Uint8Array(0);

/** A new stream id. Make one per broadcast session, share it between all its tracks. */
export function generateStreamId(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(STREAM_ID_BYTES));
}

interface OpenGroup {
  readonly group: VarInt;
  readonly leaves: Uint8Array[];
  /** Signed for by no manifest yet. */
  pending: SignedEntry[];
  manifests: number;
  lastObject: VarInt | undefined;
}

export class TrackSigner {
  readonly #options: TrackSignerOptions;
  readonly #freshForMs: number;
  readonly #batchMs: number;
  #keys: { readonly key: SigningKey; readonly statements: Partial<KeyStatements> };
  #keysAreNew = false;
  #nextKey: { readonly key: SigningKey; readonly fromMs: number } | undefined;
  #catalogDigest: Uint8Array | undefined;
  #state: ChainState;
  #open: OpenGroup | undefined;
  #lastClosed: VarInt | undefined;
  /** Objects are taken strictly one after the other, whether or not the caller waits. */
  #queue: Promise<void> = Promise.resolve();
  #cancelBatch: (() => void) | undefined;

  /** Throws CountersignError "invalid-options". */
  constructor(options: TrackSignerOptions) {
    const { freshForMs = DEFAULT_FRESH_FOR_MS, batchMs = 0 } = options;
    if (!(batchMs >= 0 && batchMs <= MAX_BATCH_MS)) {
      throw new CountersignError(
        "invalid-options",
        `Manifests are batched for 0 to ${MAX_BATCH_MS} ms, not ${batchMs}.`,
      );
    }
    if (!Number.isSafeInteger(freshForMs) || freshForMs <= 0) {
      throw new CountersignError(
        "invalid-options",
        `A freshness of ${freshForMs} ms is not a positive whole number.`,
      );
    }
    this.#options = options;
    this.#keys = { key: options.key, statements: options.keyStatements ?? {} };
    this.#freshForMs = freshForMs;
    this.#batchMs = batchMs;
    this.#catalogDigest = options.catalogDigest;
    this.#state = options.resume ?? { nextSequence: 0, previous: undefined, issuedAtMs: 0 };
  }

  /** Where the chain stands now; everything published so far is in it. */
  get state(): ChainState {
    return this.#state;
  }

  /** From the next manifest on, this catalog is in force. */
  setCatalogDigest(digest: Uint8Array): void {
    this.#catalogDigest = digest;
  }

  /**
   * Signs for an object. Begin a group with its first object: closing says that it has no others. A new group closes the one before. Resolves when the object's manifest
   * was published, or, with batching, when it was taken in. Rejects with CountersignError "invalid-options" when ids go back.
   */
  add(object: ObjectToSign): Promise<void> {
    // The digest is under way while earlier objects are signed.
    const digest = payloadDigest(object.payload);
    const size = object.payload.byteLength;
    return this.#enqueue(async () => {
      const open = await this.#groupFor(object);
      const { group, immutableProperties = NO_PROPERTIES } = object;
      const leaf = leafOf({ group, object: object.object, immutableProperties }, await digest);
      open.leaves.push(leaf);
      open.pending.push({ object: object.object, size, leaf });
      open.lastObject = object.object;
      if (object.last) await this.#close(open);
      else if (this.#batchMs === 0 || open.pending.length >= MAX_ENTRIES_PER_MANIFEST)
        await this.#emit(open, undefined);
      else this.#armBatch();
    });
  }

  /**
   * From the next manifest on sends these statements, at once and then in the first and the closing manifest of each group; and signs with this key what is issued from `fromMs` on (ms since
   * 1970; absent: at once). To rotate without a gap, call it before the time from which the new key's delegation holds, and give that time: a delegation with a higher serial
   * replaces the one before it at that instant. Also to spread a revocation, with the same key.
   */
  setKey(key: SigningKey, keyStatements: Partial<KeyStatements>, fromMs = 0): Promise<void> {
    return this.#enqueue(async () => {
      this.#keys = { key: this.#keys.key, statements: keyStatements };
      this.#nextKey = { key, fromMs };
      this.#keysAreNew = true;
    });
  }

  /** Closes the open group, if there is one: no further object of it will be accepted by anyone. */
  closeGroup(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#open !== undefined) await this.#close(this.#open);
    });
  }

  /** Publishes what waits in a batch. */
  flush(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#open !== undefined && this.#open.pending.length > 0) await this.#emit(this.#open, undefined);
    });
  }

  /**
   * A manifest without entries for the open group: says "I am still here" while the source is silent for longer than the freshness. Does nothing between groups.
   */
  heartbeat(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#open !== undefined) await this.#emit(this.#open, undefined);
    });
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(step);
    // One object that cannot be signed must not stop those behind it; its own caller is told.
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #groupFor({ group, object }: ObjectToSign): Promise<OpenGroup> {
    if (this.#open !== undefined && this.#open.group !== group) {
      if (group < this.#open.group) throw goesBack(`group ${group} after group ${this.#open.group}`);
      await this.#close(this.#open);
    }
    if (this.#lastClosed !== undefined && group <= this.#lastClosed)
      throw goesBack(`group ${group} is closed`);
    this.#open ??= { group, leaves: [], pending: [], manifests: 0, lastObject: undefined };
    const { lastObject } = this.#open;
    if (lastObject !== undefined && object <= lastObject)
      throw goesBack(`object ${object} after object ${lastObject}`);
    return this.#open;
  }

  async #close(open: OpenGroup): Promise<void> {
    await this.#emit(open, { objectCount: open.leaves.length, root: merkleRoot(open.leaves) });
    this.#lastClosed = open.group;
    this.#open = undefined;
  }

  async #emit(open: OpenGroup, completion: GroupCompletion | undefined): Promise<void> {
    this.#cancelBatch?.();
    this.#cancelBatch = undefined;
    const { track, streamId, clock, publish } = this.#options;
    const { nextSequence, previous } = this.#state;
    // A clock that was set back must not make the chain go back (readers refuse that).
    const issuedAtMs = Math.max(Math.floor(clock.now()), this.#state.issuedAtMs);
    const payload = encodeManifest({
      version: 1,
      streamId,
      track,
      sequence: nextSequence,
      previous,
      group: open.group,
      entries: open.pending,
      completion,
      issuedAtMs,
      freshForMs: this.#freshForMs,
      catalogDigest: this.#catalogDigest,
    });
    if (this.#nextKey !== undefined && this.#nextKey.fromMs <= issuedAtMs) {
      this.#keys = { key: this.#nextKey.key, statements: this.#keys.statements };
      this.#nextKey = undefined;
      this.#keysAreNew = true;
    }
    const { key, statements } = this.#keys;
    const carriesStatements = this.#keysAreNew || open.manifests === 0 || completion !== undefined;
    const envelope = await sealEnvelope(key, MANIFEST_AAD, payload, carriesStatements ? statements : {});
    // Only now: a failed signature leaves the chain where it was.
    this.#keysAreNew = false;
    this.#state = {
      nextSequence: addVarInt(nextSequence, 1),
      previous: openEnvelope(envelope, MANIFEST_AAD).statement,
      issuedAtMs,
    };
    open.pending = [];
    publish({ group: open.group, object: open.manifests++, envelope });
  }

  #armBatch(): void {
    this.#cancelBatch ??= this.#options.clock.setTimer(this.#batchMs, () => {
      this.#cancelBatch = undefined;
      // Nobody waits for this one; an entry that could not be signed stays pending and goes with the next manifest.
      this.flush().catch(() => undefined);
    });
  }
}

function goesBack(what: string): CountersignError {
  return new CountersignError("invalid-options", `Objects must be signed in order: ${what}.`);
}
