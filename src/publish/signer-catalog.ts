/** Signs the catalog. It is published again, signed anew, every few seconds: a viewer who joins needs one that is fresh. */
import { sha256 } from "@noble/hashes/sha2.js";
import type { KeyStatements } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import type { MoqObject } from "../wire/objects.ts";
import { type ChainState, type SignedManifest, TrackSigner, type TrackSignerOptions } from "./signer.ts";

/** How often to call {@link CatalogSigner.sign}: a viewer misses two of three before the catalog counts as stale. */
export const CATALOG_REFRESH_MS = 10_000;
export const CATALOG_FRESH_FOR_MS = 30_000;

/** A catalog, ready for both tracks. */
export interface SignedCatalog {
  /** For the track `catalog`. */
  readonly object: MoqObject;
  /** For the track `catalog.manifest`: the only one of its group. */
  readonly manifest: SignedManifest;
  /** SHA-256 of the catalog's bytes, for {@link TrackSigner.setCatalogDigest}; the same for the same bytes. */
  readonly digest: Uint8Array;
}

export type CatalogSignerOptions = Omit<TrackSignerOptions, "publish" | "batchMs" | "catalogDigest">;

/**
 * Each signing is a new group with the whole catalog as object 0. Group ids are seconds since 1970 (or one more than the last), so that a signer
 * that was restarted as a new stream is ahead of what relays still cache of the old one.
 */
export class CatalogSigner {
  readonly #options: CatalogSignerOptions;
  readonly #signer: TrackSigner;
  #nextGroup = 0;
  #published: SignedManifest[] = [];

  constructor(options: CatalogSignerOptions) {
    this.#options = options;
    this.#signer = new TrackSigner({
      freshForMs: CATALOG_FRESH_FOR_MS,
      ...options,
      publish: (manifest) => this.#published.push(manifest),
    });
  }

  get state(): ChainState {
    return this.#signer.state;
  }

  /** As {@link TrackSigner.setKey}: from the next signing on. */
  setKey(key: SigningKey, keyStatements: Partial<KeyStatements>, fromMs?: number): Promise<void> {
    return this.#signer.setKey(key, keyStatements, fromMs);
  }

  /** Signs `catalog`, the encoded document. Wait for one before the next. */
  async sign(catalog: Uint8Array): Promise<SignedCatalog> {
    const seconds = Math.floor(this.#options.clock.now() / 1000);
    const group = Math.max(seconds, this.#nextGroup);
    this.#nextGroup = group + 1;
    this.#published = [];
    await this.#signer.add({ group, object: 0, payload: catalog, last: true });
    const object: MoqObject = {
      group,
      object: 0,
      subgroup: 0,
      priority: undefined,
      status: "normal",
      properties: new Uint8Array(0),
      payload: catalog,
    };
    // add() has published exactly the closing manifest.
    return { object, manifest: this.#published[0]!, digest: sha256(catalog) };
  }
}
