import { describe, expect, test } from "vitest";
import { CountersignError } from "../src/errors.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { asObject, baseKeyOf, SUITE, sealed } from "../src/trust/secure-objects/fixtures.ts";
import type { KeyProvider } from "../src/trust/secure-objects/track-keys.ts";
import { namespaceOf } from "../src/wire/names.ts";
import { openAll, openerOf } from "./track-decryption.ts";

const NAMESPACE = namespaceOf("example.com", "live");
const PLAYABLE = {
  name: "video",
  encryption: { suite: SUITE, catalogKeyId: undefined },
} as PlayableTrack;

async function setUp(provider: KeyProvider) {
  const clock = new FakeClock();
  const decryption = { broadcast: ["example.com", "live"], provider, timeoutMs: 5000 };
  const opener = openerOf(PLAYABLE, NAMESPACE, decryption, clock);
  if (!opener) throw new Error("the track is not encrypted");
  const objects = await Promise.all([0, 1, 2].map((id) => sealed(7, 1, id, Uint8Array.of(id))));
  const troubles: (string | undefined)[] = [];
  const abort = new AbortController();
  const options = {
    clock,
    signal: abort.signal,
    onTrouble: (error: CountersignError | undefined) => troubles.push(error?.code),
  };
  return { clock, opener, objects, troubles, abort, options };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

describe("a stored group", () => {
  test("is opened whole", async () => {
    const { opener, objects, troubles, options } = await setUp(async () => baseKeyOf(7));
    const opened = await openAll(opener, objects, options);
    expect(opened.map(({ payload }) => [...payload])).toEqual([[0], [1], [2]]);
    expect(troubles).toEqual([undefined]);
  });

  test("is opened up to what cannot be, and that is told", async () => {
    const { opener, objects, troubles, options } = await setUp(async () => baseKeyOf(7));
    const [first, , third] = objects;
    const torn = [first!, asObject({ group: 1, object: 1 }, new Uint8Array(40), first!.properties), third!];
    expect((await openAll(opener, torn, options)).map(({ object }) => object)).toEqual([0]);
    expect(troubles).toEqual(["decryption-failed"]);
    await expect(openAll(opener, torn.slice(1), options)).rejects.toMatchObject({
      code: "decryption-failed",
    });
  });

  test("waits for a key that is late, until nobody wants it any more", async () => {
    let asked = 0;
    const { clock, opener, objects, troubles, abort, options } = await setUp(async () => {
      asked += 1;
      return asked === 3 ? baseKeyOf(7) : undefined;
    });
    const opening = openAll(opener, objects, options);
    await until(() => troubles.length === 1 && clock.pending === 1);
    clock.advance(500);
    await until(() => troubles.length === 2 && clock.pending === 1);
    clock.advance(1000);
    expect(await opening).toHaveLength(3);
    expect(troubles).toEqual(["key-unavailable", "key-unavailable", undefined]);

    const never = await setUp(async () => undefined);
    const unwanted = openAll(never.opener, never.objects, { ...never.options, signal: abort.signal });
    await until(() => never.troubles.length === 1 && never.clock.pending === 1);
    abort.abort(new CountersignError("destroyed", "nobody"));
    await expect(unwanted).rejects.toMatchObject({ code: "destroyed" });
    expect(never.clock.pending).toBe(0);
  });

  test("of a track that is not encrypted needs no opener", () => {
    const { encryption: _, ...plain } = PLAYABLE;
    const decryption = { broadcast: [], provider: undefined, timeoutMs: 0 };
    expect(openerOf(plain, NAMESPACE, decryption, new FakeClock())).toBeUndefined();
  });
});
