/** One signature for what arrives together: what it saves, and what it must not let through. */
import { beforeEach, describe, expect, it } from "vitest";
import { verifyStoredGroup } from "./archive.ts";
import { signDelegation } from "./delegation.ts";
import { verifyEvidence } from "./evidence.ts";
import { entryFor, FreeSigner, keys, ManualClock, objectAt, STREAM_ID, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import type { VerificationKey } from "./keys.ts";
import { SignedTrackTrust } from "./track-trust.ts";

let clock: ManualClock;
let keyRing: KeyRing;
let trust: SignedTrackTrust;
let signer: FreeSigner;
/** Signatures that were looked at. */
let checks = 0;

const together = async (envelopes: readonly Uint8Array[], source = "m1") =>
  (await Promise.all(envelopes.map((envelope) => trust.offer(source, envelope)))).map(
    ({ error }) => error?.code ?? "accepted",
  );

/** The last 64 bytes are the signature. */
function withBadSignature(envelope: Uint8Array): Uint8Array<ArrayBuffer> {
  const bad = new Uint8Array(envelope);
  bad[bad.byteLength - 1]! ^= 1;
  return bad;
}

/** What the same signer says to others of group 7, from the same beginning. */
async function forkOf(count: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const other = new FreeSigner(clock);
  const said: Uint8Array<ArrayBuffer>[] = [];
  for (let object = 0; object < count; object++) {
    const entry = { ...(await entryFor(objectAt(7, object))), size: 1 };
    said.push(await other.publish({ group: 7, entries: [entry] }));
  }
  return said;
}

beforeEach(async () => {
  clock = new ManualClock();
  checks = 0;
  keyRing = await KeyRing.create([keys.root.publicKey]);
  const { candidates } = keyRing;
  keyRing.candidates = (kid) =>
    candidates.call(keyRing, kid).map(
      (key): VerificationKey => ({
        ...key,
        verify: (signature, data) => {
          checks++;
          return key.verify(signature, data);
        },
      }),
    );
  trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
  signer = new FreeSigner(clock);
});

describe("manifests that arrive together", () => {
  it("cost one signature check per group, in whatever order they come", async () => {
    const envelopes = [...(await signer.publishGroup(7, 25)), ...(await signer.publishGroup(8, 25))];
    expect(await together(envelopes.reverse())).toEqual(Array(50).fill("accepted"));
    expect(checks).toBe(2);
    expect(trust.truth(7)?.entries).toHaveLength(25);
    expect(trust.lookup(8, 24).state).toBe("signed");
  });

  it("are told in the order of the chain", async () => {
    const told: number[] = [];
    trust.on("truth", ({ entries }) => told.push(entries.length));
    await together((await signer.publishGroup(7, 6)).reverse());
    expect(told).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("are each checked where the chain has a gap", async () => {
    const envelopes = await signer.publishGroup(7, 6);
    // Nobody vouches for 2, since 3 is not there.
    await together([envelopes[1]!, envelopes[2]!, envelopes[4]!, envelopes[5]!]);
    expect(checks).toBe(2);
    expect(trust.truth(7)?.entries.map(({ object }) => object)).toEqual([1, 2, 4, 5]);
  });

  it("fall back to their own signatures when the newest is bad, and only that one is refused", async () => {
    const envelopes = await signer.publishGroup(7, 4);
    const codes = await together([...envelopes.slice(0, 3), withBadSignature(envelopes[3]!)]);
    expect(codes).toEqual(["accepted", "accepted", "accepted", "manifest-bad-signature"]);
    // The bad one, and the newest of the others.
    expect(checks).toBe(2);
    expect(trust.truth(7)?.completion).toBeUndefined();
  });

  it("are not believed for a forger's word: what a bad manifest names as its predecessor gains nothing", async () => {
    const forger = new FreeSigner(clock, { ...keys.stranger, kid: keys.root.kid });
    expect(await together(await forger.publishGroup(7, 3))).toEqual(Array(3).fill("manifest-bad-signature"));
    expect(trust.lookup(7, 0)).toEqual({ state: "waiting" });
  });

  it("are not vouched for by a manifest of another key, even one that may sign for the track", async () => {
    const delegation = await signDelegation(keys.root, {
      publicKey: keys.signer.publicKey,
      namespacePrefix: [],
      notBeforeMs: 0,
      notAfterMs: clock.now() * 2,
      serial: 1,
    });
    await keyRing.admit(delegation);
    // Says that the root signed it, and did not.
    const posing = new FreeSigner(clock, { ...keys.stranger, kid: keys.root.kid });
    const posed = await posing.publish({ group: 7, entries: [await entryFor(objectAt(7, 0))] });
    const delegated = new FreeSigner(clock, keys.signer);
    Object.assign(delegated, { sequence: posing.sequence, previous: posing.previous });
    const naming = await delegated.publish({ group: 7, entries: [await entryFor(objectAt(7, 1))] });
    expect(await together([posed, naming])).toEqual(["manifest-bad-signature", "accepted"]);
  });

  it("may have lost their own signatures on the way, all but the newest of a group: the chain still proves them, also from a store", async () => {
    const envelopes = await signer.publishGroup(7, 4);
    const damaged = envelopes.map((envelope, i) => (i < 3 ? withBadSignature(envelope) : envelope));
    expect(await together(damaged)).toEqual(Array(4).fill("accepted"));
    const objects = [objectAt(7, 0), objectAt(7, 2)];
    const stored = { group: 7, evidence: trust.evidence(7, false), objects };
    const verdict = await verifyStoredGroup(stored, { track: VIDEO, keyRing, streamId: STREAM_ID });
    expect(verdict.objects).toHaveLength(2);
    // Without the newest there is nobody's word for them.
    const cut = { ...stored, evidence: stored.evidence.slice(0, 3) };
    const refused = await verifyStoredGroup(cut, { track: VIDEO, keyRing, streamId: STREAM_ID });
    expect(refused.error?.code).toBe("manifest-bad-signature");
  });

  it("that fork are an equivocation whose evidence stands by itself, for all that were proven by a chain", async () => {
    const mine = await signer.publishGroup(7, 5);
    const forked = await forkOf(2);
    const codes = await together([...forked, ...mine]);
    expect(codes.filter((code) => code === "manifest-equivocation").length).toBeGreaterThan(0);
    expect(trust.state).toBe("equivocation");
    const found = await verifyEvidence(trust.exportEvidence()!, await KeyRing.create([keys.root.publicKey]));
    expect(found.what).toMatch("two manifests with sequence");
  });

  it("accuse the signer only by signatures of its own, not by one that was damaged on the way", async () => {
    const mine = await signer.publishGroup(7, 3);
    const forked = await forkOf(3);
    await together(mine, "a");
    // Two that only the third vouches for: damaged, they are refused; the third is found out by itself.
    const codes = await together(
      [withBadSignature(forked[0]!), withBadSignature(forked[1]!), forked[2]!],
      "b",
    );
    expect(codes).toEqual(["manifest-bad-signature", "manifest-bad-signature", "manifest-equivocation"]);
    const found = await verifyEvidence(trust.exportEvidence()!, await KeyRing.create([keys.root.publicKey]));
    expect(found.what).toBe("two manifests with sequence 2");
  });

  it("wait for the key that comes with one of them", async () => {
    const delegated = new FreeSigner(clock, keys.signer);
    delegated.delegations = [
      await signDelegation(keys.root, {
        publicKey: keys.signer.publicKey,
        namespacePrefix: [],
        notBeforeMs: 0,
        notAfterMs: clock.now() * 2,
        serial: 1,
      }),
    ];
    const [before] = await signer.publishGroup(5, 1);
    Object.assign(delegated, { sequence: signer.sequence, previous: signer.previous });
    const first = await delegated.publish({ group: 6 });
    delegated.delegations = [];
    const rest = await delegated.publishGroup(7, 3);
    await together([before!, ...rest, first]);
    // Those that were refused for their unknown key are taken in by themselves.
    await expect.poll(() => trust.truth(7)?.entries.length).toBe(3);
  });
});
