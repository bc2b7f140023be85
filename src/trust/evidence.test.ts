import { describe, expect, it } from "vitest";
import { namespaceOf } from "../wire/names.ts";
import { signDelegation } from "./delegation.ts";
import { decodeEvidence, encodeEvidence, verifyEvidence } from "./evidence.ts";
import { entryFor, FreeSigner, keys, ManualClock, objectAt, START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { signRevocation } from "./key-change.ts";
import { KeyRing } from "./key-ring.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const ring = (root = keys.root) => KeyRing.create([root.publicKey]);
const entry = (group: number, object: number) => entryFor(objectAt(group, object));

async function setUp() {
  const clock = new ManualClock();
  const keyRing = await ring();
  const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
  const signer = new FreeSigner(clock, keys.signer);
  const delegation = await signDelegation(keys.root, {
    publicKey: keys.signer.publicKey,
    namespacePrefix: namespaceOf("example.com"),
    notBeforeMs: START_MS - 1_000,
    notAfterMs: START_MS + 3_600_000,
    serial: 1,
  });
  signer.delegations = [delegation];
  const offer = async (peer: string, envelope: Uint8Array) =>
    (await trust.offer(peer, envelope)).error?.code ?? "accepted";
  return { clock, trust, signer, delegation, offer };
}

/** The same signer in another mood: it goes on from the same place with something else. */
function fork(of: FreeSigner): FreeSigner {
  const other = new FreeSigner(of.clock, of.key);
  Object.assign(other, { sequence: of.sequence, previous: of.previous });
  return other;
}

describe("two manifest peers", () => {
  it("that show forked views are found out by whoever listens to both, and named", async () => {
    const { trust, signer, offer } = await setUp();
    expect(await offer("a", await signer.publish({ group: 7, entries: [await entry(7, 0)] }))).toBe(
      "accepted",
    );
    const other = fork(signer);
    const [viewOfA, viewOfB] = [
      await signer.publish({ group: 8, entries: [await entry(8, 0)] }),
      await other.publish({ group: 8, entries: [{ ...(await entry(8, 0)), size: 1 }] }),
    ];
    expect([await offer("a", viewOfA), await offer("b", viewOfB)]).toEqual([
      "accepted",
      "manifest-equivocation",
    ]);
    expect(trust.state).toBe("equivocation");
    const exported = trust.exportEvidence();
    expect(exported?.manifests).toEqual([
      { envelope: viewOfA, peer: "a" },
      { envelope: viewOfB, peer: "b" },
    ]);
  });

  it("that show forks from a point where only one of them was heard are found out by the broken chain", async () => {
    const { trust, signer, offer } = await setUp();
    const other = fork(signer);
    await offer("a", await signer.publish({ group: 7, entries: [await entry(7, 0)] }));
    await other.publish({ group: 7, entries: [await entry(7, 1)] });
    expect(await offer("b", await other.publish({ group: 7, entries: [await entry(7, 2)] }))).toBe(
      "manifest-equivocation",
    );
    expect(trust.contradiction?.what).toContain("follows another manifest");
  });

  it("of which one goes silent, or holds some back, cost nothing while the other speaks", async () => {
    const { clock, trust, signer, offer } = await setUp();
    const states: string[] = [];
    trust.on("state", ({ state }) => states.push(state));
    for (let group = 7; group < 19; group++) {
      const envelopes = await signer.publishGroup(group, 2);
      for (const envelope of envelopes) await offer("a", envelope);
      // b holds back every second one, and is silent from group 11 on.
      if (group < 11) await offer("b", envelopes[group % 2]!);
      clock.advance(1_000);
    }
    expect(states).toEqual(["verified"]);
    expect([7, 18].map((group) => trust.lookup(group, 1).state)).toEqual(["signed", "signed"]);
  });

  it("that swap what they carry, or repeat it in any order, change nothing", async () => {
    const { trust, signer, offer } = await setUp();
    const envelopes = [...(await signer.publishGroup(7, 3)), ...(await signer.publishGroup(8, 3))];
    for (const [i, envelope] of [...envelopes].reverse().entries()) await offer(i % 2 ? "a" : "b", envelope);
    for (const envelope of envelopes) expect(await offer("b", envelope)).toBe("accepted");
    expect(trust.state).toBe("verified");
    expect([7, 8].map((group) => trust.truth(group)?.entries.length)).toEqual([3, 3]);
  });
});

describe("evidence of equivocation", () => {
  async function caught() {
    const all = await setUp();
    const { signer, offer, trust } = all;
    await offer("a", await signer.publish({ group: 7, entries: [await entry(7, 0)] }));
    await offer("a", await signer.say({ group: 8 }));
    await offer("b", await signer.say({ group: 8, entries: [await entry(8, 0)] }));
    return { ...all, bytes: encodeEvidence(trust.exportEvidence()!) };
  }

  it("convinces a third party who knows the root and nothing else", async () => {
    const { bytes } = await caught();
    const proven = await verifyEvidence(decodeEvidence(bytes), await ring());
    expect(proven.what).toBe("two manifests with sequence 1");
    expect(proven.streamId).toEqual(STREAM_ID);
    expect(proven.track).toEqual(VIDEO);
    expect([proven.first.source, proven.second.source]).toEqual(["a", "b"]);
  });

  it("carries the whole group where two manifests alone do not show the contradiction", async () => {
    const { trust, signer, offer } = await setUp();
    for (const object of [0, 1, 2])
      await offer("a", await signer.publish({ group: 7, entries: [await entry(7, object)] }));
    const completion = { objectCount: 3, root: new Uint8Array(32) };
    expect(await offer("a", await signer.publish({ group: 7, completion }))).toBe("manifest-equivocation");
    const evidence = trust.exportEvidence()!;
    expect(evidence.manifests).toHaveLength(4);
    const proven = await verifyEvidence(decodeEvidence(encodeEvidence(evidence)), await ring());
    expect(proven.what).toContain("Merkle root");
    const partial = { ...evidence, manifests: evidence.manifests.slice(1) };
    await expect(verifyEvidence(partial, await ring())).rejects.toMatchObject({ code: "invalid-options" });
  });

  it("does not convince of what the signer did not sign, with another root, or from another stream", async () => {
    const { bytes, clock, signer } = await caught();
    const evidence = decodeEvidence(bytes);
    const [first, second] = evidence.manifests;
    const code = async (manifests: typeof evidence.manifests, root = keys.root) =>
      verifyEvidence({ ...evidence, manifests }, await ring(root)).then(
        () => "proven",
        (error) => error.code,
      );
    expect(await code([first!, second!])).toBe("proven");
    expect(await code([first!, second!], keys.stranger)).toBe("manifest-wrong-key");
    expect(await code([first!, first!])).toBe("invalid-options");
    expect(await code([])).toBe("invalid-options");
    const altered = second!.envelope.slice();
    altered[altered.byteLength - 1]! ^= 1;
    expect(await code([first!, { envelope: altered, peer: "b" }])).toBe("manifest-bad-signature");
    const forger = new FreeSigner(clock, keys.stranger);
    forger.sequence = 1;
    expect(await code([first!, { envelope: await forger.say({ group: 9 }), peer: "b" }])).toBe(
      "manifest-wrong-key",
    );
    signer.streamId = new Uint8Array(16);
    expect(await code([first!, { envelope: await signer.say({ group: 9 }), peer: "b" }])).toBe(
      "manifest-wrong-stream",
    );
  });

  it("does not stand against a signer whose key was a thief's by then", async () => {
    const { bytes } = await caught();
    const wiser = await ring();
    const change = { publicKey: keys.signer.publicKey, fromMs: START_MS };
    await wiser.admit(await signRevocation(keys.root, change), "revocation");
    await expect(verifyEvidence(decodeEvidence(bytes), wiser)).rejects.toMatchObject({
      code: "manifest-key-revoked",
    });
  });

  it("is there only when there is a contradiction, and refuses any other bytes by name", async () => {
    const { trust, signer, offer } = await setUp();
    await offer("a", await signer.publish({ group: 7 }));
    expect(trust.exportEvidence()).toBeUndefined();
    const { bytes } = await caught();
    for (let length = 0; length < bytes.byteLength; length += 7) {
      let code: unknown;
      try {
        decodeEvidence(bytes.subarray(0, length));
      } catch (thrown) {
        code = (thrown as { code?: unknown }).code;
      }
      expect(code).toBe("manifest-malformed");
    }
  });
});
