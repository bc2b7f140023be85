import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { fromHex, hex } from "./bytes.ts";
import { inclusionProof, merkleRoot, verifyInclusion } from "./merkle.ts";

/**
 * The leaves, roots and proofs that Certificate Transparency implementations share; values from
 * github.com/transparency-dev/merkle, proof/verify_test.go.
 */
const DATA = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const PROOFS = [
  [
    0,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    5,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
  [
    1,
    5,
    [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
] as const;

const leaves = DATA.map((data) => sha256(Uint8Array.of(0, ...fromHex(data))));

describe("Merkle trees of RFC 9162", () => {
  it("has the roots of Certificate Transparency's test trees", () => {
    expect(hex(merkleRoot([]))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ROOTS.forEach((root, i) => {
      expect(hex(merkleRoot(leaves.slice(0, i + 1)))).toBe(root);
    });
  });

  it.each(PROOFS)("has the proof of leaf %i of %i", (index, size, proof) => {
    expect(inclusionProof(leaves.slice(0, size), index).map(hex)).toEqual(proof);
    expect(verifyInclusion(leaves[index]!, index, size, proof.map(fromHex), fromHex(ROOTS[size - 1]!))).toBe(
      true,
    );
  });

  it("proves every leaf of every tree up to 40 leaves, and none in another's place", () => {
    const many = Array.from({ length: 40 }, (_, i) => sha256(Uint8Array.of(0, i)));
    for (let size = 1; size <= many.length; size++) {
      const tree = many.slice(0, size);
      const root = merkleRoot(tree);
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(tree, index);
        expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        expect(verifyInclusion(tree[index]!, index, size, proof, root)).toBe(true);
        expect(verifyInclusion(tree[index]!, (index + 1) % size, size, proof, root)).toBe(size === 1);
      }
    }
  });

  it("refuses a proof that is longer, shorter or changed, another root and another size", () => {
    const tree = leaves.slice(0, 7);
    const root = merkleRoot(tree);
    const proof = inclusionProof(tree, 5);
    const leaf = tree[5]!;
    const changed = proof.map((digest, i) =>
      i === 1 ? Uint8Array.from(digest, (byte, at) => (at === 0 ? byte ^ 8 : byte)) : digest,
    );
    expect(verifyInclusion(leaf, 5, 7, proof, root)).toBe(true);
    expect(verifyInclusion(leaf, 5, 7, [...proof, root], root)).toBe(false);
    expect(verifyInclusion(leaf, 5, 7, [root, ...proof], root)).toBe(false);
    expect(verifyInclusion(leaf, 5, 7, proof.slice(0, -1), root)).toBe(false);
    expect(verifyInclusion(leaf, 5, 7, changed, root)).toBe(false);
    expect(verifyInclusion(leaf, 5, 7, proof, fromHex(ROOTS[7]!))).toBe(false);
    expect(verifyInclusion(leaf, 5, 14, proof, root)).toBe(false);
    expect(verifyInclusion(leaf, 7, 7, proof, root)).toBe(false);
    expect(verifyInclusion(leaf, -1, 7, proof, root)).toBe(false);
    expect(verifyInclusion(new Uint8Array(0), 0, 1, [], new Uint8Array(0))).toBe(false);
    expect(() => inclusionProof(tree, 7)).toThrow(RangeError);
  });
});
