/**
 * Whether the catalog in force here is the one the signer's media manifests name.
 *
 * The catalog and the media come on different tracks, so for a moment they may differ: then nothing is refused, because every object is proven by itself. But a peer that
 * goes on to serve an old catalog beside new media (mix-and-match, of the TUF specification's attacks) is noticed when the difference outlasts a refresh of the catalog.
 */
import { CountersignError } from "../errors.ts";
import { equalBytes } from "./bytes.ts";
import { CATALOG_GRACE_MS } from "./limits.ts";

export class CatalogAgreement {
  #wanted: Uint8Array | undefined;
  #sinceMs = 0;

  /**
   * `inForce`: digest of the verified catalog that is played; `named`: what the newest manifest of a media track calls the catalog, if it does. Returns the error to
   * tell once they have differed for CATALOG_GRACE_MS.
   */
  check(
    nowMs: number,
    inForce: Uint8Array | undefined,
    named: Uint8Array | undefined,
  ): CountersignError | undefined {
    if (inForce === undefined || named === undefined || equalBytes(inForce, named)) {
      this.#wanted = undefined;
      return undefined;
    }
    if (this.#wanted === undefined) this.#sinceMs = nowMs;
    this.#wanted = named;
    if (nowMs - this.#sinceMs < CATALOG_GRACE_MS) return undefined;
    return new CountersignError(
      "manifest-expired",
      "The signer speaks of a newer catalog than any manifest peer gives.",
      { hint: "Add another manifest peer; this one holds the catalog back." },
    );
  }
}
