import { beforeEach, describe, expect, it } from "vitest";
import { verifyingMerger } from "../merge/track-merger.ts";
import type { MoqObject } from "../wire/objects.ts";
import { encodeProperties, propertyTypes } from "../wire/properties.ts";
import { verifyStoredGroup } from "./archive.ts";
import {
  entryFor,
  FreeSigner,
  keys,
  ManualClock,
  mediaObject,
  objectAt,
  STREAM_ID,
  VIDEO,
} from "./fixtures.ts";
import { attachInclusionProofs, INCLUSION_PROOF_PROPERTY, includedEntry } from "./inclusion.ts";
import { KeyRing } from "./key-ring.ts";
import { merkleRoot } from "./merkle.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const COUNT = 25;
const plain = Array.from({ length: COUNT }, (_, object) => objectAt(7, object));

let objects: readonly MoqObject[];
let trust: SignedTrackTrust;
let keyRing: KeyRing;
/** The manifest that closes group 7 and names none of its objects but the last. */
let closing: Uint8Array;

beforeEach(async () => {
  objects = await attachInclusionProofs(plain);
  const clock = new ManualClock();
  keyRing = await KeyRing.create([keys.root.publicKey]);
  trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
  closing = (await new FreeSigner(clock).publishGroup(7, COUNT)).at(-1)!;
});

const completion = async () => ({
  objectCount: COUNT,
  root: merkleRoot(await Promise.all(plain.map(async (object) => (await entryFor(object)).leaf))),
});

describe("a proof beside an object", () => {
  it("is of the size of the tree's height, leaves payload and leaf alone, and leads to the signer's entry", async () => {
    const closed = await completion();
    for (const [i, object] of objects.entries()) {
      // Index, five levels at most, and the head of the property.
      expect(object.properties.byteLength).toBeLessThanOrEqual(4 + 5 * 32 + 7);
      expect(object.payload).toBe(plain[i]!.payload);
      expect(await includedEntry(object, closed)).toEqual(await entryFor(plain[i]!));
    }
  });

  it("stands beside other properties, in order, and is not part of what is signed", async () => {
    const immutable = encodeProperties([{ type: 1, value: Uint8Array.of(9) }]);
    const properties = encodeProperties([
      { type: propertyTypes.immutableProperties, value: immutable },
      { type: 0x7fff_fffe, value: 5 },
    ]);
    const pair = [objectAt(1, 0), { ...objectAt(1, 3), properties }];
    const leaves = await Promise.all(pair.map(async (object) => (await entryFor(object)).leaf));
    const proven = await attachInclusionProofs(pair);
    const entry = await includedEntry(proven[1]!, { objectCount: 2, root: merkleRoot(leaves) });
    expect(entry?.leaf).toEqual(leaves[1]);
  });

  it("proves nothing for another payload, place, immutable property, root or size of the tree, nor when it is cut", async () => {
    const closed = await completion();
    const object = objects[3]!;
    const cut = { ...object, properties: object.properties.subarray(0, -1) };
    const lies: MoqObject[] = [
      { ...object, payload: new TextEncoder().encode("payload of 7.X") },
      { ...object, object: 4 },
      { ...object, group: 8 },
      { ...object, properties: objects[4]!.properties },
      { ...object, status: "end-of-group", payload: new Uint8Array(0) },
      cut,
      plain[3]!,
    ];
    for (const lie of lies) expect(await includedEntry(lie, closed)).toBeUndefined();
    expect(await includedEntry(object, { ...closed, objectCount: 60 })).toBeUndefined();
    expect(await includedEntry(object, { ...closed, root: new Uint8Array(32) })).toBeUndefined();
  });

  it("is not made for half a group in disorder, nor twice", async () => {
    await expect(attachInclusionProofs([plain[1]!, plain[0]!])).rejects.toMatchObject({
      code: "invalid-options",
    });
    await expect(attachInclusionProofs([plain[0]!, objectAt(8, 1)])).rejects.toMatchObject({
      code: "invalid-options",
    });
    await expect(attachInclusionProofs(objects)).rejects.toMatchObject({ code: "invalid-options" });
  });

  it("has a property type that is odd and no Mandatory Track Property", () => {
    expect(INCLUSION_PROOF_PROPERTY % 2).toBe(1);
    expect(INCLUSION_PROOF_PROPERTY).toBeGreaterThan(0x7fff);
  });
});

describe("a viewer who knows the closing manifest alone", () => {
  const merged = () => {
    const clock = new ManualClock();
    const merger = verifyingMerger(trust, { clock });
    const log: string[] = [];
    merger.on("delivered", ({ object }) => log.push(`${object.group}/${object.object}`));
    merger.on("rejected", ({ object, reason }) => log.push(`${object} ${reason}`));
    return { merger, log };
  };

  it("takes a single fetched object by its proof", async () => {
    await trust.offer("m", closing);
    const { merger, log } = merged();
    merger.sink("a", "fetch").object(objects[11]!);
    await expect.poll(() => log).toEqual(["7/11"]);
    expect(trust.lookup(7, 11).state).toBe("signed");
    expect(trust.lookup(7, 12)).toEqual({ state: "waiting" });
  });

  it("takes it also when the closing manifest comes after it", async () => {
    const { merger, log } = merged();
    merger.sink("a", "fetch").object(objects[11]!);
    await trust.offer("m", closing);
    await expect.poll(() => log).toEqual(["7/11"]);
  });

  it("does not take one that was altered, or whose proof was; a good copy behind it is taken", async () => {
    await trust.offer("m", closing);
    const { merger, log } = merged();
    merger.offer("a", { ...objects[11]!, payload: new TextEncoder().encode("payload of 7.XX") });
    merger.offer("a", { ...objects[12]!, properties: objects[11]!.properties });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(log).toEqual([]);
    merger.offer("b", objects[11]!);
    // The junk that waited for its turn is found out once the place is known.
    await expect.poll(() => log).toEqual(["11 mismatch", "7/11"]);
  });

  it("does not hold it against the signer when a manifest names the object later", async () => {
    await trust.offer("m", closing);
    await trust.include(objects[2]!);
    const clock = new ManualClock();
    for (const envelope of await new FreeSigner(clock).publishGroup(7, COUNT))
      await trust.offer("m", envelope);
    expect(trust.state).toBe("verified");
    expect(trust.truth(7)?.entries).toHaveLength(COUNT);
  });
});

describe("a stored part of a group", () => {
  it("is proven by the closing manifest and the proofs that were kept with its objects", async () => {
    const stored = { group: 7, evidence: [closing], objects: [objects[4]!, objects[20]!, plain[21]!] };
    const verdict = await verifyStoredGroup(stored, { track: VIDEO, keyRing });
    expect(verdict.objects.map(({ object }) => object)).toEqual([4, 20]);
    expect(verdict.failed).toEqual([21]);
    const forged = mediaObject(7, 4, "payload of 7.X");
    const lie = { ...stored, objects: [{ ...forged, properties: objects[4]!.properties }] };
    expect((await verifyStoredGroup(lie, { track: VIDEO, keyRing })).objects).toEqual([]);
  });
});
