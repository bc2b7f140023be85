import { describe, expect, it } from "vitest";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { type ArchiveOptions, verifyStoredGroup } from "./archive.ts";
import { signDelegation } from "./delegation.ts";
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

const OBJECTS = [0, 1, 2, 3].map((object) => objectAt(7, object));

async function setUp() {
  const clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const signer = new FreeSigner(clock);
  const evidence = await signer.publishGroup(7, OBJECTS.length);
  const verify = (
    objects: readonly MoqObject[],
    envelopes: readonly Uint8Array[],
    options: Partial<ArchiveOptions> = {},
  ) => verifyStoredGroup({ group: 7, objects, evidence: envelopes }, { track: VIDEO, keyRing, ...options });
  return { clock, keyRing, signer, evidence, closing: evidence.at(-1)!, verify };
}

const altered = OBJECTS.map((object) => (object.object === 2 ? mediaObject(7, 2, "payload of X.X") : object));

describe("a group from the store", () => {
  it("is proven whole by its closing manifest alone, in whatever order it was stored", async () => {
    const { closing, verify } = await setUp();
    const verdict = await verify([...OBJECTS].reverse(), [closing]);
    expect(verdict).toEqual({ objects: OBJECTS, failed: [], complete: true, streamId: STREAM_ID });
  });

  it("is proven in part by all its manifests, object by object", async () => {
    const { evidence, verify } = await setUp();
    const verdict = await verify([OBJECTS[1]!, OBJECTS[3]!], evidence);
    expect(verdict).toEqual({
      objects: [OBJECTS[1], OBJECTS[3]],
      failed: [],
      complete: false,
      streamId: STREAM_ID,
    });
  });

  it("loses exactly the altered object when all manifests are there", async () => {
    const { evidence, verify } = await setUp();
    const verdict = await verify(altered, evidence);
    expect(verdict.objects.map(({ object }) => object)).toEqual([0, 1, 3]);
    expect(verdict.failed).toEqual([2]);
    expect(verdict.complete).toBe(false);
    expect(verdict.error?.code).toBe("store-corrupt");
  });

  it("is lost with one altered, missing, added or moved object when only the closing manifest is there but for what that names", async () => {
    const { closing, verify } = await setUp();
    const stray = mediaObject(7, 4, "more");
    for (const objects of [altered, OBJECTS.slice(1), [...OBJECTS, stray]]) {
      const verdict = await verify(objects, [closing]);
      // The closing manifest names object 3 itself.
      expect(verdict.objects.map(({ object }) => object)).toEqual([3]);
      expect(verdict.complete).toBe(false);
      expect(verdict.error?.code).toBe("store-corrupt");
    }
  });

  it("is refused with an object twice, or with one of another group", async () => {
    const { evidence, verify } = await setUp();
    for (const extra of [OBJECTS[0]!, { ...OBJECTS[1]!, group: 8 }]) {
      const verdict = await verify([...OBJECTS, extra], evidence);
      expect(verdict.objects).toEqual([]);
      expect(verdict.error?.code).toBe("store-corrupt");
    }
  });

  it("does not take a status for an object, even with the object's payload", async () => {
    const { closing, evidence, verify } = await setUp();
    const objects = OBJECTS.map((object) =>
      object.object === 1 ? { ...object, status: "end-of-group" as const } : object,
    );
    expect((await verify(objects, evidence)).failed).toEqual([1]);
    expect((await verify(objects, [closing])).complete).toBe(false);
  });

  it("is nothing without evidence", async () => {
    const { verify } = await setUp();
    const verdict = await verify(OBJECTS, []);
    expect(verdict.objects).toEqual([]);
    expect(verdict.failed).toEqual([0, 1, 2, 3]);
    expect(verdict.streamId).toBeUndefined();
  });

  it("is refused with evidence by another key, of another track, stream or group, or damaged", async () => {
    const { clock, signer, closing, verify } = await setUp();
    const damaged = Uint8Array.from(closing, (byte, i) => (i === closing.byteLength - 1 ? byte ^ 1 : byte));
    const codes = [
      (await verify(OBJECTS, await new FreeSigner(clock, keys.stranger).publishGroup(7, 4))).error?.code,
      (await verify(OBJECTS, [damaged])).error?.code,
      (await verify(OBJECTS, [closing.subarray(0, 50)])).error?.code,
      (await verify(OBJECTS, [closing], { streamId: new Uint8Array(16) })).error?.code,
      (await verify(OBJECTS, [closing], { track: trackOf(namespaceOf("example.com", "live"), "audio") }))
        .error?.code,
      (await verify(OBJECTS, [closing, await signer.publish({ group: 8 })])).error?.code,
    ];
    expect(codes).toEqual([
      "manifest-wrong-key",
      "manifest-bad-signature",
      "manifest-malformed",
      "manifest-wrong-stream",
      "manifest-wrong-stream",
      "manifest-wrong-stream",
    ]);
  });

  it("is refused with evidence that contradicts itself", async () => {
    const { signer, evidence, verify } = await setUp();
    const other = await signer.publish({ group: 7, entries: [await entryFor(mediaObject(7, 0, "another"))] });
    expect((await verify(OBJECTS, [...evidence, other])).error?.code).toBe("manifest-equivocation");
  });

  it("stays good when the delegation has run out since, because the key was allowed to sign when it did", async () => {
    const { clock, keyRing } = await setUp();
    const signer = new FreeSigner(clock, keys.signer);
    signer.delegations = [
      await signDelegation(keys.root, {
        publicKey: keys.signer.publicKey,
        namespacePrefix: VIDEO.namespace,
        notBeforeMs: START_MS,
        notAfterMs: START_MS + 1_000,
        serial: 1,
      }),
    ];
    const evidence = await signer.publishGroup(7, 4);
    const group = { group: 7, objects: OBJECTS, evidence };
    expect((await verifyStoredGroup(group, { track: VIDEO, keyRing })).complete).toBe(true);
    clock.advance(1_000);
    signer.sequence = 0;
    const late = { ...group, evidence: await signer.publishGroup(7, 4) };
    expect((await verifyStoredGroup(late, { track: VIDEO, keyRing })).error?.code).toBe("manifest-expired");
  });
});
