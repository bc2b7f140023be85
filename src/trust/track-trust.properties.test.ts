import fc from "fast-check";
import { expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { MANIFEST_AAD, sealEnvelope } from "./envelope.ts";
import { FreeSigner, keys, ManualClock, objectAt, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const keyRing = await KeyRing.create([keys.root.publicKey]);
const newTrust = (clock = new ManualClock()) => new SignedTrackTrust({ track: VIDEO, keyRing, clock });
const good = await new FreeSigner(new ManualClock()).publishGroup(7, 3);

async function expectTypedRefusal(trust: SignedTrackTrust, bytes: Uint8Array, source: string) {
  const { accepted, error } = await trust.offer(source, bytes);
  expect(accepted).toBe(false);
  expect(error).toBeInstanceOf(CountersignError);
  expect(error?.code).toMatch(/^manifest-|^limit-exceeded$/);
}

it("refuses any bytes with a typed error", async () => {
  const trust = newTrust();
  let source = 0;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), (bytes) =>
      expectTypedRefusal(trust, bytes, `m${source++}`),
    ),
    { numRuns: 500 },
  );
  expect(trust.truth(7)).toBeUndefined();
});

it("refuses a good envelope with any byte changed, cut out or put in, unless only unprotected headers changed", async () => {
  let source = 0;
  const edits = fc.record({
    which: fc.nat(good.length - 1),
    at: fc.nat(1_000),
    remove: fc.nat(3),
    insert: fc.uint8Array({ maxLength: 3 }),
  });
  const trust = newTrust();
  await fc.assert(
    fc.asyncProperty(edits, async ({ which, at, remove, insert }) => {
      const envelope = good[which]!;
      const start = at % envelope.byteLength;
      const bytes = Uint8Array.of(
        ...envelope.subarray(0, start),
        ...insert,
        ...envelope.subarray(start + remove),
      );
      fc.pre(bytes.byteLength !== envelope.byteLength || bytes.some((byte, i) => byte !== envelope[i]));
      const { accepted, error } = await trust.offer(`m${source++}`, bytes);
      // Accepted means: says what was signed. The only freedom is the map at the one place of unprotected headers.
      if (accepted)
        expect(trust.truth(7)?.entries.every(({ size }) => size === objectAt(7, 0).payload.byteLength)).toBe(
          true,
        );
      else expect(error?.code).toMatch(/^manifest-/);
      expect(trust.contradiction).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

it("refuses any payload that a trusted key signed but that is no manifest", async () => {
  const trust = newTrust();
  let source = 0;
  const value = fc.dictionary(
    fc.integer({ min: 0, max: 14 }).map(String),
    fc.oneof(fc.nat(), fc.uint8Array(), fc.string()),
  );
  await fc.assert(
    fc.asyncProperty(value, async (record) => {
      const map = new Map(Object.entries(record).map(([key, item]) => [Number(key), item]));
      await expectTypedRefusal(
        trust,
        await sealEnvelope(keys.root, MANIFEST_AAD, encodeCbor(map)),
        `m${source++}`,
      );
    }),
    { numRuns: 100 },
  );
});

it("ends in the same truth whatever the order, the doubles and the concurrency of honest envelopes", async () => {
  const signer = new FreeSigner(new ManualClock());
  const all: Uint8Array[] = [];
  for (let group = 0; group < 4; group++) all.push(...(await signer.publishGroup(group, 3)));
  const order = fc.shuffledSubarray([...all, ...all], {
    minLength: all.length * 2,
    maxLength: all.length * 2,
  });
  await fc.assert(
    fc.asyncProperty(order, fc.integer({ min: 1, max: 8 }), async (envelopes, atOnce) => {
      const trust = newTrust();
      for (let i = 0; i < envelopes.length; i += atOnce) {
        const batch = envelopes.slice(i, i + atOnce);
        const results = await Promise.all(batch.map((envelope, at) => trust.offer(`m${at % 2}`, envelope)));
        for (const { error } of results) expect(error).toBeUndefined();
      }
      for (let group = 0; group < 4; group++) {
        expect(trust.truth(group)?.entries.map(({ object }) => object)).toEqual([0, 1, 2]);
        expect(trust.lookup(group, 3).state).toBe("unsigned");
      }
      expect(trust.newest?.sequence).toBe(11);
      expect(trust.state).toBe("verified");
      trust.close();
    }),
    { numRuns: 40 },
  );
});
