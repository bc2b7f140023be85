import { describe, expect, it } from "vitest";
import { mediaTracks } from "../catalog/lookup.ts";
import { parseCatalog } from "../catalog/parse.ts";
import { keyIdIn } from "../trust/secure-objects/framing.ts";
import { namespaceOf } from "../wire/names.ts";
import { broadcastCatalog } from "./broadcast-catalog.ts";
import { BroadcastEncryption, type EncryptionPlan } from "./encryption.ts";
import { GroupCutter } from "./group-cutter.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const NAMESPACE = namespaceOf("example.com", "live");
const PLAN: EncryptionPlan = {
  suite: "AES_128_CTR_HMAC_SHA256_80",
  keys: [1, 2, 3].map((keyId) => ({ keyId, baseKey: new Uint8Array(16).fill(keyId) })),
  rotateGroups: 4,
};
const MEDIA = new Uint8Array(100).fill(9);

describe("encrypting a broadcast", () => {
  it("gives the same bytes to publishers that share keys and plan, whenever they began", async () => {
    const [a, b] = [new BroadcastEncryption(NAMESPACE, PLAN), new BroadcastEncryption(NAMESPACE, PLAN)];
    await a.seal("video", 0, 0, MEDIA);
    expect(await a.seal("video", 9, 2, MEDIA)).toEqual(await b.seal("video", 9, 2, MEDIA));
  });

  it("changes the key after as many groups as planned, and begins again with the first", async () => {
    const encryption = new BroadcastEncryption(NAMESPACE, PLAN);
    const ids = await Promise.all(
      [0, 3, 4, 8, 11, 12].map(async (group) => {
        const { properties } = await encryption.seal("video", group, 0, MEDIA);
        return keyIdIn(properties).keyId;
      }),
    );
    expect(ids).toEqual([1, 1, 2, 3, 3, 1]);
  });

  it("makes other bytes of the same media at every place", async () => {
    const encryption = new BroadcastEncryption(NAMESPACE, PLAN);
    const places = [
      ["video", 0, 0],
      ["video", 0, 1],
      ["video", 1, 0],
      ["audio", 0, 0],
    ] as const;
    const sealed = await Promise.all(
      places.map(([track, group, object]) => encryption.seal(track, group, object, MEDIA)),
    );
    expect(new Set(sealed.map(({ payload }) => payload.join())).size).toBe(places.length);
  });

  it("settles in the order of the calls, and goes on behind one that fails", async () => {
    const encryption = new BroadcastEncryption(NAMESPACE, PLAN);
    const order: string[] = [];
    await Promise.all(
      [2 ** 33, 0, 1, 2].map((object) =>
        encryption.seal("video", 0, object, new Uint8Array(object === 0 ? 1_000_000 : 1)).then(
          () => order.push(String(object)),
          ({ code }: { code: string }) => order.push(code),
        ),
      ),
    );
    expect(order).toEqual(["malformed-track", "0", "1", "2"]);
  });

  it("needs a key, and to rotate after whole groups", () => {
    for (const plan of [
      { ...PLAN, keys: [] },
      { ...PLAN, rotateGroups: 0 },
    ])
      expect(() => new BroadcastEncryption(NAMESPACE, plan)).toThrow(
        expect.objectContaining({ code: "invalid-options" }),
      );
  });

  it("is told in the catalog as MSF says, without the base key", () => {
    const cutter = new GroupCutter(syntheticClip({ seconds: 8 }), { objectMs: 200 });
    const { described } = new BroadcastEncryption(NAMESPACE, PLAN);
    const bytes = broadcastCatalog(cutter, { epochMs: 0, encryption: described });
    for (const track of mediaTracks(parseCatalog(bytes)))
      expect(track.encryption).toEqual({
        scheme: "moq-secure-objects",
        cipherSuite: "aes-128-ctr-hmac-sha256-80",
        keyId: "1",
      });
    expect(new TextDecoder().decode(bytes)).not.toContain("trackBaseKey");
  });
});
