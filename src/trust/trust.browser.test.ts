/** The browsers' own WebCrypto: that it has what this room needs, and is as strict as Node's. */
import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { fromHex } from "./bytes.ts";
import { KeyRing } from "./key-ring.ts";
import { importPublicKey, importSeed, signingKeyOf } from "./keys.ts";
import { payloadDigest } from "./leaf.ts";
import { SignedTrackTrust } from "./track-trust.ts";
import vectors from "./vectors/manifest.json" with { type: "json" };

/** RFC 8032 §7.1 TEST 2. */
const SEED = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const MESSAGE = fromHex("72");
const SIGNATURE = fromHex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);
/** The same with the order of the base point added to S: equal for a lenient verifier (RFC 8032 §5.1.7 forbids it). */
const MALLEATED = fromHex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69daf52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10",
);

describe("WebCrypto of this browser", () => {
  it("signs and verifies Ed25519 as RFC 8032 has it, and not a malleated signature", async () => {
    const key = await importSeed(SEED);
    expect(await key.sign(MESSAGE)).toEqual(SIGNATURE);
    const verifier = await importPublicKey(key.publicKey);
    expect(await verifier.verify(SIGNATURE, MESSAGE)).toBe(true);
    expect(await verifier.verify(MALLEATED, MESSAGE)).toBe(false);
    expect(await verifier.verify(new Uint8Array(64), MESSAGE)).toBe(false);
    expect(await verifier.verify(new Uint8Array(64).fill(0xff), MESSAGE)).toBe(false);
  });

  it("verifies ES256", async () => {
    const params = { name: "ECDSA", namedCurve: "P-256" };
    const key = await signingKeyOf(await crypto.subtle.generateKey(params, false, ["sign", "verify"]));
    const verifier = await importPublicKey(key.publicKey);
    expect(await verifier.verify(await key.sign(MESSAGE), MESSAGE)).toBe(true);
    expect(await verifier.verify(SIGNATURE, MESSAGE)).toBe(false);
  });

  it("refuses keys that are none with typed errors", async () => {
    await expect(importPublicKey(new Uint8Array(32))).rejects.toMatchObject({ code: "invalid-options" });
    await expect(importPublicKey(new Uint8Array(65).fill(4))).rejects.toMatchObject({
      code: "invalid-options",
    });
  });

  it("gives the digests that the synchronous hash gives", async () => {
    const bytes = new Uint8Array(513).fill(1);
    const { sha256 } = await import("@noble/hashes/sha2.js");
    expect(await payloadDigest(bytes)).toEqual(sha256(bytes));
  });

  it("accepts the manifests of an independent implementation", async () => {
    const keyRing = await KeyRing.create([fromHex(vectors.rootPublicKey)]);
    const clock = { now: () => 1_800_000_000_000, setTimer: () => () => undefined };
    const track = trackOf(namespaceOf("example.com", "live"), "video");
    const trust = new SignedTrackTrust({ track, keyRing, clock });
    for (const { envelope } of vectors.manifests) {
      expect(await trust.offer("m", fromHex(envelope))).toEqual({ accepted: true });
    }
    expect(trust.state).toBe("verified");
  });
});
