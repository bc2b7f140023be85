/** What the signer has said of each group: entries, completion, and the envelopes that prove them; for a bounded number of groups. */
import { compareVarInt, type VarInt } from "../wire/varint.ts";
import { equalBytes } from "./bytes.ts";
import type { Contradiction, Link } from "./chain.ts";
import {
  MAX_LIVE_GROUPS,
  MAX_OBJECTS_PER_GROUP,
  MAX_PAST_GROUPS,
  MAX_TRACK_EVIDENCE_BYTES,
} from "./limits.ts";
import { merkleRoot } from "./merkle.ts";
import type { GroupCompletion, GroupTruth, Lookup, SignedEntry } from "./types.ts";

interface NamedEntry {
  readonly entry: SignedEntry;
  /** The answer to a look-up, made once: there is one per object received. */
  readonly answer: Lookup;
  readonly link: Link;
}

interface GroupRecord {
  readonly named: Map<VarInt, NamedEntry>;
  /** The same in order of object id; replaced, never changed, since it is handed out. */
  entries: readonly SignedEntry[];
  /** Proven one by one under the root (inclusion.ts), not named by a manifest: answers to look-ups, and no more than that. */
  readonly included: Map<VarInt, Lookup>;
  completion: GroupCompletion | undefined;
  closing: Link | undefined;
  /** In ascending order of sequence. */
  links: Link[];
  bytes: number;
  /** Every object of the group is known by name. */
  whole: boolean;
  lastUse: number;
}

export type TruthVerdict =
  | { readonly kind: "fits" }
  | { readonly kind: "too-many-objects" }
  | { readonly kind: "contradiction"; readonly contradiction: Contradiction };

const WAITING: Lookup = { state: "waiting" };
const UNSIGNED: Lookup = { state: "unsigned" };

export class GroupTruths {
  readonly #groups = new Map<VarInt, GroupRecord>();
  #latest: VarInt | undefined;
  #bytes = 0;
  #uses = 0;

  get latest(): VarInt | undefined {
    return this.#latest;
  }

  lookup(group: VarInt, object: VarInt): Lookup {
    const record = this.#groups.get(group);
    if (record === undefined) return WAITING;
    record.lastUse = ++this.#uses;
    const found = record.named.get(object);
    if (found !== undefined) return found.answer;
    if (record.whole) return UNSIGNED;
    return record.included.get(object) ?? WAITING;
  }

  /** The object that `entry` speaks of was proven to be under the root of its closed group. False when the group is not known to be closed. */
  include(group: VarInt, entry: SignedEntry): boolean {
    const record = this.#groups.get(group);
    const most = record?.completion?.objectCount ?? 0;
    if (record === undefined || record.included.size >= most) return false;
    record.included.set(entry.object, { state: "signed", entry });
    return true;
  }

  truth(group: VarInt): GroupTruth | undefined {
    const record = this.#groups.get(group);
    if (record === undefined) return undefined;
    record.lastUse = ++this.#uses;
    return { group, entries: record.entries, completion: record.completion };
  }

  /** Whether the manifest of `link` agrees with what was said of its group. Changes nothing. */
  judge(link: Link): TruthVerdict {
    const { group, entries, completion } = link.manifest;
    const record = this.#groups.get(group);
    const clash = (what: string, other: Link): TruthVerdict => {
      return { kind: "contradiction", contradiction: { what, first: other, second: link } };
    };
    const fresh: SignedEntry[] = [];
    for (const entry of entries) {
      const known = record?.named.get(entry.object);
      if (known === undefined) fresh.push(entry);
      else if (known.entry.size !== entry.size || !equalBytes(known.entry.leaf, entry.leaf)) {
        return clash(`two contents for object ${entry.object} of group ${group}`, known.link);
      }
    }
    const count = (record?.named.size ?? 0) + fresh.length;
    if (count > MAX_OBJECTS_PER_GROUP) return { kind: "too-many-objects" };
    const closed = record?.completion;
    if (closed !== undefined && completion !== undefined) {
      if (closed.objectCount !== completion.objectCount || !equalBytes(closed.root, completion.root)) {
        return clash(`two completions of group ${group}`, record!.closing!);
      }
    }
    const final = closed ?? completion;
    if (final === undefined) return { kind: "fits" };
    // Against the closing manifest when that was first, else against the last one that named an object.
    const other = record?.closing ?? record?.links.at(-1) ?? link;
    if (count > final.objectCount) return clash(`more objects than group ${group} was closed with`, other);
    if (count < final.objectCount || record?.whole) return { kind: "fits" };
    const leaves = inOrder(record?.entries ?? [], fresh).map((entry) => entry.leaf);
    if (!equalBytes(merkleRoot(leaves), final.root)) {
      return clash(`the Merkle root of group ${group} is not that of its objects`, other);
    }
    return { kind: "fits" };
  }

  /** Takes in what {@link judge} found fitting. Returns the groups that were forgotten to make room. */
  apply(link: Link): VarInt[] {
    const { group, entries, completion } = link.manifest;
    let record = this.#groups.get(group);
    if (record === undefined) {
      record = {
        named: new Map(),
        included: new Map(),
        entries: [],
        completion: undefined,
        closing: undefined,
        links: [],
        bytes: 0,
        whole: false,
        lastUse: 0,
      };
      this.#groups.set(group, record);
    }
    const fresh = entries.filter((entry) => !record.named.has(entry.object));
    for (const entry of fresh)
      record.named.set(entry.object, { entry, answer: { state: "signed", entry }, link });
    if (fresh.length > 0) record.entries = inOrder(record.entries, fresh);
    if (completion !== undefined && record.completion === undefined) {
      record.completion = completion;
      record.closing = link;
    }
    record.whole = record.named.size === record.completion?.objectCount;
    record.links.push(link);
    if (record.links.length > 1 && record.links.at(-2)!.manifest.sequence > link.manifest.sequence)
      record.links.sort((a, b) => compareVarInt(a.manifest.sequence, b.manifest.sequence));
    record.bytes += link.envelope.byteLength;
    record.lastUse = ++this.#uses;
    this.#bytes += link.envelope.byteLength;
    if (this.#latest === undefined || group > this.#latest) this.#latest = group;
    return this.#trim();
  }

  /** The links of a group in order of sequence. */
  links(group: VarInt): readonly Link[] {
    return this.#groups.get(group)?.links ?? [];
  }

  closing(group: VarInt): Link | undefined {
    return this.#groups.get(group)?.closing;
  }

  #trim(): VarInt[] {
    const forgotten: VarInt[] = [];
    while (
      this.#groups.size > 1 &&
      (this.#groups.size > MAX_LIVE_GROUPS + MAX_PAST_GROUPS || this.#bytes > MAX_TRACK_EVIDENCE_BYTES)
    ) {
      const ids = [...this.#groups.keys()].sort(compareVarInt);
      // Only when few groups hold too many bytes is one of the live ones taken, never the newest.
      const past = ids.slice(0, Math.max(1, ids.length - MAX_LIVE_GROUPS));
      let victim = past[0]!;
      for (const id of past)
        if (this.#groups.get(id)!.lastUse < this.#groups.get(victim)!.lastUse) victim = id;
      this.#bytes -= this.#groups.get(victim)!.bytes;
      this.#groups.delete(victim);
      forgotten.push(victim);
    }
    return forgotten;
  }
}

/** Both lists ascend and share no id. */
function inOrder(known: readonly SignedEntry[], fresh: readonly SignedEntry[]): readonly SignedEntry[] {
  const all = known.concat(fresh);
  const last = known.at(-1);
  // Manifests mostly come in order; then there is nothing to sort.
  if (last === undefined || fresh.length === 0 || last.object < fresh[0]!.object) return all;
  return all.sort((a, b) => compareVarInt(a.object, b.object));
}
