import { expect, test } from "vitest";
import type { TrackSpec } from "../src/merge/track-feed.ts";
import { CatalogSigner } from "../src/publish/signer-catalog.ts";
import type { VerifiedCatalog } from "../src/trust/catalog-trust.ts";
import { keys, ManualClock } from "../src/trust/fixtures.ts";
import { signRevocation } from "../src/trust/key-change.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { utf8Decode, utf8Encode } from "../src/utf8.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import { CatalogReader } from "./catalog-reader.ts";
import type { ManifestIntake } from "./manifest-intake.ts";

const NAMESPACE = namespaceOf("example.com", "live");

function judged(intake: ManifestIntake): number {
  const { good, duplicate, junk } = intake.score("m");
  return good + duplicate + junk;
}

async function setUp() {
  const clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const tracks = new Set<TrackSpec>();
  const catalogs: VerifiedCatalog[] = [];
  const refused: string[] = [];
  const reader = new CatalogReader({
    namespace: NAMESPACE,
    keyRing,
    clock,
    manifests: {
      addTrack: (track) => {
        tracks.add(track);
        return () => tracks.delete(track);
      },
    },
    onCatalog: (catalog) => catalogs.push(catalog),
    onRefused: ({ code }) => refused.push(code),
    onEquivocation: ({ code }) => refused.push(code),
  });
  const signerOf = (stream: number) =>
    new CatalogSigner({
      key: keys.root,
      track: trackOf(NAMESPACE, "catalog"),
      streamId: new Uint8Array(16).fill(stream),
      clock,
    });
  /** A second later, signs this text and brings it to whoever reads now. */
  const publish = async (signer: CatalogSigner, text: string) => {
    clock.advance(1_000);
    const { object, manifest } = await signer.sign(utf8Encode(text));
    const { intake } = reader;
    const before = judged(intake);
    for (const { name, target } of [...tracks]) {
      const proves = utf8Decode(name.name) === "catalog.manifest";
      target.sink("m", "subscription").object?.(proves ? { ...object, payload: manifest.envelope } : object);
    }
    // Judged when it counts as good or as junk; what follows from that needs no more than promises.
    await expect.poll(() => judged(intake), { interval: 1 }).toBe(before + (tracks.size > 0 ? 1 : 0));
    await new Promise((resolve) => setImmediate(resolve));
  };
  const texts = () => catalogs.map(({ object }) => utf8Decode(object.payload));
  return { keyRing, tracks, reader, catalogs, refused, signerOf, publish, texts };
}

test("a restarted signer is followed: its next catalog is the one in force", async () => {
  const { tracks, reader, signerOf, publish, texts } = await setUp();
  await publish(signerOf(1), "first");
  const second = signerOf(2);
  await publish(second, "heard of");
  await publish(second, "second");
  expect(texts()).toEqual(["first", "second"]);
  expect(reader.trust.streamId).toEqual(new Uint8Array(16).fill(2));
  expect(tracks.size).toBe(2);
});

test("of two signers that run at once, the one that was left is not gone back to", async () => {
  const { reader, signerOf, publish, texts } = await setUp();
  const [first, second, third] = [signerOf(1), signerOf(2), signerOf(3)];
  await publish(first, "1a");
  for (const text of ["2a", "2b"]) await publish(second, text);
  for (const text of ["1b", "1c"]) await publish(first, text);
  await publish(second, "2c");
  for (const text of ["3a", "3b"]) await publish(third, text);
  reader.follow(new Uint8Array(16).fill(1));
  await publish(third, "3c");
  expect(texts()).toEqual(["1a", "2b", "2c", "3b", "3c"]);
});

test("a catalog of a key that is then revoked is told of, and does not stay the one in force", async () => {
  const { keyRing, reader, refused, signerOf, publish } = await setUp();
  await publish(signerOf(1), "a thief's");
  expect(reader.current).toBeDefined();
  await keyRing.admit(
    await signRevocation(keys.root, { publicKey: keys.root.publicKey, fromMs: 0 }),
    "revocation",
  );
  expect(reader.current).toBeUndefined();
  expect(refused).toEqual(["manifest-key-revoked"]);
});

test("a closed reader reads nothing and follows nobody", async () => {
  const { tracks, reader, signerOf, publish, texts } = await setUp();
  await publish(signerOf(1), "first");
  reader.close();
  reader.follow(new Uint8Array(16).fill(2));
  expect(tracks.size).toBe(0);
  await publish(signerOf(2), "second");
  expect(texts()).toEqual(["first"]);
});
