/**
 * The key ring: which keys may sign what.
 *
 * The app pins root keys. A root may sign manifests itself, or delegate to signer keys. Whether a delegation holds is a function of the manifest's own time of
 * issue, not of today: what was signed rightly stays verifiable in the archive, and a rotation takes effect at one instant of the
 * stream for every viewer. Revocation (which ends a key for all times) will be one more kind of statement that roots make: it goes into
 * {@link KeyRing.admit}, and {@link KeyRing.authorise} is where it takes effect.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { type FullTrackName, namespaceKey } from "../wire/names.ts";
import { bytesKey, equalBytes, hex } from "./bytes.ts";
import { type Delegation, decodeDelegation } from "./delegation.ts";
import { DELEGATION_AAD, type Envelope, openEnvelope, signedBy } from "./envelope.ts";
import { importPublicKey, type VerificationKey } from "./keys.ts";
import { MAX_DELEGATIONS } from "./limits.ts";

interface Grant {
  readonly key: VerificationKey;
  readonly delegation: Delegation;
  /** Kid of the root and prefix: delegations with the same scope replace each other. */
  readonly scope: string;
}

export interface KeyRingEvents {
  /** A delegation came that was not known. */
  delegation: Delegation;
}

export class KeyRing {
  readonly #roots: readonly VerificationKey[];
  /** By statement. */
  readonly #grants = new Map<string, Grant>();
  readonly #events = new Emitter<KeyRingEvents>();

  private constructor(roots: readonly VerificationKey[]) {
    this.#roots = roots;
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

  /**
   * Takes a delegation envelope in. Resolves with it when a root signed it, also when it is known; rejects with CountersignError "manifest-malformed",
   * "manifest-wrong-key" (no root of ours) or "manifest-bad-signature".
   */
  async admit(bytes: Uint8Array): Promise<Delegation> {
    const envelope = openEnvelope(bytes, DELEGATION_AAD);
    const id = bytesKey(envelope.statement);
    const known = this.#grants.get(id);
    if (known !== undefined) return known.delegation;
    const roots = this.#roots.filter((root) => equalBytes(root.kid, envelope.kid));
    const root = await signerAmong(envelope, roots, "A delegation");
    const delegation = decodeDelegation(envelope.payload);
    const key = await importDelegated(delegation.publicKey);
    const scope = `${bytesKey(root.publicKey)}/${namespaceKey(delegation.namespacePrefix)}`;
    // Another envelope may have brought the same one while this one was being checked.
    if (!this.#grants.has(id)) {
      this.#grants.set(id, { key, delegation, scope });
      this.#trim();
      this.#events.emit("delegation", delegation);
    }
    return delegation;
  }

  /** Keys that an envelope with this kid may be signed by: roots and delegated ones, whether or not they may sign for a given track. */
  candidates(kid: Uint8Array): readonly VerificationKey[] {
    const found = this.#roots.filter((root) => equalBytes(root.kid, kid));
    for (const { key } of this.#grants.values()) {
      if (equalBytes(key.kid, kid) && !found.some((other) => equalBytes(other.publicKey, key.publicKey)))
        found.push(key);
    }
    return found;
  }

  /** Why `key` may not have signed for `track` at `issuedAtMs`; undefined when it may. */
  authorise(key: VerificationKey, track: FullTrackName, issuedAtMs: number): CountersignError | undefined {
    if (this.#roots.some((root) => equalBytes(root.publicKey, key.publicKey))) return undefined;
    let inScope = false;
    for (const grant of this.#grants.values()) {
      if (!equalBytes(grant.key.publicKey, key.publicKey) || !covers(grant.delegation, track)) continue;
      inScope = true;
      const { notBeforeMs, notAfterMs } = grant.delegation;
      if (notBeforeMs <= issuedAtMs && issuedAtMs < notAfterMs && !this.#replaced(grant, issuedAtMs))
        return undefined;
    }
    if (inScope) {
      return new CountersignError(
        "manifest-expired",
        `The key ${hex(key.kid)} had no valid delegation when it signed.`,
        {
          hint: "The signer needs a new delegation from a root key.",
        },
      );
    }
    return new CountersignError("manifest-wrong-key", `The key ${hex(key.kid)} may not sign for this track.`);
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
    let oldest: string | undefined;
    let lowest: Grant | undefined;
    for (const [id, grant] of this.#grants) {
      if (lowest === undefined || grant.delegation.serial < lowest.delegation.serial) {
        oldest = id;
        lowest = grant;
      }
    }
    if (oldest !== undefined) this.#grants.delete(oldest);
  }
}

async function importDelegated(publicKey: Uint8Array): Promise<VerificationKey> {
  try {
    return await importPublicKey(publicKey);
  } catch (thrown) {
    const error = toCountersignError(thrown, "manifest-malformed");
    // To the app a bad key in its own options and one that a root signed are different faults.
    if (error.code !== "invalid-options") throw error;
    throw new CountersignError("manifest-malformed", "A delegation names a key that is none.", {
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

/** The key among `keys` that signed; `what` begins the sentence of the error. Rejects with "manifest-wrong-key" or "manifest-bad-signature". */
export async function signerAmong(
  envelope: Envelope,
  keys: readonly VerificationKey[],
  what: string,
): Promise<VerificationKey> {
  if (keys.length === 0) {
    throw new CountersignError(
      "manifest-wrong-key",
      `${what} is signed by ${hex(envelope.kid)}, a key that is not trusted.`,
      {
        hint: "Check trust.roots: it must hold the broadcaster's public key.",
      },
    );
  }
  for (const key of keys) if (await signedBy(envelope, key)) return key;
  throw new CountersignError(
    "manifest-bad-signature",
    `${what} has a signature that is not by ${hex(envelope.kid)}.`,
  );
}
