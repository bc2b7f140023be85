/** The one place that makes `Verified<T>`: whoever wants to know who can claim that something was checked reads the callers of this. */
import type { MoqObject } from "../wire/objects.ts";
import { equalBytes } from "./bytes.ts";
import { objectLeaf } from "./leaf.ts";
import type { SignedEntry, Verified } from "./types.ts";

/** For trust/ alone: says that `value` was checked against signed manifests. */
export function markVerified<T>(value: T): Verified<T> {
  return value as Verified<T>;
}

/**
 * The object, marked, when it is what `entry` says: a normal object with that id, size and leaf. Undefined when not, which proves that whoever
 * sent it altered it. Size and id are compared before anything is hashed.
 */
export function checkObject(
  object: MoqObject,
  entry: SignedEntry,
): Verified<MoqObject> | undefined | Promise<Verified<MoqObject> | undefined> {
  // A status other than normal claims that an object does not exist; nobody signs that.
  if (object.status !== "normal" || object.object !== entry.object) return undefined;
  if (object.payload.byteLength !== entry.size) return undefined;
  const judge = (leaf: Uint8Array) => (equalBytes(leaf, entry.leaf) ? markVerified(object) : undefined);
  const leaf = objectLeaf(object);
  return leaf instanceof Uint8Array ? judge(leaf) : leaf.then(judge);
}
