/**
 * The roots: those that the app pinned, and those that followed them.
 *
 * A root has power over manifests by their time of issue: a pinned one from always, a successor from the time in its succession, each until its own successor's time or its
 * revocation. A root names one successor. Of a second, other one the first that came is kept: a root that was stolen after it had been retired cannot turn those away who
 * know its successor already. (Who has only the stolen root pinned and meets the thief's succession first follows the thief: docs/threat-model.md.)
 */
import { CountersignError } from "../errors.ts";
import { bytesKey, equalBytes, hex } from "./bytes.ts";
import type { VerificationKey } from "./keys.ts";
import { MAX_ROOTS } from "./limits.ts";

export interface Root {
  readonly key: VerificationKey;
  /** Whose successor it is. */
  before: Root | undefined;
  readonly fromMs: number;
  successor: Root | undefined;
  /** When the successor takes over. */
  endsMs: number;
  revokedFromMs: number;
}

export class RootLines {
  /** By public key. */
  readonly #roots = new Map<string, Root>();

  constructor(pinned: readonly VerificationKey[]) {
    for (const key of pinned) this.#add(key, Number.NEGATIVE_INFINITY);
  }

  get all(): readonly Root[] {
    return [...this.#roots.values()];
  }

  find(publicKey: Uint8Array): Root | undefined {
    return this.#roots.get(bytesKey(publicKey));
  }

  /** Whether what `root` signed at that time counts. */
  holds(root: Root, atMs: number): boolean {
    return root.fromMs <= atMs && atMs < endOf(root);
  }

  /**
   * `by` names its successor. Throws "manifest-wrong-key" when it has named another before, when it had no power at that time any more, or when the key is that of
   * a root before it; "limit-exceeded" when there are too many roots.
   */
  succeed(by: Root, key: VerificationKey, fromMs: number): void {
    if (by.successor !== undefined) {
      if (equalBytes(by.successor.key.publicKey, key.publicKey)) return;
      throw refused(`Root ${hex(by.key.kid)} has named two successors; the first one known is kept.`);
    }
    // A root may end itself and name its successor for the same instant.
    if (fromMs < by.fromMs || fromMs > by.revokedFromMs) {
      throw refused(`Root ${hex(by.key.kid)} had no power to name a successor then.`);
    }
    const known = this.find(key.publicKey);
    if (known === undefined && this.#roots.size >= MAX_ROOTS) {
      throw new CountersignError("limit-exceeded", `More than ${MAX_ROOTS} roots are not followed.`);
    }
    if (known !== undefined && inLineOf(by, known)) throw refused("A root cannot follow itself.");
    // One that is pinned as well needs nobody's word: it keeps its power, and the one before it ends all the same.
    by.successor = known ?? this.#add(key, fromMs);
    by.successor.before ??= by;
    by.endsMs = fromMs;
  }

  #add(key: VerificationKey, fromMs: number): Root {
    const root: Root = {
      key,
      before: undefined,
      fromMs,
      successor: undefined,
      endsMs: Number.POSITIVE_INFINITY,
      revokedFromMs: Number.POSITIVE_INFINITY,
    };
    this.#roots.set(bytesKey(key.publicKey), root);
    return root;
  }
}

/** From when on a root has no power any more. */
export function endOf(root: Root): number {
  return Math.min(root.revokedFromMs, root.endsMs);
}

/** Whether `earlier` is `root` or came before it in its line: then `root` may end what `earlier` began. */
export function inLineOf(root: Root, earlier: Root): boolean {
  for (let at: Root | undefined = root; at !== undefined; at = at.before) if (at === earlier) return true;
  return false;
}

function refused(message: string): CountersignError {
  return new CountersignError("manifest-wrong-key", message);
}
