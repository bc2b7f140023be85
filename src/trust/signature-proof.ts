/**
 * One signature for many manifests.
 *
 * Each manifest carries the statement of the one before it (the hash chain of docs/manifest-format.md). So whoever signed a manifest stands behind
 * its predecessors too, and of manifests that arrive together only the newest has to have its signature checked: a check takes about 0.1 ms, comparing two digests nothing. A
 * manifest counts as proven by the chain only when the one that vouches for it was proven itself and is by the same key: whoever could make that signature could have
 * signed both. Where the chain does not reach, each signature is checked by itself, which also tells which one is bad.
 *
 * The newest manifest of each group is always checked by its own signature, so that a group that is kept can be proven without the groups after it.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { compareVarInt, type VarInt } from "../wire/varint.ts";
import { bytesKey, equalBytes, hex } from "./bytes.ts";
import { type Envelope, signedBy } from "./envelope.ts";
import type { VerificationKey } from "./keys.ts";
import type { Manifest } from "./types.ts";

/** An envelope that was read. Without a manifest (its payload is none) its signature is checked all the same: it says whose fault that is. */
export interface Unproven {
  readonly envelope: Envelope;
  readonly manifest: Manifest | undefined;
}

export interface Proof {
  readonly key: VerificationKey;
  /** A later manifest by the same key vouches for it; its own signature was not looked at. */
  readonly byChain: boolean;
}

/** Who signed each of `items`, in their order; for one that nobody proves the reason, whose sentence begins with `what`. Never rejects. */
export async function prove(
  items: readonly Unproven[],
  candidates: (kid: Uint8Array) => readonly VerificationKey[],
  what: string,
): Promise<readonly (Proof | CountersignError)[]> {
  const check = ({ envelope }: Unproven) => bySignature(envelope, candidates(envelope.kid), what);
  if (items.length === 1) return [await check(items[0]!)];
  const heads = headsOf(items);
  // Those that nothing can vouch for, at once; then downwards, where each proven manifest may vouch for the next.
  const checked = new Map(
    await Promise.all([...heads].map(async (item) => [item, await check(item)] as const)),
  );
  const vouched = new Map<string, VerificationKey>();
  for (const item of newestFirst(items)) {
    let proof = checked.get(item);
    if (proof === undefined) {
      const key = vouched.get(bytesKey(item.envelope.statement));
      const same = key !== undefined && key.algorithm === item.envelope.algorithm;
      proof = same && equalBytes(key.kid, item.envelope.kid) ? { key, byChain: true } : await check(item);
      checked.set(item, proof);
    }
    const previous = item.manifest?.previous;
    if (!(proof instanceof CountersignError) && previous !== undefined)
      vouched.set(bytesKey(previous), proof.key);
  }
  return items.map((item) => checked.get(item)!);
}

/** Those whose own signature is needed: the newest of each group, and whatever no other one names as its predecessor. */
function headsOf(items: readonly Unproven[]): ReadonlySet<Unproven> {
  const named = new Set<string>();
  const newest = new Map<VarInt, Unproven>();
  for (const item of items) {
    const { manifest } = item;
    if (manifest === undefined) continue;
    if (manifest.previous !== undefined) named.add(bytesKey(manifest.previous));
    const known = newest.get(manifest.group);
    if (known === undefined || known.manifest!.sequence < manifest.sequence) newest.set(manifest.group, item);
  }
  const ownSignature = new Set(newest.values());
  return new Set(
    items.filter((item) => ownSignature.has(item) || !named.has(bytesKey(item.envelope.statement))),
  );
}

function newestFirst(items: readonly Unproven[]): Unproven[] {
  return [...items].sort((a, b) => compareVarInt(b.manifest?.sequence ?? 0, a.manifest?.sequence ?? 0));
}

async function bySignature(
  envelope: Envelope,
  keys: readonly VerificationKey[],
  what: string,
): Promise<Proof | CountersignError> {
  try {
    return { key: await signerAmong(envelope, keys, what), byChain: false };
  } catch (thrown) {
    return toCountersignError(thrown, "internal");
  }
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
