/**
 * The key ring: which keys may sign what.
 *
 * The app pins root keys. A root may sign manifests itself, or delegate to signer keys; it can name its successor, and end what it began. All this is
 * a function of the manifest's own time of issue, not of today: what was signed rightly stays verifiable in the archive, and a rotation takes effect at one instant of the
 * stream for every viewer. Statements may come in any order and at any time; each that is new is told by `change`, so that what was believed before is judged again.
 *
 * A ring only learns: whoever hides a statement from it keeps it ignorant, but what it knows cannot be taken back. So keep {@link KeyRing.statements} between sessions.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { type FullTrackName, namespaceKey } from "../wire/names.ts";
import { compareVarInt } from "../wire/varint.ts";
import { bytesKey, equalBytes, hex, ownCopy } from "./bytes.ts";
import { type Delegation, decodeDelegation } from "./delegation.ts";
import {
  type Envelope,
  KEY_STATEMENT,
  type KeyStatementKind,
  type KeyStatements,
  openEnvelope,
} from "./envelope.ts";
import { decodeKeyChange, type KeyChange } from "./key-change.ts";
import { importPublicKey, type VerificationKey } from "./keys.ts";
import { MAX_DELEGATIONS, MAX_REVOCATIONS } from "./limits.ts";
import { endOf, inLineOf, type Root, RootLines } from "./root-lines.ts";
import { signerAmong } from "./signature-proof.ts";

interface Grant {
  readonly key: VerificationKey;
  readonly delegation: Delegation;
  readonly root: Root;
  /** Root and prefix: delegations with the same scope replace each other. */
  readonly scope: string;
  readonly envelope: Uint8Array;
}

interface Revocation {
  readonly by: Root;
  readonly change: KeyChange;
  readonly envelope: Uint8Array;
}

/** What a ring was told, once per statement. */
export type KeyStatement =
  | { readonly kind: "delegation"; readonly delegation: Delegation }
  | { readonly kind: "revocation" | "succession"; readonly change: KeyChange };

export interface KeyRingEvents {
  /** A statement came that was not known: what was refused may be good now, and what was accepted may not. */
  change: KeyStatement;
}

/** Larger ones (a namespace of kilobytes) are opened each time. */
const SHORT_STATEMENT_BYTES = 1_024;

const NEVER = Number.POSITIVE_INFINITY;

export class KeyRing {
  readonly #roots: RootLines;
  /** By statement. */
  readonly #grants = new Map<string, Grant>();
  readonly #revocations = new Map<string, Revocation>();
  readonly #successions = new Map<string, Uint8Array>();
  /** The bytes of all of these: the same ones ride in two manifests of every group and need not be opened again. */
  readonly #bytes = new Set<string>();
  readonly #events = new Emitter<KeyRingEvents>();

  private constructor(pinned: readonly VerificationKey[]) {
    this.#roots = new RootLines(pinned);
  }

  /**
   * A ring that trusts `roots` (raw public keys: 32 bytes Ed25519 or 65 bytes P-256). Rejects with CountersignError "invalid-options" when one is no
   * key or there is none, "crypto-unavailable" where the browser cannot check such signatures.
   */
  static async create(roots: readonly Uint8Array[]): Promise<KeyRing> {
    if (roots.length === 0) {
      throw new CountersignError("invalid-options", "There is no root key to trust.", {
        hint: "Pass the broadcaster's public key in trust.roots.",
      });
    }
    return new KeyRing(await Promise.all(roots.map((root) => importPublicKey(root))));
  }

  on<K extends keyof KeyRingEvents>(type: K, listener: (event: KeyRingEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Everything this ring was told and keeps, to tell it to another one: of a later session, or of somebody who checks evidence. */
  get statements(): KeyStatements {
    return {
      succession: [...this.#successions.values()],
      delegation: [...this.#grants.values()].map(({ envelope }) => envelope),
      revocation: [...this.#revocations.values()].map(({ envelope }) => envelope),
    };
  }

  /** Whether every one of these is kept already, byte for byte: then there is nothing to learn from them. */
  holds(statements: KeyStatements): boolean {
    return Object.values(statements).every((envelopes) =>
      envelopes.every(
        (envelope) => envelope.byteLength <= SHORT_STATEMENT_BYTES && this.#bytes.has(bytesKey(envelope)),
      ),
    );
  }

  /**
   * Takes a statement about keys in. Resolves when a root signed it, also when it is known; rejects with CountersignError "manifest-malformed",
   * "manifest-wrong-key" (no root of ours, or one that may not say this), "manifest-bad-signature" or "limit-exceeded".
   */
  async admit(bytes: Uint8Array, kind: KeyStatementKind = "delegation"): Promise<void> {
    const envelope = openEnvelope(bytes, KEY_STATEMENT[kind].aad);
    const id = bytesKey(envelope.statement);
    if (this.#knows(id)) return;
    const keys = this.#roots.all.map(({ key }) => key).filter((key) => equalBytes(key.kid, envelope.kid));
    const root = this.#roots.find((await signerAmong(envelope, keys, `A ${kind}`)).publicKey)!;
    const statement = await (kind === "delegation"
      ? this.#admitDelegation(id, root, envelope, ownCopy(bytes))
      : this.#admitChange(kind, id, root, envelope, ownCopy(bytes)));
    if (statement !== undefined) this.#events.emit("change", statement);
  }

  /** All of them, each by itself: one that is refused, of which `onRefused` is told, says nothing against the others. Never rejects. */
  async admitAll(
    statements: Partial<KeyStatements>,
    onRefused: (error: CountersignError) => void = () => undefined,
  ): Promise<void> {
    // Roots first: the others may be signed by one of these.
    for (const kind of ["succession", "delegation", "revocation"] as const) {
      for (const envelope of statements[kind] ?? []) {
        await this.admit(envelope, kind).catch((thrown: unknown) =>
          onRefused(toCountersignError(thrown, "internal")),
        );
      }
    }
  }

  /** Keys that an envelope with this kid may be signed by: roots and delegated ones, whether or not they may sign for a given track. */
  candidates(kid: Uint8Array): readonly VerificationKey[] {
    const found = this.#roots.all.map(({ key }) => key).filter((key) => equalBytes(key.kid, kid));
    for (const { key } of this.#grants.values()) {
      if (equalBytes(key.kid, kid) && !found.some((other) => equalBytes(other.publicKey, key.publicKey)))
        found.push(key);
    }
    return found;
  }

  /** Why `key` may not have signed for `track` at `issuedAtMs`; undefined when it may. */
  authorise(
    { publicKey, kid }: Pick<VerificationKey, "publicKey" | "kid">,
    track: FullTrackName,
    issuedAtMs: number,
  ): CountersignError | undefined {
    const root = this.#roots.find(publicKey);
    if (root !== undefined && this.#roots.holds(root, issuedAtMs)) return undefined;
    let inScope = root !== undefined;
    let revokedFromMs = root?.revokedFromMs ?? NEVER;
    for (const grant of this.#grants.values()) {
      if (!equalBytes(grant.key.publicKey, publicKey) || !covers(grant.delegation, track)) continue;
      inScope = true;
      const grantRevokedMs = Math.min(this.#revokedFromMs(grant), grant.root.revokedFromMs);
      revokedFromMs = Math.min(revokedFromMs, grantRevokedMs);
      const { notBeforeMs, notAfterMs } = grant.delegation;
      const fromMs = Math.max(notBeforeMs, grant.root.fromMs);
      const toMs = Math.min(notAfterMs, endOf(grant.root), grantRevokedMs);
      if (fromMs <= issuedAtMs && issuedAtMs < toMs && !this.#replaced(grant, issuedAtMs)) return undefined;
    }
    if (revokedFromMs <= issuedAtMs) {
      return new CountersignError("manifest-key-revoked", `The key ${hex(kid)} was revoked by a root.`, {
        hint: "The signer needs a new key and a delegation for it.",
      });
    }
    if (inScope) {
      return new CountersignError(
        "manifest-expired",
        `The key ${hex(kid)} had no valid delegation when it signed.`,
        {
          hint: "The signer needs a new delegation from a root key.",
        },
      );
    }
    return new CountersignError("manifest-wrong-key", `The key ${hex(kid)} may not sign for this track.`);
  }

  #remember(envelope: Uint8Array): void {
    if (envelope.byteLength <= SHORT_STATEMENT_BYTES) this.#bytes.add(bytesKey(envelope));
  }

  #knows(id: string): boolean {
    return this.#grants.has(id) || this.#revocations.has(id) || this.#successions.has(id);
  }

  async #admitDelegation(
    id: string,
    root: Root,
    { payload }: Envelope,
    envelope: Uint8Array,
  ): Promise<KeyStatement | undefined> {
    const delegation = decodeDelegation(payload);
    const key = await importNamed(delegation.publicKey);
    // Another envelope may have brought the same one while this one was being checked.
    if (this.#knows(id)) return undefined;
    const scope = `${bytesKey(root.key.publicKey)}/${namespaceKey(delegation.namespacePrefix)}`;
    this.#grants.set(id, { key, delegation, root, scope, envelope });
    this.#remember(envelope);
    this.#trim();
    return { kind: "delegation", delegation };
  }

  async #admitChange(
    kind: "revocation" | "succession",
    id: string,
    root: Root,
    { payload }: Envelope,
    envelope: Uint8Array,
  ): Promise<KeyStatement | undefined> {
    const change = decodeKeyChange(payload);
    const key = await importNamed(change.publicKey);
    if (this.#knows(id)) return undefined;
    if (kind === "succession") {
      this.#roots.succeed(root, key, change.fromMs);
      this.#successions.set(id, envelope);
      this.#remember(envelope);
    } else {
      this.#revoke(id, { by: root, change, envelope });
    }
    return { kind, change };
  }

  #revoke(id: string, revocation: Revocation): void {
    const { by, change } = revocation;
    const ended = this.#roots.find(change.publicKey);
    if (ended !== undefined) {
      if (!inLineOf(by, ended)) {
        throw new CountersignError(
          "manifest-wrong-key",
          "A root may end itself and those before it, not others.",
        );
      }
      ended.revokedFromMs = Math.min(ended.revokedFromMs, change.fromMs);
    }
    if (this.#revocations.size >= MAX_REVOCATIONS) {
      throw new CountersignError("limit-exceeded", `More than ${MAX_REVOCATIONS} revocations are not kept.`);
    }
    this.#revocations.set(id, revocation);
    this.#remember(revocation.envelope);
  }

  /** The earliest time that one with a say in it named for the end of this grant's key. */
  #revokedFromMs({ key, root }: Grant): number {
    let earliest = NEVER;
    for (const { by, change } of this.#revocations.values()) {
      if (equalBytes(change.publicKey, key.publicKey) && inLineOf(by, root))
        earliest = Math.min(earliest, change.fromMs);
    }
    return earliest;
  }

  /** A newer serial of the same scope was in force at that time. */
  #replaced(grant: Grant, atMs: number): boolean {
    for (const other of this.#grants.values()) {
      if (other.scope !== grant.scope) continue;
      if (other.delegation.serial > grant.delegation.serial && other.delegation.notBeforeMs <= atMs)
        return true;
    }
    return false;
  }

  #trim(): void {
    if (this.#grants.size <= MAX_DELEGATIONS) return;
    const [victim] = [...this.#grants].sort(([, a], [, b]) => {
      const [aEndsMs, bEndsMs] = [endOf(a.root), endOf(b.root)];
      if (aEndsMs !== bEndsMs) return aEndsMs < bEndsMs ? -1 : 1;
      return compareVarInt(a.delegation.serial, b.delegation.serial);
    });
    this.#grants.delete(victim![0]);
    this.#bytes.delete(bytesKey(victim![1].envelope.subarray(0, SHORT_STATEMENT_BYTES)));
  }
}

async function importNamed(publicKey: Uint8Array): Promise<VerificationKey> {
  try {
    return await importPublicKey(publicKey);
  } catch (thrown) {
    const error = toCountersignError(thrown, "manifest-malformed");
    // To the app a bad key in its own options and one that a root signed are different faults.
    if (error.code !== "invalid-options") throw error;
    throw new CountersignError("manifest-malformed", "A statement about a key names one that is none.", {
      cause: error,
    });
  }
}

function covers(delegation: Delegation, track: FullTrackName): boolean {
  const prefix = delegation.namespacePrefix;
  return (
    prefix.length <= track.namespace.length &&
    prefix.every((field, i) => equalBytes(field, track.namespace[i]!))
  );
}
