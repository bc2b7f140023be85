import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { type Delegation, signDelegation } from "./delegation.ts";
import { DELEGATION_AAD, sealEnvelope } from "./envelope.ts";
import { FreeSigner, keys, ManualClock, START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { generateSeed, importPublicKey, importSeed, signingKeyOf } from "./keys.ts";
import { MAX_DELEGATIONS, MAX_DELEGATIONS_PER_ENVELOPE } from "./limits.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const HOUR_MS = 3_600_000;

const delegationFor = (fields: Partial<Delegation> = {}): Delegation => ({
  publicKey: keys.signer.publicKey,
  namespacePrefix: namespaceOf("example.com"),
  notBeforeMs: START_MS - HOUR_MS,
  notAfterMs: START_MS + HOUR_MS,
  serial: 1,
  ...fields,
});

async function ringWith(...delegations: Partial<Delegation>[]) {
  const ring = await KeyRing.create([keys.root.publicKey]);
  for (const fields of delegations) await ring.admit(await signDelegation(keys.root, delegationFor(fields)));
  return ring;
}

const signerKey = await importPublicKey(keys.signer.publicKey);
const strangerKey = await importPublicKey(keys.stranger.publicKey);
const code = (ring: KeyRing, atMs = START_MS, key = signerKey, track = VIDEO) =>
  ring.authorise(key, track, atMs)?.code;

describe("KeyRing", () => {
  it("lets a root sign for everything at any time, and nobody else", async () => {
    const ring = await ringWith();
    expect(code(ring, 0, await importPublicKey(keys.root.publicKey))).toBeUndefined();
    expect(code(ring)).toBe("manifest-wrong-key");
  });

  it("lets a delegated key sign from the beginning to the end of its window", async () => {
    const ring = await ringWith({});
    expect(code(ring, START_MS - HOUR_MS - 1)).toBe("manifest-expired");
    expect(code(ring, START_MS - HOUR_MS)).toBeUndefined();
    expect(code(ring, START_MS + HOUR_MS - 1)).toBeUndefined();
    expect(code(ring, START_MS + HOUR_MS)).toBe("manifest-expired");
  });

  it("lets it sign for the namespace and those below it only", async () => {
    const ring = await ringWith({ namespacePrefix: VIDEO.namespace });
    const at = (...fields: string[]) =>
      code(ring, START_MS, signerKey, trackOf(namespaceOf(...fields), "video"));
    expect(at("example.com", "live")).toBeUndefined();
    expect(at("example.com", "live", "below")).toBeUndefined();
    expect(at("example.com")).toBe("manifest-wrong-key");
    expect(at("example.com", "lively")).toBe("manifest-wrong-key");
    expect(at("example.com", "liv")).toBe("manifest-wrong-key");
  });

  it("replaces a delegation by one of a higher serial, from when that begins; what was signed before stays good", async () => {
    const rotation = { publicKey: keys.stranger.publicKey, serial: 2, notBeforeMs: START_MS };
    for (const order of [
      [{}, rotation],
      [rotation, {}],
    ]) {
      const ring = await ringWith(...order);
      expect(code(ring, START_MS - 1)).toBeUndefined();
      expect(code(ring, START_MS)).toBe("manifest-expired");
      expect(code(ring, START_MS - 1, strangerKey)).toBe("manifest-expired");
      expect(code(ring, START_MS, strangerKey)).toBeUndefined();
    }
  });

  it("does not let a delegation for one namespace replace that for another", async () => {
    const ring = await ringWith(
      {},
      { publicKey: keys.stranger.publicKey, serial: 2, namespacePrefix: namespaceOf("example.org") },
    );
    expect(code(ring)).toBeUndefined();
  });

  it("refuses a delegation that no root signed, that a signer signed, and one that was altered", async () => {
    const ring = await ringWith({});
    const byStranger = await signDelegation(keys.stranger, delegationFor());
    const bySigner = await signDelegation(keys.signer, delegationFor({ publicKey: keys.stranger.publicKey }));
    await expect(ring.admit(byStranger)).rejects.toMatchObject({ code: "manifest-wrong-key" });
    await expect(ring.admit(bySigner)).rejects.toMatchObject({ code: "manifest-wrong-key" });
    const altered = await signDelegation(keys.root, delegationFor({ serial: 9 }));
    altered[altered.byteLength - 1]! ^= 1;
    await expect(ring.admit(altered)).rejects.toMatchObject({ code: "manifest-bad-signature" });
    expect(code(ring, START_MS, strangerKey)).toBe("manifest-wrong-key");
  });

  it("refuses a delegation that is none, or for a key that is none", async () => {
    const ring = await ringWith();
    const empty = await sealEnvelope(keys.root, DELEGATION_AAD, Uint8Array.of(0xa0));
    await expect(ring.admit(empty)).rejects.toMatchObject({ code: "manifest-malformed" });
    const noKey = await signDelegation(keys.root, delegationFor({ publicKey: new Uint8Array(32) }));
    await expect(ring.admit(noKey)).rejects.toMatchObject({ code: "manifest-malformed" });
    await expect(ring.admit(new Uint8Array(3))).rejects.toMatchObject({ code: "manifest-malformed" });
    await expect(signDelegation(keys.root, delegationFor({ notAfterMs: 0 }))).rejects.toMatchObject({
      code: "invalid-options",
    });
  });

  it("tells of a delegation once, however often it comes", async () => {
    const ring = await ringWith();
    const told: Delegation[] = [];
    ring.on("change", (statement) => statement.kind === "delegation" && told.push(statement.delegation));
    const envelope = await signDelegation(keys.root, delegationFor());
    await Promise.all([ring.admit(envelope), ring.admit(envelope)]);
    await ring.admit(envelope);
    expect(told).toEqual([delegationFor()]);
  });

  it("keeps a bounded number, the highest serials", async () => {
    const ring = await ringWith();
    for (let serial = MAX_DELEGATIONS + 1; serial >= 1; serial--) {
      const namespacePrefix = namespaceOf(`n${serial}`);
      await ring.admit(await signDelegation(keys.root, delegationFor({ serial, namespacePrefix })));
    }
    const at = (serial: number) =>
      code(ring, START_MS, signerKey, trackOf(namespaceOf(`n${serial}`), "video"));
    expect(at(1)).toBe("manifest-wrong-key");
    expect(at(2)).toBeUndefined();
    expect(at(MAX_DELEGATIONS + 1)).toBeUndefined();
  });

  it("refuses to be made without a root, or with bytes that are no key", async () => {
    await expect(KeyRing.create([])).rejects.toMatchObject({ code: "invalid-options" });
    await expect(KeyRing.create([new Uint8Array(31)])).rejects.toMatchObject({ code: "invalid-options" });
  });
});

describe("delegations on a track", () => {
  async function setUp() {
    const clock = new ManualClock();
    const keyRing = await KeyRing.create([keys.root.publicKey]);
    const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
    const signer = new FreeSigner(clock, keys.signer);
    const offer = async (envelope: Uint8Array) =>
      (await trust.offer("m", envelope)).error?.code ?? "accepted";
    return { clock, keyRing, trust, signer, offer };
  }

  it("take effect with the manifest that brings them", async () => {
    const { signer, offer } = await setUp();
    signer.delegations = [await signDelegation(keys.root, delegationFor())];
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
    signer.delegations = [];
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
  });

  it("make manifests good that came before them", async () => {
    const { trust, signer, offer } = await setUp();
    const delegation = await signDelegation(keys.root, delegationFor());
    const early = await signer.publish({ group: 7 });
    expect(await offer(early)).toBe("manifest-wrong-key");
    expect(trust.state).toBe("untrusted");
    signer.delegations = [delegation];
    const told = new Promise((resolve) => trust.on("truth", ({ group }) => group === 7 && resolve(group)));
    expect(await offer(await signer.publish({ group: 8 }))).toBe("accepted");
    await told;
    expect(trust.state).toBe("verified");
    expect(trust.truth(7)).toBeDefined();
  });

  it("rotate in mid-stream: the new key goes on with the chain, the old one is refused from then on", async () => {
    const { clock, trust, signer, offer } = await setUp();
    signer.delegations = [await signDelegation(keys.root, delegationFor())];
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
    clock.advance(1_000);
    const next = new FreeSigner(clock, keys.stranger);
    Object.assign(next, { sequence: signer.sequence, previous: signer.previous });
    next.delegations = [
      await signDelegation(
        keys.root,
        delegationFor({ publicKey: keys.stranger.publicKey, serial: 2, notBeforeMs: START_MS + 1_000 }),
      ),
    ];
    expect(await offer(await next.publish({ group: 8 }))).toBe("accepted");
    signer.sequence = 2;
    expect(await offer(await signer.say({ group: 8 }))).toBe("manifest-expired");
    expect(trust.state).toBe("verified");
  });

  it("that are junk do not harm the manifest they came with, since anybody can add them on the way", async () => {
    const { signer, offer } = await setUp();
    const real = await signDelegation(keys.root, delegationFor());
    signer.delegations = [Uint8Array.of(1, 2, 3), await signDelegation(keys.stranger, delegationFor()), real];
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
  });

  it("are not looked at when there are more than an honest signer sends", async () => {
    const { signer, offer } = await setUp();
    const real = await signDelegation(keys.root, delegationFor());
    signer.delegations = Array<Uint8Array>(MAX_DELEGATIONS_PER_ENVELOPE + 1).fill(real);
    expect(await offer(await signer.publish({ group: 7 }))).toBe("manifest-wrong-key");
  });

  it("come along in the evidence of a group, for a reader who has the roots only", async () => {
    const { trust, signer, offer } = await setUp();
    signer.delegations = [await signDelegation(keys.root, delegationFor())];
    const first = await signer.publish({ group: 7 });
    await offer(first);
    signer.delegations = [];
    const closing = await signer.publish({
      group: 7,
      completion: { objectCount: 2, root: new Uint8Array(32) },
    });
    await offer(closing);
    expect(trust.evidence(7)).toEqual([first, closing]);
  });

  it("can name an ES256 key", async () => {
    const { clock, offer } = await setUp();
    const params = { name: "ECDSA", namedCurve: "P-256" };
    const key = await signingKeyOf(await crypto.subtle.generateKey(params, false, ["sign", "verify"]));
    const signer = new FreeSigner(clock, key);
    signer.delegations = [await signDelegation(keys.root, delegationFor({ publicKey: key.publicKey }))];
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
  });

  it("do not pass for a key whose id an envelope merely claims", async () => {
    const { keyRing, clock, offer } = await setUp();
    const other = { ...(await importSeed(generateSeed())), kid: keys.signer.kid };
    await keyRing.admit(await signDelegation(keys.root, delegationFor()));
    const candidates = keyRing.candidates(other.kid);
    expect(candidates.map(({ publicKey }) => publicKey)).toEqual([keys.signer.publicKey]);
    expect(await offer(await new FreeSigner(clock, other).say({ group: 7 }))).toBe("manifest-bad-signature");
  });
});
