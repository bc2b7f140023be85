/**
 * An object that brings its own proof: that its leaf is among those under the Merkle root which closed its group.
 *
 * An archive keeps one manifest of a group, the closing one; with it alone a group can only be checked whole. An object that comes by itself (a repair, a
 * part of a group out of a cache) is checked by log2(n) digests that ride beside it, in a property of its own. The property is a mutable one: immutable ones are part of the
 * leaf, and a proof cannot be part of what it proves. So anybody on the way can damage or remove it, which is no more than they can do to the object.
 *
 * Value of the property: the leaf's index among the leaves of its group in order of object id, as a 32-bit big-endian integer, then the digests of RFC 9162 §2.1.3.1, 32 bytes
 * each, bottom first. The number of leaves and the root are the closing manifest's.
 */
import { CountersignError } from "../errors.ts";
import type { MoqObject } from "../wire/objects.ts";
import { encodeProperties, parseObjectProperties } from "../wire/properties.ts";
import { compareVarInt } from "../wire/varint.ts";
import { objectLeaf } from "./leaf.ts";
import { MAX_OBJECTS_PER_GROUP } from "./limits.ts";
import { inclusionProof, verifyInclusion } from "./merkle.ts";
import type { GroupCompletion, SignedEntry } from "./types.ts";

/** "Cosi" in ASCII. Odd, so its value is bytes (draft-ietf-moq-transport-18 §1.4.3); outside the range of Mandatory Track Properties (§2.5.1), so relays pass it on unread. */
export const INCLUSION_PROOF_PROPERTY = 0x436f7369;

const INDEX_BYTES = 4;
const DIGEST_BYTES = 32;
/** Levels of a tree over MAX_OBJECTS_PER_GROUP leaves. */
const MAX_LEVELS = Math.ceil(Math.log2(MAX_OBJECTS_PER_GROUP));

interface Inclusion {
  readonly index: number;
  readonly proof: readonly Uint8Array[];
}

/**
 * The objects of one whole group, in order of object id, each with the proof that it is one of them; 4 + 32 log2(n) bytes and the property's head. What
 * other properties they have stays. Rejects with "invalid-options" when they are not one group, in order, of normal objects without a proof.
 */
export async function attachInclusionProofs(objects: readonly MoqObject[]): Promise<readonly MoqObject[]> {
  const ordered = objects.every(
    ({ group, object, status }, i) =>
      status === "normal" &&
      group === objects[0]!.group &&
      (i === 0 || compareVarInt(objects[i - 1]!.object, object) < 0),
  );
  if (!ordered || objects.length > MAX_OBJECTS_PER_GROUP) {
    throw new CountersignError("invalid-options", "Proofs are made for the objects of one group, in order.");
  }
  const leaves = await Promise.all(objects.map((object) => objectLeaf(object)));
  return objects.map((object, index) => ({
    ...object,
    properties: withInclusion(object.properties, { index, proof: inclusionProof(leaves, index) }),
  }));
}

function withInclusion(properties: Uint8Array, { index, proof }: Inclusion): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(INDEX_BYTES + DIGEST_BYTES * proof.length);
  new DataView(value.buffer).setUint32(0, index);
  for (const [level, digest] of proof.entries()) value.set(digest, INDEX_BYTES + DIGEST_BYTES * level);
  const others = parseObjectProperties(properties);
  if (others.some(({ type }) => type === INCLUSION_PROOF_PROPERTY))
    throw new CountersignError("invalid-options", "The object carries a proof already.");
  const pairs = [...others, { type: INCLUSION_PROOF_PROPERTY, value }];
  return encodeProperties(pairs.sort((a, b) => compareVarInt(a.type, b.type)));
}

/** What the object brings; undefined when it brings no proof, or something that is none. */
function inclusionOf(properties: Uint8Array): Inclusion | undefined {
  // Nearly always: nothing is parsed for objects without properties.
  if (properties.byteLength < INDEX_BYTES) return undefined;
  try {
    const value = parseObjectProperties(properties).find(
      ({ type }) => type === INCLUSION_PROOF_PROPERTY,
    )?.value;
    if (!(value instanceof Uint8Array) || value.byteLength < INDEX_BYTES) return undefined;
    const levels = (value.byteLength - INDEX_BYTES) / DIGEST_BYTES;
    if (!Number.isInteger(levels) || levels > MAX_LEVELS) return undefined;
    return {
      index: new DataView(value.buffer, value.byteOffset).getUint32(0),
      proof: Array.from({ length: levels }, (_, level) =>
        value.subarray(INDEX_BYTES + DIGEST_BYTES * level, INDEX_BYTES + DIGEST_BYTES * (level + 1)),
      ),
    };
  } catch {
    // Properties that cannot be parsed prove nothing; whose fault that is, is decided where objects are judged.
    return undefined;
  }
}

/** Whether the object brings something to be checked; cheap. */
export function carriesInclusionProof({ properties }: Pick<MoqObject, "properties">): boolean {
  return inclusionOf(properties) !== undefined;
}

/** What the signer said of this object, found out by its proof; undefined when the proof does not lead to the root of its closed group. */
export async function includedEntry(
  object: MoqObject,
  { objectCount, root }: GroupCompletion,
): Promise<SignedEntry | undefined> {
  const inclusion = inclusionOf(object.properties);
  if (inclusion === undefined || object.status !== "normal") return undefined;
  const leaf = await objectLeaf(object);
  if (!verifyInclusion(leaf, inclusion.index, objectCount, inclusion.proof, root)) return undefined;
  return { object: object.object, size: object.payload.byteLength, leaf };
}
