/**
 * Lets the catalog through that the signer signed, and pins the stream it belongs to.
 *
 * The catalog is an object like any other, with a manifest track of its own; so this is the same judge, with the few objects that wait for their
 * manifest held back. The first good catalog names the stream (through its manifests) that every media track must then be of, and
 * its digest is the one that media manifests refer to. An older catalog than the one in force is never announced.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { compareLocations, type Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { MAX_CATALOG_BYTES, MAX_WAITING_CATALOGS } from "./limits.ts";
import type { SignedTrackTrust } from "./track-trust.ts";
import type { Verified } from "./types.ts";

export interface VerifiedCatalog {
  readonly object: Verified<MoqObject>;
  /** SHA-256 of the payload: what the media tracks' manifests call the catalog digest. */
  readonly digest: Uint8Array;
  readonly streamId: Uint8Array;
  /** Envelopes that prove it, for the store; see verifyStoredGroup. */
  readonly evidence: readonly Uint8Array[];
}

export interface CatalogTrustEvents {
  /** A catalog, or a delta to one, newer than those before, in order of arrival of its proof. */
  catalog: VerifiedCatalog;
  /** A source sent an object that the signer did not sign ("object-mismatch", "object-unsigned") or one that is too large ("limit-exceeded"). */
  rejected: { readonly source: string; readonly location: Location; readonly error: CountersignError };
}

interface Waiting {
  readonly source: string;
  readonly object: MoqObject;
}

export class CatalogTrust {
  /** The judge of the catalog track; offer it the envelopes of `catalog.manifest`. */
  readonly trust: SignedTrackTrust;
  readonly #events = new Emitter<CatalogTrustEvents>();
  readonly #stopListening: () => void;
  #waiting: Waiting[] = [];
  #current: VerifiedCatalog | undefined;

  constructor(trust: SignedTrackTrust) {
    this.trust = trust;
    const stops = [
      trust.on("truth", ({ group }) => this.#sweep(group)),
      trust.on("withdrawn", ({ groups }) => {
        // A thief's catalog must not stand in the way of the signer's, whatever group it claimed.
        if (this.#current !== undefined && groups.has(this.#current.object.group)) this.#current = undefined;
      }),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
  }

  /** The newest one. */
  get current(): VerifiedCatalog | undefined {
    return this.#current;
  }

  on<K extends keyof CatalogTrustEvents>(
    type: K,
    listener: (event: CatalogTrustEvents[K]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  /** An object of the catalog track, from whatever peer. Judged now, or when its manifest comes; the outcome is an event. */
  offer(source: string, object: MoqObject): void {
    // "End of group" and the like carry nothing and are not signed.
    if (object.status !== "normal") return;
    if (object.payload.byteLength > MAX_CATALOG_BYTES) {
      this.#reject(
        source,
        object,
        new CountersignError(
          "limit-exceeded",
          `A catalog of ${object.payload.byteLength} bytes is too large.`,
        ),
      );
      return;
    }
    if (this.#superseded(object)) return;
    this.#judge({ source, object });
  }

  close(): void {
    this.#stopListening();
    this.#waiting = [];
    this.#events.clear();
    this.trust.close();
  }

  #superseded(object: MoqObject): boolean {
    return this.#current !== undefined && compareLocations(object, this.#current.object) <= 0;
  }

  #judge(waiting: Waiting): void {
    const { source, object } = waiting;
    const found = this.trust.lookup(object.group, object.object);
    if (found.state === "waiting") this.#wait(waiting);
    else if (found.state === "unsigned") {
      this.#reject(
        source,
        object,
        new CountersignError("object-unsigned", "This catalog object is not signed for."),
      );
    } else {
      this.trust.verify(object, found.entry).then(
        (verified) => {
          if (verified !== undefined) this.#announce(verified);
          else
            this.#reject(
              source,
              object,
              new CountersignError("object-mismatch", "This catalog object was altered."),
            );
        },
        (thrown: unknown) => this.#reject(source, object, toCountersignError(thrown, "internal")),
      );
    }
  }

  #wait(waiting: Waiting): void {
    const mine = this.#waiting.filter(({ source }) => source === waiting.source);
    if (mine.length >= MAX_WAITING_CATALOGS)
      this.#waiting = this.#waiting.filter((other) => other !== mine[0]);
    this.#waiting.push(waiting);
  }

  #sweep(group: VarInt): void {
    const ready = this.#waiting.filter(({ object }) => object.group === group);
    this.#waiting = this.#waiting.filter(({ object }) => object.group !== group);
    for (const waiting of ready) if (!this.#superseded(waiting.object)) this.#judge(waiting);
  }

  #announce(object: Verified<MoqObject>): void {
    const { streamId } = this.trust;
    // Two copies may have been under way at once. A stream is known wherever an entry is.
    if (this.#superseded(object) || streamId === undefined) return;
    this.#current = {
      object,
      digest: sha256(object.payload),
      streamId,
      evidence: this.trust.evidence(object.group),
    };
    this.#events.emit("catalog", this.#current);
  }

  #reject(source: string, { group, object }: MoqObject, error: CountersignError): void {
    this.#events.emit("rejected", { source, location: { group, object }, error });
  }
}
