/** The format against an implementation that shares no code with this one: vectors/make_vectors.py. */
import { describe, expect, it } from "vitest";
import { TrackSigner } from "../publish/signer.ts";
import { canonical } from "../wire/varint.ts";
import { fromHex, hex } from "./bytes.ts";
import { signDelegation } from "./delegation.ts";
import { MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import { keys, ManualClock, mediaObject, START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { leafOf, payloadDigest } from "./leaf.ts";
import { SignedTrackTrust } from "./track-trust.ts";
import vectors from "./vectors/manifest.json" with { type: "json" };

describe("vectors of an independent implementation", () => {
  it.each(vectors.leaves)("has the leaf of object $object in group $group", async (vector) => {
    const input = {
      group: canonical(BigInt(vector.group)),
      object: canonical(BigInt(vector.object)),
      immutableProperties: fromHex(vector.properties),
    };
    expect(hex(leafOf(input, await payloadDigest(fromHex(vector.payload))))).toBe(vector.leaf);
  });

  it("has the statement of each envelope", () => {
    for (const { envelope, statement } of vectors.manifests) {
      expect(hex(openEnvelope(fromHex(envelope), MANIFEST_AAD).statement)).toBe(statement);
    }
  });

  it("accepts its manifests through its delegation and verifies its payloads", async () => {
    const keyRing = await KeyRing.create([fromHex(vectors.rootPublicKey)]);
    const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock: new ManualClock() });
    for (const { envelope } of vectors.manifests) {
      expect(await trust.offer("m", fromHex(envelope))).toEqual({ accepted: true });
    }
    expect(hex(trust.truth(7)!.completion!.root)).toBe(vectors.root);
    expect(hex(trust.newest!.catalogDigest!)).toBe(vectors.catalogDigest);
    for (const [id, payload] of vectors.payloads.entries()) {
      const found = trust.lookup(7, id);
      if (found.state !== "signed") throw new Error(`object ${id} is ${found.state}`);
      expect(await trust.verify(mediaObject(7, id, fromHex(payload)), found.entry)).toBeDefined();
    }
  });

  it("signs to the same bytes", async () => {
    const delegation = await signDelegation(keys.root, {
      publicKey: keys.signer.publicKey,
      namespacePrefix: [VIDEO.namespace[0]!],
      notBeforeMs: START_MS - 1_000,
      notAfterMs: START_MS + 3_600_000,
      serial: 1,
    });
    expect(hex(delegation)).toBe(vectors.delegation);
    const clock = new ManualClock();
    const published: string[] = [];
    const signer = new TrackSigner({
      key: keys.signer,
      track: VIDEO,
      streamId: STREAM_ID,
      clock,
      publish: ({ envelope }) => published.push(hex(envelope)),
      keyStatements: { delegation: [delegation] },
      batchMs: 40,
      catalogDigest: fromHex(vectors.catalogDigest),
    });
    const payloads = vectors.payloads.map((payload) => fromHex(payload));
    await signer.add({ group: 7, object: 0, payload: payloads[0]! });
    await signer.add({ group: 7, object: 1, payload: payloads[1]! });
    await signer.flush();
    clock.advance(200);
    await signer.add({ group: 7, object: 2, payload: payloads[2]!, last: true });
    expect(published).toEqual(vectors.manifests.map(({ envelope }) => envelope));
  });
});
