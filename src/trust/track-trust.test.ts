/** What a judge lets through, and the attacks of the TUF specification that apply to a live track. */
import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { CborValue } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { decodeSign1 } from "./cose.ts";
import { KEY_STATEMENT, MANIFEST_AAD, openEnvelope, sealEnvelope } from "./envelope.ts";
import {
  entryFor,
  FreeSigner,
  keys,
  ManualClock,
  mediaObject,
  objectAt,
  START_MS,
  STREAM_ID,
  VIDEO,
} from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { importSeed, signingKeyOf } from "./keys.ts";
import { merkleRoot } from "./merkle.ts";
import { SignedTrackTrust, type SignedTrackTrustOptions } from "./track-trust.ts";
import type { TrackTrustEvents } from "./types.ts";

async function setUp(options: Partial<SignedTrackTrustOptions> = {}) {
  const clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, ...options });
  const states: string[] = [];
  const truths: TrackTrustEvents["truth"][] = [];
  const refused: TrackTrustEvents["refused"][] = [];
  trust.on("state", ({ state }) => states.push(state));
  trust.on("truth", (truth) => truths.push(truth));
  trust.on("refused", (event) => refused.push(event));
  const signer = new FreeSigner(clock);
  /** Offers and gives the code of the refusal, or "accepted". */
  const offer = async (envelope: Uint8Array, source = "m1") => {
    const { accepted, error } = await trust.offer(source, envelope);
    expect(accepted).toBe(error === undefined);
    return error?.code ?? "accepted";
  };
  return { clock, keyRing, trust, signer, offer, states, truths, refused };
}

const completionOf = async (group: number, count: number) => {
  const entries = await Promise.all(Array.from({ length: count }, (_, i) => entryFor(objectAt(group, i))));
  return { objectCount: count, root: merkleRoot(entries.map(({ leaf }) => leaf)) };
};

describe("a track judged by signed manifests", () => {
  it("waits, then knows each object that a manifest names, and what a closed group does not have", async () => {
    const { trust, signer, offer, states, truths } = await setUp();
    const [first, second, third] = await signer.publishGroup(7, 3);
    expect(trust.state).toBe("waiting");
    expect(trust.lookup(7, 0)).toEqual({ state: "waiting" });
    expect(await offer(first!)).toBe("accepted");
    expect(trust.lookup(7, 0)).toEqual({ state: "signed", entry: await entryFor(objectAt(7, 0)) });
    expect(trust.lookup(7, 1)).toEqual({ state: "waiting" });
    expect(await offer(second!)).toBe("accepted");
    expect(trust.lookup(7, 3)).toEqual({ state: "waiting" });
    expect(await offer(third!)).toBe("accepted");
    expect(trust.lookup(7, 3)).toEqual({ state: "unsigned" });
    expect(trust.lookup(8, 0)).toEqual({ state: "waiting" });
    expect(states).toEqual(["verified"]);
    expect(truths.map(({ entries, completion }) => [entries.length, completion?.objectCount])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, 3],
    ]);
    expect(trust.latestGroup).toBe(7);
    expect(trust.streamId).toEqual(STREAM_ID);
  });

  it("knows the same whatever the order in which envelopes come, from several peers, twice", async () => {
    const { trust, signer, offer, truths, refused } = await setUp();
    const envelopes = [...(await signer.publishGroup(7, 3)), ...(await signer.publishGroup(8, 2))];
    for (const envelope of [...envelopes].reverse()) expect(await offer(envelope, "m1")).toBe("accepted");
    for (const envelope of envelopes) expect(await offer(envelope, "m2")).toBe("accepted");
    expect(trust.truth(7)?.entries.map(({ object }) => object)).toEqual([0, 1, 2]);
    expect(trust.truth(8)?.completion?.objectCount).toBe(2);
    expect(truths).toHaveLength(5);
    expect(refused).toEqual([]);
  });

  it("accepts the same envelope from two peers at once, and tells of it once", async () => {
    const { trust, signer, truths } = await setUp();
    const envelope = (await signer.publishGroup(7, 1))[0]!;
    const both = await Promise.all([trust.offer("m1", envelope), trust.offer("m2", envelope)]);
    expect(both).toEqual([{ accepted: true }, { accepted: true }]);
    expect(truths).toHaveLength(1);
  });

  it("counts one statement once, also under two different valid signatures", async () => {
    // ECDSA signatures are random, so signing the same twice gives two envelopes.
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
      "sign",
      "verify",
    ]);
    const key = await signingKeyOf(pair);
    const { clock, trust, offer, truths } = await setUp({ keyRing: await KeyRing.create([key.publicKey]) });
    const signer = new FreeSigner(clock, key);
    const [one, other] = [await signer.say({ group: 7 }), await signer.say({ group: 7 })];
    expect(one).not.toEqual(other);
    expect(await offer(one!)).toBe("accepted");
    expect(await offer(other!)).toBe("accepted");
    expect(truths).toHaveLength(1);
    expect(trust.evidence(7)).toEqual([one]);
  });

  it("starts anywhere: a viewer who joins late needs no earlier manifest", async () => {
    const { trust, signer, offer } = await setUp();
    await signer.publishGroup(6, 4);
    const [first] = await signer.publishGroup(7, 2);
    expect(await offer(first!)).toBe("accepted");
    expect(trust.state).toBe("verified");
    expect(trust.newest?.sequence).toBe(4);
  });

  it("does not keep the caller's buffer, which may be part of a large chunk that is written again", async () => {
    const { trust, signer } = await setUp();
    const envelope = (await signer.publishGroup(7, 1))[0]!;
    const chunk = new Uint8Array(envelope.byteLength + 10);
    chunk.set(envelope, 5);
    const offered = trust.offer("m1", chunk.subarray(5, 5 + envelope.byteLength));
    chunk.fill(0);
    expect(await offered).toEqual({ accepted: true });
    expect(trust.evidence(7)).toEqual([envelope]);
  });

  it("gives the closing manifest as evidence of a whole group, and all manifests as evidence of a part", async () => {
    const { trust, signer, offer } = await setUp();
    const envelopes = await signer.publishGroup(7, 3);
    await offer(envelopes[1]!);
    await offer(envelopes[0]!);
    expect(trust.evidence(7)).toEqual([envelopes[0], envelopes[1]]);
    await offer(envelopes[2]!);
    expect(trust.evidence(7)).toEqual([envelopes[2]]);
    expect(trust.evidence(7, false)).toEqual(envelopes);
    expect(trust.evidence(99)).toEqual([]);
  });

  it("stops for good when it is closed", async () => {
    const { trust, signer, clock, states } = await setUp();
    const [first, second] = await signer.publishGroup(7, 2);
    await trust.offer("m1", first!);
    const underWay = trust.offer("m1", second!);
    trust.close();
    expect((await underWay).error?.code).toBe("destroyed");
    expect((await trust.offer("m1", first!)).error?.code).toBe("destroyed");
    clock.advance(60_000);
    expect(states).toEqual(["verified"]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("objects that are not what was signed (arbitrary data, mix-and-match, extraneous objects)", () => {
  async function signedEntry() {
    const context = await setUp();
    for (const envelope of await context.signer.publishGroup(7, 3)) await context.offer(envelope);
    const found = context.trust.lookup(7, 1);
    if (found.state !== "signed") throw new Error(found.state);
    return { ...context, entry: found.entry };
  }

  it("lets the object through that was signed", async () => {
    const { trust, entry } = await signedEntry();
    const object = objectAt(7, 1);
    expect(await trust.verify(object, entry)).toBe(object);
  });

  it("rejects an altered payload, of the same size, shorter, longer, or none", async () => {
    const { trust, entry } = await signedEntry();
    const { payload } = objectAt(7, 1);
    const flipped = Uint8Array.from(payload, (byte, i) => (i === 3 ? byte ^ 1 : byte));
    for (const bad of [flipped, payload.subarray(1), Uint8Array.of(...payload, 0), new Uint8Array(0)]) {
      expect(await trust.verify(mediaObject(7, 1, bad), entry)).toBeUndefined();
    }
  });

  it("rejects a good payload that was moved to another object or group", async () => {
    const { trust, entry } = await signedEntry();
    const { payload } = objectAt(7, 1);
    expect(await trust.verify(mediaObject(8, 1, payload), entry)).toBeUndefined();
    expect(await trust.verify(mediaObject(7, 2, payload), entry)).toBeUndefined();
    expect(await trust.verify(objectAt(7, 2), entry)).toBeUndefined();
  });

  it("rejects an object whose size is not the signed one, whatever its digest", async () => {
    const { trust, signer, offer } = await setUp();
    const entry = await entryFor(objectAt(7, 0));
    await offer(await signer.publish({ group: 7, entries: [{ ...entry, size: entry.size + 1 }] }));
    const found = trust.lookup(7, 0);
    if (found.state !== "signed") throw new Error(found.state);
    expect(await trust.verify(objectAt(7, 0), found.entry)).toBeUndefined();
  });

  it("rejects a status in the place of an object, and properties that cannot be parsed", async () => {
    const { trust, entry } = await signedEntry();
    expect(await trust.verify({ ...objectAt(7, 1), status: "end-of-group" }, entry)).toBeUndefined();
    expect(
      await trust.verify({ ...objectAt(7, 1), properties: Uint8Array.of(0x0b, 9) }, entry),
    ).toBeUndefined();
  });

  it("says of an object behind the end of a closed group that nobody signed it", async () => {
    const { trust } = await signedEntry();
    expect(trust.lookup(7, 3).state).toBe("unsigned");
    expect(trust.lookup(7, 2n ** 63n).state).toBe("unsigned");
  });

  it("does not verify against an entry that it did not hand out", async () => {
    const { trust, entry } = await signedEntry();
    await expect(trust.verify(objectAt(7, 1), { ...entry })).rejects.toMatchObject({ code: "internal" });
  });
});

describe("envelopes that do not belong here", () => {
  it("refuses a key that is not pinned, and says so in its state", async () => {
    const { trust, clock, offer, states } = await setUp();
    expect(await offer(await new FreeSigner(clock, keys.stranger).say({}))).toBe("manifest-wrong-key");
    expect(states).toEqual(["untrusted"]);
    expect(trust.lookup(0, 0).state).toBe("waiting");
  });

  it("refuses a bad signature, and junk later on changes no state", async () => {
    const { signer, offer, states } = await setUp();
    const good = await signer.publish({ group: 1 });
    const bad = Uint8Array.from(good, (byte, i) => (i === good.byteLength - 1 ? byte ^ 1 : byte));
    expect(await offer(bad)).toBe("manifest-bad-signature");
    expect(states).toEqual(["untrusted"]);
    expect(await offer(good)).toBe("accepted");
    // Another one: it says what was accepted already, but whoever made it did not sign it.
    const worse = Uint8Array.from(bad, (byte, i) => (i === good.byteLength - 2 ? byte ^ 1 : byte));
    expect(await offer(worse)).toBe("manifest-bad-signature");
    expect(states).toEqual(["untrusted", "verified"]);
  });

  it("refuses another's signature under the pinned key's id", async () => {
    const { clock, offer } = await setUp();
    const disguised = { ...(await importSeed(new Uint8Array(32).fill(9))), kid: keys.root.kid };
    expect(await offer(await new FreeSigner(clock, disguised).say({}))).toBe("manifest-bad-signature");
  });

  it("refuses a manifest of another track, another broadcast and another stream", async () => {
    const { trust, signer, offer } = await setUp({ streamId: STREAM_ID });
    const audio = trackOf(namespaceOf("example.com", "live"), "audio");
    const elsewhere = trackOf(namespaceOf("example.com", "other"), "video");
    // The same bytes cut differently into fields are another name.
    const shifted = trackOf(namespaceOf("example.comlive"), "video");
    for (const track of [audio, elsewhere, shifted]) {
      expect(await offer(await signer.say({ track }))).toBe("manifest-wrong-stream");
    }
    expect(await offer(await signer.say({ streamId: new Uint8Array(16).fill(9) }))).toBe(
      "manifest-wrong-stream",
    );
    expect(trust.state).toBe("waiting");
    expect(await offer(await signer.say({}))).toBe("accepted");
  });

  it("stays with the stream of the first manifest when none is given", async () => {
    const { signer, offer } = await setUp();
    expect(await offer(await signer.publish({ group: 1 }))).toBe("accepted");
    expect(await offer(await signer.say({ group: 1, streamId: new Uint8Array(16).fill(9) }))).toBe(
      "manifest-wrong-stream",
    );
  });

  it("tells once of a later session of the broadcast, and not of an earlier one that is played back", async () => {
    const { trust, clock, signer, offer } = await setUp();
    const successors: Uint8Array[] = [];
    trust.on("successor", ({ streamId }) => successors.push(streamId));
    const [earlier, later] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
    const playedBack = await signer.say({ streamId: earlier });
    clock.advance(1_000);
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
    expect(await offer(playedBack)).toBe("manifest-wrong-stream");
    expect(successors).toEqual([]);
    clock.advance(1_000);
    for (const group of [0, 1]) {
      expect(await offer(await signer.say({ streamId: later, group }))).toBe("manifest-wrong-stream");
    }
    expect(successors).toEqual([later]);
  });

  it("refuses a truncated envelope at every length, and one with a byte more", async () => {
    // One source each, or the peer's budget for junk would answer instead.
    const { signer, offer } = await setUp();
    const [envelope] = await signer.publishGroup(7, 1);
    for (let length = 0; length < envelope!.byteLength; length++) {
      expect(await offer(envelope!.subarray(0, length), `m${length}`)).toBe("manifest-malformed");
    }
    expect(await offer(Uint8Array.of(...envelope!, 0))).toBe("manifest-malformed");
  });

  it("refuses a signed payload that is no manifest", async () => {
    const { offer } = await setUp();
    expect(await offer(await sealEnvelope(keys.root, MANIFEST_AAD, encodeCbor([1, 2, 3])))).toBe(
      "manifest-malformed",
    );
    expect(await offer(await sealEnvelope(keys.root, MANIFEST_AAD, Uint8Array.of(0xff)))).toBe(
      "manifest-malformed",
    );
  });

  it("refuses what a root signed for another purpose", async () => {
    const { signer, offer } = await setUp();
    const { payload } = openEnvelope(await signer.say({}), MANIFEST_AAD);
    expect(await offer(await sealEnvelope(keys.root, "countersign/delegation/1", payload))).toBe(
      "manifest-bad-signature",
    );
  });

  it("refuses protected headers beyond algorithm and key id, and ignores unprotected ones", async () => {
    const { signer, offer } = await setUp();
    const envelope = await signer.say({});
    const { protectedBytes, protectedHeader, payload, signature } = decodeSign1(envelope);
    const seal = (header: Uint8Array, unprotected: Map<number, CborValue>) =>
      Uint8Array.of(0xd2, ...encodeCbor([header, unprotected, payload, signature]));
    const more = encodeCbor(new Map([...protectedHeader, [3, 0]]));
    expect(await offer(seal(more, new Map<number, CborValue>()))).toBe("manifest-malformed");
    const noise = new Map<number, CborValue>([
      [-70_000, [1, 2]],
      [KEY_STATEMENT.delegation.label, 5],
    ]);
    expect(await offer(seal(protectedBytes, noise))).toBe("accepted");
  });
});

describe("a signer's history that is played back or bent (rollback, fast-forward, equivocation)", () => {
  it("refuses a later manifest that goes back to an earlier group or time", async () => {
    const { clock, trust, signer, offer } = await setUp();
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
    expect(await offer(await signer.say({ group: 6 }))).toBe("manifest-rollback");
    clock.advance(-1_000);
    expect(await offer(await signer.say({ group: 8 }))).toBe("manifest-rollback");
    expect(trust.state).toBe("verified");
    expect(trust.latestGroup).toBe(7);
  });

  it("refuses the sequence of an older session that goes on under the same stream id", async () => {
    const { clock, signer, offer } = await setUp();
    await signer.publishGroup(5, 3);
    expect(await offer(await signer.publish({ group: 6 }))).toBe("accepted");
    clock.advance(1_000);
    // Sequence 1 again, but issued after sequence 3.
    expect(await offer(await signer.say({ sequence: 1, previous: new Uint8Array(32), group: 5 }))).toBe(
      "manifest-rollback",
    );
  });

  it("takes history in from before the first manifest it saw", async () => {
    const { clock, trust, signer, offer } = await setUp();
    const early = await signer.publishGroup(5, 2);
    clock.advance(1_000);
    const late = await signer.publishGroup(6, 2);
    for (const envelope of [...late, ...early]) expect(await offer(envelope)).toBe("accepted");
    expect(trust.latestGroup).toBe(6);
    expect(trust.truth(5)?.completion?.objectCount).toBe(2);
  });

  it("refuses a leap of sequence or group that no honest signer can make in the time", async () => {
    const { clock, trust, signer, offer } = await setUp();
    expect(await offer(await signer.publish({ group: 7 }))).toBe("accepted");
    expect(await offer(await signer.say({ sequence: 1_500, group: 7 }))).toBe("manifest-fast-forward");
    expect(await offer(await signer.say({ group: 2n ** 64n - 1n }))).toBe("manifest-fast-forward");
    expect(trust.latestGroup).toBe(7);
    // A pause is no leap: the groups that were left out have had their time.
    clock.advance(60 * 60 * 1000);
    expect(await offer(await signer.say({ group: 3_607 }))).toBe("accepted");
  });

  it("refuses a manifest from the future, beyond what clocks may differ", async () => {
    const { signer, offer } = await setUp({ clockSkewMs: 60_000 });
    expect(await offer(await signer.say({ issuedAtMs: START_MS + 60_001 }))).toBe("manifest-fast-forward");
    expect(await offer(await signer.say({ issuedAtMs: START_MS + 60_000 }))).toBe("accepted");
  });

  it("tolerates a missing link until it comes", async () => {
    const { trust, signer, offer } = await setUp();
    const [first, second, third] = await signer.publishGroup(7, 3);
    expect(await offer(first!)).toBe("accepted");
    expect(await offer(third!)).toBe("accepted");
    expect(trust.lookup(7, 1).state).toBe("waiting");
    expect(await offer(second!)).toBe("accepted");
    expect(trust.lookup(7, 1).state).toBe("signed");
  });

  /** Each gives two envelopes of the pinned key that cannot both be true. */
  const contradictions: Readonly<Record<string, (signer: FreeSigner) => Promise<Uint8Array[]>>> = {
    "two manifests with one sequence number": async (signer) => [
      await signer.say({ group: 7, entries: [await entryFor(objectAt(7, 0))] }),
      await signer.say({ group: 7, entries: [await entryFor(objectAt(7, 1))] }),
    ],
    "a manifest that follows another one than the one seen": async (signer) => [
      await signer.publish({ group: 7 }),
      await signer.say({ group: 7, previous: new Uint8Array(32).fill(1) }),
    ],
    "two contents for one object": async (signer) => [
      await signer.publish({ group: 7, entries: [await entryFor(objectAt(7, 0))] }),
      await signer.publish({ group: 7, entries: [await entryFor(mediaObject(7, 0, "something else"))] }),
    ],
    "two completions": async (signer) => [
      await signer.publish({ group: 7, completion: await completionOf(7, 2) }),
      await signer.publish({ group: 7, completion: await completionOf(7, 3) }),
    ],
    "an object after the group was closed without it": async (signer) => [
      await signer.publish({
        group: 7,
        entries: [await entryFor(objectAt(7, 0))],
        completion: await completionOf(7, 1),
      }),
      await signer.publish({ group: 7, entries: [await entryFor(objectAt(7, 1))] }),
    ],
    "a completion with another root than its objects have": async (signer) => [
      await signer.publish({ group: 7, entries: [await entryFor(objectAt(7, 0))] }),
      await signer.publish({ group: 7, completion: { objectCount: 1, root: new Uint8Array(32) } }),
    ],
    "a completion with fewer objects than were named": async (signer) => {
      const entries = [await entryFor(objectAt(7, 0)), await entryFor(objectAt(7, 1))];
      return [
        await signer.publish({ group: 7, entries }),
        await signer.publish({ group: 7, completion: await completionOf(7, 1) }),
      ];
    },
  };

  for (const reversed of [false, true]) {
    it.each(Object.keys(contradictions))(
      `finds equivocation, keeps both envelopes and stops: %s${reversed ? " (in reverse order)" : ""}`,
      async (name) => {
        const { trust, signer, offer, states } = await setUp();
        const pair = await contradictions[name]!(signer);
        if (reversed) pair.reverse();
        expect(await offer(pair[0]!, "m1")).toBe("accepted");
        expect(await offer(pair[1]!, "m2")).toBe("manifest-equivocation");
        expect(states).toEqual(["verified", "equivocation"]);
        expect([trust.contradiction?.first.envelope, trust.contradiction?.second.envelope]).toEqual(pair);
        expect(trust.lookup(7, 0).state).toBe("waiting");
        expect(trust.truth(7)).toBeUndefined();
        signer.sequence = 10;
        expect(await offer(await signer.say({ group: 8 }))).toBe("manifest-equivocation");
      },
    );
  }

  it("is not fooled into seeing equivocation by junk that claims a place that is taken", async () => {
    const { trust, clock, signer, offer } = await setUp();
    expect(await offer(await signer.say({ group: 7 }))).toBe("accepted");
    const stranger = { ...keys.stranger, kid: keys.root.kid };
    expect(await offer(await new FreeSigner(clock, stranger).say({ group: 8 }))).toBe(
      "manifest-bad-signature",
    );
    expect(trust.state).toBe("verified");
  });

  it("names the same object twice without harm when it is the same", async () => {
    const { trust, signer, offer } = await setUp();
    const entries = [await entryFor(objectAt(7, 0))];
    expect(await offer(await signer.publish({ group: 7, entries }))).toBe("accepted");
    expect(
      await offer(await signer.publish({ group: 7, entries, completion: await completionOf(7, 1) })),
    ).toBe("accepted");
    expect(trust.truth(7)?.entries).toHaveLength(1);
  });
});
