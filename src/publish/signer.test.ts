import { describe, expect, it } from "vitest";
import { keys, ManualClock, mediaObject, STREAM_ID, VIDEO } from "../trust/fixtures.ts";
import { KeyRing } from "../trust/key-ring.ts";
import { SignedTrackTrust } from "../trust/track-trust.ts";
import { type SignedManifest, TrackSigner, type TrackSignerOptions } from "./signer.ts";

async function setUp(options: Partial<TrackSignerOptions> = {}) {
  const clock = new ManualClock();
  const published: SignedManifest[] = [];
  const signer = new TrackSigner({
    key: keys.root,
    track: VIDEO,
    streamId: STREAM_ID,
    clock,
    publish: (manifest) => published.push(manifest),
    ...options,
  });
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock });
  return { clock, published, signer, trust };
}

const objects = [0, 1, 2, 3, 4].map((object) => mediaObject(7, object, new Uint8Array(2_000).fill(object)));

describe("TrackSigner", () => {
  it("publishes a manifest per object, of which the last closes the group, and a judge accepts them all", async () => {
    const { published, signer, trust } = await setUp();
    for (const object of objects) await signer.add({ ...object, last: object.object === 4 });
    expect(published.map(({ group, object }) => [group, object])).toEqual([0, 1, 2, 3, 4].map((n) => [7, n]));
    for (const { envelope } of published)
      expect(await trust.offer("m", envelope)).toEqual({ accepted: true });
    expect(trust.state).toBe("verified");
    for (const object of objects) {
      const found = trust.lookup(7, object.object);
      if (found.state !== "signed") throw new Error(`object ${object.object} is ${found.state}`);
      expect(await trust.verify(object, found.entry)).toBe(object);
    }
    expect(trust.lookup(7, 5)).toEqual({ state: "unsigned" });
    expect(trust.evidence(7)).toEqual([published[4]!.envelope]);
  });
});
