/** Opens sealed objects as a track's pipeline does, and the same ciphertext with nothing but WebCrypto's AES-GCM. */
import { expose } from "comlink";
import { systemClock } from "../../src/clock.ts";
import { BroadcastEncryption } from "../../src/publish/encryption.ts";
import { deriveKey, nonceFor } from "../../src/trust/secure-objects/derive.ts";
import { additionalData, DEFAULT_PRIORITY, keyIdIn } from "../../src/trust/secure-objects/framing.ts";
import { OpeningLine } from "../../src/trust/secure-objects/opening-line.ts";
import type { CipherSuite } from "../../src/trust/secure-objects/suites.ts";
import { TrackOpener } from "../../src/trust/secure-objects/track-opener.ts";
import type { Verified } from "../../src/trust/types.ts";
import { namespaceOf, trackOf } from "../../src/wire/names.ts";
import type { MoqObject } from "../../src/wire/objects.ts";

const NAMESPACE = namespaceOf("countersign", "bench");
const TRACK = trackOf(NAMESPACE, "video");
const BASE_KEY = new Uint8Array(32).fill(7);
const KEY_ID = 1;
/** Objects under way at a time, of both: a group's worth that arrived together. */
const AT_A_TIME = 25;

export interface Shape {
  readonly suite: CipherSuite;
  readonly objectBytes: number;
  readonly objects: number;
  readonly rounds: number;
}

/** MB/s of media, per round. */
export interface Rates {
  readonly ours: number[];
  readonly bare: number[];
}

type Sealed = Verified<MoqObject>;

async function seal({ suite, objectBytes, objects }: Shape): Promise<Sealed[]> {
  const encryption = new BroadcastEncryption(NAMESPACE, {
    suite,
    keys: [{ keyId: KEY_ID, baseKey: BASE_KEY }],
  });
  const sealed: Sealed[] = [];
  for (let i = 0; i < objects; i++) {
    const [group, object] = [Math.floor(i / AT_A_TIME), i % AT_A_TIME];
    const { payload, properties } = await encryption.seal(
      "video",
      group,
      object,
      new Uint8Array(objectBytes),
    );
    // Nothing is verified here, and nothing of this leaves the benchmark.
    sealed.push({
      ...{ group, object, subgroup: 0, priority: undefined, status: "normal", properties, payload },
    } as MoqObject as Sealed);
  }
  return sealed;
}

async function ours(sealed: readonly Sealed[], suite: CipherSuite): Promise<void> {
  const opener = new TrackOpener({
    track: TRACK,
    suite,
    request: { broadcast: ["countersign", "bench"], track: "video" },
    provider: async () => BASE_KEY,
    timeoutMs: 10_000,
    clock: systemClock,
  });
  let opened = 0;
  let wake = (): void => undefined;
  const line = new OpeningLine({
    clock: systemClock,
    resumeAt: "group",
    open: (object) => opener.open(object),
    onObject: () => {
      opened += 1;
      if (opened % AT_A_TIME === 0 || opened === sealed.length) wake();
    },
    onLost: (_object, error) => {
      throw error;
    },
    onTrouble: () => undefined,
  });
  for (let at = 0; at < sealed.length; at += AT_A_TIME) {
    const done = new Promise<void>((resolve) => {
      wake = resolve;
    });
    for (const object of sealed.slice(at, at + AT_A_TIME)) line.push(object);
    await done;
  }
  line.close();
}

/** Key, nonce and associated data are made beforehand: what is left is one call per object. */
async function bareCalls(sealed: readonly Sealed[]): Promise<() => Promise<void>> {
  const { key, salt } = await deriveKey("AES_128_GCM_SHA256_128", BASE_KEY, KEY_ID, TRACK);
  const aes = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const calls = sealed.map(({ group, object, properties, payload }) => {
    const { immutable } = keyIdIn(properties);
    const params = {
      name: "AES-GCM",
      iv: nonceFor(salt, group, object),
      additionalData: additionalData(group, object, DEFAULT_PRIORITY, immutable),
    };
    return () => crypto.subtle.decrypt(params, aes, payload as Uint8Array<ArrayBuffer>);
  });
  return async () => {
    for (let at = 0; at < calls.length; at += AT_A_TIME)
      await Promise.all(calls.slice(at, at + AT_A_TIME).map((call) => call()));
  };
}

const api = {
  async measure(shape: Shape): Promise<Rates> {
    const { suite, objectBytes, objects, rounds } = shape;
    const sealed = await seal(shape);
    const bare = await bareCalls(await seal({ ...shape, suite: "AES_128_GCM_SHA256_128" }));
    const megabytes = (objectBytes * objects) / 1e6;
    const rate = async (run: () => Promise<void>): Promise<number> => {
      const start = performance.now();
      await run();
      return megabytes / ((performance.now() - start) / 1000);
    };
    const rates: Rates = { ours: [], bare: [] };
    // Round 0 warms up.
    for (let round = 0; round <= rounds; round++) {
      const [a, b] = [await rate(() => ours(sealed, suite)), await rate(bare)];
      if (round === 0) continue;
      rates.ours.push(a);
      rates.bare.push(b);
    }
    return rates;
  },
};

export type SecureObjectsWorker = typeof api;

expose(api);
