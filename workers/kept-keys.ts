/**
 * What roots said about keys, kept from one session to the next, so that a revocation that was once seen cannot be hidden by later peers.
 *
 * The store is not trusted with it: each statement is a root's signature, checked again when it is read.
 */
import type { ReplayStore } from "../src/replay/types.ts";
import { decodeCbor, isMap } from "../src/trust/cbor.ts";
import { encodeCbor } from "../src/trust/cbor-writer.ts";
import type { KeyStatements } from "../src/trust/envelope.ts";
import type { KeyRing } from "../src/trust/key-ring.ts";
import { type Namespace, namespaceKey } from "../src/wire/names.ts";

function keyOf(namespace: Namespace): string {
  return `keys/${namespaceKey(namespace)}`;
}

function isList(value: unknown): value is readonly Uint8Array[] {
  return Array.isArray(value) && value.every((item) => item instanceof Uint8Array);
}

function readStatements(bytes: Uint8Array): Partial<KeyStatements> {
  try {
    const kept = decodeCbor(bytes);
    if (!isMap(kept)) return {};
    const [succession, delegation, revocation] = ["succession", "delegation", "revocation"].map((kind) =>
      kept.get(kind),
    );
    return {
      ...(isList(succession) && { succession }),
      ...(isList(delegation) && { delegation }),
      ...(isList(revocation) && { revocation }),
    };
  } catch {
    // A damaged record is as good as none: the peers tell it all again.
    return {};
  }
}

/** Tells `keyRing` what was kept for this broadcast, and keeps what it learns from now on. Rejects when the store cannot be read. */
export async function keepKeys(store: ReplayStore, namespace: Namespace, keyRing: KeyRing): Promise<void> {
  const bytes = await store.getMeta(keyOf(namespace));
  if (bytes) await keyRing.admitAll(readStatements(bytes));
  const keep = (): void =>
    store.putMeta(keyOf(namespace), encodeCbor(new Map(Object.entries(keyRing.statements))));
  keyRing.on("change", keep);
  keep();
}
