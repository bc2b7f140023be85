/**
 * The order of a track's manifests. Each names its place (the sequence number) and the statement before it, so the manifests of a track form a chain that can
 * only grow. They may come in any order and with gaps; what must hold is that all that were accepted fit into one chain, in which group and
 * time never go back and never leap.
 */
import { CountersignError } from "../errors.ts";
import { subVarInt, type VarInt } from "../wire/varint.ts";
import { equalBytes } from "./bytes.ts";
import type { VerificationKey } from "./keys.ts";
import { MAX_ADVANCE_BURST, MAX_ADVANCE_PER_SECOND } from "./limits.ts";
import type { Manifest } from "./types.ts";

/** A manifest's place in the chain, with the envelope that proves it. */
export interface Link {
  readonly manifest: Manifest;
  /** Who signed: whether that counts can change when a root says so. */
  readonly key: Pick<VerificationKey, "publicKey" | "kid">;
  /** The peer that brought it first. */
  readonly source: string;
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly envelope: Uint8Array;
  /** A later manifest by the same key vouches for it; its own signature was not looked at (signature-proof.ts). */
  readonly byChain?: boolean;
  /** Statements about keys ride in the envelope. */
  readonly introducing: boolean;
}

/** Two manifests, both rightly signed, that cannot both be true. */
export interface Contradiction {
  readonly what: string;
  readonly first: Link;
  readonly second: Link;
}

export type ChainVerdict =
  | { readonly kind: "new" }
  /** Exactly this was said before. */
  | { readonly kind: "known" }
  | { readonly kind: "refused"; readonly error: CountersignError }
  | { readonly kind: "contradiction"; readonly contradiction: Contradiction };

export class ManifestChain {
  /** In ascending order of sequence. */
  readonly #links: Link[] = [];

  get newest(): Link | undefined {
    return this.#links.at(-1);
  }

  at(sequence: VarInt): Link | undefined {
    const link = this.#links[this.#lowerBound(sequence)];
    return link !== undefined && link.manifest.sequence === sequence ? link : undefined;
  }

  /** Whether `link` fits what is there. Changes nothing. */
  judge(link: Link): ChainVerdict {
    const index = this.#lowerBound(link.manifest.sequence);
    const here = this.#links[index];
    if (here !== undefined && here.manifest.sequence === link.manifest.sequence) {
      if (equalBytes(here.statement, link.statement)) return { kind: "known" };
      return contradiction(`two manifests with sequence ${link.manifest.sequence}`, here, link);
    }
    const before = this.#links[index - 1];
    return (
      (before && judgePair(before, link, before)) ?? (here && judgePair(link, here, here)) ?? { kind: "new" }
    );
  }

  add(link: Link): void {
    const index = this.#lowerBound(link.manifest.sequence);
    if (index === this.#links.length) this.#links.push(link);
    else this.#links.splice(index, 0, link);
  }

  /** Forgets what was said of a group; later contradictions with it are no longer seen. */
  forgetGroup(group: VarInt): void {
    const first = this.#links.findIndex((link) => link.manifest.group === group);
    if (first < 0) return;
    // Groups never go back along the chain, so a group's links stand side by side.
    let end = first;
    while (this.#links[end]?.manifest.group === group) end++;
    this.#links.splice(first, end - first);
  }

  #lowerBound(sequence: VarInt): number {
    let low = 0;
    let high = this.#links.length;
    // Almost always the newest.
    if (high > 0 && this.#links[high - 1]!.manifest.sequence < sequence) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#links[middle]!.manifest.sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function contradiction(what: string, known: Link, offered: Link): ChainVerdict {
  return { kind: "contradiction", contradiction: { what, first: known, second: offered } };
}

/** What is wrong between two neighbours, of which `known` was there first; undefined when they fit. */
function judgePair(earlier: Link, later: Link, known: Link): ChainVerdict | undefined {
  const a = earlier.manifest;
  const b = later.manifest;
  const steps = subVarInt(b.sequence, a.sequence);
  if (steps === 1 && !equalBytes(b.previous!, earlier.statement)) {
    const offered = known === earlier ? later : earlier;
    return contradiction(
      `manifest ${b.sequence} follows another manifest ${a.sequence} than this one`,
      known,
      offered,
    );
  }
  if (b.group < a.group || b.issuedAtMs < a.issuedAtMs) {
    const what = b.group < a.group ? `group ${b.group} after group ${a.group}` : "an earlier time of issue";
    return {
      kind: "refused",
      error: new CountersignError("manifest-rollback", `Manifest ${b.sequence} goes back: ${what}.`),
    };
  }
  const elapsedMs = b.issuedAtMs - a.issuedAtMs;
  const allowed = MAX_ADVANCE_BURST + (MAX_ADVANCE_PER_SECOND * elapsedMs) / 1000;
  if (steps > allowed || subVarInt(b.group, a.group) > allowed) {
    const message = `Manifest ${b.sequence} of group ${b.group} leaps ahead of manifest ${a.sequence} of group ${a.group}.`;
    return { kind: "refused", error: new CountersignError("manifest-fast-forward", message) };
  }
  return undefined;
}
