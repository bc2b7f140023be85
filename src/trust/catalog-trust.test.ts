import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { CATALOG_FRESH_FOR_MS, CATALOG_REFRESH_MS, CatalogSigner } from "../publish/signer-catalog.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import { verifyStoredGroup } from "./archive.ts";
import { CatalogTrust, type VerifiedCatalog } from "./catalog-trust.ts";
import { keys, ManualClock, mediaObject, STREAM_ID } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { MAX_CATALOG_BYTES, MAX_WAITING_CATALOGS } from "./limits.ts";
import { SignedTrackTrust } from "./track-trust.ts";

const CATALOG = trackOf(namespaceOf("example.com", "live"), "catalog");
const text = (value: string) => new TextEncoder().encode(value);

async function setUp() {
  const clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const trust = new SignedTrackTrust({ track: CATALOG, keyRing, clock });
  const catalogTrust = new CatalogTrust(trust);
  const catalogs: VerifiedCatalog[] = [];
  const rejected: string[] = [];
  catalogTrust.on("catalog", (catalog) => catalogs.push(catalog));
  catalogTrust.on("rejected", ({ source, error }) => rejected.push(`${source} ${error.code}`));
  const signer = new CatalogSigner({ key: keys.root, track: CATALOG, streamId: STREAM_ID, clock });
  const manifest = (envelope: Uint8Array) => trust.offer("m", envelope);
  /** Digests of short payloads are synchronous, the verdict is a microtask behind. */
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  return { clock, keyRing, trust, catalogTrust, catalogs, rejected, signer, manifest, settled };
}

describe("CatalogTrust", () => {
  it("lets a signed catalog through, with its digest and stream, whichever comes first", async () => {
    for (const manifestFirst of [true, false]) {
      const { catalogTrust, catalogs, signer, manifest, settled } = await setUp();
      const signed = await signer.sign(text("{}"));
      if (manifestFirst) await manifest(signed.manifest.envelope);
      catalogTrust.offer("a", signed.object);
      await settled();
      if (!manifestFirst) {
        expect(catalogs).toEqual([]);
        await manifest(signed.manifest.envelope);
        await settled();
      }
      expect(catalogs).toHaveLength(1);
      expect(catalogs[0]).toMatchObject({
        object: signed.object,
        digest: sha256(text("{}")),
        streamId: STREAM_ID,
      });
      expect(signed.digest).toEqual(catalogs[0]!.digest);
      expect(catalogTrust.current).toBe(catalogs[0]);
    }
  });

  it("gives evidence with which the stored catalog can be verified again", async () => {
    const { keyRing, catalogTrust, catalogs, signer, manifest, settled } = await setUp();
    const signed = await signer.sign(text("{}"));
    await manifest(signed.manifest.envelope);
    catalogTrust.offer("a", signed.object);
    await settled();
    const { object, evidence } = catalogs[0]!;
    const verdict = await verifyStoredGroup(
      { group: object.group, objects: [object], evidence },
      { track: CATALOG, keyRing },
    );
    expect(verdict).toMatchObject({ objects: [object], complete: true, streamId: STREAM_ID });
  });

  it("rejects an altered catalog and an extra object, and names who sent them", async () => {
    const { catalogTrust, catalogs, rejected, signer, manifest, settled } = await setUp();
    const { object, manifest: signed } = await signer.sign(text("{}"));
    catalogTrust.offer("liar", { ...object, payload: text("[]") });
    catalogTrust.offer("honest", object);
    await manifest(signed.envelope);
    catalogTrust.offer("liar", mediaObject(object.group, 1, "extra"));
    await settled();
    expect(catalogs.map((catalog) => catalog.object)).toEqual([object]);
    expect(rejected.sort()).toEqual(["liar object-mismatch", "liar object-unsigned"]);
  });

  it("never goes back to an older catalog", async () => {
    const { clock, catalogTrust, catalogs, signer, manifest, settled } = await setUp();
    const old = await signer.sign(text("old"));
    clock.advance(CATALOG_REFRESH_MS);
    const current = await signer.sign(text("new"));
    await manifest(old.manifest.envelope);
    await manifest(current.manifest.envelope);
    catalogTrust.offer("a", current.object);
    await settled();
    catalogTrust.offer("a", old.object);
    await settled();
    expect(catalogs.map(({ object }) => object)).toEqual([current.object]);
  });

  it("announces a copy from each of two sources once", async () => {
    const { catalogTrust, catalogs, signer, manifest, settled } = await setUp();
    const { object, manifest: signed } = await signer.sign(new Uint8Array(10_000));
    await manifest(signed.envelope);
    catalogTrust.offer("a", object);
    catalogTrust.offer("b", { ...object });
    await settled();
    await expect.poll(() => catalogs.length).toBeGreaterThan(0);
    for (let i = 0; i < 10; i++) await settled();
    expect(catalogs).toHaveLength(1);
  });

  it("refuses a catalog that is too large, and holds few that wait, each source for itself", async () => {
    const { catalogTrust, catalogs, rejected, signer, manifest, settled } = await setUp();
    const signed = await signer.sign(text("{}"));
    catalogTrust.offer("liar", mediaObject(1, 0, new Uint8Array(MAX_CATALOG_BYTES + 1)));
    expect(rejected).toEqual(["liar limit-exceeded"]);
    catalogTrust.offer("honest", signed.object);
    for (let i = 0; i < MAX_WAITING_CATALOGS + 1; i++) catalogTrust.offer("liar", mediaObject(i, 0, "junk"));
    await manifest(signed.manifest.envelope);
    await settled();
    expect(catalogs).toHaveLength(1);
  });

  it("drops the oldest of a source that sends more than may wait", async () => {
    const { catalogTrust, catalogs, signer, manifest, settled } = await setUp();
    const signed = await signer.sign(text("{}"));
    catalogTrust.offer("a", signed.object);
    for (let i = 0; i < MAX_WAITING_CATALOGS; i++) catalogTrust.offer("a", mediaObject(i, 0, "junk"));
    await manifest(signed.manifest.envelope);
    await settled();
    expect(catalogs).toEqual([]);
    catalogTrust.offer("a", signed.object);
    await settled();
    expect(catalogs).toHaveLength(1);
  });

  it("says nothing more when it is closed", async () => {
    const { catalogTrust, catalogs, signer, manifest, settled } = await setUp();
    const signed = await signer.sign(text("{}"));
    catalogTrust.offer("a", signed.object);
    catalogTrust.close();
    expect((await manifest(signed.manifest.envelope)).accepted).toBe(false);
    await settled();
    expect(catalogs).toEqual([]);
  });
});

describe("CatalogSigner", () => {
  it("signs the same document again in a later group with the same digest, so that it stays fresh", async () => {
    const { clock, trust, signer, manifest } = await setUp();
    const first = await signer.sign(text("{}"));
    await manifest(first.manifest.envelope);
    for (let i = 0; i < 6; i++) {
      clock.advance(CATALOG_REFRESH_MS);
      const next = await signer.sign(text("{}"));
      expect(next.digest).toEqual(first.digest);
      expect(next.object.group > first.object.group).toBe(true);
      expect((await manifest(next.manifest.envelope)).accepted).toBe(true);
    }
    expect(trust.state).toBe("verified");
    clock.advance(CATALOG_FRESH_FOR_MS);
    expect(trust.state).toBe("stale");
  });

  it("numbers groups by the second, and by one where several are signed within one", async () => {
    const { clock, signer } = await setUp();
    const groups = [];
    for (let i = 0; i < 3; i++) groups.push((await signer.sign(text("{}"))).object.group);
    const second = Math.floor(clock.now() / 1000);
    expect(groups).toEqual([second, second + 1, second + 2]);
  });
});
