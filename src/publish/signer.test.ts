import { describe, expect, it } from "vitest";
import { signDelegation } from "../trust/delegation.ts";
import { MANIFEST_AAD, openEnvelope } from "../trust/envelope.ts";
import { keys, ManualClock, mediaObject, START_MS, STREAM_ID, VIDEO } from "../trust/fixtures.ts";
import { KeyRing } from "../trust/key-ring.ts";
import type { SigningKey } from "../trust/keys.ts";
import { SignedTrackTrust } from "../trust/track-trust.ts";
import { generateStreamId, type SignedManifest, TrackSigner, type TrackSignerOptions } from "./signer.ts";

async function setUp(options: Partial<TrackSignerOptions> = {}) {
  const clock = new ManualClock();
  const published: SignedManifest[] = [];
  const signer = new TrackSigner({
    key: keys.root,
    track: VIDEO,
    streamId: STREAM_ID,
    clock,
    publish: (manifest) => published.push(manifest),
    ...options,
  });
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock });
  return { clock, published, signer, trust };
}

const objects = [0, 1, 2, 3, 4].map((object) => mediaObject(7, object, new Uint8Array(2_000).fill(object)));

describe("TrackSigner", () => {
  it("publishes a manifest per object, of which the last closes the group, and a judge accepts them all", async () => {
    const { published, signer, trust } = await setUp();
    for (const object of objects) await signer.add({ ...object, last: object.object === 4 });
    expect(published.map(({ group, object }) => [group, object])).toEqual([0, 1, 2, 3, 4].map((n) => [7, n]));
    for (const { envelope } of published)
      expect(await trust.offer("m", envelope)).toEqual({ accepted: true });
    expect(trust.state).toBe("verified");
    for (const object of objects) {
      const found = trust.lookup(7, object.object);
      if (found.state !== "signed") throw new Error(`object ${object.object} is ${found.state}`);
      expect(await trust.verify(object, found.entry)).toBe(object);
    }
    expect(trust.lookup(7, 5)).toEqual({ state: "unsigned" });
    expect(trust.evidence(7)).toEqual([published[4]!.envelope]);
  });

  it("keeps the order of objects whether or not the caller waits", async () => {
    const { published, signer, trust } = await setUp();
    await Promise.all(objects.map((object) => signer.add(object)));
    await signer.closeGroup();
    expect(published).toHaveLength(6);
    for (const { envelope } of published) expect((await trust.offer("m", envelope)).accepted).toBe(true);
    expect(trust.truth(7)?.completion?.objectCount).toBe(5);
  });

  it("closes a group when the next one begins", async () => {
    const { published, signer, trust } = await setUp();
    await signer.add(objects[0]!);
    await signer.add(mediaObject(8, 0, "next"));
    expect(published.map(({ group, object }) => `${group}.${object}`)).toEqual(["7.0", "7.1", "8.0"]);
    for (const { envelope } of published) await trust.offer("m", envelope);
    expect(trust.lookup(7, 1).state).toBe("unsigned");
    expect(trust.lookup(8, 1).state).toBe("waiting");
  });

  it("batches entries for the time it is told, and not longer", async () => {
    const { clock, published, signer, trust } = await setUp({ batchMs: 40 });
    await signer.add(objects[0]!);
    await signer.add(objects[1]!);
    clock.advance(39);
    await signer.add(objects[2]!);
    expect(published).toEqual([]);
    clock.advance(1);
    await expect.poll(() => published.length).toBe(1);
    expect((await trust.offer("m", published[0]!.envelope)).accepted).toBe(true);
    expect(trust.truth(7)?.entries).toHaveLength(3);
    await signer.add(objects[3]!);
    await signer.add({ ...objects[4]!, last: true });
    expect(published).toHaveLength(2);
    // Nor does the timer of a batch that went early cut the next one short.
    trust.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it("signs the same statements for the same input at the same time", async () => {
    const runs = [await setUp(), await setUp()];
    for (const { signer } of runs)
      for (const object of objects) await signer.add({ ...object, last: object.object === 4 });
    expect(runs[0]!.published).toEqual(runs[1]!.published);
  });

  it("goes on with a chain after a restart", async () => {
    const { clock, published, signer, trust } = await setUp();
    await signer.add({ ...objects[0]!, last: true });
    clock.advance(-10_000);
    const again = await setUp({ resume: signer.state });
    again.clock.advance(-10_000);
    await again.signer.add({ ...mediaObject(8, 0, "after"), last: true });
    for (const { envelope } of [...published, ...again.published]) {
      expect(await trust.offer("m", envelope)).toEqual({ accepted: true });
    }
    // The clock was set back in between; the chain's time was not.
    expect(trust.newest).toMatchObject({ sequence: 1, issuedAtMs: clock.now() + 10_000 });
  });

  it("puts delegations into the first and the closing manifest of a group", async () => {
    const delegation = Uint8Array.of(1, 2, 3);
    const { published, signer } = await setUp({ keyStatements: { delegation: [delegation] } });
    for (const object of objects) await signer.add({ ...object, last: object.object === 4 });
    const carried = published.map(
      ({ envelope }) => openEnvelope(envelope, MANIFEST_AAD).keyStatements.delegation.length,
    );
    expect(carried).toEqual([1, 0, 0, 0, 1]);
  });

  it("rotates its key in mid-group: the next manifest brings what introduces the new one, and the chain goes on", async () => {
    const { published, signer, trust } = await setUp();
    await signer.add(objects[0]!);
    const delegation = await signDelegation(keys.root, {
      publicKey: keys.signer.publicKey,
      namespacePrefix: VIDEO.namespace,
      notBeforeMs: 0,
      notAfterMs: START_MS + 3_600_000,
      serial: 1,
    });
    await signer.setKey(keys.signer, { delegation: [delegation] });
    for (const object of objects.slice(1)) await signer.add({ ...object, last: object.object === 4 });
    const opened = published.map(({ envelope }) => openEnvelope(envelope, MANIFEST_AAD));
    expect(opened.map(({ keyStatements }) => keyStatements.delegation.length)).toEqual([0, 1, 0, 0, 1]);
    expect(opened.map(({ kid }) => kid)).toEqual([keys.root.kid, ...Array(4).fill(keys.signer.kid)]);
    for (const { envelope } of published) expect((await trust.offer("m", envelope)).accepted).toBe(true);
    expect(trust.truth(7)?.completion?.objectCount).toBe(5);
  });

  it("tells of a new key before it takes over, and takes it at the time that was named, so that a rotation leaves no gap", async () => {
    const { clock, published, signer, trust } = await setUp({ key: keys.signer });
    const fromMs = START_MS + 1_000;
    const delegate = (key: SigningKey, notBeforeMs: number, serial: number) =>
      signDelegation(keys.root, {
        publicKey: key.publicKey,
        namespacePrefix: VIDEO.namespace,
        notBeforeMs,
        notAfterMs: START_MS + 3_600_000,
        serial,
      });
    const [old, next] = [await delegate(keys.signer, 0, 1), await delegate(keys.stranger, fromMs, 2)];
    await signer.setKey(keys.signer, { delegation: [old] });
    await signer.add(objects[0]!);
    await signer.setKey(keys.stranger, { delegation: [old, next] }, fromMs);
    for (const object of objects.slice(1)) {
      await signer.add({ ...object, last: object.object === 4 });
      clock.advance(400);
    }
    const opened = published.map(({ envelope }) => openEnvelope(envelope, MANIFEST_AAD));
    const [before, after] = [keys.signer.kid, keys.stranger.kid];
    expect(opened.map(({ kid }) => kid)).toEqual([before, before, before, before, after]);
    expect(opened.map(({ keyStatements }) => keyStatements.delegation.length)).toEqual([1, 2, 0, 0, 2]);
    for (const { envelope } of published) expect((await trust.offer("m", envelope)).accepted).toBe(true);
    expect(trust.truth(7)?.completion?.objectCount).toBe(5);
  });

  it("says that it is still there while nothing is cut", async () => {
    const { clock, published, signer, trust } = await setUp();
    await signer.heartbeat();
    expect(published).toEqual([]);
    await signer.add(objects[0]!);
    await trust.offer("m", published[0]!.envelope);
    clock.advance(4_000);
    await signer.heartbeat();
    expect((await trust.offer("m", published[1]!.envelope)).accepted).toBe(true);
    clock.advance(4_000);
    expect(trust.state).toBe("verified");
  });

  it("names the catalog in force from the moment it is told of it", async () => {
    const { published, signer, trust } = await setUp();
    await signer.add(objects[0]!);
    signer.setCatalogDigest(new Uint8Array(32).fill(1));
    await signer.add(objects[1]!);
    await trust.offer("m", published[0]!.envelope);
    expect(trust.newest?.catalogDigest).toBeUndefined();
    await trust.offer("m", published[1]!.envelope);
    expect(trust.newest?.catalogDigest).toEqual(new Uint8Array(32).fill(1));
  });

  it("refuses objects that go back, and goes on with the next", async () => {
    const { published, signer } = await setUp();
    await signer.add(objects[1]!);
    for (const bad of [objects[1]!, objects[0]!, mediaObject(6, 0, "earlier group")]) {
      await expect(signer.add(bad)).rejects.toMatchObject({ code: "invalid-options" });
    }
    await signer.add({ ...objects[2]!, last: true });
    await expect(signer.add(objects[3]!)).rejects.toMatchObject({ code: "invalid-options" });
    expect(published).toHaveLength(2);
  });

  it("leaves the chain where it was when a signature fails, and signs for the object with the next", async () => {
    let fail = false;
    const key = {
      ...keys.root,
      sign: (data: Uint8Array) => (fail ? Promise.reject(new Error("no")) : keys.root.sign(data)),
    };
    const { published, signer, trust } = await setUp({ key });
    await signer.add(objects[0]!);
    fail = true;
    await expect(signer.add(objects[1]!)).rejects.toThrow("no");
    fail = false;
    await signer.add({ ...objects[2]!, last: true });
    for (const { envelope } of published) expect((await trust.offer("m", envelope)).accepted).toBe(true);
    expect(trust.truth(7)?.entries.map(({ object }) => object)).toEqual([0, 1, 2]);
  });

  it("refuses options that make no sense", async () => {
    await expect(setUp({ batchMs: 41 })).rejects.toMatchObject({ code: "invalid-options" });
    await expect(setUp({ freshForMs: 0 })).rejects.toMatchObject({ code: "invalid-options" });
  });

  it("makes stream ids of 16 bytes that differ", () => {
    expect(generateStreamId()).toHaveLength(16);
    expect(generateStreamId()).not.toEqual(generateStreamId());
  });
});
