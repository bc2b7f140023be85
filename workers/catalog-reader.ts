/**
 * Reads a broadcast's catalog from the manifest peers, and goes on with the next stream when the signer begins anew.
 *
 * A signer that was restarted is a new stream: its manifests are refused as those of another one, but they tell that there is a successor. Then the catalog track is judged
 * afresh, for that stream alone; what was being played stays until the new catalog has been verified. A stream that was left is never gone back to, so two signers
 * that run at once under one name cannot toss a viewer to and fro.
 */
import { manifestTrackName } from "../src/catalog/build.ts";
import { CATALOG_TRACK_NAME } from "../src/catalog/types.ts";
import type { Clock } from "../src/clock.ts";
import type { CountersignError } from "../src/errors.ts";
import type { SourcePool } from "../src/merge/source-pool.ts";
import { hex } from "../src/trust/bytes.ts";
import { CatalogTrust, type VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { SignedTrackTrust } from "../src/trust/track-trust.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import { ManifestIntake } from "./manifest-intake.ts";

export interface CatalogReaderOptions {
  readonly namespace: Namespace;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly manifests: Pick<SourcePool, "addTrack">;
  readonly onCatalog: (catalog: VerifiedCatalog) => void;
  /** Something was refused; there may be a good catalog all the same. */
  readonly onRefused: (error: CountersignError) => void;
  /** The signer signed two catalogs for one place. */
  readonly onEquivocation: (error: CountersignError) => void;
}

interface Reading {
  readonly catalogTrust: CatalogTrust;
  readonly intake: ManifestIntake;
  readonly detach: readonly (() => void)[];
}

export class CatalogReader {
  readonly #options: CatalogReaderOptions;
  /** Hex of streams that are over. A restart adds one: for a page that is open for years this stays small. */
  readonly #left = new Set<string>();
  #reading: Reading;
  #closed = false;

  constructor(options: CatalogReaderOptions) {
    this.#options = options;
    this.#reading = this.#read(undefined);
  }

  get trust(): SignedTrackTrust {
    return this.#reading.catalogTrust.trust;
  }

  /** The newest good catalog, unless its proof has been taken back. */
  get current(): VerifiedCatalog | undefined {
    return this.#reading.catalogTrust.current;
  }

  get intake(): ManifestIntake {
    return this.#reading.intake;
  }

  /** The signer was heard speaking of this stream, later than of the present one. */
  follow(streamId: Uint8Array): void {
    const { streamId: present } = this.trust;
    const next = hex(streamId);
    if (this.#closed || this.#left.has(next)) return;
    if (present !== undefined) {
      if (hex(present) === next) return;
      this.#left.add(hex(present));
    }
    this.#end();
    this.#reading = this.#read(streamId);
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  #end(): void {
    for (const detach of this.#reading.detach) detach();
    this.#reading.catalogTrust.close();
  }

  #read(streamId: Uint8Array | undefined): Reading {
    const { namespace, keyRing, clock, manifests, onCatalog, onRefused, onEquivocation } = this.#options;
    const track = trackOf(namespace, CATALOG_TRACK_NAME);
    const trust = new SignedTrackTrust({ track, keyRing, clock, ...(streamId && { streamId }) });
    const catalogTrust = new CatalogTrust(trust);
    const intake = new ManifestIntake(trust);
    catalogTrust.on("catalog", onCatalog);
    catalogTrust.on("rejected", ({ error }) => onRefused(error));
    trust.on("refused", ({ error }) => onRefused(error));
    trust.on("state", ({ state, error }) => {
      if (state === "equivocation" && error) onEquivocation(error);
      // A root has ended the key of all that was heard.
      if (state === "untrusted" && error?.code === "manifest-key-revoked") onRefused(error);
    });
    trust.on("successor", (successor) => this.follow(successor.streamId));
    const detach = [
      manifests.addTrack({
        name: track,
        target: { sink: (source) => ({ object: (object) => catalogTrust.offer(source, object) }) },
      }),
      manifests.addTrack({
        name: trackOf(namespace, manifestTrackName(CATALOG_TRACK_NAME)),
        target: intake,
      }),
    ];
    return { catalogTrust, intake, detach };
  }
}
