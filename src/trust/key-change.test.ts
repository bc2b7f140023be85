import { describe, expect, it } from "vitest";
import { namespaceOf } from "../wire/names.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { type Delegation, signDelegation } from "./delegation.ts";
import { REVOCATION_AAD, sealEnvelope } from "./envelope.ts";
import { entryFor, FreeSigner, keys, ManualClock, objectAt, START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { signRevocation, signSuccession } from "./key-change.ts";
import { KeyRing } from "./key-ring.ts";
import { generateSeed, importSeed, type SigningKey } from "./keys.ts";
import { MAX_REVOCATIONS, MAX_ROOTS } from "./limits.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const HOUR_MS = 3_600_000;
const newRoot = await importSeed(new Uint8Array(32).fill(7));
const thirdRoot = await importSeed(new Uint8Array(32).fill(8));

const delegate = (root: SigningKey, to: SigningKey, fields: Partial<Delegation> = {}) =>
  signDelegation(root, {
    publicKey: to.publicKey,
    namespacePrefix: namespaceOf("example.com"),
    notBeforeMs: START_MS - HOUR_MS,
    notAfterMs: START_MS + HOUR_MS,
    serial: 1,
    ...fields,
  });
const revoke = (root: SigningKey, key: SigningKey, fromMs: number) =>
  signRevocation(root, { publicKey: key.publicKey, fromMs });
const succeed = (root: SigningKey, key: SigningKey, fromMs: number) =>
  signSuccession(root, { publicKey: key.publicKey, fromMs });

const ringOf = (...roots: SigningKey[]) =>
  KeyRing.create((roots.length === 0 ? [keys.root] : roots).map(({ publicKey }) => publicKey));
const code = (ring: KeyRing, key: SigningKey, atMs = START_MS) => ring.authorise(key, VIDEO, atMs)?.code;

describe("a revocation", () => {
  it("ends a key from its time on, whatever serial it was delegated with, and leaves what it signed before", async () => {
    for (const early of [true, false]) {
      const ring = await ringOf();
      const revocation = await revoke(keys.root, keys.signer, START_MS);
      if (early) await ring.admit(revocation, "revocation");
      await ring.admit(await delegate(keys.root, keys.signer));
      await ring.admit(await delegate(keys.root, keys.signer, { serial: 9 }));
      if (!early) await ring.admit(revocation, "revocation");
      expect(code(ring, keys.signer, START_MS - 1)).toBeUndefined();
      expect(code(ring, keys.signer, START_MS)).toBe("manifest-key-revoked");
    }
  });

  it("cannot be put off by a later one, nor by one of a root that has no say in it", async () => {
    const ring = await ringOf(keys.root, thirdRoot);
    await ring.admit(await delegate(keys.root, keys.signer));
    await ring.admit(await revoke(thirdRoot, keys.signer, 0), "revocation");
    expect(code(ring, keys.signer)).toBeUndefined();
    await ring.admit(await revoke(keys.root, keys.signer, START_MS), "revocation");
    await ring.admit(await revoke(keys.root, keys.signer, START_MS + HOUR_MS), "revocation");
    expect(code(ring, keys.signer)).toBe("manifest-key-revoked");
  });

  it("is refused when a signer, a stranger or nobody in particular made it, or as another kind of statement", async () => {
    const ring = await ringOf();
    await ring.admit(await delegate(keys.root, keys.signer));
    const refused = (bytes: Uint8Array) => expect(ring.admit(bytes, "revocation")).rejects;
    await refused(await revoke(keys.signer, keys.signer, 0)).toMatchObject({ code: "manifest-wrong-key" });
    await refused(await revoke(keys.stranger, keys.signer, 0)).toMatchObject({ code: "manifest-wrong-key" });
    await refused(await succeed(keys.root, keys.signer, 0)).toMatchObject({ code: "manifest-bad-signature" });
    await refused(await delegate(keys.root, keys.signer)).toMatchObject({ code: "manifest-bad-signature" });
    await refused(await sealEnvelope(keys.root, REVOCATION_AAD, encodeCbor(new Map([[1, 1]])))).toMatchObject(
      { code: "manifest-malformed" },
    );
    await expect(revoke(keys.root, keys.signer, -1)).rejects.toMatchObject({ code: "invalid-options" });
    expect(code(ring, keys.signer)).toBeUndefined();
  });

  it("ends a root with all that it delegated", async () => {
    const ring = await ringOf();
    await ring.admit(await delegate(keys.root, keys.signer));
    await ring.admit(await revoke(keys.root, keys.root, START_MS), "revocation");
    expect(code(ring, keys.root, START_MS - 1)).toBeUndefined();
    expect(code(ring, keys.root)).toBe("manifest-key-revoked");
    expect(code(ring, keys.signer, START_MS - 1)).toBeUndefined();
    expect(code(ring, keys.signer)).toBe("manifest-key-revoked");
  });

  it("is never forgotten for another: past the cap new ones are refused", async () => {
    const ring = await ringOf();
    await ring.admit(await delegate(keys.root, keys.signer));
    await ring.admit(await revoke(keys.root, keys.signer, START_MS), "revocation");
    for (let i = 1; i < MAX_REVOCATIONS; i++)
      await ring.admit(await revoke(keys.root, keys.stranger, i), "revocation");
    await expect(
      ring.admit(await revoke(keys.root, keys.stranger, MAX_REVOCATIONS), "revocation"),
    ).rejects.toMatchObject({ code: "limit-exceeded" });
    expect(code(ring, keys.signer)).toBe("manifest-key-revoked");
  });
});

describe("a root succession", () => {
  it("hands the power over at one instant: the old root before it, the new one from it on", async () => {
    const ring = await ringOf();
    await ring.admit(await succeed(keys.root, newRoot, START_MS), "succession");
    await ring.admit(await delegate(keys.root, keys.signer));
    await ring.admit(await delegate(newRoot, keys.stranger));
    expect([START_MS - 1, START_MS].map((at) => code(ring, keys.root, at))).toEqual([
      undefined,
      "manifest-expired",
    ]);
    expect([START_MS - 1, START_MS].map((at) => code(ring, newRoot, at))).toEqual([
      "manifest-expired",
      undefined,
    ]);
    // What they delegated goes with them: the old root's signer ends, the new one's begins.
    expect([START_MS - 1, START_MS].map((at) => code(ring, keys.signer, at))).toEqual([
      undefined,
      "manifest-expired",
    ]);
    expect([START_MS - 1, START_MS].map((at) => code(ring, keys.stranger, at))).toEqual([
      "manifest-expired",
      undefined,
    ]);
  });

  it("leads over several steps from the root an old app has pinned, and ends the first also for an app that pins both", async () => {
    for (const pinned of [[keys.root], [keys.root, newRoot], [keys.root, thirdRoot]]) {
      const ring = await ringOf(...pinned);
      await ring.admitAll({
        succession: [
          await succeed(keys.root, newRoot, START_MS - 20),
          await succeed(newRoot, thirdRoot, START_MS - 10),
        ],
      });
      expect(code(ring, thirdRoot)).toBeUndefined();
      expect(code(ring, newRoot)).toBe("manifest-expired");
      expect(code(ring, keys.root)).toBe("manifest-expired");
    }
  });

  it("counts once: a second successor, a step back, and one after the root's end are refused", async () => {
    const ring = await ringOf();
    const admit = async (bytes: Uint8Array) =>
      ring.admit(bytes, "succession").then(
        () => "taken",
        (error) => error.code,
      );
    expect(await admit(await succeed(keys.root, newRoot, START_MS))).toBe("taken");
    expect(await admit(await succeed(keys.root, keys.stranger, START_MS))).toBe("manifest-wrong-key");
    expect(await admit(await succeed(newRoot, keys.root, START_MS + 10))).toBe("manifest-wrong-key");
    expect(await admit(await succeed(newRoot, thirdRoot, START_MS - 1))).toBe("manifest-wrong-key");
    await ring.admit(await revoke(newRoot, newRoot, START_MS + 5), "revocation");
    expect(await admit(await succeed(newRoot, thirdRoot, START_MS + 6))).toBe("manifest-wrong-key");
    expect(await admit(await succeed(newRoot, thirdRoot, START_MS + 5))).toBe("taken");
    expect(code(ring, keys.stranger)).toBe("manifest-wrong-key");
  });

  it("lets the new root end what the old one began, and not the other way round", async () => {
    const ring = await ringOf();
    await ring.admit(await succeed(keys.root, newRoot, START_MS), "succession");
    await ring.admit(await delegate(keys.root, keys.signer));
    await ring.admit(await delegate(newRoot, keys.stranger));
    await ring.admit(await revoke(keys.root, keys.stranger, 0), "revocation");
    await expect(ring.admit(await revoke(keys.root, newRoot, 0), "revocation")).rejects.toMatchObject({
      code: "manifest-wrong-key",
    });
    expect(code(ring, keys.stranger)).toBeUndefined();
    await ring.admit(await revoke(newRoot, keys.signer, START_MS - 10), "revocation");
    await ring.admit(await revoke(newRoot, keys.root, START_MS - 5), "revocation");
    expect(code(ring, keys.signer, START_MS - 10)).toBe("manifest-key-revoked");
    expect(code(ring, keys.root, START_MS - 5)).toBe("manifest-key-revoked");
    expect(code(ring, keys.stranger)).toBeUndefined();
  });

  it("is followed over a bounded number of roots", async () => {
    const ring = await ringOf();
    let last = keys.root;
    for (let i = 1; i < MAX_ROOTS; i++) {
      const next = await importSeed(generateSeed());
      await ring.admit(await succeed(last, next, START_MS), "succession");
      last = next;
    }
    await expect(ring.admit(await succeed(last, newRoot, START_MS), "succession")).rejects.toMatchObject({
      code: "limit-exceeded",
    });
    expect(code(ring, last)).toBeUndefined();
  });
});

describe("what a ring knows", () => {
  it("can be told to another one, which then decides the same", async () => {
    const ring = await ringOf();
    await ring.admitAll({
      succession: [await succeed(keys.root, newRoot, START_MS - 10)],
      delegation: [await delegate(newRoot, keys.signer), await delegate(newRoot, keys.stranger)],
      revocation: [await revoke(newRoot, keys.stranger, START_MS)],
    });
    const later = await ringOf();
    const refused: string[] = [];
    await later.admitAll(ring.statements, (error) => refused.push(error.code));
    expect(refused).toEqual([]);
    expect(later.statements).toEqual(ring.statements);
    expect([keys.root, newRoot, keys.signer, keys.stranger].map((key) => code(later, key))).toEqual([
      "manifest-expired",
      undefined,
      undefined,
      "manifest-key-revoked",
    ]);
  });
});

describe("keys that change in mid-stream", () => {
  async function setUp(streamId: Uint8Array | undefined = STREAM_ID) {
    const clock = new ManualClock();
    const keyRing = await ringOf();
    const trust = new SignedTrackTrust({
      track: VIDEO,
      keyRing,
      clock,
      ...(streamId && { streamId }),
    });
    const signer = new FreeSigner(clock, keys.signer);
    signer.delegations = [await delegate(keys.root, keys.signer)];
    const states: string[] = [];
    trust.on("state", ({ state }) => states.push(state));
    const offer = async (envelope: Uint8Array, peer = "m") =>
      (await trust.offer(peer, envelope)).error?.code ?? "accepted";
    return { clock, keyRing, trust, signer, states, offer };
  }
  const group = async (at: number) => ({ group: at, entries: [await entryFor(objectAt(at, 0))] });

  it("rotate to a new signer and a new root without a state but verified, all by what the manifests bring", async () => {
    const { clock, trust, signer, states, offer } = await setUp();
    expect(await offer(await signer.publish(await group(7)))).toBe("accepted");
    clock.advance(1_000);
    const nowMs = clock.now();
    signer.key = keys.stranger;
    signer.successions = [await succeed(keys.root, newRoot, nowMs)];
    signer.delegations = [await delegate(newRoot, keys.stranger)];
    expect(await offer(await signer.publish(await group(8)))).toBe("accepted");
    signer.successions = [];
    signer.delegations = [];
    clock.advance(1_000);
    expect(await offer(await signer.publish(await group(9)))).toBe("accepted");
    expect(states).toEqual(["verified"]);
    expect([7, 8, 9].map((at) => trust.lookup(at, 0).state)).toEqual(["signed", "signed", "signed"]);
    const old = new FreeSigner(clock, keys.signer);
    Object.assign(old, { sequence: signer.sequence, previous: signer.previous });
    expect(await offer(await old.say(await group(10)))).toBe("manifest-expired");
  });

  it("that were revoked are refused from the time of the revocation, and what they signed before stays", async () => {
    const { clock, trust, signer, states, offer } = await setUp();
    expect(await offer(await signer.publish(await group(7)))).toBe("accepted");
    clock.advance(1_000);
    const successor = new FreeSigner(clock, keys.stranger);
    Object.assign(successor, { sequence: signer.sequence, previous: signer.previous });
    successor.delegations = [await delegate(keys.root, keys.stranger, { namespacePrefix: VIDEO.namespace })];
    successor.revocations = [await revoke(keys.root, keys.signer, clock.now())];
    expect(await offer(await successor.publish(await group(8)))).toBe("accepted");
    signer.sequence = 2;
    expect(await offer(await signer.say(await group(9)))).toBe("manifest-key-revoked");
    expect(states).toEqual(["verified"]);
    expect([7, 8, 9].map((at) => trust.lookup(at, 0).state)).toEqual(["signed", "signed", "waiting"]);
  });

  it("take back what a thief's manifests made believe, and let the honest stream go on", async () => {
    const { clock, trust, signer, offer } = await setUp();
    expect(await offer(await signer.publish(await group(7)))).toBe("accepted");
    clock.advance(1_000);
    const stolenAtMs = clock.now();
    const thief = new FreeSigner(clock, keys.signer);
    Object.assign(thief, { sequence: signer.sequence, previous: signer.previous });
    expect(await offer(await thief.publish(await group(8)), "evil")).toBe("accepted");
    const withdrawn: unknown[] = [];
    trust.on("withdrawn", ({ groups }) => withdrawn.push(...groups));
    signer.key = keys.stranger;
    signer.delegations = [await delegate(keys.root, keys.stranger, { namespacePrefix: VIDEO.namespace })];
    signer.revocations = [await revoke(keys.root, keys.signer, stolenAtMs)];
    const honest = { group: 8, entries: [{ ...(await entryFor(objectAt(8, 0))), size: 99 }] };
    expect(await offer(await signer.publish(honest))).toBe("accepted");
    expect(withdrawn).toEqual([8]);
    expect(trust.lookup(8, 0)).toMatchObject({ entry: { size: 99 } });
    expect(trust.state).toBe("verified");
  });

  it("settle a contradiction of which one side turns out a thief's", async () => {
    for (const thiefFirst of [true, false]) {
      const { clock, keyRing, trust, signer, offer } = await setUp();
      await keyRing.admit(await delegate(keys.root, keys.stranger, { namespacePrefix: VIDEO.namespace }));
      expect(await offer(await signer.publish(await group(7)))).toBe("accepted");
      clock.advance(1_000);
      const thief = new FreeSigner(clock, keys.stranger);
      Object.assign(thief, { sequence: signer.sequence, previous: signer.previous });
      const lie = await thief.say({ group: 8, entries: [await entryFor(objectAt(8, 5))] });
      const honest = await signer.publish(await group(8));
      const [first, second] = thiefFirst ? [lie, honest] : [honest, lie];
      expect([await offer(first), await offer(second, "b")]).toEqual(["accepted", "manifest-equivocation"]);
      expect(trust.state).toBe("equivocation");
      await keyRing.admit(await revoke(keys.root, keys.stranger, 0), "revocation");
      expect(trust.contradiction).toBeUndefined();
      expect(trust.state).toBe("verified");
      expect([trust.lookup(8, 0).state, trust.lookup(8, 5).state]).toEqual(["signed", "waiting"]);
      expect(await offer(await signer.publish(await group(9)))).toBe("accepted");
    }
  });

  it("free a viewer whom a thief had pinned to a stream of the thief's", async () => {
    const { clock, keyRing, trust, offer } = await setUp();
    trust.close();
    const unpinned = new SignedTrackTrust({ track: VIDEO, keyRing, clock });
    await keyRing.admit(await delegate(keys.root, keys.signer));
    const thief = new FreeSigner(clock, keys.signer);
    thief.streamId = new Uint8Array(16).fill(9);
    expect((await unpinned.offer("evil", await thief.publish({ group: 7 }))).accepted).toBe(true);
    const honest = await new FreeSigner(clock, keys.root).publish({ group: 7 });
    expect((await unpinned.offer("m", honest)).error?.code).toBe("manifest-wrong-stream");
    await keyRing.admit(await revoke(keys.root, keys.signer, 0), "revocation");
    expect(unpinned.state).toBe("untrusted");
    expect((await unpinned.offer("m", honest)).accepted).toBe(true);
    expect(unpinned.streamId).toEqual(STREAM_ID);
    expect(await offer(honest)).toBe("destroyed");
  });

  it("are learnt from copies of manifests that are known already", async () => {
    const { clock, keyRing, signer, offer } = await setUp();
    const plain = await signer.say({ group: 7 });
    expect(await offer(plain)).toBe("accepted");
    signer.revocations = [await revoke(keys.root, keys.signer, clock.now() + 1)];
    expect(await offer(await signer.say({ group: 7 }), "another peer")).toBe("accepted");
    expect(keyRing.authorise(keys.signer, VIDEO, clock.now() + 1)?.code).toBe("manifest-key-revoked");
  });
});
