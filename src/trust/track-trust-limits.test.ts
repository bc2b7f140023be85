/** What a hostile or broken peer can make us spend: nothing beyond the caps of limits.ts. */
import { beforeEach, describe, expect, it } from "vitest";
import { encodeCbor } from "./cbor-writer.ts";
import { decodeSign1 } from "./cose.ts";
import { signDelegation } from "./delegation.ts";
import { entryFor, FreeSigner, keys, ManualClock, objectAt, STREAM_ID, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import type { SigningKey } from "./keys.ts";
import {
  JUNK_BURST,
  JUNK_PER_SECOND,
  MAX_ENVELOPE_BYTES,
  MAX_JUDGING_PER_SOURCE,
  MAX_LIVE_GROUPS,
  MAX_PAST_GROUPS,
} from "./limits.ts";
import { SignedTrackTrust } from "./track-trust.ts";

let clock: ManualClock;
let trust: SignedTrackTrust;
let signer: FreeSigner;
let checks = 0;
const offer = async (envelope: Uint8Array, source = "m1") =>
  (await trust.offer(source, envelope)).error?.code ?? "accepted";

beforeEach(async () => {
  clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const { candidates } = keyRing;
  checks = 0;
  // Each look for a key that succeeds is followed by one signature check.
  keyRing.candidates = (kid) => {
    const found = candidates.call(keyRing, kid);
    checks += found.length;
    return found;
  };
  trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
  signer = new FreeSigner(clock);
});

/** Envelopes that look right up to the signature, all different. */
async function forgeries(count: number): Promise<Uint8Array[]> {
  const forger: SigningKey = { ...keys.stranger, kid: keys.root.kid };
  const other = new FreeSigner(clock, forger);
  return Promise.all(Array.from({ length: count }, (_, i) => other.say({ group: i })));
}

describe("the budget of a source", () => {
  it("ends after a burst of forgeries; then the source is refused without a signature check, and others are not", async () => {
    const junk = await forgeries(JUNK_BURST + 10);
    const codes: string[] = [];
    for (const envelope of junk) codes.push(await offer(envelope, "liar"));
    expect(codes.filter((code) => code === "manifest-bad-signature")).toHaveLength(JUNK_BURST);
    expect(codes.slice(JUNK_BURST)).toEqual(Array(10).fill("limit-exceeded"));
    expect(checks).toBe(JUNK_BURST);
    expect(await offer(await signer.publish({ group: 1 }), "honest")).toBe("accepted");
  });

  it("grows again with time", async () => {
    for (const envelope of await forgeries(JUNK_BURST)) await offer(envelope, "liar");
    expect(await offer(await signer.say({ group: 1 }), "liar")).toBe("limit-exceeded");
    clock.advance(1_000);
    const codes: string[] = [];
    for (const envelope of (await forgeries(JUNK_BURST + 50)).slice(JUNK_BURST))
      codes.push(await offer(envelope, "liar"));
    expect(codes.filter((code) => code !== "limit-exceeded")).toHaveLength(JUNK_PER_SECOND);
  });

  it("is not spent by good envelopes, nor by those said again", async () => {
    const envelopes = await signer.publishGroup(7, JUNK_BURST * 2);
    for (const envelope of envelopes) expect(await offer(envelope)).toBe("accepted");
    for (const envelope of envelopes) expect(await offer(envelope)).toBe("accepted");
    expect(checks).toBe(JUNK_BURST * 2);
  });

  it("is spent by the same junk sent again, which is not checked again", async () => {
    const [forgery] = await forgeries(1);
    for (let i = 0; i < JUNK_BURST; i++) expect(await offer(forgery!, "liar")).toBe("manifest-bad-signature");
    expect(await offer(forgery!, "liar")).toBe("limit-exceeded");
    expect(checks).toBe(1);
  });

  it("covers what is being checked at one time", async () => {
    const many = await forgeries(MAX_JUDGING_PER_SOURCE + 5);
    const results = await Promise.all(many.map((envelope) => offer(envelope, "liar")));
    expect(results.filter((code) => code === "limit-exceeded")).toHaveLength(5);
    // All of those under way have to be paid for before the next is looked at.
    clock.advance(1_000);
    expect(await offer(await signer.say({ group: 1 }), "liar")).toBe("limit-exceeded");
  });

  it("is not used up by many good envelopes one after the other", async () => {
    const envelope = await signer.publish({ group: 1 });
    for (let i = 0; i < MAX_JUDGING_PER_SOURCE + 1; i++) expect(await offer(envelope)).toBe("accepted");
  });

  it("is not spent by envelopes of a key that is not known yet", async () => {
    const delegated = new FreeSigner(clock, keys.signer);
    for (let i = 0; i < JUNK_BURST + 5; i++) {
      expect(await offer(await delegated.publish({ group: 1 }))).toBe("manifest-wrong-key");
    }
    delegated.delegations = [
      await signDelegation(keys.root, {
        publicKey: keys.signer.publicKey,
        namespacePrefix: [],
        notBeforeMs: 0,
        notAfterMs: clock.now() * 2,
        serial: 1,
      }),
    ];
    expect(await offer(await delegated.publish({ group: 1 }))).toBe("accepted");
  });

  it("needs one signature check for what several peers send at once, and for copies with other unprotected headers", async () => {
    const envelope = await signer.publish({ group: 1 });
    const all = await Promise.all(["a", "b", "c"].map((source) => offer(envelope, source)));
    expect(all).toEqual(["accepted", "accepted", "accepted"]);
    const { protectedBytes, payload, signature } = decodeSign1(envelope);
    for (let i = 0; i < 10; i++) {
      const unprotected = new Map([[-80_000 - i, i]]);
      const copy = Uint8Array.of(0xd2, ...encodeCbor([protectedBytes, unprotected, payload, signature]));
      expect(await offer(copy, "d")).toBe("accepted");
    }
    expect(checks).toBe(1);
  });

  it("is charged for envelopes that are too large, which are not read", async () => {
    expect(await offer(new Uint8Array(MAX_ENVELOPE_BYTES + 1), "liar")).toBe("manifest-malformed");
    expect(checks).toBe(0);
  });
});

describe("what a track keeps", () => {
  it("is the live groups and as many others, the ones used longest ago forgotten first", async () => {
    const total = MAX_LIVE_GROUPS + MAX_PAST_GROUPS + 10;
    const envelopes: Uint8Array[] = [];
    for (let group = 0; group < total; group++) {
      envelopes.push(await signer.publish({ group, entries: [await entryFor(objectAt(group, 0))] }));
    }
    const last = envelopes.pop()!;
    for (const envelope of envelopes) expect(await offer(envelope)).toBe("accepted");
    // A viewer who has rewound looks at group 20.
    expect(trust.lookup(20, 0).state).toBe("signed");
    expect(trust.lookup(8, 0).state).toBe("waiting");
    expect(trust.lookup(9, 0).state).toBe("signed");
    for (let group = 9; group < 20; group++) trust.truth(group);
    expect(await offer(last)).toBe("accepted");
    expect(trust.lookup(9, 0).state).toBe("signed");
    expect(trust.lookup(21, 0).state).toBe("waiting");
    expect(trust.evidence(21)).toEqual([]);
    // What was forgotten can be brought back.
    expect(await offer(envelopes[21]!)).toBe("accepted");
    expect(trust.lookup(21, 0).state).toBe("signed");
  });

  it("never loses the live edge to history, whatever is played back", async () => {
    const total = MAX_LIVE_GROUPS + MAX_PAST_GROUPS + 200;
    const envelopes: Uint8Array[] = [];
    for (let group = 0; group < total; group++) {
      envelopes.push(await signer.publish({ group, entries: [await entryFor(objectAt(group, 0))] }));
    }
    const live = envelopes.splice(total - MAX_LIVE_GROUPS);
    for (const envelope of live) await offer(envelope);
    for (const envelope of envelopes) expect(await offer(envelope)).toBe("accepted");
    for (let group = total - MAX_LIVE_GROUPS; group < total; group++)
      expect(trust.lookup(group, 0).state).toBe("signed");
  });
});
