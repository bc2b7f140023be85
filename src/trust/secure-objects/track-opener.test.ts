import { describe, expect, it } from "vitest";
import { FakeClock } from "../../testing/fake-clock.ts";
import { asObject, baseKeyOf, SUITE, sealed, TRACK } from "./fixtures.ts";
import type { KeyProvider, KeyRequest } from "./track-keys.ts";
import { TrackOpener } from "./track-opener.ts";

const MEDIA = Uint8Array.of(1, 2, 3);
const REQUEST = { broadcast: ["example.com", "live"], track: "video", catalogKeyId: "spring" };

function openerWith(provider: KeyProvider | undefined): { opener: TrackOpener; clock: FakeClock } {
  const clock = new FakeClock(1000);
  const opener = new TrackOpener({
    track: TRACK,
    suite: SUITE,
    request: REQUEST,
    provider,
    timeoutMs: 5000,
    clock,
  });
  return { opener, clock };
}

/** Lets crypto and promises go on until `done`. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

describe("an encrypted track", () => {
  it("asks the app once for a key, naming what it is for, however many objects wait", async () => {
    const asked: KeyRequest[] = [];
    const { opener } = openerWith(async (request) => {
      asked.push(request);
      return baseKeyOf(7);
    });
    const objects = await Promise.all([0, 1, 2].map((object) => sealed(7, 1, object, MEDIA)));
    const opened = await Promise.all(objects.map((object) => opener.open(object)));
    expect(opened.map(({ payload }) => payload)).toEqual([MEDIA, MEDIA, MEDIA]);
    expect(opened[2]).toMatchObject({ group: 1, object: 2, status: "normal" });
    expect(asked).toEqual([{ ...REQUEST, keyId: "7", cipherSuite: "aes-128-gcm-sha256" }]);
  });

  it("opens objects of several keys side by side", async () => {
    const { opener } = openerWith(async ({ keyId }) => baseKeyOf(BigInt(keyId)));
    for (const keyId of [1, 2, 1, 2 ** 40, 2n ** 64n - 1n, 1])
      expect(
        (await opener.open(await sealed(keyId, 3, Number(BigInt(keyId) % 100n), MEDIA))).payload,
      ).toEqual(MEDIA);
  });

  it("forgets the key that was used least recently when there are too many", async () => {
    const asked: string[] = [];
    const { opener } = openerWith(async ({ keyId }) => {
      asked.push(keyId);
      return baseKeyOf(BigInt(keyId));
    });
    for (let keyId = 1; keyId <= 17; keyId++) {
      await opener.open(await sealed(keyId, 1, 0, MEDIA));
      await opener.open(await sealed(1, 1, 0, MEDIA));
    }
    await opener.open(await sealed(2, 1, 0, MEDIA));
    expect(asked.filter((keyId) => keyId === "1")).toHaveLength(1);
    expect(asked.filter((keyId) => keyId === "2")).toHaveLength(2);
  });

  it("says when to ask again while the app has no key, and asks with growing pauses", async () => {
    let asked = 0;
    const { opener, clock } = openerWith(async () => {
      asked += 1;
      if (asked === 1) throw new Error("licence server away");
      return asked < 4 ? undefined : baseKeyOf(7);
    });
    const object = await sealed(7, 1, 0, MEDIA);
    const pauses: (number | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const error = await opener.open(object).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "key-unavailable", hint: expect.stringMatching(/asked .*again/) });
      if (i === 0) expect(error).toMatchObject({ message: expect.stringContaining("licence server away") });
      const { retryAfterMs = 0 } = error as { retryAfterMs?: number };
      pauses.push(retryAfterMs);
      // Before that, nobody is bothered.
      clock.advance(retryAfterMs - 1);
      await expect(opener.open(object)).rejects.toMatchObject({ code: "key-unavailable", retryAfterMs: 1 });
      expect(asked).toBe(i + 1);
      clock.advance(1);
    }
    expect(pauses).toEqual([500, 1000, 2000]);
    expect((await opener.open(object)).payload).toEqual(MEDIA);
  });

  it("does not wait for ever for an app that does not answer", async () => {
    const { opener, clock } = openerWith(() => new Promise(() => undefined));
    const opening = opener.open(await sealed(7, 1, 0, MEDIA));
    await until(() => clock.pending > 0);
    clock.advance(5000);
    await expect(opening).rejects.toMatchObject({
      code: "key-unavailable",
      message: expect.stringContaining("5000 ms"),
    });
    expect(clock.pending).toBe(0);
  });

  it("tells an app that gave no keys at all what to do, and that waiting is no use", async () => {
    const { opener } = openerWith(undefined);
    const error = await opener.open(await sealed(7, 1, 0, MEDIA)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "key-unavailable", hint: expect.stringContaining("createPlayer") });
    expect(error).toMatchObject({ retryAfterMs: undefined });
  });

  it("refuses what a wrong key does not open, and takes the right one when the app has it", async () => {
    const keys = [baseKeyOf(99), baseKeyOf(98), baseKeyOf(7)];
    let asked = 0;
    const { opener, clock } = openerWith(async () => keys[asked++]);
    const object = await sealed(7, 1, 0, MEDIA);
    await expect(opener.open(object)).rejects.toMatchObject({ code: "decryption-failed" });
    await expect(opener.open(object)).rejects.toMatchObject({ code: "decryption-failed" });
    expect(asked).toBe(1);
    clock.advance(500);
    await expect(opener.open(object)).rejects.toMatchObject({ code: "decryption-failed" });
    expect(asked).toBe(2);
    clock.advance(1000);
    expect((await opener.open(object)).payload).toEqual(MEDIA);
    clock.advance(60_000);
    await opener.open(object);
    expect(asked).toBe(3);
  });

  it("keeps using a good key after one object of the signer's that it does not open", async () => {
    let asked = 0;
    const { opener, clock } = openerWith(async () => {
      asked += 1;
      if (asked > 1) throw new Error("gone");
      return baseKeyOf(7);
    });
    const good = await sealed(7, 1, 0, MEDIA);
    const tampered = { ...good, payload: good.payload.with(0, good.payload[0]! ^ 1) };
    await opener.open(good);
    await expect(opener.open(tampered as typeof good)).rejects.toMatchObject({ code: "decryption-failed" });
    clock.advance(10_000);
    expect((await opener.open(good)).payload).toEqual(MEDIA);
    expect((await opener.open(good)).payload).toEqual(MEDIA);
    expect(asked).toBe(2);
  });

  it("refuses a replayed counter: what was sealed for one place does not open at another", async () => {
    const { opener } = openerWith(async () => baseKeyOf(7));
    const { payload, properties } = await sealed(7, 1, 0, MEDIA);
    const moved = asObject({ group: 1, object: 1 }, payload, properties);
    await expect(opener.open(moved)).rejects.toMatchObject({ code: "decryption-failed" });
  });

  it("refuses an object without a key id, and asks for none", async () => {
    const { opener } = openerWith(() => {
      throw new Error("asked");
    });
    await expect(opener.open(asObject({ group: 1, object: 0 }, MEDIA))).rejects.toMatchObject({
      code: "decryption-failed",
    });
  });

  it("treats a key that is none like one that is not there", async () => {
    const notForThis = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["encrypt"]);
    const { opener } = openerWith(async () => notForThis);
    await expect(opener.open(await sealed(7, 1, 0, MEDIA))).rejects.toMatchObject({
      code: "key-unavailable",
      message: expect.stringContaining("HKDF"),
    });
  });
});
