/**
 * What was accepted of one track: the chain of manifests, what they say of each group, and the contradiction if there is one.
 *
 * Nothing here is asynchronous or looks at the clock: what comes in was checked for its signature, and goes in or not by what is there already.
 */
import { CountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { bytesKey } from "./bytes.ts";
import { type Contradiction, type Link, ManifestChain } from "./chain.ts";
import { GroupTruths } from "./group-truths.ts";
import type { GroupTruth, Lookup, SignedEntry } from "./types.ts";

export type Addition =
  | { readonly kind: "known" }
  /** `forgotten`: groups that made room. */
  | { readonly kind: "added"; readonly forgotten: readonly VarInt[] }
  /** It contradicts what is known, by the word of a later manifest only: to count, its own signature has to be good. */
  | { readonly kind: "unconfirmed" }
  | { readonly kind: "contradiction"; readonly contradiction: Contradiction };

export class TrackHistory {
  #chain = new ManifestChain();
  #truths = new GroupTruths();
  /** By statement: the same thing said again in other unprotected headers costs no signature check. */
  readonly #byStatement = new Map<string, Link>();
  /** Entries that were handed out: only these can verify an object. */
  readonly #entries = new WeakSet<SignedEntry>();
  #contradiction: Contradiction | undefined;

  get newest(): Link | undefined {
    return this.#chain.newest;
  }

  get latestGroup(): VarInt | undefined {
    return this.#truths.latest;
  }

  get contradiction(): Contradiction | undefined {
    return this.#contradiction;
  }

  find(statement: Uint8Array): Link | undefined {
    return this.#byStatement.get(bytesKey(statement));
  }

  lookup(group: VarInt, object: VarInt): Lookup {
    // Once the signer has been caught with two truths, neither counts.
    return this.#contradiction === undefined ? this.#truths.lookup(group, object) : { state: "waiting" };
  }

  truth(group: VarInt): GroupTruth | undefined {
    return this.#contradiction === undefined ? this.#truths.truth(group) : undefined;
  }

  /** See {@link GroupTruths.include}. */
  include(group: VarInt, entry: SignedEntry): boolean {
    if (this.#contradiction !== undefined || !this.#truths.include(group, entry)) return false;
    this.#entries.add(entry);
    return true;
  }

  owns(entry: SignedEntry): boolean {
    return this.#entries.has(entry);
  }

  /** Takes `link` in when it fits. Throws "manifest-rollback", "manifest-fast-forward" or "limit-exceeded" when it does not and nobody is proven to lie. */
  add(link: Link): Addition {
    const place = this.#chain.judge(link);
    if (place.kind === "known") return place;
    if (place.kind === "refused") throw place.error;
    if (place.kind === "contradiction") return this.#contradict(place.contradiction, link);
    const verdict = this.#truths.judge(link);
    if (verdict.kind === "contradiction") return this.#contradict(verdict.contradiction, link);
    if (verdict.kind === "too-many-objects") {
      const message = `Group ${link.manifest.group} would have too many objects.`;
      throw new CountersignError("limit-exceeded", message);
    }
    return { kind: "added", forgotten: this.#apply(link) };
  }

  /**
   * Takes back what no longer counts, and a contradiction that rested on it. Returns the groups of which something was taken back, and the other side of that
   * contradiction when it still counts: it has not been taken in.
   */
  withdraw(counts: (link: Link) => boolean): {
    readonly groups: ReadonlySet<VarInt>;
    readonly left: Link | undefined;
  } {
    const links = [...this.#byStatement.values()];
    const kept = links.filter(counts);
    const groups = new Set(
      links.filter((link) => !kept.includes(link)).map(({ manifest }) => manifest.group),
    );
    const settled = this.#contradiction;
    const stands = settled === undefined || (counts(settled.first) && counts(settled.second));
    if (groups.size > 0) {
      this.#chain = new ManifestChain();
      this.#truths = new GroupTruths();
      this.#byStatement.clear();
      // They fitted together with more; so they fit without it.
      for (const link of kept) this.#apply(link);
    }
    if (stands) return { groups, left: undefined };
    this.#contradiction = undefined;
    return {
      groups,
      left: [settled.second, settled.first].find((link) => counts(link) && !this.find(link.statement)),
    };
  }

  /**
   * Envelopes that together prove a group. `whole`: every object of the group will be there when it is checked, so the closing manifest, once
   * it came, is enough; otherwise all that name objects, in order.
   */
  evidence(group: VarInt, whole: boolean): readonly Uint8Array[] {
    const links = this.#truths.links(group);
    const closing = whole ? this.#truths.closing(group) : undefined;
    if (closing === undefined) return links.map((link) => link.envelope);
    // Whoever reads it later may know the pinned roots only: what leads from them to the signer has to come along.
    if (closing.introducing) return [closing.envelope];
    const introducing = links.find((link) => link.introducing);
    if (introducing === undefined) return [closing.envelope];
    // One whose own signature was not looked at needs those that vouch for it.
    return introducing.byChain
      ? links.map((link) => link.envelope)
      : [introducing.envelope, closing.envelope];
  }

  /** All accepted envelopes that speak of a group, in order of sequence. */
  links(group: VarInt): readonly Link[] {
    return this.#truths.links(group);
  }

  #apply(link: Link): VarInt[] {
    this.#chain.add(link);
    this.#byStatement.set(bytesKey(link.statement), link);
    const forgotten = this.#truths.apply(link);
    for (const group of forgotten) this.#forget(group);
    for (const entry of link.manifest.entries) this.#entries.add(entry);
    return forgotten;
  }

  #forget(group: VarInt): void {
    for (const [statement, link] of this.#byStatement) {
      if (link.manifest.group === group) this.#byStatement.delete(statement);
    }
    this.#chain.forgetGroup(group);
  }

  #contradict(contradiction: Contradiction, link: Link): Addition {
    if (link.byChain) return { kind: "unconfirmed" };
    this.#contradiction ??= contradiction;
    return { kind: "contradiction", contradiction: this.#contradiction };
  }
}
