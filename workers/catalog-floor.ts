/**
 * No way back across reloads: a catalog that was signed before the one an earlier session kept is not played.
 *
 * A page that was just loaded knows nothing of the stream, so any catalog that is fresh enough could begin it, and what clocks may differ by leaves minutes of old ones that are. What the
 * store kept is as good as remembered: its catalog is verified again, and its manifest says when it was signed.
 */
import { CATALOG_TRACK_NAME } from "../src/catalog/types.ts";
import { CountersignError } from "../src/errors.ts";
import type { ReplayStore } from "../src/replay/types.ts";
import type { VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import { MANIFEST_AAD, openEnvelope } from "../src/trust/envelope.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { decodeManifest } from "../src/trust/manifest.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import { readCatalog } from "./stored-broadcast.ts";

/** When the newest of these was issued, ms since 1970. They were verified before. */
function newestIssueMs(evidence: readonly Uint8Array[]): number {
  const times = evidence.map(
    (envelope) => decodeManifest(openEnvelope(envelope, MANIFEST_AAD).payload).issuedAtMs,
  );
  return Math.max(Number.NEGATIVE_INFINITY, ...times);
}

export class CatalogFloor {
  readonly #namespace: Namespace;
  readonly #keyRing: KeyRing;
  #keptMs: Promise<number> | undefined;

  constructor(namespace: Namespace, keyRing: KeyRing) {
    this.#namespace = namespace;
    this.#keyRing = keyRing;
  }

  /** Why `catalog` is not to be played; undefined when it may. A store that cannot be read remembers nothing. */
  async refuses(
    store: ReplayStore | undefined,
    catalog: VerifiedCatalog,
  ): Promise<CountersignError | undefined> {
    if (store === undefined) return undefined;
    this.#keptMs ??= this.#read(store);
    if (newestIssueMs(catalog.evidence) >= (await this.#keptMs)) return undefined;
    return new CountersignError(
      "manifest-rollback",
      "The manifest peers carry an older state of this broadcast than was seen here before.",
      { hint: "It is waited for a newer one. Add a manifest peer that is up to date." },
    );
  }

  async #read(store: ReplayStore): Promise<number> {
    try {
      const track = trackOf(this.#namespace, CATALOG_TRACK_NAME);
      const kept = await readCatalog(store, this.#namespace, track, this.#keyRing);
      return kept === undefined ? Number.NEGATIVE_INFINITY : newestIssueMs(kept.proof.evidence);
    } catch {
      return Number.NEGATIVE_INFINITY;
    }
  }
}
