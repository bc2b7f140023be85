import { describe, expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { utf8Encode } from "../utf8.ts";
import { fromHex, hex } from "./bytes.ts";
import { decodeCbor } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import { decodeSign1, encodeSign1, sigStructure, verifySign1 } from "./cose.ts";
import { keys } from "./fixtures.ts";
import { importPublicKey, signingKeyOf } from "./keys.ts";
import { MAX_ENVELOPE_BYTES } from "./limits.ts";

const CONTENT = "546869732069732074686520636f6e74656e742e"; // "This is the content."

/** The key "11" of the COSE working group's examples (github.com/cose-wg/Examples), as an uncompressed point. */
const KEY_11 = fromHex(
  "04bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff" +
    "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
);
const NO_AAD = new Uint8Array(0);

/** RFC 9052 Appendix C.2.1 (the working group's Appendix_C_2_1.json of RFC 8152 is the same). */
const RFC_9052_C_2_1 =
  `d28443a10126a10442313154${CONTENT}` +
  "58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36";

/** cose-wg/Examples sign1-tests/sign-pass-02.json: external AAD. */
const SIGN_PASS_02 =
  `d28443a10126a10442313154${CONTENT}` +
  "584010729cd711cb3813d8d8e944a8da7111e7b258c9bdca6135f7ae1adbee9509891267837e1e33bd36c150326ae62755c6bd8e540c3e8f92d7d225e8db72b8820b";

/** cose-wg/Examples eddsa-examples/eddsa-sig-01.json: Ed25519, key of RFC 8032 §7.1 TEST 1. */
const EDDSA_SIG_01 =
  `d28445a201270300a10442313154${CONTENT}` +
  "58407142fd2ff96d56db85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d";

const edited = (from: string, to: string) => fromHex(RFC_9052_C_2_1.replace(from, to));

describe("COSE_Sign1 examples of the COSE working group", () => {
  it("verifies RFC 9052 C.2.1 (ES256)", async () => {
    expect(
      await verifySign1(decodeSign1(fromHex(RFC_9052_C_2_1)), await importPublicKey(KEY_11), NO_AAD),
    ).toBe(true);
  });

  it("builds the Sig_structure that the examples show", () => {
    const { protectedBytes, payload } = decodeSign1(fromHex(SIGN_PASS_02));
    const signed = sigStructure(protectedBytes, fromHex("11aa22bb33cc44dd55006699"), payload);
    expect(hex(signed)).toBe(`846a5369676e61747572653143a101264c11aa22bb33cc44dd5500669954${CONTENT}`);
  });

  it.each([0, 23, 24, 255, 256, 65_535, 65_536])(
    "builds it as any encoder of CBOR would, with a payload of %i bytes",
    (size) => {
      const [header, aad, payload] = [
        fromHex("a10126"),
        utf8Encode("a".repeat(30)),
        new Uint8Array(size).fill(7),
      ];
      expect(sigStructure(header, aad, payload)).toEqual(encodeCbor(["Signature1", header, aad, payload]));
    },
  );

  it("verifies sign-pass-02 with its external AAD and with no other", async () => {
    const key = await importPublicKey(KEY_11);
    const sign1 = decodeSign1(fromHex(SIGN_PASS_02));
    expect(await verifySign1(sign1, key, fromHex("11aa22bb33cc44dd55006699"))).toBe(true);
    expect(await verifySign1(sign1, key, NO_AAD)).toBe(false);
  });

  it("verifies eddsa-sig-01 (Ed25519)", async () => {
    const key = await importPublicKey(keys.root.publicKey);
    expect(await verifySign1(decodeSign1(fromHex(EDDSA_SIG_01)), key, NO_AAD)).toBe(true);
  });

  it("does not verify sign-fail-02 (payload changed) and -06 (protected header added)", async () => {
    const key = await importPublicKey(KEY_11);
    for (const bytes of [edited("656e742e", "656e742f"), edited("43a10126a1", "45a201260300a1")]) {
      expect(await verifySign1(decodeSign1(bytes), key, NO_AAD)).toBe(false);
    }
  });

  it("refuses sign-fail-01 (other tag), -03 and -04 (other algorithms) sign-pass-03 (no tag) and the tag of COSE_Mac0", () => {
    const bad = [
      edited("d284", "d903e684"),
      edited("43a10126", "45a1013903e6"),
      edited("43a10126", "4aa10167756e6b6e6f776e"),
      edited("d284", "84"),
      edited("d284", "d184"),
    ];
    for (const bytes of bad) expect(() => decodeSign1(bytes)).toThrow(CountersignError);
  });
});

describe("decodeSign1", () => {
  const parts = decodeCbor(fromHex(RFC_9052_C_2_1.slice(2))) as Uint8Array[];
  const withParts = (...changed: unknown[]) => {
    const body = encodeCbor(changed as never);
    return Uint8Array.of(0xd2, ...body);
  };

  it("refuses headers it would have to understand (crit), protected or not", () => {
    const crit = encodeCbor(
      new Map<number, never>([
        [1, -7 as never],
        [2, [4] as never],
      ]),
    );
    expect(() => decodeSign1(withParts(crit, parts[1], parts[2], parts[3]))).toThrow(/critical/);
    expect(() => decodeSign1(withParts(parts[0], new Map([[2, [4]]]), parts[2], parts[3]))).toThrow(
      /critical/,
    );
  });

  it("refuses a header that is both protected and unprotected", () => {
    expect(() => decodeSign1(withParts(parts[0], new Map([[1, -7]]), parts[2], parts[3]))).toThrow(/both/);
  });

  it("refuses an unprotected algorithm, three parts, five parts and a short signature", () => {
    expect(() => decodeSign1(withParts(new Uint8Array(0), new Map([[1, -7]]), parts[2], parts[3]))).toThrow(
      /not protected/,
    );
    expect(() => decodeSign1(withParts(parts[0], parts[1], parts[2]))).toThrow(/four parts/);
    expect(() => decodeSign1(withParts(parts[0], parts[1], parts[2], parts[3], parts[3]))).toThrow(
      /four parts/,
    );
    expect(() => decodeSign1(withParts(parts[0], parts[1], parts[2], new Uint8Array(63)))).toThrow(
      /wrong type or length/,
    );
  });

  it("refuses an envelope over the limit before reading it", () => {
    const bytes = new Uint8Array(MAX_ENVELOPE_BYTES + 1).fill(0xff);
    expect(() => decodeSign1(bytes)).toThrow(/more than 65536/);
  });
});

describe("encodeSign1", () => {
  const payload = utf8Encode("what is said");

  it("signs with Ed25519 what its public key verifies, under this external AAD only", async () => {
    const envelope = await encodeSign1({ key: keys.signer, externalAad: "a/1", payload });
    const sign1 = decodeSign1(envelope);
    const key = await importPublicKey(keys.signer.publicKey);
    expect(await verifySign1(sign1, key, utf8Encode("a/1"))).toBe(true);
    expect(await verifySign1(sign1, key, utf8Encode("a/2"))).toBe(false);
    expect(await verifySign1(sign1, await importPublicKey(keys.root.publicKey), utf8Encode("a/1"))).toBe(
      false,
    );
  });

  it("signs with ES256", async () => {
    const params = { name: "ECDSA", namedCurve: "P-256" };
    const key = await signingKeyOf(await crypto.subtle.generateKey(params, false, ["sign", "verify"]));
    const sign1 = decodeSign1(await encodeSign1({ key, externalAad: "a/1", payload }));
    expect(sign1.algorithm).toBe("ES256");
    expect(await verifySign1(sign1, await importPublicKey(key.publicKey), utf8Encode("a/1"))).toBe(true);
    expect(await verifySign1(sign1, await importPublicKey(keys.root.publicKey), utf8Encode("a/1"))).toBe(
      false,
    );
  });

  it("refuses to make an envelope that nobody would read", async () => {
    const signing = encodeSign1({
      key: keys.signer,
      externalAad: "a/1",
      payload: new Uint8Array(MAX_ENVELOPE_BYTES),
    });
    await expect(signing).rejects.toMatchObject({ code: "invalid-options" });
  });
});
