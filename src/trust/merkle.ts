/**
 * Merkle trees of RFC 9162 §2.1 over leaves that are hashed already (leaf.ts does that, with the 0x00 prefix the RFC asks for).
 *
 * One root stands for all objects of a group: whoever has the root can check a single object by log2(n) digests that come with it.
 */
import { equalBytes } from "./bytes.ts";
import { sha256 } from "./short-sha256.ts";

const NODE_PREFIX = 0x01;
const DIGEST_BYTES = 32;

/** What a node is hashed from, written over for each: a group has as many inner nodes as objects. */
const nodeInput = new Uint8Array(1 + 2 * DIGEST_BYTES);
nodeInput[0] = NODE_PREFIX;

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + DIGEST_BYTES);
  return sha256(nodeInput);
}

/** The largest power of two below n, for n > 1. */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function subtree(leaves: readonly Uint8Array[], start: number, end: number): Uint8Array {
  if (end - start === 1) return leaves[start]!;
  const middle = start + splitPoint(end - start);
  return nodeHash(subtree(leaves, start, middle), subtree(leaves, middle, end));
}

/** The root over 32-byte leaf digests in order (§2.1.1); of no leaves it is the SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return leaves.length === 0 ? sha256(new Uint8Array(0)) : subtree(leaves, 0, leaves.length);
}

/** The digests that lead from leaf `index` to the root (§2.1.3.1), bottom first. Throws RangeError when there is no such leaf. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`there is no leaf ${index}`);
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = leaves.length;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      proof.push(subtree(leaves, middle, end));
      end = middle;
    } else {
      proof.push(subtree(leaves, start, middle));
      start = middle;
    }
  }
  return proof.reverse();
}

/** Whether `proof` shows that `leaf` is leaf number `index` of the `size` leaves under `root` (§2.1.3.2). */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if (leaf.byteLength !== DIGEST_BYTES) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0 || sibling.byteLength !== DIGEST_BYTES) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(hash, root);
}
